"""The made-up read with which a technician tries the whole chain: matched, stored, sent as any other, marked a test."""

from __future__ import annotations

import re

from anpr_node import __version__
from anpr_node.config import Settings
from anpr_node.errors import AnprError
from anpr_node.node import Node
from anpr_node.records import Candidate, PlateBox, PlateRead

TEST_PLATE = re.compile(r"TEST[0-9]{4}")
"""Nobody issues such plates. Each test has another one, or it would count as the same vehicle."""
TEST_FLAG = "test"


def made_up_read(node: Node, settings: Settings, vrm: str) -> PlateRead:
    """As if the plate had just passed. Raises AnprError for a text that somebody may drive with."""
    if not TEST_PLATE.fullmatch(vrm):
        raise AnprError("a test plate is TEST and four digits")
    clock = node.platform.clock
    now_ns = clock.utc_ns(clock.monotonic_ns())
    box = PlateBox(((0.0, 0.0), (180.0, 0.0), (180.0, 40.0), (0.0, 40.0)), 1.0)
    return PlateRead(
        read_id=node.new_read_id(now_ns),
        node_id=settings.node.id,
        vrm=vrm,
        country=None,
        confidence=1.0,
        candidates=(Candidate(vrm, 1.0),),
        votes=1,
        first_seen_ns=now_ns,
        last_seen_ns=now_ns,
        clock=clock.state(),
        lane=settings.node.lane,
        direction="unknown",
        box=box,
        plate_width_px=180,
        exposure_us=settings.camera.exposure_us,
        model_id=TEST_FLAG,
        software_version=__version__,
        flags=(TEST_FLAG,),
    )
