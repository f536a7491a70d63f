"""The texts of GStreamer pipelines: a source that differs per board, then always the same split into two planes.

Text in, text out: nothing here imports GStreamer, so that every board's pipeline can be read and compared anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALL_MAX = (320, 240)
QUEUE = "queue max-size-buffers=1 max-size-bytes=0 max-size-time=0"
GREY_FORMATS = "(string){GRAY8,NV12,I420,YV12,NV21}"


@dataclass(frozen=True, slots=True)
class Scaling:
    """The elements that bring video into plain memory: `full` at its size, `small` at another."""

    full: str
    small: str


SOFTWARE = Scaling("videoconvert", "videoscale method=bilinear2 add-borders=false ! videoconvert")
"""By the processor. `videoconvert` lets pass what has a grey plane already; `bilinear2` is free of aliasing."""


def split(source: str, scaling: Scaling, width: int, height: int) -> str:
    """Every frame twice: as it is, and small. Each sink keeps the newest and drops what nobody fetched."""
    from anpr_node import pictures  # slow to load, and `anpr-node safe` needs none

    small_width, small_height = pictures.fit_size((height, width), *SMALL_MAX)
    full = f"{scaling.full} ! video/x-raw,format={GREY_FORMATS} ! {_sink('full', 1)}"
    small = (
        f"{scaling.small} ! video/x-raw,format={GREY_FORMATS},width={small_width},height={small_height}"
        f" ! {_sink('small', 2)}"  # one more than the other: it must not drop what the full plane's sink still has
    )
    return f"{source} ! tee name=split  split. ! {QUEUE} ! {full}  split. ! {QUEUE} ! {small}"


def _sink(name: str, kept: int) -> str:
    return f"appsink name={name} max-buffers={kept} drop=true enable-last-sample=false"
