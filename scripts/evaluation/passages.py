"""Vehicles that pass: labelled clips, and the simulated road by night and day, through the node's whole pipeline.

Truth and reads are matched by text; what matches no passage is counted as an extra read. Nothing is stored.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from anpr_node import clips, config, pictures
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.light import LightName
from anpr_node.drivers.simulated.traffic import Passage, Traffic, TrafficPlan
from anpr_node.drivers.wiring import pins_of
from anpr_node.pipeline import Pipeline, Ripe
from anpr_node.vrm import edit_distance
from evaluation.models import Model
from evaluation.progress import Progress
from evaluation.records import Drive, Passing

FRAME_US = 33_333
VISIBLE_FRAMES_MIN = 3
NEAR_DISTANCE_MAX = 3
JPEG_QUALITY = 80


def play_clips(model: Model, folder: Path, progress: Progress) -> Drive:
    """Every labelled clip: right when exactly its plates were read, once each."""
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines() if line]
    parts = []
    for row in rows:
        progress.step()
        parts.append(_play(model, folder / row["video"], [(p["text"], p.get("country")) for p in row["plates"]]))
    passings = tuple(passing for part in parts for passing in part.passings)
    extra = tuple(read for part in parts for read in part.extra)
    return Drive("clips", passings, extra, sum(part.frames for part in parts))


def _play(model: Model, path: Path, wanted: list[tuple[str, str | None]]) -> Drive:
    """One clip with the plates that pass in it."""
    played = clips.play(model.reader, path, config.Settings(), realtime=False)
    matched, left = match([text for text, _ in wanted], [read.vrm for read in played.reads])
    passings = []
    for (text, country), index in zip(wanted, matched, strict=True):
        read = None if index is None else played.reads[index]
        passings.append(
            Passing(
                source="clips",
                name=path.name,
                text=text,
                country=country,
                lines=None,
                speed_kmh=None,
                read=read.vrm if read else None,
                read_country=read.country if read else None,
                confidence=read.confidence if read else 0.0,
                patch_jpeg=None if read and read.vrm == text else _middle_frame(path, played.frames),
            )
        )
    extra = tuple((played.reads[index].vrm, played.reads[index].confidence) for index in left)
    return Drive("clips", tuple(passings), extra, played.frames)


def _middle_frame(path: Path, frames: int) -> bytes:
    """What a person looks at to see why a clip was not read."""
    camera = ReplayCamera(path, SimulatedClock(epoch_utc_ns=0))
    try:
        shown = camera.capture()
        for _ in range(frames // 2):
            shown = camera.capture() or shown
    finally:
        camera.close()
    return b"" if shown is None else pictures.encode_jpeg(pictures.small_plane(shown.pixels, 480, 360), JPEG_QUALITY)


def match(wanted: list[str], read: list[str]) -> tuple[list[int | None], list[int]]:
    """For each wanted text the index of its read, equal ones first, then near ones; and the reads left over."""
    left = list(range(len(read)))
    found: list[int | None] = [None] * len(wanted)
    for distance in range(NEAR_DISTANCE_MAX + 1):
        for place, text in enumerate(wanted):
            if found[place] is None:
                found[place] = next((i for i in left if edit_distance(read[i], text) <= distance), None)
                left = [i for i in left if i != found[place]]
    return found, left


def drive(model: Model, light: LightName, count: int, seed: int, progress: Progress) -> Drive:
    """Let so many simulated vehicles pass at 30 to 130 km/h and compare the reads in force with the truth."""
    settings = config.parse({"camera": {"light": light, "seed": seed}}, "evaluation")
    clock, pins = SimulatedClock(), pins_of(settings.outputs)
    circuit = Circuit(clock, pins)
    traffic = Traffic(TrafficPlan(count=count), seed=seed)
    camera = SimulatedCamera(circuit, traffic, light=light, seed=seed)
    outputs = Outputs(pins, circuit.factory, clock)
    outputs.illuminator.on()
    circuit.trigger.start(FRAME_US, settings.camera.exposure_us)
    pipeline = Pipeline(model.reader, clock, settings)
    reads: dict[str, Ripe] = {}
    seen, frames = Counter[int](), 0
    while not traffic.is_over(clock.monotonic_ns()):
        progress.step()
        frame = camera.capture()
        frames += 1
        seen.update(truth.passage.number for truth in camera.plates_in(frame) if truth.visible)
        keep(reads, pipeline.process(frame))
    keep(reads, pipeline.finish())
    outputs.close()
    vehicles = list(traffic.passages(clock.monotonic_ns()))
    passed = [p for p in vehicles if seen[p.number] >= VISIBLE_FRAMES_MIN]
    glimpsed = {p.vrm for p in vehicles if 0 < seen[p.number] < VISIBLE_FRAMES_MIN}
    due = [r for r in reads.values() if r.read.vrm not in glimpsed]  # right, of one that need not be read
    return compare(f"simulated {light}", passed, due, frames)


def keep(reads: dict[str, Ripe], fresh: list[Ripe]) -> None:
    """Take new reads; a correction takes the place of the one it corrects."""
    for ripe in fresh:
        if ripe.read.corrects is not None:
            reads.pop(ripe.read.corrects, None)
        reads[ripe.read.read_id] = ripe


def compare(source: str, passed: list[Passage], reads: list[Ripe], frames: int) -> Drive:
    """Passages beside the reads in force."""
    matched, left = match([p.vrm for p in passed], [r.read.vrm for r in reads])
    passings = tuple(_passing(source, p, None if i is None else reads[i]) for p, i in zip(passed, matched, strict=True))
    extra = tuple((reads[index].read.vrm, reads[index].read.confidence) for index in left)
    return Drive(source, passings, extra, frames)


def _passing(source: str, passage: Passage, ripe: Ripe | None) -> Passing:
    wrong = ripe is not None and ripe.read.vrm != passage.vrm
    return Passing(
        source=source,
        name=f"{passage.kind} {passage.number}, {'approaching' if passage.approaching else 'receding'}",
        text=passage.vrm,
        country=passage.country,
        lines=passage.lines,
        speed_kmh=passage.speed_kmh,
        read=ripe.read.vrm if ripe else None,
        read_country=ripe.read.country if ripe else None,
        confidence=ripe.read.confidence if ripe else 0.0,
        patch_jpeg=pictures.encode_jpeg(ripe.evidence.patch, JPEG_QUALITY) if ripe and wrong else None,
    )
