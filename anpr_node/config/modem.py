"""The LTE modem: its control port, its card, its data link, and how it is helped when it fails. Opens none of them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from anpr_node.config.section import Section

PIN_DIGITS = range(4, 9)


class ModemSection(Section):
    """The modem. The data link itself is made by the operating system; here it is only watched."""

    kind: Literal["none", "simulated", "serial"] = Field("none", description="serial: by AT commands on `device`")
    device: str = Field("/dev/anpr-modem", min_length=1, description="a name that stays: hw/udev/75-anpr-modem.rules")
    interface: str = Field("wwan0", pattern=r"^[A-Za-z0-9_.-]{1,15}$", description="the data link's network interface")
    pin_file: str | None = Field(None, description="a file with the card's PIN and nothing else, for the node alone")
    message_format: Literal["pdu", "text"] = Field(
        "pdu", description="how messages are handed to it; text for modems that know no pdu"
    )
    look_s: float = Field(10.0, ge=1, le=600, description="signal, operator and so on are asked so often")
    probe: str = Field("", description="address and port that answer, as 192.0.2.1:443: tried while the link is up")
    probe_s: float = Field(300.0, ge=10, le=86_400, description="and so often")
    power_fitted: bool = Field(False, description="a relay in the modem's supply; see hw/modem.md")
    power_pin: int = Field(26, ge=2, le=27, description="that relay's pin")
    power_off_s: float = Field(10.0, ge=1, le=60, description="the supply is cut for so long")

    @model_validator(mode="after")
    def _probe_is_an_address(self) -> ModemSection:
        if self.probe:
            host, _, port = self.probe.rpartition(":")
            try:
                ipaddress.ip_address(host.strip("[]"))
            except ValueError:
                raise ValueError(f"probe: {self.probe!r} is not written as 192.0.2.1:443") from None
            if not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError(f"probe: {port!r} is no port")
        return self

    def read_pin(self) -> str:
        """The PIN, empty where none is named. Raises ValueError, OSError."""
        if self.pin_file is None:
            return ""
        pin = Path(self.pin_file).read_text("ascii").strip()
        if not pin.isdigit() or len(pin) not in PIN_DIGITS:
            raise ValueError(f"{self.pin_file} must hold 4 to 8 digits and nothing else")
        return pin
