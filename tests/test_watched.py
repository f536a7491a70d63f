"""A watched camera: what it notes, its dark frames, and the steps it does between two frames."""

from __future__ import annotations

import numpy as np
import pytest
from roadside import make_roadside

from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.simulated.faults import FaultyCamera, disordered, jumping, repeating
from anpr_node.errors import FrameTimeout
from anpr_node.supervision.watched import LOOKS_MAX, MARKS_MAX, WatchedCamera


def make() -> tuple[WatchedCamera, object]:
    roadside = make_roadside()
    illuminator = Illuminator(roadside.outputs.illuminator, None, roadside.clock)
    illuminator.on()
    return WatchedCamera(roadside.camera, roadside.clock, illuminator), roadside


def test_every_frame_leaves_a_mark_and_two_a_second_a_picture() -> None:
    camera, _ = make()
    frames = [camera.capture() for _ in range(60)]
    marks, samples = camera.drain()
    assert [mark.sequence for mark in marks] == [frame.sequence for frame in frames if frame]
    assert all(mark.illuminated and not mark.probe and mark.arrived_ns <= mark.captured_ns for mark in marks)
    assert len(samples) == 4
    assert camera.drain() == ([], [])


def test_the_picture_is_its_own() -> None:
    camera, _ = make()
    first = camera.capture()
    assert first is not None
    before = first.small.copy()
    for _ in range(5):
        camera.capture()
    assert np.array_equal(camera.drain()[1][0].small, before)


def test_a_dark_frame_is_one_frame_and_is_measured_with_the_next() -> None:
    camera, _ = make()
    camera.capture()
    camera.drain()
    camera.ask_for_dark()
    dark, lit = camera.capture(), camera.capture()
    assert dark is not None
    assert lit is not None
    assert (dark.illuminated, lit.illuminated) == (False, True)
    samples = camera.drain()[1]
    assert [(s.mark.probe, s.mark.illuminated) for s in samples] == [(True, False), (False, True)]
    assert samples[0].small.mean() < samples[1].small.mean()


def test_never_two_dark_frames_in_a_row() -> None:
    camera, _ = make()
    lit = []
    for _ in range(6):
        camera.ask_for_dark()
        camera.capture()
        lit.append(camera.drain()[0][0].illuminated)
    assert lit == [False, True] * 3


def test_the_light_comes_back_after_a_dark_frame_that_never_came() -> None:
    camera, roadside = make()
    camera.ask_for_dark()
    roadside.circuit.trigger.stop()  # type: ignore[attr-defined]
    with pytest.raises(FrameTimeout):
        camera.capture()
    assert roadside.outputs.illuminator.is_on  # type: ignore[attr-defined]


def test_no_dark_frame_where_the_light_is_off_anyway() -> None:
    camera, roadside = make()
    roadside.outputs.illuminator.off()  # type: ignore[attr-defined]
    camera.ask_for_dark()
    camera.capture()
    assert not camera.drain()[0][0].probe
    assert not roadside.outputs.illuminator.is_on  # type: ignore[attr-defined]


def test_steps_come_between_frames_and_begin_a_new_stream() -> None:
    camera, roadside = make()
    camera.capture()
    camera.ask_for(lambda: camera.replace(roadside.camera))  # type: ignore[attr-defined]
    camera.capture()
    assert [mark.stream for mark in camera.drain()[0]] == [0, 1]


def test_what_nobody_fetches_is_bounded() -> None:
    camera, _ = make()
    for _ in range(15 * (LOOKS_MAX + 3)):
        camera.capture()
    marks, samples = camera.drain()
    assert len(samples) == LOOKS_MAX
    assert len(marks) <= MARKS_MAX


def test_the_faults_are_what_they_say() -> None:
    roadside = make_roadside()
    camera = FaultyCamera(roadside.camera)
    camera.stream = disordered(5)
    numbers = [camera.capture().sequence for _ in range(10)]  # type: ignore[union-attr]
    assert numbers == [1, 0, 3, 4, 6, 5, 8, 9, 11, 10]
    camera.stream = repeating(2)
    planes = [camera.capture().small for _ in range(6)]  # type: ignore[union-attr]
    assert np.array_equal(planes[2], planes[4])
    assert np.array_equal(planes[3], planes[5])
    assert not np.array_equal(planes[2], planes[3])
    camera.stream = jumping(-3.0, 1)
    frame = camera.capture()
    assert frame is not None
    assert frame.captured_ns < roadside.clock.monotonic_ns() - 2_900_000_000
