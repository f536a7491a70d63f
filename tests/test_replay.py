"""The replay camera: clips and folders, whole, cut off, damaged, and at the recording's own rate."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.errors import CameraClosed, ClipError
from anpr_node.records import Frame


def make_clip(path: Path, frames: int = 20, fps: int = 10, codec: str = "mjpeg") -> Path:
    """Frames that get brighter one after another."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for n in range(frames):
            picture = np.full((120, 160, 3), 5 * n, np.uint8)
            picture[::2] = np.random.default_rng(n).integers(0, 255, (60, 160, 3))
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def play(camera: ReplayCamera) -> list[Frame]:
    frames = []
    while (frame := camera.capture()) is not None:
        frames.append(frame)
    camera.close()
    return frames


def test_a_clip_gives_its_frames_in_its_own_time(tmp_path: Path) -> None:
    clock = SimulatedClock(0)
    frames = play(ReplayCamera(make_clip(tmp_path / "c.avi"), clock))
    assert [f.sequence for f in frames] == list(range(20))
    assert [f.captured_ns for f in frames] == [n * 100_000_000 for n in range(20)]
    assert clock.monotonic_ns() == 1_900_000_000
    assert frames[0].pixels.shape == (120, 160)
    assert not frames[0].pixels.flags.writeable


@pytest.mark.parametrize(
    ("name", "codec"),
    [("c.avi", "mjpeg"), ("c.mkv", "mjpeg"), ("c.ts", "mpeg2video")],
)
def test_a_clip_cut_off_in_the_middle_gives_what_there_is_and_says_so(tmp_path: Path, name: str, codec: str) -> None:
    path = make_clip(tmp_path / name, codec=codec)
    whole = ReplayCamera(path, SimulatedClock(0))
    assert len(play(whole)) == 20
    assert whole.problem is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    camera = ReplayCamera(path, SimulatedClock(0))
    assert 5 <= len(play(camera)) < 20
    assert camera.problem is not None
    assert "broken off" in camera.problem


def test_a_folder_is_played_in_the_order_of_its_names_and_skips_what_is_broken(tmp_path: Path) -> None:
    for n in (2, 0, 1):
        Image.new("L", (64, 48), 50 * n).save(tmp_path / f"f{n}.png")
    (tmp_path / "f1.png").write_bytes(b"broken")
    camera = ReplayCamera(tmp_path, SimulatedClock(0))
    assert [int(f.pixels[0, 0]) for f in play(camera)] == [0, 100]
    assert camera.problem is not None
    assert "f1.png" in camera.problem


@pytest.mark.parametrize("content", [b"", b"no clip at all" * 50, b"RIFF\x00\x00\x00\x00AVI LIST"])
def test_what_is_no_clip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.avi").write_bytes(content)
    with pytest.raises(ClipError, match=r"c\.avi"):
        ReplayCamera(tmp_path / "c.avi", SimulatedClock(0))


def test_missing_clips_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"none\.avi"):
        ReplayCamera(tmp_path / "none.avi", SimulatedClock(0))
    with pytest.raises(ClipError, match="no frame"):
        ReplayCamera(tmp_path, SimulatedClock(0))


def test_a_closed_camera_says_so(tmp_path: Path) -> None:
    camera = ReplayCamera(make_clip(tmp_path / "c.avi"), SimulatedClock(0))
    camera.close()
    camera.close()
    with pytest.raises(CameraClosed):
        camera.capture()


class LatePacer:
    """A machine that is a quarter of a second behind at the sixth frame, and catches up."""

    def __init__(self) -> None:
        self.asked = 0

    def wait_until(self, due_ns: int) -> int:
        self.asked += 1
        return due_ns + (250_000_000 if self.asked == 6 else 0)


def test_at_its_own_rate_frames_that_come_too_late_are_lost(tmp_path: Path) -> None:
    frames = play(ReplayCamera(make_clip(tmp_path / "c.avi"), SimulatedClock(0), LatePacer()))
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4, 7, *range(8, 20)]
    assert frames[5].captured_ns == 700_000_000
