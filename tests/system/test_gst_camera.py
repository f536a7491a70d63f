"""The GStreamer driver on real GStreamer: live test pictures, files, stalls, and a plate that is read through it."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import PICTURES
from stalls import unless_stalled

from anpr_node import pictures
from anpr_node.config import CameraSection, SensorSection, Settings, parse
from anpr_node.drivers.boards import BOARDS
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.gst_camera import GstCamera, load_gstreamer
from anpr_node.drivers.lighting import Lighting
from anpr_node.drivers.platform import open_platform
from anpr_node.drivers.simulated.pwm import SimulatedPwmChip
from anpr_node.errors import CameraClosed, FrameTimeout, WiringError
from anpr_node.pipeline import Pipeline
from anpr_node.records import Frame
from anpr_node.vision.reader import PlateReader

pytestmark = pytest.mark.system

LIVE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format={format},width={width},height=1088,framerate=60/1"
FULL_BYTES = 1456 * 1088
PATIENCE_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    try:
        load_gstreamer()
    except WiringError as error:
        pytest.skip(str(error))


def camera(source: str, width: int = 1456, height: int = 1088, fps: float = 5.0, pulsed: bool = True) -> GstCamera:
    """The driver on a source. `fps` sets its patience: three periods, 0.6 s here, for a busy machine."""
    lighting = Lighting((lambda _: 400) if pulsed else None, lambda: True)
    sensor, settings = SensorSection(source=source, width=width, height=height), CameraSection(fps=fps)
    return GstCamera(BOARDS["pc"].pipeline(settings, sensor), settings, sensor, lighting)


def taken(made: Camera) -> Frame | None:
    """The next frame, however long this machine keeps the pipeline from running; None at the end of a file."""
    ends_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return made.capture()
        except FrameTimeout:
            if time.monotonic() > ends_s:
                raise


@pytest.fixture
def live() -> Iterator[GstCamera]:
    with closing(camera(LIVE.format(format="NV12", width=1456))) as made:
        yield made


def test_both_planes_are_of_one_exposure(live: GstCamera) -> None:
    for _ in range(20):
        frame = taken(live)
        assert frame is not None
        assert (frame.pixels.shape, frame.small.shape) == ((1088, 1456), (239, 320))
        shrunk = pictures.resize(frame.pixels, 320, 239).astype(int)
        assert np.abs(shrunk - frame.small).max() < 60  # the ball's edge is scaled by another filter
        assert np.abs(shrunk - frame.small).mean() < 0.5  # the ball of another frame would stand elsewhere


def test_no_frame_is_copied(live: GstCamera) -> None:
    taken(live)
    tracemalloc.start()
    addresses = {frame.pixels.ctypes.data for _ in range(60) if (frame := taken(live))}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(addresses) < 12  # GStreamer's own buffers, in turn
    assert peak < FULL_BYTES / 10, f"{peak} bytes were allocated at once"


@pytest.mark.parametrize("grey", ["GRAY8", "NV12", "I420"])
def test_padded_rows_of_every_grey_format(grey: str) -> None:
    with closing(camera(LIVE.format(format=grey, width=1450), width=1450)) as made:
        frame = taken(made)
        assert frame is not None
        assert frame.pixels.shape == (1088, 1450)
        assert frame.pixels.strides == (1452, 1)
        assert np.abs(pictures.resize(frame.pixels, *frame.small.shape[::-1]).astype(int) - frame.small).mean() < 0.5


def test_colours_are_converted_once_by_gstreamer() -> None:
    with closing(camera(LIVE.format(format="YUY2", width=1456))) as made:
        frame = taken(made)
    assert frame is not None
    assert frame.pixels.max() > 200


def test_the_time_is_ours_and_in_mid_exposure() -> None:
    before_ns = time.monotonic_ns()
    with closing(camera(LIVE.format(format="NV12", width=1456))) as live:
        frames = [frame for _ in range(20) if (frame := taken(live))]
    assert before_ns - 400_000 < frames[0].captured_ns < frames[-1].captured_ns < time.monotonic_ns()
    for earlier, later in pairwise(frames):
        periods = later.sequence - earlier.sequence
        assert later.captured_ns - earlier.captured_ns == pytest.approx(periods * 1e9 / 60, abs=1000)
    assert frames[0].exposure_us == 400


def test_a_restart_goes_on_counting(live: GstCamera) -> None:
    last = [frame.sequence for _ in range(5) if (frame := taken(live))][-1]
    live.restart()
    frame = taken(live)
    assert frame is not None
    assert frame.sequence > last


def test_a_frame_outlives_its_camera(live: GstCamera) -> None:
    frame = taken(live)
    assert frame is not None
    kept = frame.pixels.copy()
    live.close()
    live.close()
    assert np.array_equal(frame.pixels, kept)
    with pytest.raises(CameraClosed):
        live.capture()


def test_a_camera_that_is_too_slow_times_out_and_goes_on() -> None:
    slow = "videotestsrc is-live=true ! video/x-raw,framerate=60/1 ! identity sleep-time=700000"
    with closing(camera(slow, 320, 240, fps=60)) as made:
        first = taken(made)
        with pytest.raises(FrameTimeout, match="no frame in time"):  # noqa: PT012
            for _ in range(10):  # at once, unless this process itself was kept waiting longer than the camera
                made.capture()
        again = taken(made)
    assert first is not None
    assert again is not None
    assert again.sequence > first.sequence


def test_a_source_that_fails_says_what_it_says(tmp_path: Path) -> None:
    source = f"filesrc location={tmp_path}/absent.avi ! avidemux ! jpegdec"
    with closing(camera(source)) as made, pytest.raises(FrameTimeout, match=r"filesrc\d* says: Resource not found"):
        made.capture()


def test_a_pipeline_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(WiringError, match='no element "nosuchsrc"'):
        camera("nosuchsrc")


def record(path: Path, frames: int) -> None:
    """A real clip, as a recorder makes it."""
    gst, _ = load_gstreamer()
    made = gst.parse_launch(
        f"videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,width=640,height=480,framerate=25/1"
        f" ! jpegenc ! avimux ! filesink location={path}"
    )
    made.set_state(gst.State.PLAYING)
    made.get_bus().timed_pop_filtered(20 * gst.SECOND, gst.MessageType.EOS)
    made.set_state(gst.State.NULL)


def test_a_file_is_played_to_its_end_in_its_own_time(tmp_path: Path) -> None:
    record(tmp_path / "clip.avi", 20)

    def play(_: int) -> None:
        started_s = time.monotonic()
        with closing(camera(f"filesrc location={tmp_path}/clip.avi ! avidemux ! jpegdec", 640, 480, 25, False)) as made:
            frames = list(iter(lambda: taken(made), None))
            assert time.monotonic() - started_s > 0.7
        numbers = [frame.sequence for frame in frames if frame]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == 19
        assert len(numbers) >= 10  # what a busy machine fetches late is lost, and counted

    unless_stalled(play, 0.2)


@pytest.mark.parametrize("pulsed", [False, True])
def test_the_time_between_frames_tells_of_lost_ones_unless_pulses_set_it(pulsed: bool) -> None:
    without_numbers = "videotestsrc is-live=true ! video/x-raw,framerate=2/1 ! jpegenc ! jpegdec"
    with closing(camera(without_numbers, 320, 240, 4, pulsed)) as made:
        numbers = [frame.sequence for _ in range(5) if (frame := taken(made))]
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    assert set(steps) == {1} if pulsed else min(steps) == 2  # half the frames that were expected


def test_a_plate_is_read_through_gstreamer(reader: PlateReader, settings: Settings) -> None:
    picture = PICTURES / "ro_0894.jpg"
    width, height = pictures.load_colour(picture).size
    source = f"filesrc location={picture} ! jpegdec ! imagefreeze num-buffers=40 ! video/x-raw,framerate=10/1"
    pipeline = Pipeline(reader, SystemClock(), settings)
    with closing(camera(source, width, height, fps=10)) as made:
        reads = [ripe for frame in iter(lambda: taken(made), None) if frame for ripe in pipeline.process(frame)]
    reads += pipeline.finish()
    assert [ripe.read.vrm for ripe in reads] == ["B305CIL"]


def test_the_settings_open_it(tmp_path: Path) -> None:
    content = {"camera": {"kind": "gstreamer"}, "sensor": {"source": LIVE.format(format="NV12", width=1456)}}
    with closing(open_platform(parse(content, "test"))) as platform:
        platform.start(CameraSection())
        frame = platform.camera.capture()
        assert frame is not None
        assert frame.illuminated
        assert frame.exposure_us == CameraSection().exposure_us


def test_a_frame_tells_the_width_of_its_own_pulse(tmp_path: Path) -> None:
    chip = SimulatedPwmChip(tmp_path)
    chip.write(tmp_path / "pwmchip0" / "export", "0")  # from here on plain files do
    content = {
        "node": {"board": "raspberry-pi-5"},
        "camera": {"kind": "gstreamer"},
        "sensor": {"source": LIVE.format(format="NV12", width=1456)},
        "trigger": {"kind": "pwm", "pwm_root": str(tmp_path)},
        "daynight": {"mode": "auto"},
    }
    with closing(open_platform(parse(content, "test"))) as platform:
        platform.start(CameraSection())
        frame = platform.camera.capture()
        assert frame is not None
        assert (frame.exposure_us, frame.illuminated) == (300, True)
        platform.use_light("day")
        later = [frame for _ in range(30) if (frame := taken(platform.camera))]
        assert (tmp_path / "pwmchip0" / "pwm0" / "duty_cycle").read_text() == "186000"
        assert (later[-1].exposure_us, later[-1].illuminated) == (200, False)
    assert not (tmp_path / "pwmchip0" / "pwm0" / "enable").read_text().startswith("1")


def test_a_damaged_model_is_refused_beside_gstreamer(tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    body = (
        "from anpr_node.drivers.gst_camera import load_gstreamer; load_gstreamer()\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        f"try: Interpreter('{tmp_path}/bad.tflite')\n"
        "except ValueError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=False)
    assert done.stdout == "refused\n", f"exit {done.returncode}: {done.stderr}"
