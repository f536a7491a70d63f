"""Camera buffers as grey planes: mapped once, read-only; a plane is a view of the camera's own memory, never a copy.

It knows nothing of cameras: whoever hands out a plane says when its buffer goes back.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np

from anpr_node.records import Plane

GREY_FIRST = frozenset({"GREY", "GRAY8", "R8", "YUV420", "YVU420", "I420", "YV12", "NV12", "NV21"})
"""Formats whose first plane is the brightness, one byte a pixel; both libcamera's names and GStreamer's."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A grey plane in a buffer. `stride` is the distance of two rows in bytes, padding included."""

    width: int
    height: int
    stride: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stride * self.height


def grey_view(memory: mmap.mmap | memoryview, offset: int, layout: Layout) -> Plane:
    """The plane at a byte of a buffer, read-only, without a copy."""
    rows = np.frombuffer(memory, np.uint8, layout.size, offset)
    plane = rows.reshape(layout.height, layout.stride)[:, : layout.width]
    plane.flags.writeable = False
    return plane


class MappedBuffers:
    """The few buffers of one configured camera, by file descriptor; each is mapped when it first comes by.

    The maps live as long as any plane of theirs: a frame that is looked at too late shows another picture, it does not
    crash the node.
    """

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}

    def __len__(self) -> int:
        """How many buffers have come by."""
        return len(self._maps)

    def plane(self, descriptor: int, offset: int, layout: Layout) -> Plane:
        """The plane at a byte of the buffer behind a descriptor."""
        memory = self._maps.get(descriptor)
        if memory is None:
            memory = mmap.mmap(descriptor, offset + layout.size, mmap.MAP_SHARED, mmap.PROT_READ)
            self._maps[descriptor] = memory
        return grey_view(memory, offset, layout)
