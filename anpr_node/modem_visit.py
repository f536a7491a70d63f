"""What a person beside the modem may ask of it, by command or on the console: how it stands, a ping, a power cycle.

A running node is asked; without one, the modem itself. Nothing is printed here.
"""

from __future__ import annotations

import time
from typing import Any

from anpr_node import modem_keeper
from anpr_node.config import Settings
from anpr_node.drivers.modem.line import open_line, open_supply
from anpr_node.drivers.wiring import pin_factory
from anpr_node.errors import AnprError, ConfigError
from anpr_node.status import read_heartbeat
from anpr_node.supervision.modem import MODEM_LIMITS


def standing(settings: Settings) -> dict[str, Any]:
    """The modem's report and alarms as the node last wrote them, else as the modem answers. Raises AnprError."""
    running = read_heartbeat(settings)
    if running and running.get("modem"):
        alarms = [alarm for alarm in running["alarms"] if alarm["kind"] in MODEM_LIMITS]
        return {**running["modem"], "alarms": alarms}
    return modem_keeper.as_row(modem_keeper.ask(settings)) | {"alarms": []}


def as_text(row: dict[str, Any]) -> list[str]:
    """The same for a person, a line each."""
    alarms = [f"ALARM       {each['kind']} ({each['detail']}): {each['advice']}" for each in row["alarms"]]
    return modem_keeper.as_text(row) + alarms


def ping(settings: Settings) -> str:
    """What modem.probe answered. Raises AnprError when it did not, or none is set."""
    line = open_line(settings.modem, None)
    if line is None:
        raise ConfigError(modem_keeper.NO_MODEM)
    milliseconds = line.link.reach()
    if milliseconds is None:
        raise AnprError("no answer" if settings.modem.probe else "set modem.probe to an address and port that answer")
    return f"{settings.modem.probe or 'simulated'} answers in {milliseconds:.0f} ms"


def cycle_power(settings: Settings, alone: bool = True) -> str:
    """Have the running node cut and restore the supply; without one do it here, where that is allowed (`alone`).

    Raises:
        AnprError: no relay is fitted, or there is no node and `alone` is false.

    """
    if settings.modem.kind == "none" or not settings.modem.power_fitted:
        raise AnprError("no relay is fitted in the modem's supply: set modem.power_fitted, see hw/modem.md")
    if read_heartbeat(settings):
        modem_keeper.request_path(settings).touch()
        return "the running node does it as soon as it sends no message; see: modem status"
    if not alone:
        raise AnprError("no node runs: anpr-node modem power-cycle does it without one")
    supply = open_supply(settings.modem, pin_factory(settings.outputs, settings.node.board))
    assert supply is not None
    try:
        supply.on()
        time.sleep(settings.modem.power_off_s)
    finally:
        supply.close()
    return f"the supply was off for {settings.modem.power_off_s:g} s"
