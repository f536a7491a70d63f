"""Camera buffers as planes: the right pixels, in place, read-only, safe when looked at too late."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from anpr_node.drivers.planes import Layout, MappedBuffers

LAYOUT = Layout(width=5, height=3, stride=8)
OFFSET = 4096


@pytest.fixture
def buffer() -> Iterator[int]:
    """A real shared buffer, as a camera's: anonymous memory behind a descriptor."""
    descriptor = os.memfd_create("frame")
    os.pwrite(descriptor, bytes(range(100, 124)), OFFSET)
    yield descriptor
    os.close(descriptor)


def test_a_plane_is_the_buffer_without_its_padding(buffer: int) -> None:
    plane = MappedBuffers().plane(buffer, OFFSET, LAYOUT)
    assert plane.tolist() == [[100, 101, 102, 103, 104], [108, 109, 110, 111, 112], [116, 117, 118, 119, 120]]


def test_nothing_is_copied(buffer: int) -> None:
    plane = MappedBuffers().plane(buffer, OFFSET, LAYOUT)
    os.pwrite(buffer, b"\x07", OFFSET + 8)
    assert plane[1, 0] == 7


def test_nobody_can_write_into_a_frame(buffer: int) -> None:
    plane = MappedBuffers().plane(buffer, OFFSET, LAYOUT)
    with pytest.raises(ValueError, match="read-only"):
        plane[0, 0] = 1


def test_each_buffer_is_mapped_once(buffer: int) -> None:
    buffers = MappedBuffers()
    first, second = buffers.plane(buffer, OFFSET, LAYOUT), buffers.plane(buffer, OFFSET, LAYOUT)
    assert len(buffers) == 1
    assert np.shares_memory(first, second)


def test_a_plane_outlives_the_camera(buffer: int) -> None:
    plane = MappedBuffers().plane(buffer, OFFSET, LAYOUT)
    assert plane[2, 4] == 120  # the buffers are gone, the map is not
