"""Grey pictures: decoding files, resizing, cutting windows, rectifying plates, encoding JPEG; all through Pillow.

Nothing here knows about models or plates' texts. Planes are numpy arrays; Pillow reads them in place, without a copy.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from anpr_node.errors import PictureError
from anpr_node.records import Corners, Plane

PIXELS_MAX = 100_000_000
SIDE_MIN_PX = 8
SENSOR_BITS = (8, 10, 12, 14, 16)
_BILINEAR = Image.Resampling.BILINEAR
_REDUCING_GAP = 2.0  # Pillow first averages whole blocks down to twice the wanted size: 3 times faster, no aliasing

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".gif"})


def load_grey(path: Path) -> Plane:
    """The picture of a file, upright (EXIF orientation obeyed), as a plane.

    Raises:
        PictureError: missing, truncated, not a picture, under 8 pixels or over 100 million.

    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of broken EXIF; only pixels and orientation matter here
            with Image.open(path) as picture:
                _check_size(path, picture.size)
                picture.draft("L", picture.size)  # a JPEG then skips its colour planes altogether
                return _to_grey(ImageOps.exif_transpose(picture))
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such file") from error
    except PermissionError as error:
        raise PictureError(f"{path}: you may not read it") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "empty file" if _is_empty(path) else str(error)
        raise PictureError(f"{path}: not a readable picture ({reason})") from error


def load_colour(path: Path) -> Image.Image:
    """The same picture upright and in colour, for people to look at."""
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        return (as_image(_to_grey(upright)) if upright.mode.startswith("I") else upright).convert("RGB")


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < SIDE_MIN_PX:
        raise PictureError(f"{path}: {width}×{height} pixels is too small, {SIDE_MIN_PX}×{SIDE_MIN_PX} at least")
    if width * height > PIXELS_MAX:
        raise PictureError(f"{path}: {width}×{height} pixels is too large, {PIXELS_MAX // 1_000_000} million at most")


def _to_grey(picture: Image.Image) -> Plane:
    if picture.mode.startswith("I"):  # 16-bit scanners and sensors: keep the upper eight of the bits in use
        wide = np.asarray(picture).astype(np.int64)
        upper: Plane = np.clip(wide >> _unused_bits(wide), 0, 255).astype(np.uint8)
        return upper
    if picture.mode == "CMYK":
        picture = picture.convert("RGB")
    plane: Plane = np.asarray(picture.convert("L"))
    return plane


def _unused_bits(wide: NDArray[np.int64]) -> int:
    """How many low bits to drop: many sensors write 10, 12 or 14 bits into 16, which would else be black."""
    used = int(wide.max()).bit_length()
    return next((bits for bits in SENSOR_BITS if used <= bits), SENSOR_BITS[-1]) - 8


def as_image(plane: Plane) -> Image.Image:
    """Pillow's view of a plane, in place: also of a camera's, whose rows are padded."""
    padded = _padded_rows(plane)
    if padded is None:
        return Image.fromarray(np.ascontiguousarray(plane))
    rows, columns = plane.shape
    return Image.frombuffer("L", (columns, rows), padded, "raw", "L", plane.strides[0], 1)


def _padded_rows(plane: Plane) -> Plane | None:
    """The memory from a plane's first pixel to the end of its last row's padding, None where it is not laid out so."""
    owner = plane.base
    if plane.flags.c_contiguous or not isinstance(owner, np.ndarray) or not owner.flags.c_contiguous:
        return None
    stride, step = plane.strides
    if step != 1 or stride < plane.shape[1]:
        return None
    memory = owner.reshape(-1).view(np.uint8)
    start = plane.ctypes.data - memory.ctypes.data
    whole: Plane = memory[start : start + stride * plane.shape[0]]
    return whole if whole.size == stride * plane.shape[0] else None


def resize(plane: Plane, width: int, height: int) -> Plane:
    """The whole plane at another size, antialiased."""
    return np.asarray(as_image(plane).resize((width, height), _BILINEAR, reducing_gap=_REDUCING_GAP))


def fit_size(plane_shape: tuple[int, ...], width_max: int, height_max: int) -> tuple[int, int]:
    """The largest width, height of the plane's own aspect that fits."""
    height, width = plane_shape
    scale = min(width_max / width, height_max / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def small_plane(plane: Plane, width_max: int = 320, height_max: int = 240) -> Plane:
    """What the ISP's low-resolution output would be: the whole field of view, fitted into width × height."""
    width, height = fit_size(plane.shape, width_max, height_max)
    return resize(plane, width, height)


def window(plane: Plane, bounds: tuple[float, float, float, float], width: int, height: int) -> Plane:
    """The part x1, y1, x2, y2 of a plane, which must lie inside it, at another size, antialiased."""
    return np.asarray(as_image(plane).resize((width, height), _BILINEAR, box=bounds, reducing_gap=_REDUCING_GAP))


def rectify(plane: Plane, corners: Corners, width: int, height: int) -> Plane:
    """The quadrilateral `corners` (tl, tr, br, bl), pulled straight to width × height with one gather."""
    top_left, top_right, bottom_right, bottom_left = corners
    quad = (*top_left, *bottom_left, *bottom_right, *top_right)  # the order Pillow's QUAD wants
    return np.asarray(as_image(plane).transform((width, height), Image.Transform.QUAD, quad, _BILINEAR))


def encode_jpeg(plane: Plane, quality: int) -> bytes:
    """The plane as a grey JPEG."""
    buffer = io.BytesIO()
    as_image(plane).save(buffer, "JPEG", quality=quality, optimize=True)  # a fifth smaller at night, and no other
    return buffer.getvalue()


def decode_jpeg(data: bytes) -> Plane:
    """A grey JPEG as a plane. Raises PictureError when it is damaged."""
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    except (OSError, ValueError) as error:
        raise PictureError(f"damaged JPEG: {error}") from error
