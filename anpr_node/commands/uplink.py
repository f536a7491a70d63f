"""`anpr-node uplink` and `sink`: how sending stands, what was refused, and a receiver to try it with."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.commands.guard import acting
from anpr_node.commands.search import moment_of
from anpr_node.config import Settings
from anpr_node.errors import AnprError

FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@main.group()
def uplink() -> None:
    """What is sent to the sinks of node.toml."""


@uplink.command("status")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def uplink_status(settings: Settings, as_json: bool) -> None:
    """Show what waits for each sink, since when; whether it answers.

    Also what it refused, and the bytes of its budget.
    """
    from anpr_node.store.database import use_store
    from anpr_node.uplink.standing import as_lines, standing

    with use_store(settings.state_folder) as database:
        now = standing(database, settings, time.time_ns())
    click.echo(json.dumps(now) if as_json else "\n".join(as_lines(now)))


@uplink.command("refused")
@with_settings
@click.option("--sink", help="Only what this one refused.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def uplink_refused(settings: Settings, sink: str | None, as_json: bool) -> None:
    """Show what a sink will not take, and why. It stays in the record, and can be sent again with `uplink retry`."""
    from anpr_node.store.database import use_store
    from anpr_node.uplink.standing import refused

    with use_store(settings.state_folder) as database:
        items = refused(database, settings.policy.terms.only_hits_before_ns(time.time_ns()), sink)
    if not items:
        click.echo("nothing is refused", err=True)
    for item in items:
        line = f"{moment_of(item.refused_ns)} {item.sink:<12}{item.kind:<9}{item.ref}  {item.reason}"
        click.echo(json.dumps(asdict(item)) if as_json else line)


@uplink.command("retry")
@with_settings
@click.argument("ref", required=False)
@click.option("--sink", help="Only what this one refused.")
@click.option("--all", "everything", is_flag=True, help="All that was refused.")
def uplink_retry(settings: Settings, ref: str | None, sink: str | None, everything: bool) -> None:
    """Send again what was refused: one REF, or --all.

    REF stands after the kind in `uplink refused`.

    \b
    anpr-node uplink retry --all --sink zone
    """
    from anpr_node import audit
    from anpr_node.store import outbox
    from anpr_node.store.database import use_store, writing

    if (ref is None) == (not everything):
        raise click.UsageError("say which: a REF, or --all")
    with use_store(settings.state_folder) as database, writing(database):
        n = outbox.retry(database, sink, ref, settings.policy.terms.only_hits_before_ns(time.time_ns()))
        if not n and (ref is not None or sink not in {None, *(each.name for each in settings.sinks)}):
            raise AnprError("nothing refused by that name; see: anpr-node uplink refused")
        audit.append(settings.state_folder, audit.Entry(acting().name, "uplink retry", object_ref=ref or "", rows=n))
    click.echo(f"{n} wait again")


@uplink.command("overview")
@with_settings
@click.argument("read_id")
@click.option("--reason", default="", help="Why; needed, and written down.")
@click.option("--case", "case_ref", default="", help="For which case; needed, and written down.")
def uplink_overview(settings: Settings, read_id: str, reason: str, case_ref: str) -> None:
    """Send the overview of READ_ID now, without waiting for the night.

    To the sinks that take overviews. READ_ID: last column of a search.
    """
    from anpr_node.audit import By
    from anpr_node.errors import RefusedByPolicy
    from anpr_node.store.database import use_store, writing
    from anpr_node.uplink.standing import request_overview, takes_overviews

    by, folder = By(acting().name, reason, time.time_ns(), case_ref), settings.state_folder
    if not reason.strip() or not case_ref.strip():
        problem = "sending an overview needs --reason and --case: say why and for which case"
        by.note(folder, "uplink overview", read_id, "refused", problem=problem)
        raise RefusedByPolicy(problem)
    with use_store(folder) as database, writing(database):
        if not request_overview(database, settings, read_id, by.at_ns):
            raise AnprError(f"there is no overview of {read_id}; READ_ID is the last column of a search")
        by.note(folder, "uplink overview", read_id)
    click.echo("it waits to be sent")
    if not takes_overviews(settings):
        click.echo("warning: no sink takes overviews (kinds and pictures of [[sinks]]): it goes after a day", err=True)


@uplink.command("schema")
@with_settings
def uplink_schema(settings: Settings) -> None:
    """Print the tables for a sink of format clickhouse.

    What is older than the law allows goes from them by itself.

    \b
    anpr-node uplink schema | clickhouse-client --multiquery
    """
    from anpr_node.uplink.formats.clickhouse import schema

    click.echo(schema(settings.policy.terms), nl=False)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="To listen on; 0: any free one.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where it is kept.")
@click.option("--host", default="127.0.0.1", help="The address to listen on. Default: this machine alone.")
@click.option("--token-file", type=FILE, help="Only nodes that know this token.")
@click.option("--cert", type=FILE, help="PEM certificate for HTTPS; with --key.")
@click.option("--key", type=FILE, help="And its key.")
@click.option("--client-ca", type=FILE, help="Only nodes with a certificate of this authority.")
def sink(
    port: int, folder: Path, host: str, token_file: Path | None, cert: Path | None, key: Path | None,
    client_ca: Path | None,
) -> None:  # fmt: skip
    """Receive what nodes send in our JSON format.

    Each item is kept once, in FOLDER/sink.sqlite and FOLDER/pictures. It is made for trying out, for tests, and as the
    reference for other receivers: docs/uplink.md has the contract.

    \b
    anpr-node sink --port 8080 --folder received
    """
    from anpr_node.sink import serve
    from anpr_node.sink.server import Tls
    from anpr_node.uplink.token import read_token

    if (cert is None) != (key is None) or (client_ca is not None and cert is None):
        raise click.UsageError("--cert and --key come together, and --client-ca needs them")
    tls = Tls(cert, key, client_ca) if cert is not None and key is not None else None
    token = read_token(token_file) if token_file is not None else None
    try:
        serve.run((host, port), folder, token, tls)
    except KeyboardInterrupt:
        sys.exit(0)
