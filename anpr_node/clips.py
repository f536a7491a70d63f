"""Clips through the whole pipeline: what `anpr-node replay` does. The same code as the running node, nothing stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anpr_node.config import Settings
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.errors import ClipError
from anpr_node.pictures import PICTURE_SUFFIXES
from anpr_node.pipeline import Pipeline
from anpr_node.records import PlateRead
from anpr_node.units import NS_PER_S
from anpr_node.vision.reader import PlateReader

CLIP_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".m4v", ".mjpeg", ".mjpg", ".webm", ".ts"})


@dataclass(frozen=True, slots=True)
class PlayedClip:
    """The outcome of one clip: its reads with corrections applied, and how it ran."""

    path: Path
    reads: tuple[PlateRead, ...]
    frames: int
    dropped: int
    ms_per_frame: float
    problem: str | None


def collect(paths: tuple[Path, ...]) -> list[Path]:
    """Clips named, clips of the folders named, and folders of frames as they are.

    Raises:
        ClipError: a folder with neither clips nor pictures.

    """
    sources: list[Path] = []
    for path in paths:
        if not path.is_dir():
            sources.append(path)
            continue
        inside = sorted(path.iterdir())
        clips = [p for p in inside if p.suffix.lower() in CLIP_SUFFIXES]
        if not clips and not any(p.suffix.lower() in PICTURE_SUFFIXES for p in inside):
            raise ClipError(f"{path}: neither clips nor pictures in this folder")
        sources += clips or [path]
    return sources


def play(reader: PlateReader, path: Path, settings: Settings, *, realtime: bool) -> PlayedClip:
    """Run one recording from start to end. Raises ClipError when nothing of it can be decoded."""
    clock = SimulatedClock(epoch_utc_ns=0)
    camera = ReplayCamera(path, clock, WallPacer() if realtime else None)
    pipeline = Pipeline(reader, clock, settings)
    reads: dict[str, PlateRead] = {}
    busy_s, last_sequence = 0.0, -1
    try:
        while (frame := camera.capture()) is not None:
            started_s = time.perf_counter()
            ripe = pipeline.process(frame)
            busy_s += time.perf_counter() - started_s
            last_sequence = frame.sequence
            _keep(reads, [r.read for r in ripe])
    finally:
        camera.close()
    _keep(reads, [r.read for r in pipeline.finish()])
    frames = pipeline.counters.frames
    ms_per_frame = busy_s * 1e3 / max(frames, 1)
    return PlayedClip(path, tuple(reads.values()), frames, last_sequence + 1 - frames, ms_per_frame, camera.problem)


def _keep(reads: dict[str, PlateRead], fresh: list[PlateRead]) -> None:
    """Take new reads; a correction takes the place of the one it corrects."""
    for read in fresh:
        if read.corrects is not None:
            reads.pop(read.corrects, None)
        reads[read.read_id] = read


def as_json(clip: PlayedClip) -> Iterator[dict[str, Any]]:
    """The contract of `replay --jsonl`: one object per read, then one for the clip.

    `first_s` to `last_s` is what was known at publication, as the node would store it; the passage may last longer.
    """
    for read in clip.reads:
        yield {
            "clip": clip.path.name,
            "read_id": read.read_id,
            "vrm": read.vrm,
            "country": read.country,
            "confidence": round(read.confidence, 4),
            "votes": read.votes,
            "first_s": round(read.first_seen_ns / NS_PER_S, 3),
            "last_s": round(read.last_seen_ns / NS_PER_S, 3),
            "direction": read.direction,
            "box": [round(v, 1) for v in read.box.bounds],
        }
    row: dict[str, Any] = {
        "clip": clip.path.name,
        "frames": clip.frames,
        "dropped": clip.dropped,
        "ms_per_frame": round(clip.ms_per_frame, 2),
    }
    yield row if clip.problem is None else {**row, "error": clip.problem}
