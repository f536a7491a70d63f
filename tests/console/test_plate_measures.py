"""One rendered plate of known size, blur and paint: what is measured of it, whatever its country."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from anpr_node.calibration.plate import PlateMeasures, measure_plate
from anpr_node.drivers.simulated.plates import HOLDER_MM, draw_face
from anpr_node.drivers.simulated.syntaxes import Issue
from anpr_node.records import PlateBox

WIDTH_PX = 200
OVER = 4
AROUND_PX = 60
PLATES = {"B": "1-ABC-234", "F": "QP-956-WC", "D": "KR U2381", "NL": "9-STH-95", "L": "GH 5055"}


def plate(country: str, blur_px: float) -> tuple[PlateMeasures, float]:
    """What is measured, and the contrast of the paints."""
    text = PLATES[country]
    issue = Issue("".join(c for c in text if c.isalnum()), country, (text,))
    # a generator that wears nothing and puts no shadow over it
    face = next(
        f for f in (draw_face(issue, np.random.default_rng(seed), dirty=False) for seed in range(40)) if _even(f.albedo)
    )
    scale = WIDTH_PX / face.plate_mm[0]
    size = tuple(round(mm * scale * OVER) for mm in face.outer_mm)
    canvas = Image.new("L", (size[0] + 2 * AROUND_PX * OVER, size[1] + 2 * AROUND_PX * OVER), 40)
    canvas.paste(face.albedo.resize(size, Image.Resampling.BOX), (AROUND_PX * OVER, AROUND_PX * OVER))
    blurred = canvas.filter(ImageFilter.GaussianBlur(blur_px * OVER)).reduce(OVER)
    left, top = AROUND_PX + HOLDER_MM * scale, AROUND_PX + HOLDER_MM * scale
    right, bottom = left + WIDTH_PX, top + face.plate_mm[1] * scale
    corners = ((left + 2, top + 1), (right - 2, top - 1), (right - 1, bottom + 1), (left + 1, bottom))
    noise = np.random.default_rng(1).normal(0, 2.0, (blurred.height, blurred.width))
    pixels = np.clip(np.asarray(blurred) + noise, 0, 255).astype(np.uint8)
    text_part = np.asarray(face.albedo).astype(float)
    ground, ink = np.percentile(text_part, 85), np.percentile(text_part[70:160, 300:800], 5)
    return measure_plate(pixels, PlateBox(corners, 0.9)), float((ground - ink) / (ground + ink))


def _even(albedo: Image.Image) -> bool:
    """No shadow over the upper part, and a new sheet."""
    columns = np.asarray(albedo).astype(float)
    upper, lower = np.percentile(columns[35:60], 80), np.percentile(columns[-60:-35], 80)
    return bool(abs(upper - lower) < 4)


@pytest.mark.parametrize("country", list(PLATES))
@pytest.mark.parametrize("blur_px", [0.6, 1.2])
def test_a_plate_is_measured_alike_whatever_its_country(country: str, blur_px: float) -> None:
    measured, contrast = plate(country, blur_px)
    assert measured.width_px == pytest.approx(WIDTH_PX, rel=0.03)
    assert measured.edge_px == pytest.approx(blur_px, abs=0.3)
    assert measured.contrast == pytest.approx(contrast, rel=0.10)
