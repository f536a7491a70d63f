"""The loop over very many frames: whether the process grows, and what a frame costs on average."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks import stages
from benchmarks.convoy import ROW_FRAMES, ROWS, render

SETTLED_FRAMES = 10 * ROWS * ROW_FRAMES
"""From here on everything that is kept has been made once."""
PAGE_MB = 4096 / 1e6
GROWTH_MB_MAX = 5.0


def bench(frames: int) -> None:
    stills = render()
    resident_mb: list[float] = []
    every = max(1, min(10_000, frames // 20))

    def note(sequence: int) -> None:
        if sequence >= SETTLED_FRAMES and sequence % every == 0:
            resident_mb.append(resident())
            if sequence % (frames // 10 or 1) < every:
                print(f"  {sequence:>9} frames, {resident_mb[-1]:.1f} MB", file=sys.stderr, flush=True)

    began_s, cpu_s = time.monotonic(), time.process_time()
    pipeline = stages.run(stills, frames, note)
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    grown_mb = max(resident_mb, default=0.0) - min(resident_mb[:1], default=0.0)
    print(f"endurance: {frames} frames in {took_s:.0f} s, CPU {cpu_s / frames * 1e3:.2f} ms a frame, "
          f"{pipeline.counters.reads} reads; memory grew by {grown_mb:.1f} MB (limit {GROWTH_MB_MAX:g})")  # fmt: skip


def resident() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB
