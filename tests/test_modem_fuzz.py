"""Whatever a modem says, the driver gives a state or an error of its own, within its time, and never hangs."""

from __future__ import annotations

import random

import pytest

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.messages import report_of
from anpr_node.drivers.modem.modem import AtModem, Wishes
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.errors import ModemError

NS_PER_S = 1_000_000_000
WORDS = (
    "OK", "ERROR", "+CME ERROR: 10", "+CMS ERROR: 38", "RDY", "> ", "+CPIN: READY", "+CPIN: SIM PIN", "+CPIN: SIM PUK",
    "+CPIN:", "+CSQ: 99999999999999,99", "+CSQ: 21,99", "+CSQ:", "+CREG: 0,1", "+CEREG: ,", '+CEREG: 2,"1A2B"',
    "+CGREG: x,y",
    '+COPS: 0,0,"', '+COPS: 0,0,"Proximus",7', "+COPS: 0", "+CFUN: 1", "+CFUN:", "SIM7600", "EC25", "EG25-G", "+CMGS:",
    "+CMGS: 12", "+CMGS: x", "+CPMUTEMP: -273", "+CPMUTEMP: 38", "+QTEMP: ,,", "+QTEMP: 31,30,29", "+SPIC: 3,10,3,10",
    '+QPINC: "SC",3,10', "+ICCID: 8932", "+QCCID:", "+CDS: 24", "07912374151616F606", "+CDS: 6,1", "AT+CSQ", "",
    "\x00\xff",
    "9" * 6000, "-", ",,,", '"""', "NO CARRIER", "START",
)  # fmt: skip


class Babbler:
    """A port with a modem behind it that says anything, in a time of its own."""

    def __init__(self, seed: int, clock: SimulatedClock) -> None:
        self._rng, self._clock, self._said = random.Random(seed), clock, b""

    def read(self, wait_s: float) -> bytes:
        self._clock.advance_to(self._clock.monotonic_ns() + int(wait_s * NS_PER_S * self._rng.random()) + 1000)
        size = self._rng.randint(1, 400)
        said, self._said = self._said[:size], self._said[size:]
        return said

    def write(self, data: bytes) -> None:
        rng = self._rng
        words = [rng.choice(WORDS) for _ in range(rng.randint(0, 5))]
        if rng.random() < 0.6:  # often enough it says what is wanted
            words += [next((word for word in WORDS if word[:5] == data.decode("latin-1")[2:7]), "OK"), "OK"]
        ends = rng.choice(["\r\n", "\r", "\n", "\r\r\n"])
        self._said += "".join(f"{ends}{word}{ends}" for word in words).encode("latin-1")
        if data.endswith(b"\r") and b"CMGS" in data and rng.random() < 0.7:
            self._said += b"\r\n> "

    def is_current(self) -> bool:
        return self._rng.random() < 0.98

    def close(self) -> None:
        self._said = b""


@pytest.mark.parametrize("message_format", ["pdu", "text"])
def test_any_babble_is_a_state_or_an_error_in_time(tmp_path: object, message_format: str) -> None:
    ended: dict[str, int] = {}
    for seed in range(200):
        clock = SimulatedClock()
        pins = PinMemory(tmp_path, b"x" * 32)  # type: ignore[arg-type]
        wishes = Wishes(lambda: "1234", message_format)  # type: ignore[arg-type]
        modem = AtModem(lambda s=seed, c=clock: Babbler(s, c), clock, pins, wishes, Patience())  # type: ignore[misc]
        for step in (
            modem.start,
            modem.look,
            lambda m=modem: m.send("+32470123456", "text"),
            lambda m=modem: m.listen(1),
        ):  # type: ignore[misc]
            try:
                step()
                outcome = "done"
            except ModemError as error:
                outcome = type(error).__name__
            ended[outcome] = ended.get(outcome, 0) + 1
            modem.reports()
        assert clock.monotonic_ns() < 700 * NS_PER_S, "every wait has an end"
        modem.close()
    assert ended["done"] > 50
    assert ended["ModemSilent"] > 10
    assert ended["ModemRestarted"] > 10


def test_any_line_is_a_report_or_none() -> None:
    rng = random.Random(1)
    letters = '0123456789ABCDEFabcdef+CDS:, "'
    for _ in range(20_000):
        line = "+CDS: " + "".join(rng.choice(letters) for _ in range(rng.randint(0, 60)))
        report_of(line)
    for cut in range(80):
        report_of("+CDS: 25 07911326040000F0060C0B911346610089F6112051015195801120510151A58000"[:cut])
