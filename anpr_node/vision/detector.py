"""Finds plates: a first look at the small plane of a whole frame, a second one at a window of the full plane.

Boxes come back in pixels of the full frame. What a plate says is not read here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anpr_node import pictures
from anpr_node.records import Frame, Plane, PlateBox
from anpr_node.vision import boxes
from anpr_node.vision.contract import DetectorContract, load_contract
from anpr_node.vision.runtime import Network


@dataclass(frozen=True, slots=True)
class View:
    """Where a network input lies in the full frame: frame = origin + input * scale."""

    x: float
    y: float
    scale_x: float
    scale_y: float


Part = tuple[int, int, int, int]
"""x, y, width, height of a part of a plane, in its pixels."""

PART_SCALE = 3.2  # a part is this many times as wide and high as the network's input: 1024 × 768
PARTS_FROM = 1.2  # pictures this many parts wide are looked at in parts; in others the whole shows enough
PART_OVERLAP = 0.2  # of a part's side: no plate narrower than that is cut by every part


class Detector:
    """The plate detector on one thread. Not thread-safe: one per thread."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the model of `folder`. Raises ModelError."""
        self.contract = load_contract(DetectorContract, folder)
        self._settings = self.contract.detector
        self._network = Network(self.contract, threads)
        _, self._rows, self._columns, _ = self.contract.input.shape
        self._canvas = np.full((self._rows, self._columns), self._settings.pad_value, np.uint8)

    def first_look(self, frame: Frame) -> list[PlateBox]:
        """The plates of a whole frame, surest first. Corners are rough: good enough to track, not to read."""
        full_rows, full_columns = frame.pixels.shape
        small = frame.small
        if small.shape[0] > self._rows or small.shape[1] > self._columns:
            small = pictures.small_plane(small, self._columns, self._rows)
        view = View(0.0, 0.0, full_columns / small.shape[1], full_rows / small.shape[0])
        return self._detect(small, view, self._settings.first_threshold)

    def search(self, plane: Plane) -> list[PlateBox]:
        """The plates of a still picture, surest first; a wide one is looked at whole and in overlapping parts.

        The loop has no need of this: there a vehicle comes nearer, and the small plane shows its plate in time.
        """
        found = self.first_look(Frame(0, 0, 0, 1.0, False, plane, pictures.small_plane(plane)))
        for part in self._parts(plane):
            found += self._look_at(plane, part, self._settings.first_threshold)
        return boxes.without_repeats(found, self._settings.nms_iou)

    def _parts(self, plane: Plane) -> Iterator[Part]:
        """Parts of a plane that is too wide to show a distant plate in one look; none for others."""
        rows, columns = plane.shape
        width = round(self._columns * PART_SCALE)
        height = round(self._rows * PART_SCALE)
        if columns < PARTS_FROM * width:
            return
        for y in _starts(rows, height):
            for x in _starts(columns, width):
                yield x, y, min(width, columns), min(height, rows)

    def second_look(self, pixels: Plane, box: PlateBox) -> PlateBox | None:
        """The same plate in a window a few plate widths wide, with sharp corners; None when it is no plate there.

        One that was found large and surely in the first place is sharp enough as it is: a second look costs as much as
        the first and would see no more.
        """
        if self._is_sharp(pixels, box):
            return box
        near = self._look_at(pixels, self._window(pixels, box), self._settings.zoom_threshold)
        found = [b for b in near if b.overlap(box) > 0]
        return max(found, key=lambda b: b.overlap(box) * b.score, default=None)

    def _is_sharp(self, pixels: Plane, box: PlateBox) -> bool:
        rows, columns = pixels.shape
        scale = max(columns / self._columns, rows / self._rows)
        wide_enough = box.width_px >= self._settings.sharp_from_px * scale
        return wide_enough and box.score >= self._settings.zoom_threshold

    def _look_at(self, pixels: Plane, part: Part, threshold: float) -> list[PlateBox]:
        """The plates of a part of the plane, shrunk to the network's input."""
        x, y, width, height = part
        columns, rows = pictures.fit_size((height, width), self._columns, self._rows)
        cut = pictures.window(pixels, (x, y, x + width, y + height), columns, rows)
        return self._detect(cut, View(x, y, width / columns, height / rows), threshold)

    def _window(self, pixels: Plane, box: PlateBox) -> Part:
        """A window around the box, of the network's aspect, moved to lie in the frame."""
        rows, columns = pixels.shape
        x1, y1, x2, y2 = box.bounds
        wanted = max((x2 - x1), (y2 - y1) * 2) * self._settings.zoom_window_widths
        width = int(min(columns, wanted))
        height = int(min(rows, wanted * self._rows / self._columns))
        x = min(max(0, round((x1 + x2 - width) / 2)), columns - width)
        y = min(max(0, round((y1 + y2 - height) / 2)), rows - height)
        return x, y, width, height

    def _detect(self, picture: Plane, view: View, threshold: float) -> list[PlateBox]:
        """Run the network on a picture no larger than its input, laid at the top left of the padded canvas."""
        rows, columns = picture.shape
        self._canvas[rows:] = self._settings.pad_value
        self._canvas[:, columns:] = self._settings.pad_value
        self._canvas[:rows, :columns] = picture
        heat, box, corners = self._network.run(self._canvas)
        found = boxes.decode(heat, box, corners, threshold, self._settings.stride, self._settings.nms_iou)
        return [_to_frame(b, view) for b in found]


def _starts(length: int, part: int) -> list[int]:
    """Where parts begin so that they cover the length evenly and overlap enough."""
    if length <= part:
        return [0]
    count = 1 + math.ceil((length - part) / (part * (1 - PART_OVERLAP)))
    return [round(n * (length - part) / (count - 1)) for n in range(count)]


def _to_frame(box: PlateBox, view: View) -> PlateBox:
    moved = tuple((view.x + x * view.scale_x, view.y + y * view.scale_y) for x, y in box.corners)
    return replace(box, corners=moved)
