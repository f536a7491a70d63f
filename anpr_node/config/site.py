"""Who this node is. Opens nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anpr_node.config.section import Section


class NodeSection(Section):
    """Who this node is."""

    id: str = Field("node-1", min_length=1, max_length=40, pattern=r"^[A-Za-z0-9._-]+$")
    lane: str = Field("1", min_length=1, max_length=20)
    board: Literal["pc", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin"] = "pc"
