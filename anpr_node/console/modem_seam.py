"""What the console asks of the modem: how it stands, whether the far end answers, its power off and on.

A running node is asked; without one, the modem itself.
"""

from __future__ import annotations

from anpr_node import modem_keeper
from anpr_node.config import Settings
from anpr_node.drivers.modem.line import open_line
from anpr_node.errors import AnprError
from anpr_node.status import read_heartbeat

NONE = "no modem is configured: set modem.kind serial, see docs/modem.md"


def status(settings: Settings) -> list[str]:
    """Signal, registration, operator, data link, messages. Raises AnprError."""
    _expect_one(settings)
    running = read_heartbeat(settings)
    row = running["modem"] if running and running.get("modem") else modem_keeper.as_row(modem_keeper.ask(settings))
    return [str(line) for line in modem_keeper.as_text(row)]


def ping(settings: Settings) -> list[str]:
    """Whether modem.probe answers. Raises AnprError when it does not."""
    _expect_one(settings)
    line = open_line(settings.modem, None)
    milliseconds = line.link.reach() if line is not None else None
    if milliseconds is None:
        raise AnprError("no answer" if settings.modem.probe else "set modem.probe to an address and port that answer")
    return [f"{settings.modem.probe or 'simulated'} answers in {milliseconds:.0f} ms"]


def cycle(settings: Settings) -> list[str]:
    """Ask the running node to cut the modem's supply and restore it. Raises AnprError."""
    _expect_one(settings)
    if not settings.modem.power_fitted:
        raise AnprError("no relay is fitted in the modem's supply: set modem.power_fitted, see hw/modem.md")
    if not read_heartbeat(settings):
        raise AnprError("no node runs: anpr-node modem power-cycle does it without one")
    modem_keeper.request_path(settings).touch()
    return ["the node does it as soon as it sends no message; see: modem"]


def _expect_one(settings: Settings) -> None:
    if settings.modem.kind == "none":
        raise AnprError(NONE)
