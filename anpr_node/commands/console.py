"""`anpr-node console`: the technician's console."""

from __future__ import annotations

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.config import Settings


@main.command()
@with_settings
@click.option("--port", help="A serial device, or - for this terminal. Default: console.port of the settings.")
def console(settings: Settings, port: str | None) -> None:
    """The technician's console: look, install, set, test, repair.

    Every command of it stands in docs/console.md. On a serial port it stays, and asks everybody for name and password.
    With --port - it serves this terminal once; without a running node it starts the simulated roadside beside it, to
    try things out.

    \b
    anpr-node console --port -
    anpr-node console --port /dev/ttyUSB0
    """
    from anpr_node.console import host

    host.serve(settings, port or settings.console.port)
