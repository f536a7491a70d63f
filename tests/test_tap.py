"""The tap: copies of frames for whoever asks, and nothing at all for the loop when nobody does."""

from __future__ import annotations

import itertools
import threading
import time

from makers import box, frame

from anpr_node.records import PlateBox
from anpr_node.tap import FRAMES_MAX, Tap

PATIENCE_S = 60.0


def in_another_thread(
    tap: Tap, count: int, only_plates: bool, every: int = 1
) -> tuple[threading.Thread, list[list[int]]]:
    got: list[list[int]] = []
    thread = threading.Thread(
        target=lambda: got.append([t.sequence for t in tap.take(count, only_plates, PATIENCE_S, every)]), daemon=True
    )
    thread.start()
    return thread, got


def feed(tap: Tap, thread: threading.Thread, plates: set[int]) -> None:
    """Frames until the asker has enough; those of `plates` have one."""
    ends_s = time.monotonic() + PATIENCE_S
    for number in itertools.count():
        seen: list[PlateBox] = [box()] if number % 10 in plates else []
        tap.offer(frame(number, rows=8, columns=8), lambda seen=seen: seen)  # type: ignore[misc]
        if not thread.is_alive():
            return
        assert time.monotonic() < ends_s, "whoever asked has not got what was asked for"


def test_frames_are_copied_in_a_row() -> None:
    tap = Tap()
    thread, got = in_another_thread(tap, 3, only_plates=False)
    feed(tap, thread, set())
    thread.join(PATIENCE_S)
    (sequences,) = got
    assert sequences == list(range(sequences[0], sequences[0] + 3))


def test_only_those_with_plates_and_every_second() -> None:
    tap = Tap()
    thread, got = in_another_thread(tap, 3, only_plates=True, every=2)
    feed(tap, thread, {1, 2, 3, 4})
    thread.join(PATIENCE_S)
    assert all(sequence % 10 in {1, 2, 3, 4} for sequence in got[0])
    assert len(got[0]) == 3


def test_nobody_gets_more_than_the_limit() -> None:
    tap = Tap()
    thread, got = in_another_thread(tap, 10 * FRAMES_MAX, only_plates=False)
    feed(tap, thread, set())
    thread.join(PATIENCE_S)
    assert len(got[0]) == FRAMES_MAX


def test_when_nobody_asks_nothing_is_looked_at() -> None:
    def never() -> list[PlateBox]:
        raise AssertionError("the loop was asked for boxes")

    Tap().offer(frame(rows=8, columns=8), never)


def test_a_node_that_stops_keeps_nobody_waiting() -> None:
    tap = Tap()
    thread, got = in_another_thread(tap, 3, only_plates=True)
    while thread.is_alive():
        tap.release()
        thread.join(0.01)
    assert got == [[]]
