"""The CSI driver on the real picamera2 and libcamera: planes, copies, time, stalls, and a plate that is read."""

from __future__ import annotations

import os
import resource
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("picamera2", reason="picamera2 is not installed here: scripts/test-camera runs these tests")

from virtual_cameras import Bench

from anpr_node import pictures
from anpr_node.config import Settings
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.csi_camera import CsiCamera
from anpr_node.errors import CameraClosed, FrameTimeout, WiringError
from anpr_node.pipeline import Pipeline
from anpr_node.vision.reader import PlateReader

ROOT = Path(__file__).resolve().parents[2]
ROAD = Path("/opt/road.txt")
FULL_BYTES = 1456 * 1088
BUFFERS = 4

# what a sensor that vanishes does to picamera2's own thread; the driver must live with it
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with closing(Bench()) as made:
        yield made


def test_both_planes_come_from_the_camera(bench: Bench) -> None:
    camera = bench.camera()
    frame = camera.capture()
    assert bench.device.camera_configuration()["main"]["format"] == "NV12"  # YUV420 was asked for
    assert (frame.pixels.shape, frame.small.shape) == ((1088, 1456), (238, 320))
    difference = np.abs(pictures.resize(frame.pixels, 320, 238).astype(int) - frame.small)
    assert np.median(difference) <= 2
    assert frame.pixels.std() > 20


def test_no_frame_is_copied(bench: Bench) -> None:
    camera = bench.camera()
    camera.capture()
    tracemalloc.start()
    addresses = {camera.capture().pixels.ctypes.data for _ in range(100)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(addresses) <= BUFFERS
    assert peak < FULL_BYTES / 10, f"{peak} bytes were allocated at once"


def test_the_planes_are_the_buffers_themselves(bench: Bench) -> None:
    camera = bench.camera()
    frame = camera.capture()
    plane = camera._request.request.buffers[bench.device.stream_map["main"]].planes[0]
    assert os.pread(plane.fd, 1456, plane.offset) == frame.pixels[0].tobytes()
    assert not frame.pixels.flags.writeable
    assert not frame.small.flags.writeable


def test_a_camera_without_a_small_plane_still_gives_one(bench: Bench) -> None:
    camera = bench.camera("large", width=1280, height=720)
    frame = camera.capture()
    assert frame.small.shape == (180, 320)
    assert any("no small plane" in remark for remark in camera.remarks)


def test_a_size_that_the_camera_lacks_is_read_back_and_named(bench: Bench) -> None:
    camera = bench.camera("large")
    assert camera.capture().pixels.shape == (720, 1280)
    assert "the camera gives 1280×720 instead" in camera.remarks


def test_controls_that_the_camera_lacks_are_named(bench: Bench) -> None:
    (lacking,) = (remark for remark in bench.camera(lens_dioptres=0.1).remarks if "left out" in remark)
    assert all(name in lacking for name in ("AeEnable", "AwbEnable", "AnalogueGain", "ExposureTime", "LensPosition"))


def test_a_region_is_named_where_the_camera_cannot_crop(bench: Bench) -> None:
    camera = bench.camera(region=(0.0, 0.5, 1.0, 1.0))
    assert "the camera cannot crop: sensor.region is left out" in camera.remarks


def test_the_time_is_ours_and_in_mid_exposure(bench: Bench, tmp_path: Path) -> None:
    before_ns = time.monotonic_ns()
    camera = bench.triggered(tmp_path / "trigger_mode", lambda ended_ns: 2_000)
    frame = camera.capture()
    assert before_ns - 2_000_000 < frame.captured_ns < time.monotonic_ns()
    assert frame.exposure_us == 2_000
    ended_ns = camera._request.get_metadata()["SensorTimestamp"] - camera._lead_ns
    assert ended_ns - frame.captured_ns == 1_000_000


def test_numbers_rise_and_show_what_was_missed(bench: Bench) -> None:
    camera = bench.camera()
    numbers = [camera.capture().sequence for _ in range(30)]
    assert all(later > earlier for earlier, later in pairwise(numbers))
    held = bench.device.capture_request()  # somebody else gets one in between
    held.release()
    assert camera.capture().sequence > numbers[-1] + 1


def capture_until_silent(camera: CsiCamera) -> int:
    """What was on its way still comes; then FrameTimeout. The number of the last frame."""
    last = -1
    with pytest.raises(FrameTimeout, match="check"):  # noqa: PT012
        for _ in range(BUFFERS + 2):
            last = camera.capture().sequence
    return last


def test_a_stalled_camera_times_out_and_a_restart_cures_it(bench: Bench) -> None:
    camera = bench.camera()
    first = camera.capture().sequence
    bench.device.camera.stop()  # behind picamera2's back: for it, the sensor just falls silent
    last = max(first, capture_until_silent(camera), capture_until_silent(camera))
    camera.restart()
    assert camera.capture().sequence == last + 1
    assert camera.capture().sequence > last + 1


def test_a_stalled_camera_can_be_closed(bench: Bench) -> None:
    camera = bench.camera()
    camera.capture()
    bench.device.camera.stop()
    capture_until_silent(camera)
    camera.close()
    camera.close()
    with pytest.raises(CameraClosed):
        camera.capture()


def test_a_frame_outlives_its_camera(bench: Bench) -> None:
    camera = bench.camera()
    frame = camera.capture()
    camera.close()
    assert frame.pixels.std() > 20  # the memory is still there, whatever is in it by now


def test_restarts_leak_nothing(bench: Bench) -> None:
    camera = bench.camera()
    for _ in range(3):
        camera.capture()
        camera.restart()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(12):
        camera.capture()
        camera.restart()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 2 * FULL_BYTES // 1000
    assert bench.device.configure_count == 1


def test_a_format_without_brightness_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anpr_node.drivers.csi_camera.GREY_FIRST", frozenset({"YUV420"}))
    with pytest.raises(WiringError, match="NV12 has no plane of brightness"):
        bench.camera()
    assert not bench.device.is_open


def test_a_frame_costs_the_loop_under_a_millisecond(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    camera = bench.camera()
    camera.capture()
    frames, wall_s, cpu_s = 600, time.perf_counter(), time.thread_time()
    for _ in range(frames):
        camera.capture()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.thread_time() - cpu_s
    with capsys.disabled():
        sys.stdout.write(
            f"\n{frames / wall_s:.0f} frames/s, {cpu_s / frames * 1e3:.2f} ms of the loop's thread a frame\n"
        )
    assert cpu_s / frames < 0.001  # wall time is the machine's affair, and printed


def test_the_plate_on_the_road_is_read(bench: Bench) -> None:
    camera = bench.camera("road")
    pipeline = Pipeline(PlateReader(ROOT / "models"), SystemClock(), Settings())
    reads = [ripe for _ in range(60) for ripe in pipeline.process(camera.capture())]
    reads += pipeline.finish()
    assert ROAD.read_text() in {ripe.read.vrm for ripe in reads}
    assert all(ripe.evidence.overview.base is None for ripe in reads)  # kept pictures are copies
