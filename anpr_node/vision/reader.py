"""Box to text in one step, the same for still pictures and for the loop: second look, rectify, recognise.

It keeps no state between calls and decides nothing about tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anpr_node import pictures
from anpr_node.records import Corners, Plane, PlateBox, PlateText
from anpr_node.vision import syntax
from anpr_node.vision.detector import Detector
from anpr_node.vision.recognizer import Recognizer

PATCH_WIDTH_MIN_PX = 96
PATCH_WIDTH_MAX_PX = 512
PATCH_HEIGHT_MIN_PX = 16


@dataclass(frozen=True, slots=True)
class PlateView:
    """A plate as seen in one frame: sharp corners, the patch that was read, and its text."""

    box: PlateBox
    patch: Plane
    plate: PlateText


class PlateReader:
    """Detector and recogniser of one thread."""

    def __init__(self, models: Path, threads: int = 1) -> None:
        """Load both models under `models`. Raises ModelError."""
        self.detector = Detector(models / "plate_detector", threads)
        self.recognizer = Recognizer(models / "plate_recognizer", threads)

    @property
    def model_id(self) -> str:
        """Both models' ids, as kept with every read."""
        return f"{self.detector.contract.model_id}+{self.recognizer.contract.model_id}"

    def is_reading(self, plate: PlateText) -> bool:
        """Whether a text read once is more than noise: badges and adverts are seldom spelt like a plate."""
        settings = self.recognizer.contract.recognizer
        is_usual = syntax.fits(plate.text, plate.country)
        return plate.score >= (settings.reject_below if is_usual else settings.reject_odd_below)

    def look(self, pixels: Plane, box: PlateBox) -> PlateView | None:
        """Read the plate of a rough box. None when the second look finds no plate there."""
        sharp = self.detector.second_look(pixels, box)
        if sharp is None:
            return None
        patch = self.patch(pixels, sharp)
        return PlateView(sharp, patch, self.recognizer.read(patch))

    def patch(self, pixels: Plane, box: PlateBox) -> Plane:
        """The plate pulled straight at its own resolution, with the margin that the recogniser was trained on."""
        settings = self.recognizer.contract.recognizer
        corners = with_margin(box.corners, settings.margin_x, settings.margin_y)
        width = round(min(max(box.width_px, PATCH_WIDTH_MIN_PX), PATCH_WIDTH_MAX_PX))
        height = max(PATCH_HEIGHT_MIN_PX, round(width * box.height_px / max(box.width_px, 1.0)))
        return pictures.rectify(pixels, corners, width, height)


def with_margin(corners: Corners, share_x: float, share_y: float) -> Corners:
    """The quadrilateral grown on every side by shares of its own width and height."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    ux, uy = (bx - ax + cx - dx) / 2 * share_x, (by - ay + cy - dy) / 2 * share_x
    vx, vy = (dx - ax + cx - bx) / 2 * share_y, (dy - ay + cy - by) / 2 * share_y
    return (
        (ax - ux - vx, ay - uy - vy),
        (bx + ux - vx, by + uy - vy),
        (cx + ux + vx, cy + uy + vy),
        (dx - ux + vx, dy - uy + vy),
    )
