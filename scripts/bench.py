"""Measures CPU time on one core: `read` beside SimpleLPR on the same pictures, the loop, its watch, `replay`.

Every figure is the CPU time of this process, pinned to one core, one thread; medians. Compare ratios, not machines.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from anpr_node import config, stills
from anpr_node.drivers.platform import open_platform
from anpr_node.pipeline import Pipeline
from anpr_node.vision.reader import PlateReader

ROOT = Path(__file__).resolve().parent.parent
OWN_PICTURES = ROOT / "tests" / "pictures"
EUROPE = set(
    "Albania Andorra Austria Belarus Belgium Bulgaria Croatia Cyprus Czech-Republic Denmark Estonia Finland France "  # noqa: SIM905
    "Germany Greece Hungary Iceland Ireland Italy Kosovo Latvia Lithuania Luxembourg Malta Netherlands Norway Poland "
    "Portugal Romania Slovakia Slovenia Spain Sweden Switzerland Turkey UK-GreatBritain Ukraine".split()
)


def main() -> None:
    """Parse the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=OWN_PICTURES, help="folder of pictures (default: the repo's)")
    parser.add_argument("--rounds", type=int, default=3, help="times each picture is read (default 3)")
    parser.add_argument("--frames", type=int, default=300, help="frames of the simulated roadside (default 300)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    settings = config.Settings()
    reader = PlateReader(settings.models_folder)
    bench_pictures(reader, stills.collect([options.pictures]), options.rounds)
    bench_loop(reader, options.frames)
    bench_supervision(options.frames)
    bench_memory()


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of the whole process, helper threads of libraries included."""
    started_s = time.process_time()
    work()
    return (time.process_time() - started_s) * 1e3


def bench_pictures(reader: PlateReader, files: list[Path], rounds: int) -> None:
    """File to plates, JPEG decoding included; engines take turns on each picture."""
    engines: dict[str, Callable[[Path], object]] = {
        "anpr-node": lambda path: list(stills.read_all(reader, [path], patches=False)),
        **simplelpr_engines(),
    }
    times: dict[str, list[float]] = {name: [] for name in engines}
    for path in files:
        for name, work in engines.items():
            times[name].append(statistics.median(cpu_ms(lambda w=work, p=path: w(p)) for _ in range(rounds)))  # type: ignore[misc]
    ours = statistics.median(times["anpr-node"])
    print(f"read: {len(files)} pictures, file to plates, CPU ms")
    print(f"  {'engine':<28}{'median':>8}{'p95':>8}{'ours / it':>12}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:<28}{median:>8.1f}{quantile(values, 0.95):>8.1f}{ours / median:>12.2f}")


def simplelpr_engines() -> dict[str, Callable[[Path], object]]:
    """SimpleLPR with all of Europe, with and without its plate region detection; empty where it is not installed."""
    try:
        import simplelpr
    except ImportError:
        print("simplelpr is not installed: no comparison")
        return {}
    setup = simplelpr.EngineSetupParms()
    setup.maxConcurrentImageProcessingOps = 1
    engine = simplelpr.SimpleLPR(setup)
    for index in range(engine.numSupportedCountries):
        engine.set_countryWeight(index, 1.0 if engine.get_countryCode(index) in EUROPE else 0.0)
    engine.realizeCountryWeights()
    with_regions, without = engine.createProcessor(), engine.createProcessor()
    with_regions.plateRegionDetectionEnabled = True
    with_regions.cropToPlateRegionEnabled = True
    without.plateRegionDetectionEnabled = False
    return {
        "simplelpr, plate regions": lambda path: with_regions.analyze(str(path)),
        "simplelpr, regions off": lambda path: without.analyze(str(path)),
    }


def bench_loop(reader: PlateReader, count: int) -> None:
    """Frame to decision on rendered traffic at 1456×1088; rendering is not counted."""
    settings = config.Settings()
    platform = open_platform(settings, realtime=False)
    platform.start(settings.camera)
    pipeline = Pipeline(reader, platform.clock, settings)
    times = []
    for _ in range(count):
        frame = platform.camera.capture()
        assert frame is not None
        times.append(cpu_ms(lambda f=frame: pipeline.process(f)))  # type: ignore[misc]
    platform.close()
    counters = pipeline.counters
    print(f"loop: {count} frames of {frame.pixels.shape[1]}×{frame.pixels.shape[0]}, CPU ms per frame")
    print(f"  median {statistics.median(times):.1f}, p95 {quantile(times, 0.95):.1f}, p99 {quantile(times, 0.99):.1f}, "
          f"max {max(times):.1f}; {counters.looks} looks, {counters.reads} reads")  # fmt: skip


def bench_supervision(count: int) -> None:
    """What watching costs: in the loop for each frame, and beside it for each look at the small plane."""
    from anpr_node.supervision.limits import LOOK_PERIOD_S
    from anpr_node.supervision.numbers import measure
    from anpr_node.supervision.supervisor import Supervisor
    from anpr_node.watch import watched

    settings = config.Settings()
    platform, camera = watched(open_platform(settings, realtime=False))
    platform.start(settings.camera)
    supervisor = Supervisor(platform.clock, round(1e9 / settings.camera.fps))
    frames, looks = [], []
    for _ in range(count):
        frame = platform.camera.capture()
        assert frame is not None
        frames.append(cpu_ms(lambda f=frame: camera._note(f, True, False)))  # type: ignore[misc]
        for sample in camera.drain()[1]:
            looks.append(cpu_ms(lambda s=sample: supervisor.look(measure(s.mark, s.small))))  # type: ignore[misc]
    platform.close()
    share = (statistics.mean(frames) * settings.camera.fps + statistics.mean(looks) / LOOK_PERIOD_S) / 1000
    print("supervision: CPU ms, mean")
    print(f"  a frame {statistics.mean(frames):.4f} in the loop; a look {statistics.mean(looks):.2f} beside it, "
          f"max {max(looks):.2f}; {share:.2%} of a core at {settings.camera.fps:g} frames a second")  # fmt: skip


def bench_memory() -> None:
    """Peak memory of a whole `anpr-node replay` process."""
    command = [sys.executable, "-m", "anpr_node", "replay", str(OWN_PICTURES)]
    last = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    print(f"replay: {last}")


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    main()
