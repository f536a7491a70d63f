"""Where the loop's time and memory go: each stage is timed around the very functions that the loop calls.

A stage holds what it calls, so indented lines are parts of the line above. Allocations are Python's and numpy's,
seen by tracemalloc in a run of its own, because that slows everything down.
"""

from __future__ import annotations

import contextlib
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anpr_node import config
from anpr_node.drivers.clock import SystemClock
from anpr_node.pipeline import Pipeline
from anpr_node.tracking.passage import Passage
from anpr_node.tracking.tracker import Tracker
from anpr_node.vision import boxes, ctc
from anpr_node.vision.detector import Detector
from anpr_node.vision.reader import PlateReader
from anpr_node.vision.recognizer import Recognizer
from anpr_node.vision.runtime import Network
from benchmarks.convoy import FPS, NS_PER_S, Still, frame_of, render
from benchmarks.timing import quantile

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("whole frame", Pipeline, "process"),
    ("  first look", Detector, "first_look"),
    ("  track", Tracker, "update"),
    ("  look at a plate", PlateReader, "look"),
    ("    second look", Detector, "second_look"),
    ("    rectify", PlateReader, "patch"),
    ("    recognise", Recognizer, "read"),
    ("  evidence and vote", Passage, "add"),
    ("any network", Network, "run"),
    ("any boxes decoded", boxes, "decode"),
    ("any text decoded", ctc, "decode"),
)
FRAMES_TRACED = 675


@dataclass
class Spent:
    """Wall and CPU milliseconds of one stage, call by call."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0


def bench(frames: int) -> None:
    stills = render()
    spent = {name: Spent() for name, _, _ in STAGES}
    with contextlib.ExitStack() as stack:
        for name, owner, attribute in STAGES:
            stack.enter_context(timed(owner, attribute, spent[name]))
        run(stills, frames)
    print(f"stages: {frames} frames with three plates in view, ms; CPU a frame is spread over all frames")
    print(f"  {'':<22}{'calls/frame':>12}{'p50':>8}{'p99':>8}{'CPU/frame':>11}")
    for name, stage in spent.items():
        p50, p99 = (quantile(stage.wall_ms or [0.0], share) for share in (0.5, 0.99))
        calls = len(stage.wall_ms) / frames
        print(f"  {name:<22}{calls:>12.2f}{p50:>8.2f}{p99:>8.2f}{stage.cpu_ms / frames:>11.3f}")
    bench_allocations(stills)


@contextlib.contextmanager
def timed(owner: Any, attribute: str, spent: Spent) -> Iterator[None]:
    """Time every call of a function or method for a while."""
    plain: Callable[..., Any] = getattr(owner, attribute)

    def call(*arguments: Any, **named: Any) -> Any:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            return plain(*arguments, **named)
        finally:
            spent.wall_ms.append((time.perf_counter() - wall_s) * 1e3)
            spent.cpu_ms += (time.thread_time() - cpu_s) * 1e3

    setattr(owner, attribute, call)
    try:
        yield
    finally:
        setattr(owner, attribute, plain)


def run(stills: list[Still], frames: int, after: Callable[[int], None] = lambda _: None) -> Pipeline:
    """The loop's body over the frames; `after` is called with the number of each."""
    settings = config.Settings()
    pipeline = Pipeline(PlateReader(settings.models_folder), SystemClock(), settings)
    for sequence in range(frames):
        pipeline.process(frame_of(stills, sequence, sequence * NS_PER_S // FPS))
        after(sequence)
    return pipeline


def bench_allocations(stills: list[Still]) -> None:
    """The most that a frame asks for at one time, and copies of whole frames, apart for evidence and the rest."""
    whole, kept = stills[0].pixels.nbytes, Spent()
    asked_kb: list[float] = []
    before, evidence, others = 0, 0, 0

    def note(_: int) -> None:
        nonlocal before, evidence, others
        asked = tracemalloc.get_traced_memory()[1] - before
        copied, evidence = len(kept.wall_ms) - evidence, len(kept.wall_ms)
        others += max(0, asked // whole - copied)
        if not copied:
            asked_kb.append(asked / 1e3)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    with timed(Passage, "_keep", kept):
        run(stills, FRAMES_TRACED, note)
    tracemalloc.stop()
    print(f"allocations: {FRAMES_TRACED} frames; {statistics.median(asked_kb):.0f} kB at one time, "
          f"most {max(asked_kb):.0f}")  # fmt: skip
    print(f"  copies of whole frames: {evidence} kept as evidence, {others} others")
