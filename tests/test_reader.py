"""The rules between the networks: margins, second looks, padding, two lines, what is a reading and what a repeat."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import PICTURES, ROOT
from makers import box, plate

from anpr_node import pictures, stills
from anpr_node.drivers.simulated.plates import HOLDER_MM, PX_PER_MM, draw_face
from anpr_node.drivers.simulated.syntaxes import Issue
from anpr_node.records import Frame, Plane
from anpr_node.vision.detector import Detector
from anpr_node.vision.reader import PlateReader, PlateView

PLAIN = np.full((480, 640), 128, np.uint8)


def whole(plane: Plane) -> Frame:
    return Frame(0, 0, 0, 1.0, False, plane, pictures.small_plane(plane))


def test_a_patch_shows_a_margin_around_the_plate(reader: PlateReader) -> None:
    plane = np.full((200, 400), 255, np.uint8)
    plane[50:100, 100:300] = 0
    patch = reader.patch(plane, box(100, 50, 200, 50))
    assert min(patch[0].min(), patch[-1].min(), patch[:, 0].min(), patch[:, -1].min()) > 200
    assert patch[5:-5, 8:-8].max() < 50


@pytest.mark.parametrize(
    ("text", "score", "country", "counts"),
    [
        ("1ABC123", 0.51, "B", True),
        ("1ABC123", 0.49, "B", False),
        ("GARAGE", 0.69, "B", False),
        ("GARAGE", 0.71, "B", True),
        ("1ABC123", 0.69, None, False),
        ("1ABC123", 0.71, None, True),
    ],
)
def test_what_is_not_spelt_like_a_plate_must_be_surer(
    reader: PlateReader, text: str, score: float, country: str | None, counts: bool
) -> None:
    assert reader.is_reading(plate(text, score, country=country)) is counts


def test_a_small_or_doubtful_plate_is_looked_at_again(reader: PlateReader) -> None:
    """On a plain surface the second look finds nothing, so whatever comes back was not looked at."""
    second_look = reader.detector.second_look
    large = box(200, 200, 200, 50)
    assert second_look(PLAIN, large) is large
    assert second_look(PLAIN, box(200, 200, 60, 15)) is None
    assert second_look(PLAIN, box(200, 200, 200, 50, score=0.3)) is None


@pytest.mark.parametrize("shape", [(300, 1280), (720, 300)])
def test_a_smaller_picture_does_not_show_what_was_there_before(shape: tuple[int, int]) -> None:
    detector = Detector(ROOT / "models" / "plate_detector")
    plane = pictures.load_grey(PICTURES / "ro_0894.jpg")
    assert detector.first_look(whole(plane))
    assert not detector.first_look(whole(np.full(shape, 128, np.uint8)))


@pytest.mark.parametrize("aspect", [1.5, 1.7, 2.2])
def test_two_lines_are_read_where_the_aspect_leaves_it_open(reader: PlateReader, aspect: float) -> None:
    face = draw_face(Issue("1ABC123", "B", ("1-ABC", "123")), np.random.default_rng(1), dirty=False)
    edge = round(HOLDER_MM * PX_PER_MM)
    sheet = np.asarray(face.albedo)[edge:-edge, edge:-edge]
    assert reader.recognizer.read(pictures.resize(sheet, round(120 * aspect), 120)).text == "1ABC123"


def test_one_plate_is_reported_once(reader: PlateReader) -> None:
    """Rough boxes that overlap, or that led to the same text, are one plate."""
    plane = pictures.load_grey(PICTURES / "ro_0894.jpg")
    assert [f.plate.text for f in stills.read_scene(reader, np.hstack([plane, plane]))] == ["B305CIL"]
    known = stills.FoundPlate(box(), plate("1ABC123"))
    assert stills._is_same(PlateView(box(x=620), PLAIN, plate("1ABC12")), known)
    assert not stills._is_same(PlateView(box(x=900), PLAIN, plate("1ABC12")), known)
