"""Plates in still pictures: what `anpr-node read` does with files and folders.

Each picture is judged by itself; there is no tracking, no vote and nothing is stored.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from PIL import ImageDraw

from anpr_node import pictures
from anpr_node.errors import PictureError
from anpr_node.records import Plane, PlateBox, PlateText
from anpr_node.vision.reader import PlateReader, PlateView

KIB_PER_MIB = 1024
SAME_OVERLAP = 0.3


@dataclass(frozen=True, slots=True)
class FoundPlate:
    """One plate of a picture; `box` is None for a cut-out plate."""

    box: PlateBox | None
    plate: PlateText


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """The outcome of one file: plates surest first, or `problem` in words."""

    path: Path
    ms: float
    cpu_ms: float
    plates: tuple[FoundPlate, ...]
    problem: str | None = None


def collect(paths: Iterable[Path]) -> list[Path]:
    """The files named, and the pictures of the folders named, sorted.

    Raises:
        PictureError: a folder without any picture.

    """
    files: list[Path] = []
    for path in paths:
        if _is_folder(path):
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in pictures.PICTURE_SUFFIXES)
            if not found:
                raise PictureError(f"{path}: no picture in this folder; name one with .jpg or .png files")
            files += found
        else:
            files.append(path)
    return files


def _is_folder(path: Path) -> bool:
    """What cannot be looked at is taken for a picture: reading it says why, and the others go on."""
    try:
        return path.is_dir()
    except OSError:
        return False


def read_all(reader: PlateReader, files: Iterable[Path], *, patches: bool) -> Iterator[ReadPicture]:
    """Read every file in turn; one that cannot be read says so in `problem`, and the next follows."""
    for path in files:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            plane = pictures.load_grey(path)
            plates = _read_patch(reader, plane) if patches else read_scene(reader, plane)
            problem = None
        except PictureError as error:
            plates, problem = (), str(error)
        yield ReadPicture(
            path, (time.perf_counter() - wall_s) * 1e3, (time.thread_time() - cpu_s) * 1e3, plates, problem
        )


def read_scene(reader: PlateReader, plane: Plane) -> tuple[FoundPlate, ...]:
    """All plates of a picture, surest first; texts the recogniser itself doubts are left out."""
    views = filter(None, (reader.look(plane, box) for box in reader.detector.search(plane)))
    found: list[FoundPlate] = []
    for view in sorted(views, key=lambda view: -view.plate.score):
        if reader.is_reading(view.plate) and not any(_is_same(view, other) for other in found):
            found.append(FoundPlate(view.box, view.plate))
    return tuple(found)


def _is_same(view: PlateView, other: FoundPlate) -> bool:
    """Whether two rough boxes led to one plate."""
    overlap = view.box.overlap(other.box) if other.box else 0.0
    return overlap > SAME_OVERLAP or view.plate.text == other.plate.text


def _read_patch(reader: PlateReader, plane: Plane) -> tuple[FoundPlate, ...]:
    plate = reader.recognizer.read(plane)
    return (FoundPlate(None, plate),) if plate.text else ()


def as_json(result: ReadPicture) -> dict[str, Any]:
    """The contract of `read --jsonl`: one object per picture."""
    row: dict[str, Any] = {
        "image": result.path.name,
        "ms": round(result.ms, 2),
        "cpu_ms": round(result.cpu_ms, 2),
        "plates": [_plate_json(found) for found in result.plates],
    }
    return row if result.problem is None else {**row, "error": result.problem}


def _plate_json(found: FoundPlate) -> dict[str, Any]:
    return {
        "text": found.plate.text,
        "confidence": round(found.plate.score, 4),
        "box": None if found.box is None else [round(v, 1) for v in found.box.bounds],
        "corners": None if found.box is None else [[round(x, 1), round(y, 1)] for x, y in found.box.corners],
        "country": found.plate.country,
        "legibility": round(found.plate.legibility, 4),
        "candidates": [candidate.text for candidate in found.plate.candidates],
    }


def peak_rss_mb() -> float:
    """The most memory this process has ever held, in MiB.

    VmHWM starts anew with each program; getrusage's ru_maxrss would count what the parent held before the exec.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) / KIB_PER_MIB  # type: ignore[index]


def annotate(result: ReadPicture, folder: Path, taken: set[Path]) -> Path:
    """Write a copy of the picture with every plate outlined and its text beside it; returns its path.

    `taken` are the copies of this run so far, which it adds to: pictures of one name do not overwrite each other.
    """
    picture = pictures.load_colour(result.path)
    draw = ImageDraw.Draw(picture)
    size = max(14, picture.height // 40)
    for found in result.plates:
        label = f"{found.plate.text} {found.plate.score:.0%} {found.plate.country or ''}"
        if found.box is None:
            draw.text((2, 2), label, fill=(255, 220, 0), font_size=size, stroke_width=2, stroke_fill=(0, 0, 0))
            continue
        draw.polygon(found.box.corners, outline=(0, 255, 80), width=2)
        x, y, _, _ = found.box.bounds
        place = (x, max(0.0, y - size * 1.4))
        draw.text(place, label, fill=(255, 220, 0), font_size=size, stroke_width=2, stroke_fill=(0, 0, 0))
    names = (f"{result.path.stem}{mark}.annotated.png" for mark in chain([""], (f".{n}" for n in count(2))))
    target = next(path for name in names if (path := folder / name) not in taken)
    taken.add(target)
    try:
        picture.save(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(target)) from error
    return target
