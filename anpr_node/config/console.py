"""The technician's console: which port, how fast, and after how long without a word it logs out. Opens nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anpr_node.config.section import Section


class ConsoleSection(Section):
    """Where technicians come in."""

    port: str = Field("/dev/serial0", min_length=1, max_length=100, description="what `anpr-node console` opens")
    baud: Literal[9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600] = Field(115200, description="of the port")
    idle_minutes: float = Field(10.0, ge=0.5, le=60, description="without a key pressed; then the session ends")
    claim_minutes: float = Field(60.0, ge=0, le=1440, description="so long after power-up a new node can be claimed")
