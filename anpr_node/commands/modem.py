"""`anpr-node modem status`, `ping` and `power-cycle`: the LTE modem, for whoever stands beside it."""

from __future__ import annotations

import json

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.config import Settings, load


@main.group(invoke_without_command=True)
@click.pass_context
def modem(ctx: click.Context) -> None:
    """The LTE modem. Without a command: how it stands."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(modem_status, settings=load(None), as_json=False)


@modem.command("status")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def modem_status(settings: Settings, as_json: bool) -> None:
    """How the modem stands: signal, operator, link, messages.

    A running node is asked; without one, the modem itself.
    """
    from anpr_node import modem_visit

    row = modem_visit.standing(settings)
    click.echo(json.dumps(row) if as_json else "\n".join(modem_visit.as_text(row)))


@modem.command("ping")
@with_settings
def modem_ping(settings: Settings) -> None:
    """Whether the far end of the data link answers. Exit code 1 when not.

    It opens a connection to modem.probe of the settings.
    """
    from anpr_node import modem_visit

    click.echo(modem_visit.ping(settings))


@modem.command("power-cycle")
@with_settings
def modem_power_cycle(settings: Settings) -> None:
    """Cut the modem's supply by its relay and restore it. A running node does it as soon as it sends no message."""
    from anpr_node import modem_visit

    click.echo(modem_visit.cycle_power(settings))
