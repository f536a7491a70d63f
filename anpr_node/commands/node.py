"""`anpr-node demo`, `run`, `status`, `check` and `safe`: the node itself, and how it stands."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

import click

from anpr_node.commands.group import main, one_of, with_settings
from anpr_node.config import Settings


@main.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after so long. Default: until Ctrl-C.")
@click.option("--light", type=click.Choice(["night", "day"]), default="night", help="Infra-red night, or daylight.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="Another seed, other traffic.")
def demo(seconds: float | None, light: str, seed: int) -> None:
    """Run the whole node on a simulated road, live in the terminal.

    Vehicles drive through a rendered scene; the node detects, reads, votes, stores, and closes the relay when a plate
    is on the demonstration hotlist. Everything is kept in a folder that disappears afterwards.
    """
    from anpr_node import demonstration

    logging.getLogger("anpr_node").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="anpr-demo-") as folder:
        demonstration.run(Path(folder), seconds, light, seed)


@main.command()
@with_settings
def run(settings: Settings) -> None:
    """Run the node until it is told to stop.

    What systemd starts. Ends with exit code 1 when the camera or a thread fails; systemd starts it again. Exit code 4
    asks for a reboot.
    """
    from anpr_node import service

    service.run(settings)


@main.command()
@with_settings
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--prometheus", is_flag=True, help="As text for Prometheus, for a scraper.")
def status(settings: Settings, as_json: bool, prometheus: bool) -> None:
    """How the node stands: reads, hits, alarms, sinks, lists, disk.

    Works beside a running node, and without one.
    """
    from anpr_node import status as standing
    from anpr_node.uplink.prometheus import as_prometheus

    one_of("form", json=as_json, prometheus=prometheus)
    now = standing.collect(settings)
    if prometheus:
        click.echo(as_prometheus(now), nl=False)
    else:
        click.echo(json.dumps(now) if as_json else standing.as_text(now, settings.policy))


@main.command()
@with_settings
def check(settings: Settings) -> None:
    """Test settings, models, wiring, camera, clock, store, uplink.

    And lists, modem, disk, people, encryption. Each is OK, WARN or FAIL, with what to do. Exit code 1 when anything
    fails. Do not run it beside a running node: it claims the pins.
    """
    from anpr_node import check as self_test

    failed = False
    for finding in self_test.run(settings):
        failed |= finding.verdict == "FAIL"
        click.echo(f"{finding.verdict:<5}{finding.item:<14}{finding.text}")
    if failed:
        sys.exit(1)


@main.command()
@with_settings
def safe(settings: Settings) -> None:
    """Switch every output off and stop the trigger. Runs after every exit of the node (systemd ExecStopPost=)."""
    from anpr_node.drivers.clock import SystemClock
    from anpr_node.drivers.wiring import make_safe

    make_safe(settings, SystemClock())
    click.echo("relay, LED and illuminator are off, the trigger is stopped")
