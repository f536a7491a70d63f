"""`anpr-node modem status`, `ping` and `power-cycle`: the LTE modem, for whoever stands beside it."""

from __future__ import annotations

import json
import time

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.config import Settings, load
from anpr_node.errors import AnprError


@main.group(invoke_without_command=True)
@click.pass_context
def modem(ctx: click.Context) -> None:
    """The LTE modem: signal, registration, operator, temperature, data link, text messages. Alone: how it stands."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(modem_status, settings=load(None), as_json=False)


@modem.command("status")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def modem_status(settings: Settings, as_json: bool) -> None:
    """How the modem stands. A running node is asked; without one, the modem itself."""
    from anpr_node import modem_keeper
    from anpr_node.status import read_heartbeat

    running = read_heartbeat(settings)
    if running and running.get("modem"):
        row = running["modem"] | {"alarms": [each for each in running["alarms"] if each["kind"] in _kinds()]}
    else:
        row = modem_keeper.as_row(modem_keeper.ask(settings)) | {"alarms": []}
    if as_json:
        click.echo(json.dumps(row))
        return
    click.echo("\n".join(modem_keeper.as_text(row)))
    for alarm in row["alarms"]:
        click.echo(f"ALARM       {alarm['kind']} ({alarm['detail']}): {alarm['advice']}")


def _kinds() -> frozenset[str]:
    from anpr_node.supervision.modem import MODEM_LIMITS

    return frozenset(MODEM_LIMITS)


@modem.command("ping")
@with_settings
def modem_ping(settings: Settings) -> None:
    """Whether the far end of the data link answers: opens a connection to modem.probe. Exit code 1 when not."""
    from anpr_node.drivers.modem.line import open_line

    line = open_line(settings.modem, None)
    if line is None:
        raise AnprError("no modem is configured: set modem.kind = 'serial', see docs/modem.md")
    milliseconds = line.link.reach()
    if milliseconds is None:
        raise AnprError("no answer" if settings.modem.probe else "set modem.probe to an address and port that answer")
    click.echo(f"{settings.modem.probe or 'simulated'} answers in {milliseconds:.0f} ms")


@modem.command("power-cycle")
@with_settings
def modem_power_cycle(settings: Settings) -> None:
    """Cut the modem's supply by its relay and restore it. A running node does it as soon as it sends no message."""
    from anpr_node import modem_keeper
    from anpr_node.drivers.modem.line import open_supply
    from anpr_node.drivers.wiring import pin_factory
    from anpr_node.status import read_heartbeat

    if settings.modem.kind == "none" or not settings.modem.power_fitted:
        raise AnprError("no relay is fitted in the modem's supply: set modem.power_fitted, see hw/modem.md")
    if read_heartbeat(settings):
        modem_keeper.request_path(settings).touch()
        click.echo("the running node is asked to do it; see: anpr-node modem status")
        return
    supply = open_supply(settings.modem, pin_factory(settings.outputs, settings.node.board))
    assert supply is not None
    try:
        supply.on()
        time.sleep(settings.modem.power_off_s)
    finally:
        supply.close()
    click.echo(f"the supply was off for {settings.modem.power_off_s:g} s")
