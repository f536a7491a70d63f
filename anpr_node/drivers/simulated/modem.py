"""A simulated LTE modem: bytes in, bytes out, in its own time, with a card, a network and faults.

It speaks the dialect of a family, boots, and obeys its supply. Nothing here waits or opens anything: `modem_port.py`
puts it at the end of a line, and so does a pseudo-terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from anpr_node.drivers.simulated.modem_dialects import Dialect
from anpr_node.drivers.simulated.modem_network import Faults, Network, SimCard, Telephoned, status_report, unpack

LATENCY_S = 0.005
PIECE_PAUSE_S = 0.02
NETWORK_S = 0.6
REPORT_S = 1.5
ESCAPE, END_OF_MESSAGE = 0x1B, 0x1A

OK, ERROR = ("OK",), ("ERROR",)
Answer = tuple[str, ...]


class SimulatedModem:
    """One modem with its card. `generation` grows whenever its USB device comes anew."""

    def __init__(self, dialect: Dialect, now_s: Callable[[], float], card: SimCard | None = None) -> None:
        self.dialect, self._now_s = dialect, now_s
        self.card, self.network, self.faults = card or SimCard(), Network(), Faults()
        self.generation = 0
        self.unplugged = False
        """Its cable is out."""
        self.starts = 0
        self._powered = True
        self._wedged = self._broken = False
        self._reference = 0
        self._scheduled: list[tuple[float, bytes]] = []
        self._pieces: list[bytes] = []
        self._piece_due_s = 0.0
        self._message: tuple[str, bytes] | None = None
        self._boot(0.0)

    @property
    def present(self) -> bool:
        """Whether its USB device is there."""
        return self._powered and not self.unplugged and self._now_s() >= self._boots_until_s

    @property
    def linked(self) -> bool:
        """Whether its data link carries."""
        return self.present and self.card.state == "READY" and self.network.registration in {1, 5}

    def supply(self, on: bool) -> None:
        """Switch the supply. What was said and not yet heard is lost."""
        if on and not self._powered:
            self._wedged = self._broken
            self._boot(self.dialect.boots_s)
        self._powered = on

    def wedge(self, for_good: bool = False) -> None:
        """Hang, until the supply was off; `for_good`: not even then is it well."""
        self._wedged, self._broken = True, for_good

    def restart(self) -> None:
        """Start anew, with the device gone meanwhile."""
        self._boot(self.dialect.boots_s)

    def receive(self, data: bytes) -> None:
        """Bytes from the node. One that is not there, or hangs, takes them and does nothing."""
        if not self.present or self.faults.silent or self._wedged:
            return
        for byte in data:
            self._byte(byte)

    def due(self) -> bytes:
        """Everything that it has said by now, once."""
        if not self.present:
            return b""
        now_s = self._now_s()
        for chunk in [chunk for chunk in self._scheduled if chunk[0] <= now_s]:
            self._scheduled.remove(chunk)
            size = self.faults.piece_bytes or len(chunk[1])
            self._pieces += [chunk[1][start : start + size] for start in range(0, len(chunk[1]), size)]
        if self.faults.piece_bytes == 0:
            data, self._pieces = b"".join(self._pieces), []
            return data
        if not self._pieces or now_s < self._piece_due_s:
            return b""
        self._piece_due_s = now_s + PIECE_PAUSE_S
        return self._pieces.pop(0)

    def next_s(self) -> float | None:
        """When it will say something next."""
        pieces = [self._piece_due_s] if self._pieces else []
        return min([*pieces, *(at_s for at_s, _ in self._scheduled)], default=None)

    def say(self, *lines: str, after_s: float = 0.0) -> None:
        """Say something unasked."""
        self._emit("".join(f"\r\n{line}\r\n" for line in lines).encode(), after_s)

    def _boot(self, boots_s: float) -> None:
        self.generation += 1
        self.starts += 1
        self._boots_until_s = self._now_s() + boots_s
        self._scheduled, self._pieces, self._piece_due_s = [], [], 0.0
        self._line, self._message = b"", None
        self._echo, self._text_mode, self._reports, self._functional = True, False, False, True
        self._long_names, self._wants_report = False, False
        self.card.unlocked = False
        if self.starts > 1:
            self.say(*(line for line in self.dialect.greeting if self.card.state == "READY" or "PIN" not in line),
                     after_s=boots_s + 0.1)  # fmt: skip

    def _emit(self, data: bytes, after_s: float) -> None:
        self._scheduled.append((self._now_s() + after_s, data))
        self._scheduled.sort(key=lambda chunk: chunk[0])

    def _byte(self, byte: int) -> None:
        if self._message is not None:
            self._message_byte(byte)
        elif byte in b"\r":
            line, self._line = self._line.decode("latin-1").strip(), b""
            if self._echo or self.faults.echoes:
                self._emit(f"{line}\r".encode(), 0.0)
            if line:
                self._command(line)
        elif byte not in (ESCAPE, 0x0A):
            self._line += bytes([byte])

    def _message_byte(self, byte: int) -> None:
        command, content = self._message or ("", b"")
        if byte == ESCAPE:
            self._message = None
            self.say("OK")
        elif byte == END_OF_MESSAGE:
            self._message = None
            self._answer(command, self._send(command, content.decode("latin-1")), NETWORK_S)
        else:
            self._message = command, content + bytes([byte])

    def _command(self, line: str) -> None:
        faults = self.faults
        if faults.restarts_on and line.startswith(faults.restarts_on):
            self.restart()
        elif faults.silent_on and line.startswith(faults.silent_on):
            return
        elif line in self.dialect.resets:
            self.say("OK")
            self.restart()
        elif line.startswith("AT+CMGS="):
            if self._can_send():
                self._message = line, b""
                self._emit(b"\r\n> ", LATENCY_S + faults.delay_s)
            else:
                self._answer(line, ("+CMS ERROR: 310" if not self.card.present else "+CMS ERROR: 331",), LATENCY_S)
        elif line.upper().startswith("AT"):
            self._answer(line, self._do(line), LATENCY_S)
        else:
            self._answer(line, ERROR, LATENCY_S)

    def _answer(self, command: str, lines: Answer, after_s: float) -> None:
        faults = self.faults
        if faults.loses and command.startswith(faults.loses):
            return
        data = "".join(f"\r\n{line}\r\n" for line in lines[:-1]).encode()
        if faults.interjection:
            data += f"\r\n{faults.interjection}\r\n".encode()
        data += f"\r\n{lines[-1]}\r\n".encode()
        self._emit(faults.garbage + data, after_s + faults.delay_s)

    def _do(self, line: str) -> Answer:
        """Any command but those that send or restart."""
        if line == "AT+CPIN?":
            return (f"+CPIN: {self.card.state}", "OK") if self.card.present else ("+CME ERROR: 10",)
        own = self.dialect.answers.get(line)
        if own is not None:
            return self._own(own)
        if (answer := self._facts().get(line)) is not None:
            return (*answer, "OK")
        if match := re.fullmatch(r"AT\+(\w+)=(.*)", line):
            return self._set(match[1], match[2])
        return OK if re.fullmatch(r"AT|ATZ|AT&F|ATV1|ATX\d|AT&C\d|AT&D\d|ATH|ATQ0", line) else self._echo_or_error(line)

    def _echo_or_error(self, line: str) -> Answer:
        """ATE0V1 and the like."""
        match = re.fullmatch(r"ATE([01])\w*", line)
        if match is None:
            return ERROR
        self._echo = match[1] == "1"
        return OK

    def _own(self, text: str) -> Answer:
        if "{card}" in text and not self.card.present:
            return ("+CME ERROR: 10",)
        filled = text.format(temperature_c=self.network.temperature_c, pin_tries=self.card.tries, card=self.card.number)
        return (filled, "OK") if filled else OK

    def _facts(self) -> dict[str, Answer]:
        """Questions that every family answers alike."""
        dialect, network = self.dialect, self.network
        state = network.registration if self._functional and self.card.state == "READY" else 0
        facts: dict[str, Answer] = {
            "ATI": dialect.information,
            "AT+CGMI": (dialect.maker,),
            "AT+CGMM": (dialect.model,),
            "AT+CGMR": (f"+CGMR: {dialect.revision}" if dialect.name == "SIM7600" else dialect.revision,),
            "AT+CGSN": (dialect.imei,),
            "AT+GCAP": ("+GCAP: +CGSM,+DS,+ES",),
            "AT+CFUN?": (f"+CFUN: {int(self._functional)}",),
            "AT+CSQ": (f"+CSQ: {network.level if state in {1, 5} else 99},99",),
            "AT+CREG?": (f"+CREG: 0,{state}",),
            "AT+CGREG?": (f"+CGREG: 0,{state}",),
            "AT+CEREG?": (f"+CEREG: 0,{state}",),
            "AT+COPS?": (self._operator(state),),
            "AT+CMGF?": (f"+CMGF: {int(self._text_mode)}",),
            "AT+CMGF=?": ("+CMGF: (0,1)",),
            "AT+CSCS?": ('+CSCS: "IRA"',),
            "AT+CSCS=?": ('+CSCS: ("IRA","GSM","UCS2")',),
            "AT+CSMS?": ("+CSMS: 0,1,1,1",),
            "AT+CPMS=?": ('+CPMS: ("ME","MT","SM","SR"),("ME","MT","SM","SR"),("ME","MT","SM","SR")',),
            "AT+CPMS?": ('+CPMS: "ME",0,23,"ME",0,23,"ME",0,23',),
            "AT+CNMI=?": ("+CNMI: (0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)",),
            "AT+CLCK=?": ('+CLCK: ("SC","AO","OI","AI","IR")',),
            "AT+CGDCONT=?": ('+CGDCONT: (1-24),"IP",,,(0-2),(0-4)', '+CGDCONT: (1-24),"IPV4V6",,,(0-2),(0-4)'),
            "AT+CGDCONT?": ('+CGDCONT: 1,"IP","internet","0.0.0.0",0,0',),
            "AT+WS46=?": ("+WS46: (12,22,25,28,29)",),
        }
        if not self.card.present:
            return facts
        return facts | {"AT+CIMI": ("206011234567890",)} if self.card.state == "READY" else facts

    def _operator(self, state: int) -> str:
        if state not in {1, 5}:
            return "+COPS: 0"
        name = self.network.operator if self._long_names else "20601"
        return f'+COPS: 0,{0 if self._long_names else 2},"{name}",7'

    def _set(self, name: str, value: str) -> Answer:
        if name == "CPIN":
            return OK if self.card.put_in(value.strip('"')) else ("+CME ERROR: 16",)
        if name == "CFUN":
            self._functional = value[:1] == "1"
        elif name == "CMGF":
            self._text_mode = value == "1"
        elif name == "CNMI":
            self._reports = value.split(",")[3:4] == ["1"]
        elif name == "CSMP":
            self._wants_report = bool(int(value.split(",", maxsplit=1)[0]) & 0x20)
        elif name == "COPS" and value.startswith("3,"):
            self._long_names = value == "3,0"
        elif name not in {"CMEE", "CREG", "CGREG", "CEREG", "CSMS", "CSCS", "CPMS", "CGDCONT", "CGACT", "COPS", "CLCK"}:
            return ERROR
        return OK

    def _can_send(self) -> bool:
        return self.card.state == "READY" and self.network.registration in {1, 5}

    def _send(self, command: str, content: str) -> Answer:
        if self.network.refuses is not None:
            return (f"+CMS ERROR: {self.network.refuses}",)
        try:
            number, text, wanted = self._unpacked(command, content)
        except (ValueError, IndexError):
            return ("+CMS ERROR: 304",)
        self._reference = self._reference % 255 + 1
        self.network.messages.append(Telephoned(number, text, self._reference, wanted))
        if wanted and self._reports and self.network.report_status is not None:
            self._report(number, self._reference, self.network.report_status)
        return (f"+CMGS: {self._reference}", "OK")

    def _unpacked(self, command: str, content: str) -> tuple[str, str, bool]:
        asked = command.partition("=")[2]
        if self._text_mode:
            return asked.strip('"'), content, self._wants_report
        pdu = bytes.fromhex(content.strip())
        if len(pdu) - 1 - pdu[0] != int(asked):
            raise ValueError("length")
        return unpack(pdu)

    def _report(self, number: str, reference: int, status: int) -> None:
        if self._text_mode:
            moment = '"26/11/29,15:00:40+04"'
            self.say(f'+CDS: 6,{reference},"{number}",145,{moment},{moment},{status}', after_s=REPORT_S)
        else:
            pdu = status_report(number, reference, status)
            self.say(f"+CDS: {len(pdu) // 2 - 8}", after_s=REPORT_S)
            self._emit(f"{pdu}\r\n".encode(), REPORT_S)
