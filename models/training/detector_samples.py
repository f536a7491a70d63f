"""Training pictures for the detector: windows of real scenes, plates kept, swapped, erased or added.

Never touches a picture whose split is not `train`: the caller hands in the scenes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import detector_distractors as distractors
import detector_photometry as photometry
import numpy as np
from detector_grid import HEIGHT_PX, WIDTH_PX
from detector_paste import bounding_box, erase, paste, random_quad, with_holder
from detector_targets import Target
from scenes import Scene, Window, cut, points_in_window

FINE = 2  # plates are pasted on a canvas twice as fine, then both are shrunk together like a real camera's picture
SOURCE_WEIGHT = {
    "ro_dashcam": 1.3,
    "de_press": 2.0,
    "nl_marketplace": 1.5,
    "openalpr_us": 0.8,
    "openalpr_br": 1.0,
    "kaggle_cars433": 1.2,
    "web_asik225": 1.5,
    "roboflow_mixed": 0.6,
}
ZOOM_SHARE = 0.45
TILE_SHARE = 0.35  # of what is no close look
MISTAKE_SHARE = 0.2  # of the pictures drawn: a close look at what a former detector got wrong
VISIBLE_ENOUGH = 0.97

RandomPlate = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Sample:
    """A network input uint8 [240, 320] and what is in it."""

    pixels: np.ndarray
    targets: list[Target]
    complete: bool


def letterbox_window(width_px: int, height_px: int) -> Window:
    """The window that shows a whole picture, anchored top left, so that the mapping back is one scale."""
    scale = min(WIDTH_PX / width_px, HEIGHT_PX / height_px)
    return Window(0, 0, WIDTH_PX / scale, HEIGHT_PX / scale)


def _whole(rng: np.random.Generator, scene: Scene) -> Window:
    """As the first pass sees it: the whole picture, now and then nearer or farther."""
    height, width = scene.pixels.shape
    window = letterbox_window(width, height)
    if rng.random() < 0.4:
        return window
    factor = float(np.exp(rng.normal(0, 0.35)))
    stretch = float(np.exp(rng.normal(0, 0.05)))
    wide, high = window.width * factor, window.height * factor * stretch
    left = rng.uniform(min(0, width - wide), max(0, width - wide))
    top = rng.uniform(min(0, height - high), max(0, height - high))
    return Window(left, top, wide, high)


def _zoomed(rng: np.random.Generator, scene: Scene, at_mistake: bool) -> Window:
    """As the second look sees it: about three plate widths around one plate, shifted to stay in the picture."""
    height, width = scene.pixels.shape
    centres = scene.lookalikes if at_mistake else scene.boxes
    box = centres[rng.integers(len(centres))]
    plate = float(box[2] - box[0])
    wide = plate * float(np.clip(3 * np.exp(rng.normal(0, 0.35)), 1.2, 8))
    high = wide * HEIGHT_PX / WIDTH_PX * float(np.exp(rng.normal(0, 0.04)))
    left = (box[0] + box[2]) / 2 - wide * rng.uniform(0.3, 0.7)
    top = (box[1] + box[3]) / 2 - high * rng.uniform(0.25, 0.75)
    if rng.random() < 0.8:
        left = float(np.clip(left, min(0, width - wide), max(0, width - wide)))
        top = float(np.clip(top, min(0, height - high), max(0, height - high)))
    return Window(float(left), float(top), wide, high)


def _tile(rng: np.random.Generator, scene: Scene) -> Window:
    """As the node looks at wide pictures: a part of the picture, most often with a plate in it."""
    height, width = scene.pixels.shape
    wide = width * float(np.exp(rng.uniform(np.log(0.3), np.log(0.9))))
    high = wide * HEIGHT_PX / WIDTH_PX
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if len(scene.boxes) and rng.random() < 0.75:
        box = scene.boxes[rng.integers(len(scene.boxes))]
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left = float(np.clip(x - wide * rng.uniform(0.1, 0.9), min(0, width - wide), max(0, width - wide)))
    top = float(np.clip(y - high * rng.uniform(0.1, 0.9), min(0, height - high), max(0, height - high)))
    return Window(left, top, wide, high)


def _window(rng: np.random.Generator, scene: Scene, zoom: bool, at_mistake: bool) -> Window:
    if zoom:
        return _zoomed(rng, scene, at_mistake)
    return _tile(rng, scene) if rng.random() < TILE_SHARE else _whole(rng, scene)


def _clipped_share(box: np.ndarray) -> float:
    limit = np.array([WIDTH_PX, HEIGHT_PX]) * FINE
    inside = np.clip(np.minimum(box[2:], limit) - np.maximum(box[:2], 0), 0, None)
    return float(np.prod(inside) / max(1e-6, np.prod(box[2:] - box[:2])))


def _light(rng: np.random.Generator, plate: np.ndarray, canvas: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The plate with about the black and white of what is (or was) in the box."""
    x1, y1, x2, y2 = np.clip(box.astype(int), 0, [canvas.shape[1], canvas.shape[0]] * 2)
    region = canvas[y1:y2, x1:x2]
    if region.size < 12:
        region = canvas
    black, white = np.percentile(region, [5, 95])
    if white - black < 40 or rng.random() < 0.25:
        white = rng.uniform(70, 255)
        black = white * rng.uniform(0.05, 0.5)
    level = black + plate.astype(np.float32) / 255 * (white - black) * rng.uniform(0.8, 1.2)
    if rng.random() < 0.2:  # a shadow's edge or a glare across the plate
        level *= np.linspace(*rng.uniform(0.5, 1.4, 2), plate.shape[1])
    return np.clip(level, 0, 255).astype(np.uint8)


def _put_plate(rng: np.random.Generator, canvas: np.ndarray, random_plate: RandomPlate, place: np.ndarray) -> Target:
    """A synthetic plate over `place`; the target carries its true corners."""
    plate = random_plate(rng)
    quad = random_quad(rng, plate.shape[1] / plate.shape[0], float(place[2] - place[0]))
    quad += (place[:2] + place[2:]) / 2
    lit = _light(rng, plate, canvas, place)
    picture, corners = with_holder(rng, lit)
    width = float(np.ptp(quad[:, 0]))
    paste(canvas, picture, corners, quad, blur_px=float(rng.uniform(0, 0.012) * width + rng.uniform(0, 0.8)))
    return Target(bounding_box(quad), quad)


def _labelled(scene: Scene, window: Window) -> list[Target]:
    """The picture's plates on the fine canvas, as far as they show; their corners are not known."""
    size = (WIDTH_PX * FINE, HEIGHT_PX * FINE)
    targets = []
    for box in scene.boxes:
        moved = points_in_window(box.reshape(2, 2), window, *size).reshape(4)
        if _clipped_share(moved) > 0:
            targets.append(Target(moved, None))
    for box in scene.doubtful:
        targets.append(Target(points_in_window(box.reshape(2, 2), window, *size).reshape(4), None, ignore=True))
    return targets


def _treat(
    rng: np.random.Generator, canvas: np.ndarray, label: Target, random_plate: RandomPlate, swap_share: float
) -> Target | None:
    """Keep, swap or erase one labelled plate."""
    box = label.box
    if label.ignore or _clipped_share(box) < VISIBLE_ENOUGH:
        return Target(box, None, ignore=True)
    dice = rng.random()
    if dice < swap_share:
        erase(rng, canvas, box)
        grow = np.exp(rng.normal(0, 0.12)) * (box[2] - box[0]) / 2
        middle = (box[[0, 2]].mean() + rng.normal(0, 0.05) * grow, box[[1, 3]].mean())
        place = np.array([middle[0] - grow, box[1], middle[0] + grow, box[3]], np.float32)
        target = _put_plate(rng, canvas, random_plate, place)
        return target if _clipped_share(target.box) >= VISIBLE_ENOUGH else Target(target.box, None, ignore=True)
    if dice > 0.93:
        erase(rng, canvas, box)
        return None
    return label


def _overlaps(box: np.ndarray, others: list[Target]) -> bool:
    margin = 6
    return any(
        (box[:2] < other.box[2:] + margin).all() and (other.box[:2] - margin < box[2:]).all() for other in others
    )


def _extra(rng: np.random.Generator, canvas: np.ndarray, targets: list[Target], random_plate: RandomPlate) -> None:
    """One more plate anywhere free: the place says nothing, only its own look does."""
    width = float(np.exp(rng.uniform(np.log(14), np.log(240)))) * FINE
    limit = np.array([WIDTH_PX, HEIGHT_PX]) * FINE
    half = np.array([width / 2, width / 3.5])
    if (2 * half >= limit).any():
        return
    middle = rng.uniform(half, limit - half)
    place = np.concatenate([middle - half, middle + half]).astype(np.float32)
    if _overlaps(place, targets):
        return
    target = _put_plate(rng, canvas, random_plate, place)
    if _clipped_share(target.box) >= VISIBLE_ENOUGH and not _overlaps(target.box, targets):
        targets.append(target)
    else:
        targets.append(Target(target.box, None, ignore=True))


def _scatter_around(rng: np.random.Generator, canvas: np.ndarray, boxes: list[np.ndarray]) -> None:
    """Distractors everywhere but on the plates."""
    kept = []
    for box in boxes:
        x1, y1 = np.maximum(box[:2].astype(int) - 4, 0)
        x2, y2 = np.maximum(box[2:].astype(int) + 5, 0)
        kept.append((slice(y1, y2), slice(x1, x2), canvas[y1:y2, x1:x2].copy()))
    distractors.scatter(rng, canvas, 5)
    for rows, columns, pixels in kept:
        canvas[rows, columns] = pixels


def _shrunk(target: Target) -> Target:
    return Target(target.box / FINE, None if target.quad is None else target.quad / FINE, target.ignore)


def _is_negative(rng: np.random.Generator, scene: Scene) -> bool:
    return scene.complete and rng.random() < 0.1


def make_sample(rng: np.random.Generator, scene: Scene, random_plate: RandomPlate, at_mistake: bool = False) -> Sample:
    """One training picture from one scene."""
    zoom = len(scene.boxes) > 0 and (at_mistake or rng.random() < ZOOM_SHARE)
    window = _window(rng, scene, zoom, at_mistake)
    width, height = WIDTH_PX * FINE, HEIGHT_PX * FINE
    canvas = cut(scene.pixels, window, width, height)
    labels = _labelled(scene, window)
    boxes = [label.box for label in labels]
    targets: list[Target] = []
    if _is_negative(rng, scene):
        for box in boxes:
            erase(rng, canvas, box)
        if rng.random() < 0.5:
            canvas = np.ascontiguousarray(canvas[:, ::-1])
        distractors.scatter(rng, canvas, 6)
    else:
        if rng.random() < 0.35:
            _scatter_around(rng, canvas, boxes)
        treated = [_treat(rng, canvas, label, random_plate, 0.7 if zoom else 0.4) for label in labels]
        targets = [target for target in treated if target is not None]
        if rng.random() < 0.3:
            _extra(rng, canvas, targets, random_plate)
    return _finished(rng, canvas, targets, scene.complete)


def _finished(rng: np.random.Generator, canvas: np.ndarray, targets: list[Target], complete: bool) -> Sample:
    quads = [target.quad for target in targets if target.quad is not None]
    if rng.random() < 0.14 and len(quads) == len(targets):
        canvas = photometry.infrared(rng, canvas, quads)
        if rng.random() < 0.3:
            distractors.lamps(rng, canvas)
    small = cv2.resize(canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return Sample(photometry.camera(rng, small), [_shrunk(target) for target in targets], complete)


class SceneSampler:
    """Draws scenes by the weight of their set and turns them into samples, for ever."""

    def __init__(self, scenes: list[Scene], random_plate: RandomPlate, seed: int) -> None:
        self._scenes = scenes
        self._random_plate = random_plate
        self._rng = np.random.default_rng(seed)
        weight = np.array([SOURCE_WEIGHT.get(scene.source, 1.0) for scene in scenes])
        self._share = weight / weight.sum()
        self._mistaken = [scene for scene in scenes if scene.lookalikes]

    def __next__(self) -> Sample:
        if self._mistaken and self._rng.random() < MISTAKE_SHARE:
            scene = self._mistaken[int(self._rng.integers(len(self._mistaken)))]
            return make_sample(self._rng, scene, self._random_plate, at_mistake=True)
        chosen = int(self._rng.choice(len(self._scenes), p=self._share))
        return make_sample(self._rng, self._scenes[chosen], self._random_plate)
