"""The same frames through the loop and through SimpleLPR: CPU per frame, the engines in turn, the same core."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from PIL import Image

from anpr_node import config
from anpr_node.drivers.clock import SystemClock
from anpr_node.pipeline import Pipeline
from anpr_node.vision.reader import PlateReader
from benchmarks.convoy import FPS, NS_PER_S, frame_of, render
from benchmarks.pictures import simplelpr_engines
from benchmarks.timing import cpu_ms

EVERY = 15
"""SimpleLPR looks at one frame in so many: its time hardly differs from frame to frame."""


def bench(frames: int) -> None:
    stills, settings = render(), config.Settings()
    pipeline = Pipeline(PlateReader(settings.models_folder), SystemClock(), settings)
    others = simplelpr_engines()
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in others}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for sequence in range(frames):
            frame = frame_of(stills, sequence, sequence * NS_PER_S // FPS)
            ours.append(cpu_ms(lambda f=frame: pipeline.process(f)))  # type: ignore[misc]
            if sequence % EVERY == 0:
                path = Path(folder) / "frame.pgm"
                Image.fromarray(frame.pixels).save(path)
                for name, work in others.items():
                    theirs[name].append(cpu_ms(lambda w=work, p=path: w(p)))  # type: ignore[misc]
    mean = statistics.mean(ours)
    print(f"engines: {frames} frames with three plates in view, CPU ms a frame, mean")
    print(f"  {'anpr-node loop':<28}{mean:>8.2f}   {pipeline.counters.looks / frames:.2f} looks a frame")
    for name, values in theirs.items():
        print(f"  {name:<28}{statistics.mean(values):>8.1f}   ours / it 1/{statistics.mean(values) / mean:.0f}")
