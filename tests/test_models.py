"""The models against their contracts, and what happens when they do not fit."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PICTURES, ROOT

from anpr_node import pictures, stills
from anpr_node.errors import ModelError
from anpr_node.vision.reader import PlateReader, with_margin
from anpr_node.vision.recognizer import Recognizer


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the models that a test may damage."""
    for name in ("plate_detector", "plate_recognizer"):
        shutil.copytree(ROOT / "models" / name, tmp_path / "models" / name)
    return tmp_path / "models"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_damaged_model_is_refused(models: Path) -> None:
    weights = models / "plate_recognizer" / "plate_recognizer.tflite"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        PlateReader(models)


def test_a_model_of_another_shape_is_refused(models: Path) -> None:
    edit(models / "plate_detector" / "model.toml", "shape = [1, 240, 320, 1]", "shape = [1, 192, 320, 1]")
    with pytest.raises(ModelError, match=r"promises .* \(1, 192, 320, 1\)"):
        PlateReader(models)


def test_a_file_that_is_no_model_is_refused(models: Path) -> None:
    weights = models / "plate_detector" / "plate_detector.tflite"
    old = hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.write_bytes(b"not a model")
    edit(models / "plate_detector" / "model.toml", old, hashlib.sha256(b"not a model").hexdigest())
    with pytest.raises(ModelError, match="cannot load"):
        PlateReader(models)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("stride = 8", "stryde = 8", "stryde"), ("stride = 8", "stride = 'x'", "stride"), ("name =", "name", "readable")],
)
def test_a_malformed_contract_names_the_key(models: Path, old: str, new: str, words: str) -> None:
    edit(models / "plate_detector" / "model.toml", old, new)
    with pytest.raises(ModelError, match=words):
        PlateReader(models)


def test_a_contract_whose_alphabet_does_not_fit_the_output_is_refused(models: Path) -> None:
    edit(models / "plate_recognizer" / "model.toml", 'alphabet = "0', 'alphabet = "')
    with pytest.raises(ModelError, match="classes"):
        PlateReader(models)


def test_a_country_is_named_only_where_it_is_sure_enough(models: Path, reader: PlateReader) -> None:
    plane = pictures.load_grey(PICTURES / "ro_0894.jpg")
    box = stills.read_scene(reader, plane)[0].box
    assert box is not None
    patch = reader.patch(plane, box)
    named = reader.recognizer.read(patch)
    assert named.country == "RO"
    edit(models / "plate_recognizer" / "model.toml", "country_above = 0.85", "country_above = 0.999999999")
    unnamed = Recognizer(models / "plate_recognizer").read(patch)
    assert (unnamed.text, unnamed.country) == (named.text, None)


def test_missing_models_say_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"plate_detector/model\.toml: no such file"):
        PlateReader(tmp_path)


def read_labels() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PICTURES / "labels.jsonl").read_text().splitlines()]


def test_real_plates_in_real_pictures_are_read(reader: PlateReader) -> None:
    """The frames that come with the repository; they were trained on, so this says that it works, not how well."""
    labels = read_labels()
    right = 0
    for label in labels:
        found = stills.read_scene(reader, pictures.load_grey(PICTURES / label["image"]))
        right += label["plates"][0]["text"] in [f.plate.text for f in found]
    assert right >= len(labels) - 1


def test_distant_plates_of_a_wide_picture_are_read(reader: PlateReader) -> None:
    labels = read_labels()
    planes = [pictures.load_grey(PICTURES / label["image"]) for label in labels]
    wide = np.vstack([np.hstack(planes[:3]), np.hstack(planes[3:])])  # 3840 × 1440: plates of 12 px in the first look
    assert not {label["plates"][0]["text"] for label in labels} - {
        f.plate.text for f in stills.read_scene(reader, wide)
    }


@pytest.mark.parametrize(("columns", "rows"), [(1228, 400), (1229, 900), (4640, 2088), (10_000, 60), (40, 3000)])
def test_parts_cover_a_wide_picture_and_lie_within_it(reader: PlateReader, columns: int, rows: int) -> None:
    parts = list(reader.detector._parts(np.zeros((rows, columns), np.uint8)))
    seen = np.zeros((rows, columns), bool)
    for x, y, width, height in parts:
        assert 0 <= x <= columns - width
        assert 0 <= y <= rows - height
        seen[y : y + height, x : x + width] = True
    assert seen.all() if columns > 1228 else not parts


def test_reading_a_kept_patch_again_gives_the_same_text(reader: PlateReader) -> None:
    plane = pictures.load_grey(PICTURES / "ro_0894.jpg")
    found = stills.read_scene(reader, plane)[0]
    assert found.box is not None
    kept = pictures.encode_jpeg(reader.patch(plane, found.box), 92)
    assert reader.recognizer.read(pictures.decode_jpeg(kept)).text == found.plate.text


@pytest.mark.parametrize("value", [0, 128, 255])
def test_plain_surfaces_hold_no_plate(reader: PlateReader, value: int) -> None:
    assert stills.read_scene(reader, np.full((480, 640), value, np.uint8)) == ()


def test_noise_holds_no_plate(reader: PlateReader) -> None:
    assert stills.read_scene(reader, np.random.default_rng(3).integers(0, 255, (480, 640), np.uint8)) == ()


def test_any_patch_is_answered(reader: PlateReader) -> None:
    """Shapes from a slip of paper to a square, down to eight pixels: a text or none, never an exception."""
    rng = np.random.default_rng(5)
    for rows, columns in ((8, 8), (8, 400), (100, 30), (45, 200), (90, 120), (300, 1500)):
        text = reader.recognizer.read(rng.integers(0, 255, (rows, columns), np.uint8))
        assert len(text.char_scores) == len(text.text)
        assert 0 <= text.score <= 1


def test_a_plate_without_enough_pixels_is_called_hopeless(reader: PlateReader) -> None:
    plane = pictures.load_grey(PICTURES / "ro_0894.jpg")
    box = stills.read_scene(reader, plane)[0].box
    assert box is not None
    patch = reader.patch(plane, box)
    smeared = [pictures.resize(pictures.resize(patch, width, width // 4), *patch.shape[::-1]) for width in (24, 16, 8)]
    sharp, *hopeless = [reader.recognizer.read(p).legibility for p in (patch, *smeared)]
    assert sharp > 0.9
    assert max(hopeless) < 0.3


def test_two_lines_are_laid_side_by_side() -> None:
    recognizer = Recognizer(ROOT / "models" / "plate_recognizer")
    patch = np.vstack([np.full((60, 100), 50, np.uint8), np.full((60, 100), 200, np.uint8)])
    laid = recognizer._two_lines(patch)
    assert laid.shape == (32, 160)
    assert laid[:24, :76].mean() < 60
    assert laid[8:, 84:].mean() > 190


def test_margins_grow_on_every_side() -> None:
    grown = with_margin(((10.0, 10.0), (110.0, 10.0), (110.0, 30.0), (10.0, 30.0)), 0.1, 0.2)
    assert grown == ((0.0, 6.0), (120.0, 6.0), (120.0, 34.0), (0.0, 34.0))
