"""Draws one exposure: road, vehicles from far to near, plates, lamps. No noise and no time of its own.

Whatever stays the same for a vehicle is drawn once, when it comes near; a frame only warps and pastes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from anpr_node.drivers.simulated.bodies import Body, build_body
from anpr_node.drivers.simulated.geometry import REFERENCE_WIDTH_PX, Points, View, perspective
from anpr_node.drivers.simulated.light import LEVEL_MAX, PEDESTAL, REFERENCE_DISTANCE_M, Exposure
from anpr_node.drivers.simulated.plates import HOLDER_MM, PlateFace, draw_face
from anpr_node.drivers.simulated.road import Road, shadow_quad
from anpr_node.drivers.simulated.traffic import Vehicle

CACHE_VEHICLES = 12
CACHE_ROADS = 3
DEFOCUS_PX = 0.65
DEFOCUS_PER_M = 0.07
BLOOM_PX = 6.0
BLOOM_SHARE = 0.06
MIP_WIDTHS_PX = (320, 240, 170)
"""Plate pictures are kept at a few sizes, because the warp does not filter when it shrinks."""

SHADOW_DEPTH = 0.5
GLARE_PX = 96

Mixed = dict[int, Image.Image]


@dataclass(slots=True)
class _Model:
    """One vehicle as drawn once: its body, its plate, and both mixed for the current exposure."""

    body: Body
    plate: PlateFace
    shade: float
    exposure: Exposure | None = None
    textures: Mixed = field(default_factory=dict)
    mips: list[Image.Image] = field(default_factory=list)


class Scene:
    """All that can be seen through one view."""

    def __init__(self, view: View, seed: int) -> None:
        self._view = view
        self._road = Road(view, seed)
        self._empty: OrderedDict[Exposure, Image.Image] = OrderedDict()
        self._models: OrderedDict[tuple[int, ...], _Model] = OrderedDict()
        self._glare = _glare_picture()

    def draw(self, vehicles: list[Vehicle], monotonic_ns: int, exposure: Exposure) -> Image.Image:
        """The picture of one moment; it must not be changed when the road is empty, for then it is the kept one."""
        empty = self._empty_road(exposure)
        if not vehicles:
            return empty
        canvas = empty.copy()
        for vehicle in vehicles:
            model = self._model(vehicle, exposure)
            _Painting(self._view, canvas, exposure, monotonic_ns).vehicle(vehicle, model, self._glare)
        return canvas

    def body(self, vehicle: Vehicle) -> Body:
        """The vehicle's surfaces, for working out what hides what."""
        return self._kept(vehicle).body

    def _empty_road(self, exposure: Exposure) -> Image.Image:
        if exposure not in self._empty:
            self._empty[exposure] = Image.fromarray(self._road.lit(exposure))
            if len(self._empty) > CACHE_ROADS:
                self._empty.popitem(last=False)
        return self._empty[exposure]

    def _kept(self, vehicle: Vehicle) -> _Model:
        model = self._models.get(vehicle.look_seed)
        if model is None:
            rng = np.random.default_rng((*vehicle.look_seed, 1))
            body = build_body(vehicle, self._view.mounting.offset_m)
            model = _Model(body, draw_face(vehicle.issue, rng, vehicle.dirty), shade=float(rng.uniform(0.65, 1.1)))
            self._models[vehicle.look_seed] = model
            if len(self._models) > CACHE_VEHICLES:
                self._models.popitem(last=False)
        self._models.move_to_end(vehicle.look_seed)
        return model

    def _model(self, vehicle: Vehicle, exposure: Exposure) -> _Model:
        """The kept model, mixed for this exposure."""
        model = self._kept(vehicle)
        if model.exposure != exposure:
            model.exposure = exposure
            model.mips = _mips(exposure.mix(model.plate.albedo, model.plate.retro), model.plate, self._view)
            textures = ((index, surface.texture) for index, surface in enumerate(model.body.surfaces))
            model.textures = {
                index: exposure.mix(texture.albedo, texture.retro) for index, texture in textures if texture is not None
            }
        return model


@dataclass(frozen=True, slots=True)
class _Painting:
    """One canvas being painted at one moment."""

    view: View
    canvas: Image.Image
    exposure: Exposure
    monotonic_ns: int

    def vehicle(self, vehicle: Vehicle, model: _Model, glare: Image.Image) -> None:
        """Shadow, body, plate, lamps."""
        origin = vehicle.origin(self.monotonic_ns)
        distance_m = self.view.distance_m(origin)
        self._shadow(vehicle, origin)
        blur = self._motion_px(vehicle) / 2
        for index, surface in enumerate(model.body.surfaces):
            pixels = self.view.project(surface.points + origin)
            if _is_away(pixels, self.view.size):
                continue
            if index in model.textures:
                curve = self.exposure.curve(distance_m, model.shade)
                softness = blur if blur.max() > 0.5 else np.zeros(2)
                self._lay(model.textures[index].copy(), pixels, curve, softness)
            elif _faces_camera(pixels) or len(pixels) > 4:
                self._flat(surface.albedo * model.shade, pixels, distance_m)
        self._plate(vehicle, model, blur)
        if model.body.lamp_level > 0:
            self._lamps(model.body, origin, distance_m, glare)

    def _flat(self, albedo: float, pixels: Points, distance_m: float) -> None:
        level = self.exposure.level(albedo, distance_m)
        ImageDraw.Draw(self.canvas).polygon([(float(u), float(v)) for u, v in pixels], fill=level)

    def _plate(self, vehicle: Vehicle, model: _Model, blur: Points) -> None:
        corners = _grown(vehicle.plate_world(self.monotonic_ns), model.plate)
        pixels = self.view.project(corners)
        if _is_away(pixels, self.view.size):
            return
        width_px = float(np.hypot(*(pixels[1] - pixels[0])))
        mip = next((mip for mip in reversed(model.mips) if mip.width >= width_px), model.mips[0])
        distance_m = self.view.distance_m(corners[0])
        curve = self.exposure.curve(distance_m, model.shade)
        defocus_px = DEFOCUS_PX * (1 + DEFOCUS_PER_M * abs(distance_m - REFERENCE_DISTANCE_M))
        self._lay(mip, pixels, curve, blur, defocus_px * self.view.size[0] / REFERENCE_WIDTH_PX)
        if self.exposure.illuminated:
            self._bloom(_clipped_box(_grown(pixels, model.plate), self.view.size))

    def _lay(
        self, texture: Image.Image, quad: Points, curve: Sequence[int], blur: Points, defocus_px: float = 0.0
    ) -> None:
        """Warp a texture into its quad, smear it, light it, paste it inside the quad."""
        box = _clipped_box(quad, self.view.size)
        size = (box[2] - box[0], box[3] - box[1])
        local = quad - np.array(box[:2])
        # Pillow counts from pixel corners, quads from pixel centres. A body's face is laid a little too large, so that
        # its rim never shows the black outside of the texture; a plate stays exact.
        rim = 0.0 if defocus_px else np.sign(local - local.mean(axis=0))
        matrix = perspective(local + rim + 0.5, texture.size)
        patch = texture.transform(size, Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BILINEAR)
        if blur.any():
            patch = patch.filter(ImageFilter.BoxBlur((float(blur[0]), float(blur[1]))))
        if defocus_px:
            patch = patch.filter(ImageFilter.GaussianBlur(defocus_px))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon([(float(u), float(v)) for u, v in local], fill=255)
        if defocus_px:
            mask = mask.filter(ImageFilter.GaussianBlur(defocus_px))
        self.canvas.paste(patch.point(curve), box, mask)

    def _bloom(self, box: tuple[int, int, int, int]) -> None:
        """A bright plate spills a little light over its surroundings and into its own characters."""
        part = self.canvas.crop(box)
        spill = part.filter(ImageFilter.GaussianBlur(BLOOM_PX)).point(_BLOOM_TABLE)
        self.canvas.paste(ImageChops.add(part, spill).point(_LIMITED), box)

    def _shadow(self, vehicle: Vehicle, origin: Points) -> None:
        if self.exposure.light.name != "day":
            return
        kind = vehicle.kind
        pixels = self.view.project(shadow_quad(kind.width_m, kind.length_m, kind.height_m) + origin)
        if _is_away(pixels, self.view.size):
            return
        box = _clipped_box(pixels, self.view.size)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        outline = [(float(u), float(v)) for u, v in pixels - np.array(box[:2])]
        ImageDraw.Draw(mask).polygon(outline, fill=round(255 * SHADOW_DEPTH))
        self.canvas.paste(self.exposure.level(0.02, REFERENCE_DISTANCE_M), box, mask)

    def _lamps(self, body: Body, origin: Points, distance_m: float, glare: Image.Image) -> None:
        """Glare is light added on top of everything, nearer lamps larger."""
        level = self.exposure.lamp_level * body.lamp_level
        reach_m = (0.30 + 0.25 * body.lamp_level) * math.sqrt(self.exposure.light.lamps)
        radius = max(8, round(reach_m * self.view.focal_px / max(distance_m, 6.0)))
        for u, v in self.view.project(body.lamps + origin):
            left, top = round(u) - radius, round(v) - radius
            width, height = self.view.size
            if left > width or top > height or left + 2 * radius < 0 or top + 2 * radius < 0 or origin[1] < 4.0:
                continue
            spot = glare.resize((2 * radius, 2 * radius), Image.Resampling.BILINEAR)
            spot = spot.point([round(value * level / 255) for value in range(256)])
            self._add(spot, left, top)

    def _add(self, spot: Image.Image, left: int, top: int) -> None:
        width, height = self.view.size
        box = (max(left, 0), max(top, 0), min(left + spot.width, width), min(top + spot.height, height))
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        part = spot.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))
        lit = ImageChops.add(self.canvas.crop(box), part)
        self.canvas.paste(lit.point(_LIMITED), box)

    def _motion_px(self, vehicle: Vehicle) -> Points:
        """How far the plate moves in the picture while the shutter is open, along each axis."""
        half_ns = self.exposure.exposure_us * 500
        early, late = (
            self.view.project(vehicle.plate_world(self.monotonic_ns + offset)[:1])[0] for offset in (-half_ns, half_ns)
        )
        moved: Points = np.abs(late - early)
        return moved


_LIMITED = [min(value, LEVEL_MAX) for value in range(256)]
_BLOOM_TABLE = [round(max(0.0, value - PEDESTAL) * BLOOM_SHARE) for value in range(256)]


def _mips(mixed: Image.Image, plate: PlateFace, view: View) -> list[Image.Image]:
    """Largest first; widths belong to a full-size picture of a long plate."""
    share = plate.outer_mm[0] / 544 * view.size[0] / REFERENCE_WIDTH_PX
    sizes = [round(width * share) for width in MIP_WIDTHS_PX]
    return [mixed.resize((width, round(width * mixed.height / mixed.width)), Image.Resampling.BOX) for width in sizes]


def _grown(corners: Points, plate: PlateFace) -> Points:
    """The plate's corners moved out to the rim of its holder."""
    across = (corners[1] - corners[0]) * (HOLDER_MM / plate.plate_mm[0])
    down = (corners[3] - corners[0]) * (HOLDER_MM / plate.plate_mm[1])
    outwards = np.array([-across - down, across - down, across + down, down - across])
    grown: Points = corners + outwards
    return grown


def _glare_picture() -> Image.Image:
    """A lamp: saturated core, halo that fades to nothing at the rim."""
    axis = np.linspace(-1, 1, GLARE_PX)
    distance = np.hypot(axis, axis[:, None])
    halo = np.exp(-((distance / 0.13) ** 2)) * 1.6 + 0.42 * np.exp(-distance / 0.28) * np.clip(1 - distance, 0, 1)
    return Image.fromarray(np.clip(halo * 255, 0, 255).astype(np.uint8))


def _is_away(pixels: Points, size: tuple[int, int]) -> bool:
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return bool(high[0] < 1 or high[1] < 1 or low[0] > size[0] - 1 or low[1] > size[1] - 1)


def _clipped_box(pixels: Points, size: tuple[int, int]) -> tuple[int, int, int, int]:
    low, high = np.floor(pixels.min(axis=0)) - 1, np.ceil(pixels.max(axis=0)) + 2
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    return left, top, max(left + 1, min(int(high[0]), size[0])), max(top + 1, min(int(high[1]), size[1]))


def _faces_camera(pixels: Points) -> bool:
    """Whether the corners still run clockwise."""
    following = np.roll(pixels, -1, axis=0)
    return bool((pixels[:, 0] * following[:, 1] - following[:, 0] * pixels[:, 1]).sum() > 0)
