"""A modem's shift in virtual time: a simulated modem, its line and relay, a store, a clock that moves when they wait.

No test of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from makers import evidence, read

from anpr_node.config import parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import SwitchedOutput
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.line import ModemLine
from anpr_node.drivers.simulated.modem import SimulatedModem
from anpr_node.drivers.simulated.modem_dialects import SIM7600, Dialect
from anpr_node.drivers.simulated.modem_port import SimulatedLink, SimulatedPort, hang_on_relay
from anpr_node.drivers.simulated.wires import wired_factory
from anpr_node.errors import ModemTaken
from anpr_node.modem_keeper import open_modem
from anpr_node.modem_shift import Shift, Surroundings
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store.database import open_store
from anpr_node.store.events import last_events
from anpr_node.store.reads import add_read

NS_PER_S = 1_000_000_000
POWER_PIN = 26
SMS = {"numbers": ["+32470000001", "+32470000002"], "place": "N69 km 12", "after_s": 30.0, "per_hour_max": 2}


class Bench:
    """One node's modem on the bench. Use it as a context manager."""

    def __init__(self, folder: Path, dialect: Dialect = SIM7600, power: bool = True, **sections: object) -> None:
        self.folder, self.pin_file = folder / "state", folder / "pin"
        sections = {"store": {"folder": str(self.folder)}, "sms": SMS, **sections}
        self.settings = parse(sections, "bench")
        self.clock = SimulatedClock()
        self.modem = SimulatedModem(dialect, lambda: self.clock.monotonic_ns() / NS_PER_S)
        self.supply = None
        if power:
            factory = wired_factory()
            self.supply = SwitchedOutput(POWER_PIN, factory)
            hang_on_relay(self.modem, factory, POWER_PIN)
        self.link = SimulatedLink(self.modem)
        self.line = ModemLine(self._open_port, self.link, self.clock, self.supply)
        self.power_asked = threading.Event()
        self.taken = False
        """Another program holds the device."""
        self.driver = open_modem(self.settings, self.line, Patience())
        self.database = open_store(self.folder)
        self.shift = self.begin()

    def begin(self) -> Shift:
        """Another shift on the same modem and store, as after a restart of the node."""
        around = Surroundings(self.settings, self.line, self.driver, self.clock, self.wait, self.power_asked)
        return Shift(around, self.database)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()
        self.database.close()
        self.line.close()

    def _open_port(self) -> SimulatedPort:
        if self.taken:
            raise ModemTaken("bench: another program holds it")
        return SimulatedPort(self.modem, self.clock, self.wait)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance_to(self.clock.monotonic_ns() + int(seconds * NS_PER_S))

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        return self.clock.monotonic_ns() / NS_PER_S

    def run(self, seconds: float) -> None:
        """Keep the modem for so long."""
        ends_s = self.now_s + seconds
        while self.now_s < ends_s:
            self.shift.tick()

    def until(self, kinds: set[str], within_s: float) -> float:
        """Keep the modem until these alarms are raised, or none for an empty set; how long it took."""
        began_s = self.now_s
        while not (kinds <= self.kinds if kinds else not self.kinds):
            assert self.now_s - began_s < within_s, f"{self.kinds} after {within_s} s, not {kinds or 'none'}"
            self.shift.tick()
        return self.now_s - began_s

    @property
    def kinds(self) -> set[str]:
        """The alarms that are raised."""
        return {alarm.kind for alarm in self.shift.report.alarms}

    @property
    def steps(self) -> list[str]:
        """All steps of recovery, oldest first."""
        return [event.kind for event in reversed(last_events(self.database, 1000, "recovery"))]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Messages that reached telephones."""
        return [(message.number, message.text) for message in self.modem.network.messages]

    @property
    def states(self) -> list[str]:
        """Of all messages in the store, in their order."""
        return [state for (state,) in self.database.execute("SELECT state FROM sms ORDER BY sms_id").fetchall()]

    def put_hit(self, number: int, actions: Sequence[str] = ("relay", "sms"), category: str = "seize") -> None:
        """A hit of this moment that the back office does not take."""
        moment_ns = self.clock.utc_ns(self.clock.monotonic_ns())
        vrm = f"1ABC{number:03}"
        entry = HotlistEntry("l", vrm, "B", category, 80, "stolen", "zone", None, None, tuple(actions))
        found = Hit(f"0192-hit{number:05}", f"r{number}", entry, "exact", moment_ns)
        add_read(self.database, read(vrm, f"r{number}", moment_ns / NS_PER_S), encode(evidence()), [found])
