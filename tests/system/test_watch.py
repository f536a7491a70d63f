"""A running node under supervision, in real time: alarm, recovery, log, status, watchdog."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from stalls import unless_stalled

from anpr_node.config import Settings
from anpr_node.drivers.notify import Manager
from anpr_node.drivers.platform import open_platform
from anpr_node.drivers.simulated.faults import FaultyCamera
from anpr_node.drivers.thermal import BoardThermometer
from anpr_node.errors import CameraFault
from anpr_node.node import Node
from anpr_node.status import as_text, collect, write_heartbeat
from anpr_node.store.database import open_store
from anpr_node.store.events import Event, add_events, last_events
from anpr_node.supervision.recovery import ALLOWANCES
from anpr_node.watch import Watch, watched

pytestmark = pytest.mark.system

PATIENCE_S = 180.0
ANPR_NODE = [sys.executable, "-m", "anpr_node"]


@dataclass
class Running:
    """A node and its watch; the faulty camera stands between the real simulation and the watched one."""

    node: Node
    watch: Watch
    faulty: FaultyCamera

    def beat_until(self, done: Callable[[], bool], within_s: float) -> float:
        """Beat twice a second; the seconds it took."""
        begun_s = time.monotonic()
        while not done():
            assert time.monotonic() - begun_s < within_s, self.watch.alarms
            time.sleep(0.5)
            self.watch.beat()
        return time.monotonic() - begun_s


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    platform, camera = watched(replace(open_platform(settings), painted=False))  # it stands for a real one
    faulty = FaultyCamera(platform.reopen())  # type: ignore[misc]
    camera.replace(faulty)
    with (
        Node(settings, platform, timeouts_max=None) as node,
        closing(Watch(settings, node, camera, Manager({}))) as watch,
    ):
        watch.thermometer = BoardThermometer(settings.state_folder, "/none/vcgencmd")  # this machine may well be hot
        yield Running(node, watch, faulty)


def test_a_stopped_trigger_is_an_alarm_and_is_started_again(settings: Settings, tmp_path: Path) -> None:
    """In the stated times, and without an alarm else; a machine that stands still for a second is a stall as well."""
    unless_stalled(lambda number: _stop_the_trigger(_elsewhere(settings, tmp_path / str(number))), 0.5)


def _elsewhere(settings: Settings, folder: Path) -> Settings:
    """The same with another state folder."""
    return settings.model_copy(update={"store": settings.store.model_copy(update={"folder": str(folder)})})


def _stop_the_trigger(settings: Settings) -> None:
    with running(settings) as now:
        now.beat_until(lambda: now.node.snapshot().frames > 30, PATIENCE_S)
        assert now.watch.alarms == ()
        now.node.platform.trigger.stop()  # type: ignore[union-attr]
        now.beat_until(lambda: bool(now.watch.alarms), 10)
        assert [alarm.kind for alarm in now.watch.alarms] == ["camera_stalled"]
        assert (now.node.is_alarmed, now.node.is_unlinked) == (True, False)
        write_heartbeat(settings, now.node.snapshot(), now.watch.alarms)
        status = collect(settings)
        assert status["alarms"][0]["kind"] == "camera_stalled"
        assert json.loads(json.dumps(status))["events"][0]["kind"] in {"camera_stalled", "stream"}
        assert "ALARM       camera_stalled" in as_text(status, settings.policy)
        now.beat_until(lambda: not now.watch.alarms, 15)
        assert not now.node.is_alarmed
        assert now.node.failure is None
    with closing(open_store(settings.state_folder)) as database:
        log = [(event.what, event.kind) for event in reversed(last_events(database))]
    assert log == [("raised", "camera_stalled"), ("recovery", "stream"), ("cleared", "camera_stalled")]


def test_a_camera_that_hangs_is_given_up_after_the_milder_steps(settings: Settings, tmp_path: Path) -> None:
    unless_stalled(lambda number: _hang_the_camera(_elsewhere(settings, tmp_path / str(number))), 0.5)


def _hang_the_camera(settings: Settings) -> None:
    with running(settings) as now:
        now.beat_until(lambda: now.node.snapshot().frames > 10, PATIENCE_S)
        now.faulty.stream = lambda _: None  # capture never comes back
        now.beat_until(lambda: now.watch.gave_up is not None, 40)
        assert type(now.watch.gave_up) is CameraFault
        now.faulty.repair()  # else this very process could not end; systemd would kill it
    with closing(open_store(settings.state_folder)) as database:
        steps = [event.kind for event in reversed(last_events(database, what="recovery"))]
    assert steps == ["stream", "driver", "process"]


HUNG = """
import sys, threading
from dataclasses import replace
from pathlib import Path
from anpr_node import cli, config, service
from anpr_node.drivers.platform import open_platform

class Hung:
    def capture(self):
        while True:  # time passes, no frame comes
            real.capture()
    def close(self): threading.Event().wait()

settings = config.load(Path(sys.argv[1]))
platform = open_platform(settings)
real = platform.camera
platform = replace(platform, camera=Hung(), reopen=Hung, painted=False)
cli.main.commands["run"].callback = lambda **_: service.supervise(settings, platform, threading.Event(), 1.0)
cli.main(["run", "--config", sys.argv[1]])
"""


def test_a_hung_driver_cannot_keep_the_exit_code_back(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{tmp_path}"\n')
    now_ns = time.time_ns()
    with closing(open_store(tmp_path)) as database:  # all that is milder was tried within the hour
        taken = [stage for stage, allowance in ALLOWANCES.items() if stage != "power" for _ in range(allowance.steps)]
        add_events(database, [Event(now_ns, "recovery", stage, "") for stage in taken])
    run = subprocess.run(
        [sys.executable, "-c", HUNG, str(config)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert run.returncode == 4, run.stderr


def test_systemd_hears_that_the_node_lives(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [*ANPR_NODE, "run", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as node:
            try:
                heard = [manager.recv(200).decode() for _ in range(4)]
                node.send_signal(signal.SIGSTOP)
                time.sleep(1)
                manager.setblocking(False)
                _drop_all(manager)
                time.sleep(2)
                with pytest.raises(BlockingIOError):  # a process that hangs feeds nothing
                    manager.recv(200)
            finally:
                node.send_signal(signal.SIGCONT)
                node.send_signal(signal.SIGTERM)
                assert node.wait(PATIENCE_S) == 0
    assert heard[0] == "READY=1"
    assert all(message.startswith("WATCHDOG=1\nSTATUS=") for message in heard[1:])


def _drop_all(listener: socket.socket) -> None:
    try:
        while True:
            listener.recv(200)
    except BlockingIOError:
        pass
