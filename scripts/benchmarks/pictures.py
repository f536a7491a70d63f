"""Picture file to plates: `anpr-node read` beside SimpleLPR, CPU time on the same pictures in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from anpr_node import config, stills
from anpr_node.vision.reader import PlateReader
from benchmarks.timing import cpu_ms, quantile

ROOT = Path(__file__).resolve().parents[2]
OWN_PICTURES = ROOT / "tests" / "pictures"
EUROPE = set(
    "Albania Andorra Austria Belarus Belgium Bulgaria Croatia Cyprus Czech-Republic Denmark Estonia Finland France "  # noqa: SIM905
    "Germany Greece Hungary Iceland Ireland Italy Kosovo Latvia Lithuania Luxembourg Malta Netherlands Norway Poland "
    "Portugal Romania Slovakia Slovenia Spain Sweden Switzerland Turkey UK-GreatBritain Ukraine".split()
)


def bench(folder: Path, rounds: int) -> None:
    """File to plates, JPEG decoding included; engines take turns on each picture."""
    reader, files = PlateReader(config.Settings().models_folder), stills.collect([folder])
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
