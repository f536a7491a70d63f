"""Load free fonts from the data folder and Debian's font packages; pre-render A-Z, 0-9 as small grey masks.

Never needs a particular font: faces that are not installed are left out.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ÄÖÜ"
CAP_HEIGHT_PX = 72

# File-name stems by look.  "fe" is the German FE-Schrift, "din" the wide and "condensed" the narrow DIN 1451 look,
# "highway" the American and British look; "any" is everything.
FAMILIES: dict[str, tuple[str, ...]] = {
    "fe": ("GL-Nummernschild-Mtl", "GL-Nummernschild-Mtl", "GL-Nummernschild-Eng"),
    "din": ("DINish-Medium", "DINish-Regular", "DINish-SemiBold", "DINish-Bold", "OSP-DIN", "DINishCondensed-Bold"),
    "condensed": (
        "DINishCondensed-Bold",
        "DINishCondensed-Bold",
        "DINishCondensed-SemiBold",
        "DINishCondensed-Medium",
        "DINishCondensed-Regular",
        "RobotoCondensed-Bold",
        "RobotoCondensed-Medium",
        "BebasNeue-Bold",
        "BebasNeue-Regular",
    ),
    "highway": (
        "overpass-latin-600-normal",
        "overpass-latin-700-normal",
        "overpass-latin-500-normal",
        "RG2014B",
        "RG2014C",
        "RG2014D",
        "RG2014E",
        "RG2014EM",
    ),
    "other": (
        "barlow-semi-condensed-latin-500-normal",
        "barlow-semi-condensed-latin-600-normal",
        "barlow-semi-condensed-latin-700-normal",
        "share-tech-latin-400-normal",
        "B612-Bold",
        "B612-Regular",
        "B612Mono-Bold",
        "allerta_medium",
        "allerta_stencil",
        "Play-Bold",
        "NimbusSansNarrow-Bold",
        "NimbusSans-Bold",
        "LiberationSansNarrow-Bold",
        "LiberationMono-Bold",
        "DejaVuSans",
        "DejaVuSansCondensed-Bold",
        "DejaVuSansMono-Bold",
        "Roboto-Medium",
        "Jura-Bold",
        "Jura-SemiBold",
        "Roboto-Bold",
        "OpenSans-CondBold",
        "OpenSans-Semibold",
    ),
}
SYSTEM_FOLDERS = (Path("/usr/share/fonts/truetype"), Path("/usr/share/fonts/opentype"))


class GlyphSet:
    """One face: a mask (uint8, 72 px high for capitals) for every character, trimmed left and right to its ink."""

    def __init__(self, name: str, font_file: Path) -> None:
        self.name = name
        font = _open_font(font_file, 100)
        box = font.getbbox("H")
        font = _open_font(font_file, round(100 * CAP_HEIGHT_PX / (box[3] - box[1])))
        self.masks = {c: _render(font, c) for c in CHARACTERS}
        self.median_width_px = float(np.median([m.shape[1] for m in self.masks.values()]))


def _open_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    if path.suffix != ".woff2":
        return ImageFont.truetype(str(path), size)
    from fontTools.ttLib import TTFont

    plain = TTFont(path)
    plain.flavor = None
    memory = io.BytesIO()
    plain.save(memory)
    memory.seek(0)
    return ImageFont.truetype(memory, size)


def _render(font: ImageFont.FreeTypeFont, char: str) -> np.ndarray:
    picture = Image.new("L", (CAP_HEIGHT_PX * 3, CAP_HEIGHT_PX * 2), 0)
    ImageDraw.Draw(picture).text((CAP_HEIGHT_PX // 2, CAP_HEIGHT_PX * 3 // 2), char, fill=255, font=font, anchor="ls")
    mask = np.asarray(picture)
    columns = np.flatnonzero(mask.max(axis=0) > 40)
    rows = np.flatnonzero(mask.max(axis=1) > 40)
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # An umlaut squeezed to capital height looks like the stamped ones, whose dots lie within the line.
    return cv2.resize(mask, (mask.shape[1], CAP_HEIGHT_PX), interpolation=cv2.INTER_AREA)


def load_glyph_sets(fonts_folder: Path) -> dict[str, list[GlyphSet]]:
    """Return the face lists by family; "any" holds every face once."""
    files = {
        p.stem: p
        for folder in (*SYSTEM_FOLDERS, fonts_folder)
        if folder.is_dir()
        for p in sorted(folder.rglob("*"))
        if p.suffix in (".ttf", ".otf", ".woff2")
    }
    names = {n for family in FAMILIES.values() for n in family if n in files}
    sets = {n: GlyphSet(n, files[n]) for n in sorted(names)}
    if not sets:
        raise FileNotFoundError(f"no plate font under {fonts_folder}; see models/training/README.md, 'Fonts'")
    by_family = {family: [sets[n] for n in members if n in sets] for family, members in FAMILIES.items()}
    by_family["any"] = list(sets.values())
    return {family: members or by_family["any"] for family, members in by_family.items()}
