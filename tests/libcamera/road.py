"""Writes the frames that the virtual camera `road` shows: one vehicle of the simulated road by day.

Usage: road.py FOLDER; its plate is written to FOLDER.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

from anpr_node import pictures
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Pins
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.traffic import Traffic

SEARCHED_FRAMES = 600
KEPT_FRAMES = 12
PERIOD_US = 33_333


def write(folder: Path) -> None:
    """The first frames by day in which a plate of lane 1 is wholly visible, and its text."""
    circuit = Circuit(SimulatedClock(), Pins(relay=17, led=27, illuminator=22))
    camera = SimulatedCamera(circuit, Traffic(seed=1), light="day")
    circuit.trigger.start(PERIOD_US, 300)
    folder.mkdir(exist_ok=True)
    kept: list[str] = []
    for _ in range(SEARCHED_FRAMES):
        frame = camera.capture()
        vrms = [p.passage.vrm for p in camera.plates_in(frame) if p.visible and p.passage.lane == "1"]
        if vrms and (not kept or vrms[0] == kept[0]):
            (folder / f"{len(kept)}.jpg").write_bytes(pictures.encode_jpeg(frame.pixels, 95))
            kept.append(vrms[0])
        if len(kept) == KEPT_FRAMES or (kept and not vrms):
            break
    folder.with_suffix(".txt").write_text(kept[0])


if __name__ == "__main__":
    write(Path(sys.argv[1]))
