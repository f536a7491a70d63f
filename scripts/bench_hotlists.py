"""Measures hotlists at full size: import, match, memory, and how a running node takes an import.

Everything happens in a folder that disappears; the lists are made up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from anpr_node.config import load
from anpr_node.hotlist.matching import Matcher, Sighting, open_matcher
from anpr_node.store.database import open_store

LETTERS, DIGITS = string.ascii_uppercase, string.digits
CONFIG = """
[store]
folder = "{}"
[outputs]
relay_pulse_s = 0.2
[tracking]
repeat_s = 0.0
[hotlists]
repeat_s = 0.0
relay_per_minute_max = 60
[hotlists.lists.small]
near = true
wildcard = true
"""
CATEGORIES = ("seize", "insurance", "inspection", "registration", "discreet")


def main() -> None:
    arguments = _parse_arguments()
    if arguments.state is not None:
        _measure(arguments.state, arguments)
        return
    with tempfile.TemporaryDirectory(prefix="anpr-hotlists-", dir=arguments.folder) as folder:
        _measure(Path(folder), arguments)


def _measure(state: Path, arguments: argparse.Namespace) -> None:
    """Import what is not there yet, then match, then run a node where that is asked for."""
    config = state / "node.toml"
    if not config.exists():
        state.mkdir(parents=True, exist_ok=True)
        config.write_text(CONFIG.format(state))
        _say({"import": _import(config, state, "bulk", arguments.entries)})
        _say({"import": _import(config, state, "small", 10_000)})
    _say({"load_average": os.getloadavg()})
    _say({"match": _in_own_process(str(state), "match")})
    if arguments.node:
        from bench_hotlists_node import processor_time, run

        _say({"processor_time": processor_time(load(config), config, state)})
        _say({"node": run(load(config), config, state, arguments.rows)})
        _say({"load_average": os.getloadavg()})


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "scripts/bench-hotlists", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=5_000_000, help="on the large list")
    parser.add_argument("--rows", type=int, default=1_000_000, help="imported while the node runs; 0: no import")
    parser.add_argument("--folder", help="on the disk to measure; default: the system's temporary folder")
    parser.add_argument("--state", type=Path, help="keep the lists here, and use those of an earlier run")
    parser.add_argument("--node", action="store_true", help="also run a node in real time during an import")
    parser.add_argument("--match", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.match:
        _say(_match(Path(arguments.match)))
        sys.exit(0)
    return arguments


def _say(row: dict[str, object]) -> None:
    print(json.dumps(row), flush=True)


def plates(count: int, seed: int) -> list[str]:
    """Plates of the current Belgian series, drawn without repeats."""
    numbers = random.Random(seed).sample(range(7 * 26**3 * 1000), count)
    return [_plate(number) for number in numbers]


def _plate(number: int) -> str:
    index, digits = divmod(number, 1000)
    index, third = divmod(index, 26)
    index, second = divmod(index, 26)
    first_digit, first = divmod(index, 26)
    return f"{first_digit + 1}{LETTERS[first]}{LETTERS[second]}{LETTERS[third]}{digits:03}"


def _import(config: Path, state: Path, name: str, count: int) -> dict[str, object]:
    """The command line in a process of its own, as on a node."""
    file = state / f"{name}.csv"
    with file.open("w") as out:
        out.write("vrm,country,category,reason,issuer,valid_to\n")
        for number, vrm in enumerate(plates(count, seed=len(name))):
            category = CATEGORIES[number % len(CATEGORIES)]
            out.write(f"{vrm},B,{category},reason {number % 97},zone 5293,2030-01-01\n")
    started_s = time.perf_counter()
    command = [sys.executable, "-m", "anpr_node", "hotlist", "import", "--config", str(config), str(file)]
    peak_mb = _watch(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    took_s = time.perf_counter() - started_s
    size = sum(path.stat().st_size for path in (state / "lists").glob(f"{name}.*"))
    file.unlink()
    return {
        "list": name,
        "rows": count,
        "seconds": round(took_s, 1),
        "rows_per_s": round(count / took_s),
        "bytes_per_entry": round(size / count, 1),
        "peak_rss_mb": round(peak_mb),
    }


def _watch(process: subprocess.Popen[bytes]) -> float:
    """Wait for the import; its peak of resident memory in MB."""
    peak_mb = 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            peak_mb = _memory_mb(process.pid, "VmHWM")
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit("the import failed")
    return peak_mb


def _memory_mb(pid: int | str, kind: str) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split(f"{kind}:")[1].split()[0]) / 1024


def _in_own_process(state: str, what: str) -> object:
    """So that the memory is that of matching alone."""
    command = [sys.executable, __file__, f"--{what}", state]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _match(state: Path) -> dict[str, object]:
    settings = load(state / "node.toml")
    with closing(open_store(state)) as database, closing(open_matcher(database, settings)) as matcher:
        before_mb = _memory_mb("self", "VmRSS")
        listed = plates(5_000, seed=4)
        strangers = plates(5_000, seed=99)
        cold = _times(matcher, strangers[:200])
        times = _times(matcher, [vrm for pair in zip(listed, strangers, strict=True) for vrm in pair])
        return {
            "first_200_ms": _shares(cold),
            "warm_ms": _shares(times),
            "resident_mb_before": round(before_mb, 1),
            "resident_mb_of_matching": round(_memory_mb("self", "VmRSS") - before_mb, 1),
        }


def _times(matcher: Matcher, vrms: list[str]) -> list[tuple[float, float]]:
    """Wall and processor time of each match, in milliseconds."""
    times = []
    for vrm in vrms:
        seen = Sighting(vrm, "B", 0.99, (), time.time_ns())
        started_s, started_cpu_s = time.perf_counter(), time.thread_time()
        matcher.match(seen)
        times.append(((time.perf_counter() - started_s) * 1e3, (time.thread_time() - started_cpu_s) * 1e3))
    return times


def _shares(times: list[tuple[float, float]]) -> dict[str, dict[str, float]]:
    return {name: shares(column) for name, column in zip(("wall", "processor"), zip(*times, strict=True), strict=True)}


def shares(times: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and the most."""
    ranked = sorted(times)
    picked = {"p50": ranked[len(ranked) // 2], "p99": ranked[int(len(ranked) * 0.99)], "max": ranked[-1]}
    return {name: round(value, 3) for name, value in picked.items()}


if __name__ == "__main__":
    main()
