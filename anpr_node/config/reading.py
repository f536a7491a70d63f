"""What is looked at, followed and read, and when a vote is good enough. Decides nothing about a plate."""

from __future__ import annotations

from pydantic import Field

from anpr_node.config.section import Section


class ModelsSection(Section):
    """The plate models."""

    folder: str | None = Field(None, description="holds plate_detector/ and plate_recognizer/")
    threads: int = Field(1, ge=1, le=4, description="of each network")


class TrackingSection(Section):
    """How long a plate may hide and still be the same one."""

    lost_after_s: float = Field(0.5, ge=0.1, le=5, description="a plate that was not seen for so long is gone")
    standing_after_s: float = Field(3.0, ge=1, le=60, description="a plate that keeps its place for so long stands")
    standing_lost_after_s: float = Field(600.0, ge=1, le=86_400, description="and may be hidden for so long")
    repeat_s: float = Field(10.0, ge=0, le=300, description="same text, same direction within this time: same passage")


class ReadingSection(Section):
    """Which frames are read, and when the vote is good enough."""

    plate_width_min_px: float = Field(80.0, ge=20, le=400, description="narrower ones are badges, or too far")
    looks_per_frame_max: int = Field(3, ge=1, le=10, description="plates that are read in one frame; the others wait")
    readings_max: int = Field(8, ge=2, le=50, description="of one vehicle")
    readings_wanted: int = Field(5, ge=1, le=50, description="a sure plate is read on until it has so many")
    sure_votes_min: int = Field(3, ge=1, le=10, description="so many readings must agree before the vehicle is gone")
    sure_confidence: float = Field(0.97, gt=0.5, lt=1, description="with this confidence at least")
    publish_confidence: float = Field(
        0.5, gt=0, lt=1, description="a vehicle that is gone is a read from this confidence on"
    )
    publish_confidence_doubtful: float = Field(
        0.85, gt=0, lt=1, description="the same for a text read only once, or one that its country does not issue"
    )
    plate_width_max_px: float = Field(600.0, ge=100, le=4000, description="wider ones are no plates")
    country_above: float = Field(0.5, gt=0, lt=1, description="a country is named from this score on")
    look_again_s: float = Field(
        0.5, ge=0.1, le=10, description="an unsure plate of the same size is looked at again after so long"
    )
    better_width: float = Field(1.15, ge=1, le=3, description="after that it is read again when this much wider")


class QueueSection(Section):
    """Between loop and recorder."""

    reads_max: int = Field(
        64, ge=4, le=10_000, description="reads that may wait for the recorder; more are dropped and counted"
    )
