"""The four sides of a plate in the full plane, to a fraction of a pixel: straight lines through what the picture shows.

It starts from the detector's corners, which are good to a few pixels, and keeps them where the picture shows no edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anpr_node.records import Corners, Plane

Float = NDArray[np.float64]

STATIONS = 48
"""Places along a side where the picture is looked at, from END_SHARE to 1 - END_SHARE of its length."""
END_SHARE = 0.12
REACH_SHARE = 0.22
"""How far to both sides the edge is searched, as a share of the plate's height."""
STEP_PX = 0.25
SMOOTH_PX = 0.75
FIT_ROUNDS = 4
STRAY_MIN_PX = 0.35
"""A station this near to the line is never thrown out of the fit."""
INLIERS_MIN = 0.5
RISE_MIN_LEVELS = 6.0
BAND_SHARE = 41 / 110
"""Width of the blue band at a plate's end, as a share of the plate's height: seen from the side it is narrower."""
BAND_REACH_SHARE = 0.12
BAND_PARALLEL_COSINE = 0.998


@dataclass(frozen=True, slots=True)
class Side:
    """One side as a line: middle, unit direction, and the outward normal."""

    middle: tuple[float, float]
    along: tuple[float, float]
    outward: tuple[float, float]
    found: bool


def sides_of(pixels: Plane, corners: Corners) -> tuple[Side, Side, Side, Side]:
    """Top, right, bottom, left."""
    points = np.array(corners, np.float64)
    height = (np.linalg.norm(points[3] - points[0]) + np.linalg.norm(points[2] - points[1])) / 2
    reach = max(3.0, float(height) * REACH_SHARE)
    centre = points.mean(axis=0)
    top, right, bottom, left = (_side(pixels, points[n], points[(n + 1) % 4], centre, reach) for n in range(4))
    right, left = (_past_band(pixels, side, float(height), centre) for side in (right, left))
    return top, right, bottom, left


def corners_of(sides: tuple[Side, Side, Side, Side], rough: Corners) -> Corners:
    """Where the lines meet; the rough corner where they are parallel."""
    top, right, bottom, left = sides
    pairs = ((left, top), (top, right), (right, bottom), (bottom, left))
    return tuple(_meet(one, other) or point for (one, other), point in zip(pairs, rough, strict=True))


def _past_band(pixels: Plane, side: Side, height: float, centre: Float) -> Side:
    """The plate's own end where the side found is only that of the bright ground: a dark band follows there."""
    if not side.found:
        return side
    middle, along, outward = np.array(side.middle), np.array(side.along), np.array(side.outward)
    half = along * height * 0.5
    end = middle + outward * height * BAND_SHARE
    levels = _levels_beyond(pixels, middle, along, outward, height)
    within, beyond = levels[_from_to(0.08, 0.26)], levels[_from_to(0.46, 0.56)]
    if float(np.median(within)) < float(np.median(beyond)) + RISE_MIN_LEVELS:
        return side
    last = _side(pixels, end - half, end + half, centre, max(2.0, height * BAND_REACH_SHARE))
    parallel = abs(float(np.array(last.along) @ along)) > BAND_PARALLEL_COSINE
    return last if last.found and parallel else side


BEYOND = np.arange(0.0, 0.6, 0.02)


def _from_to(low: float, high: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (low <= BEYOND) & (high >= BEYOND)
    return inside


def _levels_beyond(pixels: Plane, middle: Float, along: Float, outward: Float, height: float) -> Float:
    """Grey values outwards from a side, each the median over the middle half of it: no letter of a band counts."""
    across = np.linspace(-0.35, 0.35, STATIONS) * height
    points = middle + BEYOND[:, None, None] * height * outward + across[None, :, None] * along
    levels: Float = np.median(sample(pixels, points), axis=1)
    return levels


def _side(pixels: Plane, start: Float, end: Float, centre: Float, reach: float) -> Side:
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    outward = np.array([along[1], -along[0]])
    if float(outward @ ((start + end) / 2 - centre)) < 0:
        outward = -outward
    shares = np.linspace(END_SHARE, 1 - END_SHARE, STATIONS)
    feet = start + shares[:, None] * (end - start)
    offsets = np.arange(-reach, reach + STEP_PX, STEP_PX)
    profiles = sample(pixels, feet[:, None] + offsets[:, None] * outward)
    edge = _edges(profiles, offsets)
    length = float(np.linalg.norm(end - start))
    fit = _line(shares - 0.5, edge)
    if fit is None:
        middle = (start + end) / 2
        return Side(_pair(middle), _pair(along), _pair(outward), found=False)
    slope, level = fit
    direction = along * length + outward * slope
    direction /= np.linalg.norm(direction)
    middle = (start + end) / 2 + outward * level
    normal = np.array([direction[1], -direction[0]])
    normal = normal if float(normal @ outward) > 0 else -normal
    return Side(_pair(middle), _pair(direction), _pair(normal), found=True)


def _edges(profiles: Float, offsets: Float) -> Float:
    """Where each profile falls most steeply on its way out; NaN where it hardly falls."""
    smooth = _smoothed(profiles)
    fall: Float = -np.gradient(smooth, STEP_PX, axis=1)
    # the plate's rim is the outermost steep fall, not the steepest: a border line within may fall as steeply
    strong = fall > 0.6 * fall.max(axis=1, keepdims=True)
    peaks = strong & (fall >= np.roll(fall, 1, axis=1)) & (fall >= np.roll(fall, -1, axis=1))
    peaks[:, [0, -1]] = False
    columns = int(fall.shape[-1])
    last = columns - 1 - np.argmax(peaks[:, ::-1], axis=1)
    rows = np.arange(len(fall))
    here, before, after = fall[rows, last], fall[rows, last - 1], fall[rows, np.minimum(last + 1, columns - 1)]
    curve = before - 2 * here + after
    shift = np.where(np.abs(curve) > 1e-9, 0.5 * (before - after) / np.where(curve == 0, 1, curve), 0.0)
    found = offsets[last] + np.clip(shift, -1, 1) * STEP_PX
    found[~peaks.any(axis=1) | (here < RISE_MIN_LEVELS / 2)] = np.nan
    edges: Float = found
    return edges


def _smoothed(profiles: Float) -> Float:
    width = round(SMOOTH_PX / STEP_PX)
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    padded = np.pad(profiles, ((0, 0), (width, width)), mode="edge")
    smooth: Float = np.apply_along_axis(np.convolve, 1, padded, kernel, "valid")
    return smooth


def _line(at: Float, offset: Float) -> tuple[float, float] | None:
    """Slope and level of the line through most of the points; None where there is none."""
    good = ~np.isnan(offset)
    level = float(np.nanmedian(offset)) if good.any() else 0.0
    good &= np.abs(np.where(good, offset, 0) - level) < 4.0
    slope = 0.0
    for _ in range(FIT_ROUNDS):
        if good.sum() < INLIERS_MIN * len(offset):
            return None
        slope, level = np.polyfit(at[good], offset[good], 1)
        off = np.abs(offset - (slope * at + level))
        limit = max(STRAY_MIN_PX, 2.5 * float(np.nanmedian(off[good])))
        good = ~np.isnan(offset) & (off < limit)
    return float(slope), float(level)


def sample(pixels: Plane, points: Float) -> Float:
    """Grey values at points x, y between pixel centres; beyond the rim those of the rim."""
    rows, columns = pixels.shape
    x = np.clip(points[..., 0] - 0.0, 0, columns - 1.001)
    y = np.clip(points[..., 1] - 0.0, 0, rows - 1.001)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    dx, dy = x - left, y - top
    values: Float = (
        pixels[top, left] * (1 - dx) * (1 - dy)
        + pixels[top, left + 1] * dx * (1 - dy)
        + pixels[top + 1, left] * (1 - dx) * dy
        + pixels[top + 1, left + 1] * dx * dy
    )
    return values


def _meet(one: Side, other: Side) -> tuple[float, float] | None:
    (ax, ay), (bx, by) = one.along, other.along
    cross = ax * by - ay * bx
    if abs(cross) < 0.2:
        return None
    dx, dy = other.middle[0] - one.middle[0], other.middle[1] - one.middle[1]
    t = (dx * by - dy * bx) / cross
    return one.middle[0] + t * ax, one.middle[1] + t * ay


def _pair(point: Float) -> tuple[float, float]:
    return float(point[0]), float(point[1])
