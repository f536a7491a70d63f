"""Labelled pictures as grey arrays with plate boxes, and windows cut from them.

Reads `labels.jsonl` folders; it never hands out a picture of another split than the one asked for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

PADDING_GREY = 114
# Boxes of these sets leave plates unlabelled or are roughly drawn, whatever their own flag says.
INCOMPLETE_SOURCES = ("roboflow_mixed",)
HELD_OUT_ONE_IN = 10


@dataclass(frozen=True)
class Scene:
    """One picture: grey pixels, plate boxes [n, 4] as x1 y1 x2 y2 in its own pixels."""

    source: str
    name: str
    pixels: np.ndarray
    boxes: np.ndarray
    complete: bool
    is_held_out: bool
    lookalikes: tuple[np.ndarray, ...] = ()  # boxes a detector took for plates, wrongly
    doubtful: tuple[np.ndarray, ...] = ()  # boxes that may be plates without a label

    @property
    def key(self) -> str:
        """Its name among all sets."""
        return f"{self.source}/{self.name}"


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in its pixels; it may reach past the edges."""

    left: float
    top: float
    width: float
    height: float


def _held_out(name: str) -> bool:
    """Whether a picture is kept for choosing; the name decides, so every run agrees."""
    return hashlib.sha1(name.encode()).digest()[0] % HELD_OUT_ONE_IN == 0


def _scene(folder: Path, record: dict) -> Scene | None:
    listed = [plate["box"] for plate in record["plates"]]
    if any(box is None for box in listed):
        return None  # a visible plate without a place is neither positive nor negative
    pixels = cv2.imread(str(folder / "images" / record["image"]), cv2.IMREAD_GRAYSCALE)
    boxes = np.array(listed, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scale = np.array([pixels.shape[1] / record["width"], pixels.shape[0] / record["height"]] * 2, np.float32)
    complete = record["complete"] and folder.name not in INCOMPLETE_SOURCES
    return Scene(folder.name, record["image"], pixels, boxes * scale, complete, _held_out(record["image"]))


def with_mistakes(scenes: list[Scene], mistakes: Path) -> list[Scene]:
    """The same scenes with what detector_mine.py found in them."""
    mined = json.loads(mistakes.read_text())
    nothing: dict[str, list] = {"lookalikes": [], "doubtful": []}
    return [
        replace(
            scene,
            **{
                kind: tuple(np.array(box, np.float32) for box in boxes)
                for kind, boxes in mined.get(scene.key, nothing).items()
            },
        )
        for scene in scenes
    ]


def load_scenes(folder: Path, split: str) -> list[Scene]:
    """Every labelled picture of one split below `folder` (one folder a set)."""
    scenes: list[Scene] = []
    for labels in sorted(folder.glob("*/labels.jsonl")):
        records = [json.loads(line) for line in labels.read_text().splitlines() if line.strip()]
        chosen = [_scene(labels.parent, record) for record in records if record["split"] == split]
        scenes += [scene for scene in chosen if scene is not None]
    if not scenes:
        raise FileNotFoundError(f"no pictures of split {split!r} below {folder}: expected SET/labels.jsonl there")
    return scenes


def cut(pixels: np.ndarray, window: Window, width_px: int, height_px: int) -> np.ndarray:
    """The window resized to width x height; what lies outside the picture becomes padding grey."""
    canvas = np.full((height_px, width_px), PADDING_GREY, np.uint8)
    scale_x, scale_y = width_px / window.width, height_px / window.height
    x1, y1 = max(0, round(window.left)), max(0, round(window.top))
    x2 = min(pixels.shape[1], round(window.left + window.width))
    y2 = min(pixels.shape[0], round(window.top + window.height))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return canvas
    left, top = max(0, round((x1 - window.left) * scale_x)), max(0, round((y1 - window.top) * scale_y))
    right = min(width_px, round((x2 - window.left) * scale_x))
    bottom = min(height_px, round((y2 - window.top) * scale_y))
    if right - left < 1 or bottom - top < 1:
        return canvas
    method = cv2.INTER_AREA if scale_x < 1 else cv2.INTER_LINEAR
    canvas[top:bottom, left:right] = cv2.resize(
        pixels[y1:y2, x1:x2], (right - left, bottom - top), interpolation=method
    )
    return canvas


def points_in_window(points: np.ndarray, window: Window, width_px: int, height_px: int) -> np.ndarray:
    """Points [..., 2] in the resized window's pixels, not clipped; a box is two points."""
    scale = np.array([width_px / window.width, height_px / window.height], np.float32)
    return (points - np.array([window.left, window.top], np.float32)) * scale
