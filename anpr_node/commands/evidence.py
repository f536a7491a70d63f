"""`anpr-node evidence export`, `verify` and `open`: one read as a signed package, and what recipients do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.commands.guard import acting
from anpr_node.config import Settings


@main.group()
def evidence() -> None:
    """One read as a signed package: pictures, row, hashes, audit."""


@evidence.command("export")
@with_settings
@click.argument("read_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: READ_ID.zip here.")
@click.option("--reason", default="", help="Why; needed, and written down.")
@click.option("--case", "case_ref", default="", help="For which case; needed, and written down.")
@click.option("--decision", "decision_ref", help="The prosecutor's decision, for older reads.")
@click.option("--recipient", default="", help="Who gets it; written down.")
def evidence_export(settings: Settings, read_id: str, out: Path | None, recipient: str, **why: Any) -> None:
    """Write a read as a package that anybody can verify. READ_ID: last column of a search.

    \b
    anpr-node evidence export 019ab… --reason "burglary Rue Haute" --case LI.17.2026/1234 --recipient "BOB Waremme"
    """
    from anpr_node import evidence as packages
    from anpr_node.drivers.clock import SystemClock
    from anpr_node.store.database import use_store

    path, clock = out or Path(f"{read_id}.zip"), SystemClock()
    request = packages.Request(acting().name, read_id, why["reason"], why["case_ref"], why["decision_ref"], recipient)
    with use_store(settings.state_folder) as database:
        now_ns = clock.utc_ns(clock.monotonic_ns())
        with packages.new_file(path, settings.state_folder, request, now_ns) as file:
            file.write(packages.export(database, settings.state_folder, request, settings.policy.terms, now_ns))
    click.echo(f"{path}: signed by {packages.fingerprint_of(settings.state_folder)}")


@evidence.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--signer", help="The fingerprint that must have signed; ask the node's owner for it.")
def evidence_verify(file: Path, signer: str | None) -> None:
    """Check a package FILE: signature, hashes, nothing added or lost.

    Exit code 1 when it is not what the node signed. Without --signer it is whole, but by whom is for you to compare.

    \b
    anpr-node evidence verify READ_ID.zip --signer FINGERPRINT
    """
    from anpr_node import evidence as packages

    verdict = packages.verify(file.read_bytes(), signer)
    click.echo(f"whole: {', '.join(verdict.files)}")
    click.echo(f"signed by {verdict.signer}" + ("" if signer else " (compare it with the node's own)"))
    for read_id in verdict.corrected_by:
        click.echo(f"CORRECTED: the node read it again as {read_id}; ask for that read too")


@evidence.command("open")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The private key, PEM.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="A folder for the files.")
@click.option("--signer", help="The fingerprint that must have signed, as for verify.")
def evidence_open(file: Path, key: Path, out: Path, signer: str | None) -> None:
    """Open a package FILE of a sealed read, at the back office.

    It takes the back office's private key, which no node has. Checks the package first, as verify does; then writes
    record.json and the pictures into a folder.

    \b
    anpr-node evidence open READ_ID.zip --key office-private.pem --out opened/
    """
    from anpr_node import evidence as packages
    from anpr_node.store.sealing import load_private

    opened = packages.unseal(file.read_bytes(), load_private(key), signer)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in opened.items():
        with (out / name).open("xb") as target:
            target.write(content)
        click.echo(str(out / name))
