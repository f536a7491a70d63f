"""Measures the node on one core of this machine.

parts, all of them unless some are named:
  pictures   file to plates, beside SimpleLPR where it is installed
  loop       the whole node, offered 60 frames a second of 1456×1088 with three plates in view: frames a second, frame
             arrival to decision, how long another thread waits for the interpreter (GIL)
  engines    the same frames through the loop alone and through SimpleLPR: CPU per frame
  stages     where the loop's time goes; allocations and copies of whole frames
  supervision  what watching the camera costs
  memory     peak of a whole `replay`
  endure     not by itself: the loop over --frames (a million take an hour), and whether memory grows

Figures are of this process, pinned to one core, one thread a network. Compare ratios within one run, not machines. On a
Raspberry Pi the same command measures the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import endurance, engines, loop, memory, pictures, stages, supervision

USUAL = ("pictures", "loop", "engines", "stages", "supervision", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(
        "scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join((*USUAL, "endure")))
    parser.add_argument("--pictures", type=Path, default=pictures.OWN_PICTURES, help="folder (default: the repo's)")
    parser.add_argument("--rounds", type=int, default=3, help="times each picture is read (default 3)")
    parser.add_argument("--frames", type=int, default=1800, help="frames of the loop (default 1800, half a minute)")
    parser.add_argument("--flame", type=Path, metavar="FILE.svg", help="draw a flame graph of the loop with py-spy")
    options = parser.parse_args()
    unknown = set(options.parts) - {*USUAL, "endure"}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.flame:
        sys.exit(draw_flame(options.flame, options.frames))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for part in options.parts or USUAL:
        measure(part, options)


def measure(part: str, options: argparse.Namespace) -> None:
    if part == "pictures":
        pictures.bench(options.pictures, options.rounds)
    elif part == "memory":
        memory.bench()
    else:
        others = {"loop": loop, "engines": engines, "stages": stages, "supervision": supervision, "endure": endurance}
        others[part].bench(options.frames)


def draw_flame(file: Path, frames: int) -> int:
    """Run the loop once more under py-spy, which looks at its stack from outside a thousand times a second."""
    bench = [sys.executable, "-m", "benchmarks", "endure", "--frames", str(frames)]
    spy = ["py-spy", "record", "--rate", "1000", "--output", str(file)]
    return subprocess.run([*spy, "--", *bench], check=False).returncode


if __name__ == "__main__":
    main()
