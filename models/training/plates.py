"""Draw clean, front-on number plates of 40 countries with the place of every character.

Knows nothing of cameras: blur, noise, perspective and surroundings belong to degrade.py.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from emblems import Emblem, make_emblems
from glyphs import CAP_HEIGHT_PX, GlyphSet, load_glyph_sets
from plate_canvas import Canvas, add_border_and_bolts, add_frame
from syntaxes import COUNTRIES, SEPARATORS, Country, Kind, double_one, expand

# How often a country's 1 is a plain bar, and its O and 0 are alike.
SAME_SHAPE = {
    "GB": (0.8, 0.85),
    "FIN": (0.7, 0.5),
    "S": (0.3, 0.5),
    "CY": (0.3, 0.5),
    "CZ": (0.1, 0.5),
    "SK": (0.1, 0.5),
}
PLAIN = {"Ä": "A", "Ö": "O", "Ü": "U"}


@dataclass(frozen=True)
class PlateImage:
    """A drawn plate: H x W grey pixels, its text in reading order (top line first), and one box a character."""

    pixels: np.ndarray
    text: str
    country: str
    lines: int
    char_boxes: np.ndarray  # float32, n x 4: x0, y0, x1, y1 in px
    face: tuple[float, float, float, float]  # the plate itself without a holder frame: x0, y0, x1, y1 in px


@dataclass(frozen=True)
class _Style:
    """What all lines of one plate share."""

    glyphs: GlyphSet
    stretch: float
    gap: float  # between characters, in cap heights
    bold_px: int
    word_gap: float
    same_shape: dict[str, str]  # characters that this face draws like another one

    def mask(self, mark: str) -> np.ndarray:
        return self.glyphs.masks[self.same_shape.get(mark, mark)]


class PlateGenerator:
    """Draws plates from fonts_folder's faces; the same seed gives the same plates."""

    def __init__(self, fonts_folder: Path | str, seed: int | np.random.Generator = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self._families = load_glyph_sets(Path(fonts_folder))
        self._emblems, self._stacks = make_emblems(1500, np.random.default_rng(7))
        self._codes = list(COUNTRIES)
        weights = np.array([c.weight for c in COUNTRIES.values()])
        self._chances = weights / weights.sum()

    def render(self, height: int = 64, two_line: bool | None = None) -> PlateImage:
        """Return one random plate `height` px high; two_line None lets one in eight have two lines."""
        rng = self.rng
        two = rng.random() < 0.125 if two_line is None else two_line
        code = self._codes[int(rng.choice(len(self._codes), p=self._chances))]
        country = COUNTRIES[code]
        kind = country.kinds[_weighted([k.weight for k in country.kinds], rng)]
        printed = expand(kind.pattern, kind.letters, rng)
        if rng.random() < 0.12:
            printed = double_one(printed, rng)
        parts = _two_parts(printed, rng) if two else [printed.replace("/", "")]
        canvas = Canvas(height, _aspect(kind, two, rng), kind, rng)
        left, right = self._bands(canvas, code, country, two)
        placed = self._write_lines(canvas, parts, left, right, self._style(code, country), two)
        return _finish(canvas, placed, code, len(parts), rng)

    def _same_shape(self, code: str) -> dict[str, str]:
        """Let 1 look like I and 0 like O in a share of the faces, so that only the syntax can tell them apart."""
        rng = self.rng
        if code == "?":  # free texts have no syntax to tell by
            return {}
        bars, rings = SAME_SHAPE.get(code, (0.12, 0.25))
        shapes = {"1": "I"} if rng.random() < bars else {}
        if rng.random() < rings:
            shapes |= {"0": "O"} if rng.random() < 0.5 else {"O": "0"}
        return shapes

    def _style(self, code: str, country: Country) -> _Style:
        rng = self.rng
        words = country.fonts.split()
        family = words[int(rng.integers(len(words)))] if rng.random() < 0.75 else "any"
        faces = self._families[family]
        return _Style(
            faces[int(rng.integers(len(faces)))],
            float(rng.uniform(0.85, 1.2)),
            float(rng.uniform(0.08, 0.26)),
            int(rng.choice([-1, 0, 0, 0, 0, 1, 2])),
            float(rng.uniform(0.22, 0.5)),
            self._same_shape(code),
        )

    def _bands(self, canvas: Canvas, code: str, country: Country, two: bool) -> tuple[float, float]:
        """Paint the side bands; return the free span x0, x1 in px."""
        rng, h, w = self.rng, canvas.height, canvas.width
        margin = rng.uniform(0.03, 0.1) * h
        x0, x1 = margin, w - margin
        if rng.random() < country.left_band:
            band = h * rng.uniform(0.28, 0.46) * (0.55 if two else 1.0)
            canvas.band(0, band, code if code != "?" else "", self._families["any"], two)
            x0 = band + margin * 0.6
        if rng.random() < country.right_band:
            band = h * rng.uniform(0.28, 0.46) * (0.55 if two else 1.0)
            canvas.band(w - band, w, self._small_code(), self._families["any"], two)
            x1 = w - band - margin * 0.6
        if (
            code in ("P", "DK", "SK", "NL", "D", "B", "?") and rng.random() < 0.12
        ):  # date or duplicate code in small figures
            band = h * rng.uniform(0.16, 0.3)
            canvas.small_print(x1 - band, x1, self._families["any"])
            x1 -= band
        if rng.random() < 0.1:
            x0 += self._sticker(canvas, x0, h)
        return x0, x1

    def _small_code(self) -> str:
        """Department figures, province letters or a year, as in right-hand bands."""
        rng = self.rng
        letters = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(1, 3))))
        return str(rng.integers(10, 99)) if rng.random() < 0.6 else letters

    def _sticker(self, canvas: Canvas, x0: float, h: int) -> float:
        size = h * self.rng.uniform(0.25, 0.5)
        canvas.emblem(self._emblem(), x0, h * self.rng.uniform(0.2, 0.5), size * 0.8, size)
        return size * 0.85

    def _emblem(self, stacked: bool = False) -> Emblem:
        shelf = self._stacks if stacked else self._emblems
        return shelf[int(self.rng.integers(len(shelf)))]

    def _write_lines(
        self, canvas: Canvas, parts: list[str], x0: float, x1: float, style: _Style, two: bool
    ) -> list[tuple]:
        rng, h = self.rng, canvas.height
        if not two:
            low = 0.42 if canvas.kind.aspect < 2.5 else 0.58
            cap = h * rng.uniform(low, min(low + 0.22, 0.8))
            return self._write(canvas, parts[0], x0, x1, (h - cap) * rng.uniform(0.4, 0.6), cap, style)
        cap_top, cap_bottom = h * rng.uniform(0.3, 0.42), h * rng.uniform(0.33, 0.43)
        if rng.random() < 0.5:
            cap_top = cap_bottom
        free = h - cap_top - cap_bottom
        y0 = free * rng.uniform(0.25, 0.42)
        y1 = h - cap_bottom - free * rng.uniform(0.22, 0.38)
        # Most bands and seals stand beside the upper line only; the lower one uses the whole width.
        low_x0 = x0 if rng.random() < 0.4 else h * 0.06
        return self._write(canvas, parts[0], x0, x1, y0, cap_top, style) + self._write(
            canvas, parts[1], low_x0, canvas.width - h * 0.06, y1, cap_bottom, style
        )

    def _write(
        self, canvas: Canvas, printed: str, x0: float, x1: float, y: float, cap: float, style: _Style
    ) -> list[tuple]:
        """Set one line into [x0, x1], squeezed if it must be; return (character, x0, y0, x1, y1) for each."""
        rng = self.rng
        items = [self._item(mark, cap, style) for mark in printed]
        gap = style.gap * cap
        natural = sum(width for _, width in items) + gap * max(0, len(items) - 1)
        room = max(x1 - x0, 4.0)
        squeeze = min(1.0, room / natural)
        if squeeze == 1.0 and rng.random() < 0.6:  # many plates spread their characters over the whole width
            spread = min(room * rng.uniform(0.75, 0.98) - natural, natural * 0.5)
            gap += max(0.0, spread) / max(1, len(items) - 1)
            natural += max(0.0, spread)
        x = x0 + (room - natural * squeeze) * np.clip(rng.normal(0.5, 0.15), 0, 1)
        placed = []
        for mark, width in items:
            w = width * squeeze
            if mark in SEPARATORS:
                self._separator(canvas, mark, x, y, w, cap, style)
            else:
                canvas.glyph(style.mask(mark), x, y, w, cap, style.bold_px)
                placed.append((PLAIN.get(mark, mark), x, y, x + w, y + cap))
            x += w + gap * squeeze
        return placed

    def _item(self, mark: str, cap: float, style: _Style) -> tuple[str, float]:
        if mark in SEPARATORS:
            widths = {" ": style.word_gap, "-": 0.3, ".": 0.12, "*": 0.75, "^": 0.5}
            return mark, widths[mark] * cap * float(self.rng.uniform(0.8, 1.25))
        return mark, style.mask(mark).shape[1] / CAP_HEIGHT_PX * cap * style.stretch

    def _separator(self, canvas: Canvas, mark: str, x: float, y: float, w: float, cap: float, style: _Style) -> None:
        rng = self.rng
        if mark == "-":
            canvas.bar(x, y + cap * rng.uniform(0.42, 0.56), w * rng.uniform(0.6, 1.0), cap * rng.uniform(0.09, 0.16))
        elif mark == ".":
            canvas.bar(x, y + cap * rng.choice([0.5, 0.88]), max(w, 1.0), cap * 0.12)
        elif mark in "*^":
            emblem = self._emblem(mark == "^")
            size = cap * (rng.uniform(0.75, 1.2) if mark == "^" else rng.uniform(0.35, 1.15))
            width = min(size * emblem.aspect, w * 1.15)
            canvas.emblem(emblem, x + (w - width) / 2, y + (cap - size) * rng.uniform(0.3, 0.7), width, size)


def _aspect(kind: Kind, two: bool, rng: np.random.Generator) -> float:
    if two:
        return float(kind.aspect if kind.aspect < 1.9 and rng.random() < 0.5 else rng.uniform(1.1, 1.85))
    if kind.aspect < 1.9:
        return float(rng.uniform(3.0, 4.8))
    shape = kind.aspect if rng.random() < 0.8 else rng.uniform(2.2, 5.0)
    return float(shape * rng.uniform(0.92, 1.08))


def _two_parts(printed: str, rng: np.random.Generator) -> list[str]:
    """Cut a printed text into two lines: at its mark, else at a separator near the middle, else anywhere near it."""
    if "/" in printed:
        top, bottom = printed.split("/", 1)
        bottom = bottom.replace("/", "")
    else:
        cuts = [i for i in range(1, len(printed)) if printed[i] in SEPARATORS] or [len(printed) // 2]
        cut = min(cuts, key=lambda i: abs(i - len(printed) * rng.uniform(0.4, 0.6)))
        top, bottom = printed[: cut + (printed[cut] in SEPARATORS)], printed[cut + (printed[cut] in SEPARATORS) :]
    if top.endswith(("-", " ", ".")) and rng.random() < 0.7:
        top = top[:-1]
    return (
        [top, bottom.strip(" -.")] if bottom.strip(SEPARATORS) and top.strip(SEPARATORS) else [printed[:1], printed[1:]]
    )


def _weighted(weights: list[float], rng: np.random.Generator) -> int:
    return int(np.searchsorted(np.cumsum(weights), rng.random() * sum(weights), side="right"))


def _finish(canvas: Canvas, placed: list[tuple], code: str, lines: int, rng: np.random.Generator) -> PlateImage:
    """Join ground and ink, emboss, add border, bolts and sometimes a holder frame, and pack the result."""
    pixels = canvas.ground + canvas.ink * (canvas.ink_value - canvas.ground)
    if rng.random() < 0.4:
        dy, dx = int(rng.integers(-1, 2)), int(rng.integers(-1, 2))
        pixels += rng.uniform(10, 70) * (canvas.ink - np.roll(canvas.ink, (dy, dx), (0, 1)))
    add_border_and_bolts(pixels, canvas, rng)
    text = "".join(p[0] for p in placed)
    boxes = np.array([p[1:] for p in placed], np.float32)
    pixels, offset = add_frame(np.clip(pixels, 0, 255).astype(np.uint8), rng)
    boxes += np.array([*offset, *offset], np.float32)
    face = (*offset, offset[0] + canvas.width, offset[1] + canvas.height)
    return PlateImage(pixels, text, code, lines, boxes, tuple(map(float, face)))


def _sheet(drawn: list[PlateImage], path: Path) -> None:
    """A contact sheet, six plates a row."""
    sheet = np.zeros((-(-len(drawn) // 6) * 64, 6 * 240), np.uint8)
    for number, plate in enumerate(drawn):
        row, column = divmod(number, 6)
        sheet[row * 64 :][:64, column * 240 :][:, :240] = cv2.resize(plate.pixels, (240, 64))
    cv2.imwrite(str(path), sheet)


def _labelled(drawn: list[PlateImage], folder: Path) -> None:
    """Each plate as a PNG file, and labels.jsonl with box, text, country, lines and the boxes of the characters."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "labels.jsonl").open("w") as labels:
        for number, plate in enumerate(drawn):
            name, (height, width), (x0, y0, x1, y1) = f"{number:06}.png", plate.pixels.shape, plate.face
            cv2.imwrite(str(folder / "images" / name), plate.pixels)
            found = {"box": [x0, y0, x1 - x0, y1 - y0], "quad": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]],
                     "text": plate.text, "country": plate.country, "lines": plate.lines,
                     "characters": plate.char_boxes.astype(float).round(1).tolist()}  # fmt: skip
            labels.write(json.dumps({"image": name, "width": width, "height": height, "split": "train",
                                     "complete": True, "plates": [found]}) + "\n")  # fmt: skip


def _main() -> None:
    parser = argparse.ArgumentParser(description="Draw clean synthetic plates, and print the drawing speed.")
    parser.add_argument("--fonts", type=Path, required=True, help="folder of fonts, searched with its sub-folders")
    parser.add_argument("--out", type=Path, default=Path("plates.png"), help="where the contact sheet goes")
    parser.add_argument("--labels", type=Path, help="also a folder for images/ and labels.jsonl")
    parser.add_argument("--count", type=int, default=156, help="plates to draw")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same plates")
    options = parser.parse_args()
    generator = PlateGenerator(options.fonts, options.seed)
    start = time.perf_counter()
    drawn = [generator.render() for _ in range(options.count)]
    print(f"{options.count / (time.perf_counter() - start):.0f} plates a second")
    _sheet(drawn, options.out)
    if options.labels:
        _labelled(drawn, options.labels)


if __name__ == "__main__":
    _main()
