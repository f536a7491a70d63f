"""Draws plate faces: what a plate reflects of daylight and what it throws back into the strobe.

Reflectances are 0..255 for 0..1; light, blur and noise come later, in the scene and the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from anpr_node.drivers.simulated.syntaxes import SEAL, Issue

FONTS = Path(__file__).with_name("fonts")
DIN = FONTS / "DINish" / "DINishCondensed-Bold.ttf"
FE = FONTS / "GL-Nummernschild" / "GL-Nummernschild-Mtl.ttf"

PX_PER_MM = 2.0
HOLDER_MM = 12
"""The dark plastic frame around a plate; it is part of the drawn face, not of the plate."""

WORN_SHARE = 0.12
"""Old sheets throw back much less; water between the layers and car washes do that."""

OVERHANG_SHARE = 0.15

Layer = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Paint:
    """What one colour gives back: of daylight, and of the strobe by retro-reflection."""

    albedo: float
    retro: float


WHITE = Paint(0.80, 1.00)
YELLOW = Paint(0.60, 0.90)
BLACK = Paint(0.05, 0.05)
BLUE = Paint(0.22, 0.28)
PLASTIC = Paint(0.05, 0.02)
LETTERING = Paint(0.45, 0.08)


@dataclass(frozen=True, slots=True)
class Style:
    """How a country's plates look. Sizes in millimetres; `square_mm` is the two-line plate."""

    ground: Paint = WHITE
    font: Path = DIN
    size_mm: tuple[int, int] = (520, 110)
    square_mm: tuple[int, int] = (340, 210)
    cap_mm: int = 76
    square_cap_mm: int = 74
    tracking_mm: float = 12.0
    right_band: bool = False


STYLES = {
    "B": Style(tracking_mm=13.0, cap_mm=74),
    "D": Style(font=FE, tracking_mm=7.0),
    "F": Style(cap_mm=78, right_band=True),
    "NL": Style(ground=YELLOW),
    "L": Style(ground=YELLOW, tracking_mm=14.0),
}
OTHER_STYLE = Style()


@dataclass(frozen=True, slots=True)
class PlateFace:
    """Two reflectance pictures of plate and holder, and the size of the plate itself inside them."""

    albedo: Image.Image
    retro: Image.Image
    plate_mm: tuple[int, int]

    @property
    def outer_mm(self) -> tuple[int, int]:
        """Size with the holder."""
        return self.plate_mm[0] + 2 * HOLDER_MM, self.plate_mm[1] + 2 * HOLDER_MM


def size_mm(issue: Issue) -> tuple[int, int]:
    """Width and height of the plate."""
    style = STYLES.get(issue.country, OTHER_STYLE)
    return style.square_mm if issue.lines == 2 else style.size_mm


def draw_face(issue: Issue, rng: Generator, dirty: bool) -> PlateFace:
    """One plate as it is bolted to one vehicle; wear, dealer's name and dirt come from `rng`."""
    drawing = _Drawing(issue)
    drawing.ground()
    drawing.band()
    drawing.text()
    drawing.holder(str(rng.choice(DEALERS)))
    wear = float(rng.uniform(0.45, 0.75) if rng.random() < WORN_SHARE else rng.uniform(0.85, 1.0))
    stains = _dirt(rng, drawing.canvas_size, dirty)
    albedo, retro = drawing.layers(_ink(issue.country, rng))
    albedo *= stains * (0.7 + 0.3 * wear)
    retro *= stains * wear
    if rng.random() < OVERHANG_SHARE:
        # The body's own shadow falls over the upper part of the plate; the strobe does not know it.
        albedo[: int(rng.uniform(0.2, 0.45) * albedo.shape[0])] *= 0.55
    return PlateFace(_picture(albedo), _picture(retro), drawing.plate_mm)


DEALERS = ("", "", "GARAGE VANDAMME", "AUTO DUBOIS", "www.autopeeters.test", "CARROSSERIE LEROY", "DE SMET & ZOON")


def _ink(country: str, rng: Generator) -> Paint:
    if country != "B":
        return BLACK
    # Ruby red nearly joins the white ground at 850 nm; how much differs from one pigment batch to the next.
    return Paint(float(rng.uniform(0.18, 0.30)), float(rng.uniform(0.40, 0.64)))


class _Drawing:
    """Masks of one plate, drawn in millimetres, turned into reflectance layers at the end."""

    def __init__(self, issue: Issue) -> None:
        self._issue = issue
        self._style = STYLES.get(issue.country, OTHER_STYLE)
        self.plate_mm = size_mm(issue)
        width, height = self.plate_mm
        self.canvas_size = (_px(width + 2 * HOLDER_MM), _px(height + 2 * HOLDER_MM))
        self._ink = self._blank()
        self._paints: list[tuple[Image.Image, Paint]] = []

    def ground(self) -> None:
        """The reflective sheet, its border line and two bolts."""
        width, height = self.plate_mm
        self._rectangle((0, 0, width, height), self._style.ground, radius=9)
        ink = ImageDraw.Draw(self._ink)
        line = 4 if self._issue.country in {"B", "D", "L", "RO", "PL"} else 0
        if line:
            box = [_px(HOLDER_MM + 2), _px(HOLDER_MM + 2), _px(HOLDER_MM + width - 2), _px(HOLDER_MM + height - 2)]
            ink.rounded_rectangle(box, radius=_px(8), outline=255, width=_px(line))

    def band(self) -> None:
        """The blue field with the country letters, and the French one with the department."""
        width, height = self.plate_mm
        self._band(0, self._issue.country)
        if self._style.right_band and self._issue.lines == 1:
            self._band(width - 42, str(10 + sum(map(ord, self._issue.vrm)) % 85))
        for x in (0.23, 0.77):
            spot = (width * x - 3.5, height * 0.5 - 3.5, width * x + 3.5, height * 0.5 + 3.5)
            if self._issue.country in {"F", "E"}:
                self._ellipse(spot, Paint(0.5, 0.3))

    def text(self) -> None:
        """All rows, spread over the room that the bands leave."""
        width, height = self.plate_mm
        left = 50.0
        right = width - (50.0 if self._style.right_band else 12.0)
        if self._issue.lines == 1:
            self._row(self._issue.rows[0], (left, right), height / 2, self._style.cap_mm)
            return
        for row, centre in zip(self._issue.rows, (0.27, 0.74), strict=True):
            self._row(row, (left, right), height * centre, self._style.square_cap_mm)

    def holder(self, dealer: str) -> None:
        """Small lettering on the plastic below the plate: a distractor that must never be read as a plate."""
        if not dealer:
            return
        font = _font(DIN, _px(9))
        mask = self._blank()
        centre = self.canvas_size[0] // 2, self.canvas_size[1] - _px(HOLDER_MM / 2)
        ImageDraw.Draw(mask).text(centre, dealer, font=font, fill=255, anchor="mm")
        self._paints.append((mask, LETTERING))

    def layers(self, ink: Paint) -> tuple[Layer, Layer]:
        """Albedo and retro-reflection, 0..255, embossing included."""
        albedo = np.full(self.canvas_size[::-1], PLASTIC.albedo * 255, np.float32)
        retro = np.full_like(albedo, PLASTIC.retro * 255)
        for mask, paint in [*self._paints, (self._ink, ink)]:
            cover = np.asarray(mask, np.float32) / 255
            albedo += cover * (paint.albedo * 255 - albedo)
            retro += cover * (paint.retro * 255 - retro)
        relief = np.asarray(self._ink.filter(ImageFilter.GaussianBlur(_px(1))), np.float32)
        albedo += (np.roll(relief, 2, axis=0) - np.roll(relief, -2, axis=0)) * 0.12
        return albedo, retro

    def _band(self, left_mm: float, letters: str) -> None:
        height = min(self.plate_mm[1], 110)
        self._rectangle((left_mm + 1, 1, left_mm + 42, self.plate_mm[1] - 1), BLUE, radius=6)
        centre = left_mm + 21.5
        if letters.isalpha():
            for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
                x, y = centre + 12 * np.sin(angle), height * 0.33 + 12 * np.cos(angle)
                self._ellipse((x - 1.8, y - 1.8, x + 1.8, y + 1.8), YELLOW)
        mask = self._blank()
        middle = _px(HOLDER_MM + centre), _px(HOLDER_MM + height * 0.76)
        size = _px(30 if len(letters) < 3 else 22)
        ImageDraw.Draw(mask).text(middle, letters, font=_font(DIN, size), fill=255, anchor="mm")
        self._paints.append((mask, WHITE))

    def _row(self, row: str, room_mm: tuple[float, float], centre_mm: float, cap_mm: int) -> None:
        font = _font_for_cap(self._style.font, cap_mm)
        widths = [_token_px(token, font) for token in row]
        gap = _px(self._style.tracking_mm)
        natural = sum(widths) + gap * (len(row) - 1)
        room = _px(room_mm[1] - room_mm[0])
        strip = Image.new("L", (natural + gap, _px(cap_mm * 1.5)))
        pen, middle = ImageDraw.Draw(strip), strip.height // 2
        x = gap // 2
        for token, width in zip(row, widths, strict=True):
            self._token(pen, token, (x, middle, width), font)
            x += width + gap
        if natural > room:
            # Long texts are stamped with narrower letters.
            strip = strip.resize((room, strip.height), Image.Resampling.BILINEAR)
        left = _px(HOLDER_MM + room_mm[0]) + (room - strip.width) // 2
        patch = Image.new("L", self._ink.size)
        patch.paste(strip, (left, _px(HOLDER_MM + centre_mm) - middle))
        self._ink = ImageChops.lighter(self._ink, patch)

    def _token(
        self, pen: ImageDraw.ImageDraw, token: str, slot: tuple[int, int, int], font: ImageFont.FreeTypeFont
    ) -> None:
        x, middle, width = slot
        if token == "-" or (token == SEAL and self._issue.country == "B"):
            pen.rounded_rectangle([x, middle - _px(5), x + width, middle + _px(5)], radius=_px(2), fill=255)
        if token == SEAL:
            spots = (-30,) if self._issue.country == "B" else (-20, 20)
            radius = 8 if self._issue.country == "B" else 16
            for y in spots:
                box = [x + width // 2 - _px(radius), middle + _px(y - radius)]
                box += [x + width // 2 + _px(radius), middle + _px(y + radius)]
                pen.ellipse(box, fill=60, outline=150, width=_px(2))
        elif token not in "- ":
            _, top, _, bottom = font.getbbox("H")
            ink_left = font.getbbox(token)[0]
            pen.text((x - ink_left, middle - (top + bottom) / 2), token, font=font, fill=255)

    def _rectangle(self, box_mm: tuple[float, float, float, float], paint: Paint, radius: float) -> None:
        mask = self._blank()
        ImageDraw.Draw(mask).rounded_rectangle([_px(HOLDER_MM + side) for side in box_mm], _px(radius), fill=255)
        self._paints.append((mask, paint))

    def _ellipse(self, box_mm: tuple[float, float, float, float], paint: Paint) -> None:
        mask = self._blank()
        ImageDraw.Draw(mask).ellipse([_px(HOLDER_MM + side) for side in box_mm], fill=255)
        self._paints.append((mask, paint))

    def _blank(self) -> Image.Image:
        return Image.new("L", self.canvas_size)


def _token_px(token: str, font: ImageFont.FreeTypeFont) -> int:
    if token == "-":
        return _px(20)
    if token == " ":
        return _px(14)
    if token == SEAL:
        return _px(26)
    left, _, right, _ = font.getbbox(token)
    return round(right - left)


def _dirt(rng: Generator, size: tuple[int, ...], dirty: bool) -> Layer:
    """A transmittance map: nearly clean, or mud thrown up from below."""
    coarse = rng.random((7, 16)).astype(np.float32)
    cloud = np.asarray(Image.fromarray(coarse).resize((size[0], size[1]), Image.Resampling.BICUBIC))
    rising = np.linspace(0.3, 1.0, size[1], dtype=np.float32)[:, None]
    strength = float(rng.uniform(0.40, 0.72)) if dirty else float(rng.uniform(0.0, 0.10))
    clean: Layer = 1.0 - strength * np.clip(cloud, 0, 1) * rising
    return clean


def _picture(layer: Layer) -> Image.Image:
    return Image.fromarray(np.clip(layer, 0, 255).astype(np.uint8))


def _px(millimetres: float) -> int:
    return round(millimetres * PX_PER_MM)


@lru_cache(maxsize=16)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=16)
def _font_for_cap(path: Path, cap_mm: int) -> ImageFont.FreeTypeFont:
    """The size at which a capital H is `cap_mm` high."""
    _, top, _, bottom = _font(path, 200).getbbox("H")
    return _font(path, round(200 * _px(cap_mm) / (bottom - top)))
