"""Who this node is. Opens nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anpr_node.config.section import Section


class NodeSection(Section):
    """Who this node is."""

    id: str = Field(
        "node-1",
        min_length=1,
        max_length=40,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="what everybody calls it: on reads, packages, messages",
    )
    lane: str = Field("1", min_length=1, max_length=20, description="the lane that it watches")
    board: Literal["pc", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin"] = Field(
        "pc", description="what it runs on: docs/boards.md"
    )


class SiteSection(Section):
    """The place: what the register of cameras asks for, and the lengths that hints are computed from."""

    place: str = Field("", max_length=80, description="street and number, or kilometre and direction")
    camera_type: Literal["fixed", "temporary", "mobile"] = Field("fixed", description="as the register has it")
    purpose: str = Field("", max_length=120, description="as in the authorisation")
    authorisation_ref: str = Field("", max_length=60, description="its number or reference")
    authorisation_date: str = Field("", max_length=10, pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="YYYY-MM-DD")
    responsible_officer: str = Field("", max_length=80, description="who answers for the camera: mandatory in Belgium")
    lens_mm: float = Field(18.0, ge=2, le=200, description="focal length of the lens that is fitted")
    pixel_um: float = Field(3.45, ge=0.8, le=20, description="pitch of the sensor's pixels")
    sensor_columns: int = Field(1456, ge=64, le=20_000, description="of the whole sensor, before any region")
    distance_m: float = Field(13.5, ge=1, le=100, description="from the lens to the plate in the middle of the lane")
    height_m: float = Field(5.0, ge=0.3, le=30, description="of the lens above the road")
    speed_limit_kmh: float = Field(120.0, ge=5, le=250, description="blur is judged at 1.3 times this speed")
