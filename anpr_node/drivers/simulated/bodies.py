"""The shapes of vehicles as a few flat surfaces, and the pictures painted on them; plates are fixed on top elsewhere.

Local axes in metres: x to the right as seen, y away from the visible face into the vehicle, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from anpr_node.drivers.simulated.geometry import Points
from anpr_node.drivers.simulated.plates import DIN
from anpr_node.drivers.simulated.traffic import Vehicle

PX_PER_M = 280
GLASS_ALBEDO = 0.07
TYRE_ALBEDO = 0.04
LAMP_RETRO = 0.16
TAPE_RETRO = 0.55
LAMP_DEPTH, LAMP_ASIDE = 0.22, 0.76
"""Where lamps sit in a face, as shares of its height from the top and of half its width."""

BRANDS = ("LYS", "ARDENNA", "DENDER", "OMBRA", "VESDRE", "SENNE", "MAAS")
TRIMS = ("eDRIVE", "2.0 TD", "HYBRID", "GT LINE", "1.4i", "4WD")
FIRMS = ("VERHEYEN TRANSPORT", "LOGISTIQUE DUPONT", "BAKKERIJ DE MOLEN", "KOELTRANS 24/7", "TEL 09 000 12 34")


@dataclass(frozen=True, slots=True)
class Texture:
    """What a surface gives back: of daylight, and of the strobe."""

    albedo: Image.Image
    retro: Image.Image


@dataclass(frozen=True, slots=True)
class Surface:
    """A flat polygon of one albedo, or with a texture when it has four corners, clockwise from the top left."""

    points: Points
    albedo: float
    texture: Texture | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """Surfaces in the order they are painted, and where lamps shine towards the camera."""

    surfaces: tuple[Surface, ...]
    lamps: Points
    lamp_level: float


PROFILES = {
    ("car", True): ((0.0, 0.20), (0.0, 0.78), (1.0, 0.98), (1.8, 1.42), (3.4, 1.42), (4.2, 0.95), (4.4, 0.3)),
    ("car", False): ((0.0, 0.25), (0.0, 1.0), (0.3, 1.06), (1.0, 1.42), (2.6, 1.42), (3.4, 0.98), (4.4, 0.7)),
    ("van", True): ((0.0, 0.22), (0.0, 1.10), (0.5, 1.30), (1.2, 2.20), (1.6, 2.40), (5.4, 2.40), (5.4, 0.3)),
    ("van", False): ((0.0, 0.30), (0.0, 1.20), (0.02, 2.05), (0.1, 2.40), (4.0, 2.40), (4.8, 1.3), (5.4, 1.1)),
    ("lorry", True): ((0.0, 0.25), (0.0, 1.40), (0.05, 2.50), (0.3, 3.10), (1.8, 3.70), (9.5, 3.70), (9.5, 0.4)),
    ("lorry", False): ((0.0, 0.40), (0.0, 1.10), (0.02, 3.60), (0.05, 3.70), (8.0, 3.70), (8.2, 2.0), (9.5, 1.0)),
}
"""Side outlines from the lower edge of the visible face over the roof: (y, z)."""

GLASS_STRIPS = {
    ("car", True): (2,),
    ("car", False): (2,),
    ("van", True): (2,),
    ("van", False): (),
    ("lorry", True): (1,),
}


def build_body(vehicle: Vehicle, camera_x_m: float) -> Body:
    """The vehicle as the camera sees it: the side towards the pole, then everything from roof to face."""
    rng = np.random.default_rng(vehicle.look_seed)
    key = (vehicle.kind.name, vehicle.passage.approaching)
    paint = float(rng.choice([0.06, 0.10, 0.18, 0.30, 0.45, 0.62]))
    half_width = vehicle.kind.width_m / 2
    side = 1.0 if camera_x_m > vehicle.x_m else -1.0
    surfaces = [*_side(PROFILES[key], side * half_width, paint)]
    strips = _strips(PROFILES[key], half_width, vehicle.kind.name == "car")
    for index in range(len(strips) - 1, 0, -1):
        albedo = GLASS_ALBEDO if index in GLASS_STRIPS.get(key, ()) else paint * (1.0 + 0.04 * index)
        surfaces.append(Surface(strips[index], albedo))
    face = strips[0]
    surfaces.append(Surface(face, paint, _face_texture(vehicle, face, paint, rng)))
    if vehicle.kind.name == "lorry":
        surfaces.append(_sign(face, 2.7 if vehicle.passage.approaching else 2.6, rng))
    lamp_z = float(face[0, 2] - LAMP_DEPTH * (face[0, 2] - face[3, 2]))
    lamps = np.array([[-LAMP_ASIDE * half_width, -0.02, lamp_z], [LAMP_ASIDE * half_width, -0.02, lamp_z]])
    level = float(rng.uniform(0.6, 1.0)) if vehicle.passage.approaching else float(rng.uniform(0.05, 0.12))
    return Body(tuple(surfaces), lamps, 0.0 if vehicle.passage.parked else level)


def _strips(profile: tuple[tuple[float, float], ...], half_width: float, narrows: bool) -> list[Points]:
    """One quad between each pair of outline points; a car's cabin is narrower than its waist."""
    quads = []
    for (y1, z1), (y2, z2) in pairwise(profile):
        low, high = (half_width - (0.22 * max(0.0, z - 0.95) / 0.47 if narrows else 0.0) for z in (z1, z2))
        quads.append(np.array([[-high, y2, z2], [high, y2, z2], [low, y1, z1], [-low, y1, z1]]))
    return quads


def _side(profile: tuple[tuple[float, float], ...], x: float, paint: float) -> list[Surface]:
    outline = np.array([[x, y, z] for y, z in profile])
    length = profile[-1][0]
    circle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    surfaces = [Surface(outline, paint * 0.7), Surface(_side_window(profile, x), GLASS_ALBEDO)]
    for y in (0.18 * length, 0.80 * length):
        wheel = np.column_stack([np.full(14, x * 1.002), y + 0.33 * np.cos(circle), 0.33 + 0.33 * np.sin(circle)])
        surfaces.append(Surface(wheel, TYRE_ALBEDO))
    return surfaces


def _side_window(profile: tuple[tuple[float, float], ...], x: float) -> Points:
    """Glass below the roof line, drawn in from the outline's highest stretch."""
    waist = 0.5 * (profile[1][1] + profile[3][1])
    front, back, top = profile[3][0] * 0.8 + 0.1, profile[4][0], profile[3][1] - 0.08
    return np.array([[x, front, top], [x, back - 0.1, top], [x, back + 0.3, waist], [x, front - 0.4, waist]])


def _face_texture(vehicle: Vehicle, face: Points, paint: float, rng: Generator) -> Texture:
    """Grille, lamps, bumper and lettering of the visible end."""
    width_m, height_m = float(face[1, 0] - face[0, 0]), float(face[0, 2] - face[3, 2])
    painter = _Painter((width_m, height_m), paint)
    draw = painter.front if vehicle.passage.approaching else painter.rear
    draw(rng)
    if vehicle.kind.name == "lorry" and not vehicle.passage.approaching:
        painter.tape()
    return painter.texture()


def _sign(face: Points, z_m: float, rng: Generator) -> Surface:
    """A firm's name painted above: large letters that are no plate."""
    text = str(rng.choice(FIRMS))
    font = ImageFont.truetype(str(DIN), 60)
    width = round(font.getlength(text)) + 20
    albedo = Image.new("L", (width, 80), 150)
    ImageDraw.Draw(albedo).text((width // 2, 40), text, font=font, fill=35, anchor="mm")
    half = min(1.0, float(face[1, 0]) * 0.85)
    height = 2 * half * 80 / width
    points = np.array(
        [[-half, -0.02, z_m + height], [half, -0.02, z_m + height], [half, -0.02, z_m], [-half, -0.02, z_m]]
    )
    return Surface(points, 0.5, Texture(albedo, Image.new("L", albedo.size, 8)))


class _Painter:
    """Paints one face in fractions of its width and height."""

    def __init__(self, size_m: tuple[float, float], paint: float) -> None:
        self._size = (round(size_m[0] * PX_PER_M), round(size_m[1] * PX_PER_M))
        # Faces curve: the upper edge turns to the sky, the lower one to the road.
        shading = Image.linear_gradient("L").resize(self._size).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        self._albedo = shading.point([round(paint * (185 + value * 0.40)) for value in range(256)])
        self._retro = Image.new("L", self._size, 4)
        self._pens = ImageDraw.Draw(self._albedo), ImageDraw.Draw(self._retro)

    def front(self, rng: Generator) -> None:
        """Grille with slats, lamps, air intake, bumper lines, a badge."""
        self._box((0.27, 0.08, 0.73, 0.40), 0.05)
        slats = int(rng.integers(3, 7))
        for index in range(slats):
            y = 0.10 + 0.30 * index / slats
            self._box((0.28, y, 0.72, y + 0.02), 0.16)
        self._box((0.18, 0.72, 0.82, 0.96), 0.04)
        for left in (0.04, 0.80):
            self._box((left, 0.10, left + 0.16, 0.34), 0.40, LAMP_RETRO, rounded=True)
            self._box((left + 0.04, 0.14, left + 0.12, 0.30), 0.7, LAMP_RETRO, rounded=True)
        self._box((0.0, 0.52, 1.0, 0.535), 0.03)
        self._lettering((0.5, 0.06), str(rng.choice(BRANDS)), 0.055, 0.75)

    def rear(self, rng: Generator) -> None:
        """Lid line, lamps with reflectors, bumper, maker and model lettering."""
        self._box((0.0, 0.70, 1.0, 0.715), 0.03)
        self._box((0.05, 0.86, 0.95, 1.0), 0.05)
        for left in (0.02, 0.84):
            self._box((left, 0.12, left + 0.14, 0.42), 0.25, LAMP_RETRO, rounded=True)
            self._box((left + 0.02, 0.88, left + 0.12, 0.93), 0.3, TAPE_RETRO)
        self._lettering((0.28, 0.20), str(rng.choice(BRANDS)), 0.05, 0.7)
        self._lettering((0.74, 0.20), str(rng.choice(TRIMS)), 0.05, 0.7)

    def tape(self) -> None:
        """Contour marking: bright bars under the strobe."""
        for left in (0.0, 0.7):
            for index in range(4):
                x = left + index * 0.075
                self._box((x, 0.02, x + 0.05, 0.09), 0.6, TAPE_RETRO)

    def texture(self) -> Texture:
        """The finished pictures."""
        return Texture(self._albedo, self._retro)

    def _box(
        self, box: tuple[float, float, float, float], albedo: float, retro: float = 0.02, rounded: bool = False
    ) -> None:
        width, height = self._size
        corners = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
        for pen, value in zip(self._pens, (albedo, retro), strict=True):
            pen.rounded_rectangle(corners, radius=height * 0.05 if rounded else 0, fill=round(value * 255))

    def _lettering(self, centre: tuple[float, float], text: str, size_m: float, albedo: float) -> None:
        font = ImageFont.truetype(str(DIN), round(size_m * PX_PER_M))
        place = (centre[0] * self._size[0], centre[1] * self._size[1])
        self._pens[0].text(place, text, font=font, fill=round(albedo * 255), anchor="mm")
