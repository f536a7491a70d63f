"""Batches for the recogniser: synthetic plates and real labelled ones, each degraded anew every time it is drawn.

Trains on records of split `train` only; split `dev` is read here for measuring alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from degrade import degrade
from geometry import TWO_LINE_ASPECT_BELOW, model_input
from plates import PlateGenerator
from recognizer_model import ALPHABET, BLANK, COLUMNS, PAD, TEXT_MAX
from syntaxes import COUNTRY_CODES

# How often a set is drawn among the real plates.
REAL_SETS = {
    "crops/eu_crops": 5.0,
    "crops/eu_moto_crops": 2.0,
    "scenes/nl_marketplace": 1.2,
    "scenes/de_press": 0.6,
    "scenes/openalpr_br": 0.6,
    "scenes/openalpr_us": 0.8,
    "scenes/ro_dashcam": 1.2,
}
NEVER_SETS = {"scenes/openalpr_eu"}
SELF_LABELLED_WEIGHT = 1.5


@dataclass(frozen=True)
class RealPlate:
    """A labelled plate cut from its picture with some surroundings; `face` is the labelled box within the cut."""

    pixels: np.ndarray
    face: tuple[float, float, float, float]
    text: str
    country: str | None
    two_line: bool
    source: str


@dataclass(frozen=True)
class Sample:
    """One training example: 32 x 160 grey, the packed target of `plate_loss`, the country's index or PAD."""

    grey: np.ndarray
    target: np.ndarray
    country: int


def read_real(data: Path, dataset: str, split: str, margin: float = 0.35) -> list[RealPlate]:
    """Cut the plates with text and box out of one data set's split."""
    folder, plates = data / dataset, []
    for line in (folder / "labels.jsonl").read_text().splitlines():
        record = json.loads(line)
        wanted = [p for p in record["plates"] if p.get("text") and p.get("box")]
        if record["split"] != split or not wanted:
            continue
        picture = cv2.imread(str(folder / "images" / record["image"]), cv2.IMREAD_GRAYSCALE)
        plates += [
            _cut(picture, p, dataset, margin) for p in wanted if len(p["text"]) <= TEXT_MAX and p["box"][2] >= 30
        ]
    return plates


def read_self_labelled(data: Path, file: Path) -> list[RealPlate]:
    """Cut the plates that self_label.py gave texts to."""
    plates = []
    for record in map(json.loads, file.read_text().splitlines()):
        picture = cv2.imread(str(data / record["dataset"] / "images" / record["image"]), cv2.IMREAD_GRAYSCALE)
        plates.append(replace(_cut(picture, record, record["dataset"], 0.35), two_line=record["two_line"]))
    return plates


def _cut(picture: np.ndarray, plate: dict, dataset: str, margin: float) -> RealPlate:
    x, y, w, h = plate["box"]
    x0, y0 = max(0, int(x - margin * w)), max(0, int(y - margin * h))
    x1, y1 = min(picture.shape[1], int(x + w + margin * w) + 1), min(picture.shape[0], int(y + h + margin * h) + 1)
    return RealPlate(
        np.ascontiguousarray(picture[y0:y1, x0:x1]),
        (x - x0, y - y0, x - x0 + w, y - y0 + h),
        plate["text"],
        plate.get("country"),
        is_two_line(dataset, w / h),
        dataset,
    )


def is_held_out(text: str) -> bool:
    """True for one text in fourteen: kept out of training, to fit the confidence on."""
    return zlib.crc32(text.encode()) % 14 == 0


def is_two_line(dataset: str, aspect: float) -> bool:
    """True where a labelled box is of a two-line plate; American and Brazilian one-line plates are nearly square."""
    return aspect < TWO_LINE_ASPECT_BELOW and not dataset.startswith("scenes/openalpr_")


def read_backgrounds(data: Path, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Cut random pieces (64 x 192) from training scenes, to stand around a plate."""
    pieces, folder = [], data / "scenes" / "kaggle_cars433"
    images = sorted((folder / "images").iterdir())
    for i in rng.permutation(len(images))[:count]:
        picture = cv2.imread(str(images[i]), cv2.IMREAD_GRAYSCALE)
        h, w = picture.shape
        if h < 80 or w < 120:
            continue
        ph, pw = int(h * rng.uniform(0.1, 0.4)), int(w * rng.uniform(0.15, 0.5))
        y, x = int(rng.integers(0, h - ph)), int(rng.integers(0, w - pw))
        pieces.append(cv2.resize(picture[y : y + ph, x : x + pw], (192, 64), interpolation=cv2.INTER_AREA))
    return pieces


def _columns(char_boxes: np.ndarray, text: str, top_count: int) -> np.ndarray:
    """Return the known symbol of each column: a character around its middle, blank in clear gaps, PAD in between."""
    two = top_count < len(text)
    frames = np.full(COLUMNS, BLANK, np.int32)
    middles = (np.arange(COLUMNS) + 0.5) / COLUMNS
    spans = char_boxes[:, [0, 2]].copy()
    if two:
        spans = spans / 2
        spans[top_count:] += 0.5
    for x0, x1 in spans:
        frames[(middles > x0 - 0.004) & (middles < x1 + 0.004)] = PAD
    for (x0, x1), char in zip(spans, text):
        middle, half = (x0 + x1) / 2, max((x1 - x0) * 0.3, 0.5 / COLUMNS)
        frames[np.abs(middles - middle) <= half] = ALPHABET.index(char)
    return frames


def _pack(text: str, frames: np.ndarray | None) -> np.ndarray:
    target = np.full(TEXT_MAX + COLUMNS, PAD, np.int32)
    target[: len(text)] = [ALPHABET.index(c) for c in text]
    if frames is not None:
        target[TEXT_MAX:] = frames
    return target


def country_index(code: str | None) -> int:
    """Index of a country's class; PAD for none, the class "?" for one that has no class."""
    if code is None:
        return PAD
    return COUNTRY_CODES.index(code if code in COUNTRY_CODES else "?")


class SampleSource:
    """Draws endless samples; `real_share` of them are real plates."""

    def __init__(self, data: Path, seed: int, real_share: float, self_labels: Path | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        self.real_share = real_share
        self._generator = PlateGenerator(data / "fonts", self.rng)
        self._backgrounds = read_backgrounds(data, 400, self.rng)
        self._sets = {
            name: [p for p in read_real(data, name, "train") if not is_held_out(p.text)] for name in REAL_SETS
        }
        # The node stands in Belgium first of all, and no free font has the Belgian shapes.
        self._sets["crops/eu_crops"] += [p for p in self._sets["crops/eu_crops"] if p.country == "B"]
        assert not NEVER_SETS & set(self._sets)
        weights = np.array(list(REAL_SETS.values()))
        if self_labels:
            self._sets["self-labelled"] = [p for p in read_self_labelled(data, self_labels) if not is_held_out(p.text)]
            weights = np.append(weights, SELF_LABELLED_WEIGHT)
        self._chances = weights / weights.sum()

    def draw(self) -> Sample:
        if self.rng.random() < self.real_share:
            return self._real()
        return self._synthetic()

    def _real(self) -> Sample:
        names = list(self._sets)
        shelf = self._sets[names[int(self.rng.choice(len(names), p=self._chances))]]
        plate = shelf[int(self.rng.integers(len(shelf)))]
        # Plates of whole scenes are small and blurred as they are.
        strength = float(self.rng.uniform(0.1, 1.0 if plate.source.startswith("crops/") else 0.7))
        crop = degrade(plate.pixels, plate.face, None, plate.two_line, self._backgrounds, self.rng, strength)
        return Sample(model_input(crop.pixels, plate.two_line), _pack(plate.text, None), country_index(plate.country))

    def _synthetic(self) -> Sample:
        while True:
            two = bool(self.rng.random() < 0.15)
            plate = self._generator.render(96 if two else 64, two)
            if not 0 < len(plate.text) <= TEXT_MAX:
                continue
            face = (
                plate.face
                if self.rng.random() < 0.6
                else (0.0, 0.0, float(plate.pixels.shape[1]), float(plate.pixels.shape[0]))
            )
            crop = degrade(
                plate.pixels,
                face,
                plate.char_boxes,
                two,
                self._backgrounds,
                self.rng,
                float(self.rng.uniform(0.3, 1.0)),
            )
            boxes = crop.char_boxes
            if boxes is not None and boxes.min() > -0.012 and boxes.max() < 1.012:
                break
        top = int((plate.char_boxes[:, 1] < plate.char_boxes[0, 3]).sum()) if two else len(plate.text)
        return Sample(
            model_input(crop.pixels, two),
            _pack(plate.text, _columns(boxes, plate.text, top)),
            country_index(plate.country),
        )

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (grey uint8 [size, 32, 160], packed targets, country indices) for ever."""
        while True:
            drawn = [self.draw() for _ in range(size)]
            yield (
                np.stack([s.grey for s in drawn]),
                np.stack([s.target for s in drawn]),
                np.array([s.country for s in drawn], np.int32),
            )
