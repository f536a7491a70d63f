"""`anpr-node claim` and `health`: gives a new node its owner, and says whether a start of it may be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.config import Settings
from anpr_node.errors import AnprError, RefusedByPolicy


@main.command()
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path),
              help="The claim's file. It is overwritten and deleted afterwards: it may hold a password.")  # fmt: skip
@click.option("--console", is_flag=True, help="Ask for everything here, then start the node anew.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("/etc/anpr-node"), hidden=True)
def claim(path: Path | None, console: bool, folder: Path) -> None:
    """Give this node its owner, once: name, network, first person.

    For root only. It takes the site and keys as well, from a file or asked for here.

    \b
    anpr-node claim --file anpr-provision.toml
    """
    from anpr_node.claim import asking, files, people
    from anpr_node.claim.document import read_claim

    if (path is None) != console:
        raise click.UsageError("say either --file FILE or --console")
    if os.geteuid() != 0:
        raise RefusedByPolicy("a node is claimed by root, at its console or from its card")
    if files.is_claimed(folder):
        raise RefusedByPolicy("this node is claimed already; to give it away, write its card anew (scripts/flash)")
    said = asking.ask() if path is None else read_claim(_text(path), path.name)
    people.name_first(said)
    request = files.write(said, folder)
    if path is not None:
        _hand_over(path.with_name(f"{said.node.id}.csr.pem"), request)
        files.scrub(path)
    click.echo(f"claimed: node {said.node.id}, {said.user.name} is {said.user.role}\n{request}")
    if console:
        take_effect()


def take_effect() -> None:
    """What a start would do with the claim. The firewall is told of it, not restarted: between, it would be open."""
    for command in (
        ["restart", "anpr-site.service"],
        ["reload-or-restart", "--no-block", "systemd-networkd.service", "nftables.service"],
        ["restart", "--no-block", "chrony.service", "anpr-lte.service", "anpr-node.service"],
    ):
        subprocess.run(["systemctl", *command], check=False)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AnprError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AnprError(f"{path}: no text in UTF-8") from error


def _hand_over(path: Path, request: str) -> None:
    """The request for the certificate, where whoever reads the card finds it."""
    try:
        path.write_text(request, encoding="ascii")
    except OSError as error:
        click.echo(f"warning: {path}: {error.strerror}; the request is in /etc/anpr-node/identity too", err=True)


@main.command()
@with_settings
@click.option("--wait", "wait_s", type=click.FloatRange(min=0, max=86_400), default=0.0,
              help="Seconds to wait until it is healthy.")  # fmt: skip
def health(settings: Settings, wait_s: float) -> None:
    """Whether this node does its work. Exit code 1 when not.

    Frames move, the store opens, the clock is sane, the back office was reached. It confirms an update; `anpr-node
    check` is the one for a person.
    """
    from anpr_node import health as standing

    findings = standing.wait(settings, wait_s)
    for finding in findings:
        click.echo(f"{finding.verdict:<5}{finding.item:<14}{finding.text}")
    if any(finding.verdict == "FAIL" for finding in findings):
        sys.exit(1)
