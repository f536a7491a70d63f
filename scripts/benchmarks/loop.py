"""The whole node in real time: loop, recorder and store, offered 60 frames a second with three plates in view."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

from anpr_node import config
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.platform import assemble
from anpr_node.drivers.wiring import pin_factory
from anpr_node.node import Node
from benchmarks.convoy import FPS, RingCamera, render
from benchmarks.timing import quantile, spread

PROBE_S = 0.005
BUDGET_MS = 33.0


def bench(frames: int) -> None:
    stills = render()
    camera, probe = RingCamera(stills, frames), GilProbe()
    with tempfile.TemporaryDirectory() as folder:
        settings = config.parse({"store": {"folder": str(Path(folder))}}, "bench")
        clock = SystemClock()
        platform = assemble(settings, clock, pin_factory(settings.outputs, settings.node.board), None, lambda _: camera)
        cpu_s, began_s = time.process_time(), time.monotonic()
        with Node(settings, platform) as node, probe:
            node.ended.wait()
            took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        counters = node.snapshot()
    if node.failure is not None:
        raise node.failure
    seen = len(camera.decided_ms)
    print(f"loop: {frames} frames of {stills[0].pixels.shape[1]}×{stills[0].pixels.shape[0]} offered at {FPS} a second")
    print(f"  processed {seen} = {seen / took_s:.1f} a second, lost {camera.lost}; {counters.reads} reads stored, "
          f"{counters.reads_dropped} dropped")  # fmt: skip
    print(f"  arrival to decision: {spread(camera.decided_ms)} (p99 at most {BUDGET_MS:g})")
    print(f"  CPU {cpu_s / seen * 1e3:.2f} ms a frame, {cpu_s / took_s:.0%} of the core")
    print(f"  another thread's wait for the interpreter: {spread(probe.late_ms)}, "
          f"over 5 ms {sum(late > 5 for late in probe.late_ms) / len(probe.late_ms):.1%}; "
          f"p90 {quantile(probe.late_ms, 0.9):.1f}")  # fmt: skip


class GilProbe:
    """A thread that wants to run every 5 ms and notes how much later it could: what recorder and console feel."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gil-probe")

    def __enter__(self) -> GilProbe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            due_s = time.perf_counter() + PROBE_S
            time.sleep(PROBE_S)
            self.late_ms.append((time.perf_counter() - due_s) * 1e3)
