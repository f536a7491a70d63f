"""Picture files as they come: rotated, huge, tiny, 16-bit, CMYK, broken; and the geometry of patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anpr_node import pictures
from anpr_node.errors import PictureError
from anpr_node.records import Plane


@pytest.fixture
def picture() -> Image.Image:
    """Grey ramp, brighter to the right, white corner at the top left."""
    plane = np.tile(np.linspace(0, 200, 120).astype(np.uint8), (80, 1))
    plane[:20, :20] = 255
    return Image.fromarray(plane)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp"])
def test_common_formats_give_the_same_picture(tmp_path: Path, picture: Image.Image, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    picture.convert("RGB").save(path)
    plane = pictures.load_grey(path)
    assert plane.shape == (80, 120)
    assert np.abs(plane.astype(int) - np.asarray(picture)).mean() < 3


def test_exif_rotation_is_obeyed(tmp_path: Path, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown upright after 90 degrees clockwise
    picture.save(tmp_path / "p.jpg", exif=exif)
    plane = pictures.load_grey(tmp_path / "p.jpg")
    assert plane.shape == (120, 80)
    assert plane[5:15, -15:-5].mean() > 240, "the white corner has gone to the top right"


def test_sixteen_bits_keep_their_upper_eight(tmp_path: Path) -> None:
    wide = (np.arange(256, dtype=np.uint16) << 8)[None].repeat(16, axis=0)
    Image.fromarray(wide).save(tmp_path / "p.png")
    assert (pictures.load_grey(tmp_path / "p.png")[0] == np.arange(256)).all()


def test_cmyk_and_palettes_and_transparency_are_read(tmp_path: Path, picture: Image.Image) -> None:
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg")
    picture.convert("P").save(tmp_path / "palette.png")
    picture.convert("RGBA").save(tmp_path / "alpha.png")
    for name in ("cmyk.jpg", "palette.png", "alpha.png"):
        assert np.abs(pictures.load_grey(tmp_path / name).astype(int) - np.asarray(picture)).mean() < 4, name


def test_twenty_megapixels_are_fine(tmp_path: Path, picture: Image.Image) -> None:
    picture.resize((5472, 3648)).save(tmp_path / "p.jpg")
    assert pictures.load_grey(tmp_path / "p.jpg").shape == (3648, 5472)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty file"), (b"no picture at all", "not a readable"), (b"\xff\xd8\xff\xe0", "not a readable")],
)
def test_what_is_no_picture_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "p.jpg").write_bytes(content)
    with pytest.raises(PictureError, match=words):
        pictures.load_grey(tmp_path / "p.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_picture_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 400), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match=r"p\.(jpg|png): not a readable picture"):
        pictures.load_grey(path)


@pytest.mark.parametrize("size", [(1, 1), (200, 4), (20_000, 6_000)])
def test_useless_sizes_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(tmp_path / "p.png")
    with pytest.raises(PictureError, match=r"too (small|large)"):
        pictures.load_grey(tmp_path / "p.png")


def test_missing_files_and_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such file"):
        pictures.load_grey(tmp_path / "p.jpg")
    with pytest.raises(PictureError, match="not a readable picture"):
        pictures.load_grey(tmp_path)


def test_a_tilted_plate_is_pulled_straight() -> None:
    """A quadrant pattern drawn into a tilted quadrilateral comes back upright."""
    plane = np.full((200, 300), 90, np.uint8)
    corners = ((60.0, 60.0), (220.0, 90.0), (215.0, 140.0), (55.0, 110.0))
    canvas = Image.fromarray(plane)
    from PIL import ImageDraw

    middle_top, middle_bottom = (140.0, 75.0), (135.0, 125.0)
    ImageDraw.Draw(canvas).polygon([corners[0], middle_top, middle_bottom, corners[3]], fill=255)
    ImageDraw.Draw(canvas).polygon([middle_top, corners[1], corners[2], middle_bottom], fill=0)
    patch = pictures.rectify(np.asarray(canvas), corners, 160, 48)
    assert patch.shape == (48, 160)
    assert patch[5:-5, 5:70].mean() > 245
    assert patch[5:-5, 90:-5].mean() < 10


def test_windows_and_small_planes_keep_the_brightness() -> None:
    plane = np.random.default_rng(1).integers(0, 255, (1088, 1456), np.uint8)
    assert pictures.small_plane(plane).shape == (239, 320)
    assert abs(float(pictures.small_plane(plane).mean()) - plane.mean()) < 1
    assert pictures.window(plane, (100, 100, 740, 580), 320, 240).shape == (240, 320)


def test_jpeg_round_trip_and_damage() -> None:
    plane = np.tile(np.arange(160, dtype=np.uint8), (40, 1))
    data = pictures.encode_jpeg(plane, 92)
    assert np.abs(pictures.decode_jpeg(data).astype(int) - plane).mean() < 2
    with pytest.raises(PictureError):
        pictures.decode_jpeg(data[:100])


def padded(plane: Plane, stride: int) -> Plane:
    """The same picture in rows of `stride` bytes, as camera drivers hand them out."""
    rows, columns = plane.shape
    memory = np.full(100 + rows * stride, 255, np.uint8)
    view: Plane = memory[100:].reshape(rows, stride)[:, :columns]
    view[:] = plane
    return view


def test_padded_rows_give_the_same_pictures() -> None:
    plain = np.random.default_rng(5).integers(0, 256, (240, 322), np.uint8)
    camera = padded(plain, 384)
    corners = ((30.2, 40.1), (150.4, 42.0), (149.0, 80.0), (29.0, 77.0))
    assert np.array_equal(pictures.rectify(camera, corners, 160, 32), pictures.rectify(plain, corners, 160, 32))
    assert np.array_equal(
        pictures.window(camera, (20, 30, 220, 180), 80, 60), pictures.window(plain, (20, 30, 220, 180), 80, 60)
    )
    assert np.array_equal(pictures.small_plane(camera, 100, 100), pictures.small_plane(plain, 100, 100))
    assert np.array_equal(np.asarray(pictures.as_image(plain[10:100, 7:99])), plain[10:100, 7:99])


def test_padded_rows_are_read_in_place() -> None:
    camera = padded(np.zeros((20, 30), np.uint8), 64)
    image = pictures.as_image(camera)
    camera[19, 29] = 77
    assert image.getpixel((29, 19)) == 77


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_a_sensor_may_leave_the_upper_bits_of_sixteen_unused(tmp_path: Path, bits: int, ending: str) -> None:
    wide = (np.arange(256, dtype=np.uint16) << (bits - 8))[None].repeat(16, axis=0)
    Image.fromarray(wide).save(tmp_path / f"w.{ending}")
    assert (pictures.load_grey(tmp_path / f"w.{ending}")[0] == np.arange(256)).all()
    assert np.asarray(pictures.load_colour(tmp_path / f"w.{ending}"))[0, 200].tolist() == [200] * 3
