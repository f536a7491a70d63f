"""Cuts the places of failures out of pictures, marks them, and packs them into the report as data URIs.

These pictures show real plates: they go into the report that was asked for and nowhere else.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from anpr_node import pictures
from anpr_node.records import Plane
from evaluation.records import Box

WIDTH_PX = 280
QUALITY = 78
SURROUNDINGS = 0.7
LABEL_COLOUR = (255, 170, 0)
READ_COLOUR = (0, 230, 90)


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def place(path: Path, label: Box | None, reads: Sequence[Box]) -> str:
    """The plate with its surroundings, the label's box in orange, the node's in green; the whole patch or picture."""
    picture = pictures.load_colour(path)
    centre = label or (reads[0] if reads else None)
    if centre is None:
        return _packed(_fitted(picture))
    window = _around(centre, picture.size)
    scale = WIDTH_PX / (window[2] - window[0])
    cut = picture.resize((WIDTH_PX, max(1, round((window[3] - window[1]) * scale))), box=window)
    draw = ImageDraw.Draw(cut)
    for boxes, colour in (((label,) if label else (), LABEL_COLOUR), (reads, READ_COLOUR)):
        for x1, y1, x2, y2 in boxes:
            corners = [(x1 - window[0]) * scale, (y1 - window[1]) * scale]
            corners += [(x2 - window[0]) * scale, (y2 - window[1]) * scale]
            draw.rectangle(corners, outline=colour, width=1)
    return _packed(cut)


def plane_uri(plane: Plane) -> str:
    """A grey plane, fitted."""
    return _packed(_fitted(pictures.as_image(plane)))


def _around(box: Box, size: tuple[int, int]) -> Box:
    x1, y1, x2, y2 = box
    reach = SURROUNDINGS * max(x2 - x1, y2 - y1, 8.0)
    left, top = max(0.0, x1 - reach), max(0.0, y1 - reach * 0.6)
    return left, top, max(left + 1, min(size[0], x2 + reach)), max(top + 1, min(size[1], y2 + reach * 0.6))


def _fitted(picture: Image.Image) -> Image.Image:
    scale = min(WIDTH_PX / picture.width, WIDTH_PX / picture.height)
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))


def _packed(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return data_uri(buffer.getvalue())
