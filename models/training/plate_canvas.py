"""The canvas of plates.py: ground and ink, bands, emblems, bolts and holder frames, all in grey.

Decides nothing about what stands on a plate.
"""

from __future__ import annotations

import cv2
import numpy as np
from emblems import Emblem
from glyphs import GlyphSet
from syntaxes import Kind

# Paint as red, green, blue in 0..1; the grey a camera makes of it is drawn anew for every plate.
PAINTS = {
    "black": (0.06, 0.06, 0.07),
    "white": (0.92, 0.92, 0.9),
    "red": (0.6, 0.08, 0.14),
    "green": (0.05, 0.42, 0.22),
    "blue": (0.06, 0.16, 0.52),
    "yellow": (0.93, 0.72, 0.1),
    "lightblue": (0.35, 0.65, 0.85),
}


class Canvas:
    """The plate's ground, and ink put upon it; ink is gathered in a mask so that embossing can shade its edges."""

    def __init__(self, height: int, aspect: float, kind: Kind, rng: np.random.Generator) -> None:
        self.height, self.width, self.kind, self.rng = height, max(16, round(height * aspect)), kind, rng
        self.ground_value, self.ink_value = _greys(kind.colours, rng)
        self.ground = np.full((self.height, self.width), self.ground_value, np.float32)
        self.ink = np.zeros((self.height, self.width), np.float32)

    def glyph(self, mask: np.ndarray, x: float, y: float, w: float, h: float, bold_px: int) -> None:
        x0, y0, x1, y1 = round(x), round(y), max(round(x + w), round(x) + 1), max(round(y + h), round(y) + 1)
        if bold_px:
            kernel = np.ones((1 + 2 * abs(bold_px),) * 2, np.uint8)
            mask = cv2.dilate(mask, kernel) if bold_px > 0 else cv2.erode(mask, kernel)
        self._put(
            self.ink,
            cv2.resize(mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA).astype(np.float32) / 255,
            x0,
            y0,
        )

    @staticmethod
    def _put(layer: np.ndarray, patch: np.ndarray, x0: int, y0: int) -> None:
        h, w = layer.shape
        cx0, cy0, cx1, cy1 = max(x0, 0), max(y0, 0), min(x0 + patch.shape[1], w), min(y0 + patch.shape[0], h)
        if cx1 > cx0 and cy1 > cy0:
            view = layer[cy0:cy1, cx0:cx1]
            np.maximum(view, patch[cy0 - y0 : cy1 - y0, cx0 - x0 : cx1 - x0], out=view)

    def bar(self, x: float, y: float, w: float, h: float) -> None:
        self._put(self.ink, np.ones((max(1, round(h)), max(1, round(w))), np.float32), round(x), round(y))

    def emblem(self, emblem: Emblem, x: float, y: float, w: float, h: float) -> None:
        size = (max(2, round(w)), max(2, round(h)))
        x0, y0 = max(0, round(x)), max(0, round(y))
        view = self.ground[y0 : y0 + size[1], x0 : x0 + size[0]]
        if not view.size:
            return
        alpha = cv2.resize(emblem.alpha, size, interpolation=cv2.INTER_AREA)[
            : view.shape[0], : view.shape[1]
        ] / np.float32(255)
        grey = cv2.resize(emblem.grey, size, interpolation=cv2.INTER_AREA)[: view.shape[0], : view.shape[1]]
        view += alpha * (grey - view)

    def band(self, x0: float, x1: float, code: str, faces: list[GlyphSet], two: bool) -> None:
        """A blue (or dark, or light) field with a ring of stars or a flag above and a tiny code below."""
        rng, h = self.rng, self.height
        y1 = h if not two or rng.random() < 0.3 else int(h * rng.uniform(0.4, 0.55))
        a, b = round(x0), round(x1)
        value = float(rng.uniform(25, 130)) if rng.random() < 0.85 else float(rng.uniform(130, 230))
        self.ground[:y1, a:b] = value
        mark = value + float(rng.choice([90, 120, 60]))
        cx, cy, r = (a + b) / 2, y1 * 0.3, min((b - a) * 0.36, y1 * 0.2)
        style = rng.random()
        if style < 0.7:
            for t in np.linspace(0, 2 * np.pi, 12, endpoint=False):
                cv2.circle(
                    self.ground, (int(cx + r * np.cos(t)), int(cy + r * np.sin(t))), max(1, round(h / 56)), mark, -1
                )
        elif style < 0.85:
            cv2.rectangle(self.ground, (int(cx - r), int(cy - r * 0.7)), (int(cx + r), int(cy + r * 0.7)), mark, -1)
        self._tiny(code, a + (b - a) * 0.15, y1 * 0.62, (b - a) * 0.7, y1 * rng.uniform(0.18, 0.28), faces, mark)

    def small_print(self, x0: float, x1: float, faces: list[GlyphSet]) -> None:
        rng, h = self.rng, self.height
        if rng.random() < 0.5:
            self.ground[:, round(x0) : round(x1)] = rng.uniform(60, 230)
        for row in range(int(rng.integers(1, 4))):
            self._tiny(
                f"{rng.integers(0, 99):02d}",
                x0,
                h * (0.12 + 0.28 * row),
                (x1 - x0) * 0.9,
                h * 0.2,
                faces,
                self.ink_value,
            )

    def _tiny(self, text: str, x: float, y: float, w: float, h: float, faces: list[GlyphSet], value: float) -> None:
        masks = [m for m in (faces[int(self.rng.integers(len(faces)))].masks.get(c) for c in text) if m is not None]
        for i, mask in enumerate(masks):
            cell = w / max(len(masks), 2)
            size = (max(1, round(cell * 0.85)), max(2, round(h)))
            x0, y0 = max(0, round(x + i * cell + (w - cell * len(masks)) / 2)), max(0, round(y))
            view = self.ground[y0 : y0 + size[1], x0 : x0 + size[0]]
            alpha = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)[: view.shape[0], : view.shape[1]] / np.float32(
                255
            )
            view += alpha * (value - view)


def _greys(colours: str, rng: np.random.Generator) -> tuple[float, float]:
    """Return ground and ink grey (0..255) of "ink/ground" under a random light and sensor."""
    if "dark" in colours or "light/" in colours:
        dark, light = rng.uniform(15, 120), rng.uniform(140, 245)
        return (light, dark) if colours == "dark/light" else (dark, light)
    ink, ground = (np.array(PAINTS[c]) for c in colours.split("/"))
    weights = np.array([0.30, 0.59, 0.11]) * rng.uniform(0.6, 1.5, 3)
    weights /= weights.sum()
    lift = rng.uniform(0, 0.12)
    dull = rng.uniform(0.88, 1.05, 2)
    greys = [lift + (1 - lift) * float(paint @ weights) * d for paint, d in zip((ground, ink), dull, strict=True)]
    ground_value, ink_value = (255 * min(max(grey, 0.0), 1.0) for grey in greys)
    if not colours.startswith(("black", "white", "yellow")) and rng.random() < 0.15:
        # Near infra-red: red, green and blue paints reflect nearly like the white ground.
        ink_value = ground_value * (1 - rng.uniform(0.06, 0.45))
    return float(ground_value), float(ink_value)


def add_border_and_bolts(pixels: np.ndarray, canvas: Canvas, rng: np.random.Generator) -> None:
    h, w = pixels.shape
    if rng.random() < 0.65:
        inset = int(rng.integers(0, max(2, h // 24)))
        value = canvas.ink_value if rng.random() < 0.75 else rng.uniform(0, 255)
        cv2.rectangle(
            pixels,
            (inset, inset),
            (w - 1 - inset, h - 1 - inset),
            float(value),
            max(1, round(h * rng.uniform(0.012, 0.04))),
        )
    if rng.random() < 0.35:
        radius, value = max(1, round(h * rng.uniform(0.02, 0.06))), float(rng.uniform(20, 230))
        for _ in range(int(rng.choice([1, 2, 2, 4]))):
            place = (int(w * rng.choice([0.04, 0.18, 0.5, 0.82, 0.96])), int(h * rng.choice([0.08, 0.5, 0.92])))
            cv2.circle(pixels, place, radius, value, -1)
            cv2.circle(pixels, place, radius, float(rng.uniform(0, 255)), 1)


def add_frame(pixels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """Perhaps put the plate into a holder frame with a dealer's line of print; return it and the plate's offset."""
    if rng.random() > 0.4:
        return pixels, (0, 0)
    h = pixels.shape[0]
    side, top, bottom = (int(h * x) for x in (rng.uniform(0, 0.06), rng.uniform(0, 0.08), rng.uniform(0, 0.22)))
    ground = float(rng.uniform(5, 90) if rng.random() < 0.8 else rng.uniform(90, 240))
    framed = cv2.copyMakeBorder(pixels, top, bottom, side, side, cv2.BORDER_CONSTANT, value=ground)
    if bottom >= 5 and rng.random() < 0.8:
        _dealer_print(framed, h + top, bottom, ground, rng)
    return framed, (side, top)


def _dealer_print(framed: np.ndarray, y: int, strip: int, ground: float, rng: np.random.Generator) -> None:
    words = "".join(
        chr(int(rng.integers(97, 123))) if rng.random() > 0.15 else " " for _ in range(int(rng.integers(6, 28)))
    )
    face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX]))
    scale = strip / 30
    width = cv2.getTextSize(words, face, scale, 1)[0][0]
    x = int((framed.shape[1] - width) * rng.uniform(0.1, 0.9))
    cv2.putText(framed, words, (x, y + int(strip * 0.75)), face, scale, 255 - ground, 1, cv2.LINE_AA)
