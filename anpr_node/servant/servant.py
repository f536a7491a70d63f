"""Answers the technician's console from inside the running node: a thread named `console` behind a local socket.

A request is one line of JSON, the answer one line and as many bytes as it says. It holds no person's rights: the
console does, in a process of its own. The loop never waits here.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from anpr_node import __version__
from anpr_node.config import Settings
from anpr_node.drivers.gpio import PATTERNS
from anpr_node.drivers.simulated.bench import read_bench, turned, write_bench
from anpr_node.errors import AnprError
from anpr_node.node import Node
from anpr_node.pipeline import Ripe
from anpr_node.recorder import Recorded
from anpr_node.records import Evidence
from anpr_node.servant.door import Answer, Door, socket_path
from anpr_node.servant.recent_log import LOG_KEPT, RecentLog
from anpr_node.servant.rehearsal import TEST_FLAG, made_up_read
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.watched import WatchedCamera
from anpr_node.tap import FRAMES_MAX
from anpr_node.units import NS_PER_S

log = logging.getLogger(__name__)

WAIT_S_MAX = 5.0
"""No request keeps the others waiting for longer."""
RECENT_MAX = 50
LED_S_MAX = 30.0

Request = dict[str, Any]


class Servant:
    """`start` it beside a running node, `close` it before the node is gone."""

    def __init__(
        self, settings: Settings, node: Node, camera: WatchedCamera, alarms: Callable[[], tuple[Alarm, ...]]
    ) -> None:
        """Bind the socket. Raises OSError when it cannot be made."""
        self._settings, self._node, self._camera, self._alarms = settings, node, camera, alarms
        self.reload_wanted, self.reboot_wanted = threading.Event(), threading.Event()
        self._stopping = threading.Event()
        self._log = RecentLog()
        logging.getLogger("anpr_node").addHandler(self._log)
        self._led_until_ns = 0
        self._start_ns = time.time_ns()
        self._door = Door(socket_path(settings), self._answer)
        self._thread = threading.Thread(target=self._guard, name="console")
        self._answers: dict[str, Callable[[Request], Answer]] = {
            "hello": self._hello,
            "numbers": self._numbers,
            "recent": self._recent,
            "frames": self._frames,
            "relay": self._relay,
            "led": self._led,
            "test_read": self._test_read,
            "outcome": self._outcome,
            "log": self._log_lines,
            "reload": self._reload,
            "reboot": self._reboot,
            "bench": self._bench,
        }

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """No more answers; the socket is gone afterwards."""
        self._stopping.set()
        self._node.tap.release()
        if self._thread.ident is not None:
            self._thread.join(2 * WAIT_S_MAX)
        logging.getLogger("anpr_node").removeHandler(self._log)
        self._door.close()

    def _guard(self) -> None:
        """The one broad except of this thread: a thread that ends, ends the node."""
        try:
            self._serve()
        except Exception as error:
            log.exception("thread console died")
            self._node.failure = error
            self._node.ended.set()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._door.serve()
            self._end_led_test()

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            return self._answers[request["do"]](request)
        except AnprError as error:
            return {"error": str(error)}, b""
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"error": f"not understood: {type(error).__name__} {error}"}, b""

    def _hello(self, _: Request) -> Answer:
        settings = self._settings
        return {
            "node_id": settings.node.id,
            "software_version": __version__,
            "pid": os.getpid(),
            "start": self._start_ns,
            "simulated": settings.camera.kind == "simulated",
            "settings": settings.model_dump(mode="json"),
        }, b""

    def _numbers(self, _: Request) -> Answer:
        platform = self._node.platform
        clock, snapshot = platform.clock, self._node.snapshot()
        alarms = [{"kind": a.kind, "detail": a.detail, "advice": a.advice} for a in self._alarms()]
        now_ns = clock.monotonic_ns()
        state = clock.state()
        return {
            **asdict(snapshot),
            "at_ns": now_ns,
            "utc_ns": clock.utc_ns(now_ns),
            "clock": asdict(state),
            "alarms": alarms,
            "illuminator_faulty": platform.illuminator is not None and platform.illuminator.is_faulty,
        }, b""

    def _recent(self, request: Request) -> Answer:
        """The last reads; their plates only where the console says that the person may see them."""
        last = list(self._node.desk.recent)[-min(int(request.get("count", 10)), RECENT_MAX) :]
        return {"reads": [_row(recorded, bool(request.get("plates"))) for recorded in last]}, b""

    def _frames(self, request: Request) -> Answer:
        count = max(1, min(int(request.get("count", 1)), FRAMES_MAX))
        wait_s = max(0.0, min(float(request.get("wait_s", 2.0)), WAIT_S_MAX))
        if request.get("dark"):
            self._camera.ask_for_dark()
        taken = self._node.tap.take(count, bool(request.get("plates")), wait_s, max(1, int(request.get("every", 1))))
        rows = [
            {
                "sequence": frame.sequence,
                "captured_ns": frame.captured_ns,
                "exposure_us": frame.exposure_us,
                "gain": frame.gain,
                "illuminated": frame.illuminated,
                "shape": frame.pixels.shape,
                "boxes": [{"corners": box.corners, "score": box.score} for box in frame.boxes],
            }
            for frame in taken
        ]
        return {"frames": rows}, b"".join(frame.pixels.tobytes() for frame in taken)

    def _relay(self, request: Request) -> Answer:
        """One pulse; the recorder ends it, and the pin's own limit does."""
        seconds = max(0.0, min(float(request["seconds"]), self._settings.outputs.relay_on_s_max))
        self._node.platform.outputs.relay.pulse(seconds)
        return {"seconds": seconds, "closed": self._node.platform.outputs.relay.is_on}, b""

    def _led(self, request: Request) -> Answer:
        """Flicker, or show a state for a while."""
        seconds = max(0.0, min(float(request["seconds"]), LED_S_MAX))
        led, clock = self._node.platform.outputs.led, self._node.platform.clock
        if request["pattern"] == "hit":
            led.flicker(seconds)
        else:
            led.show("calibrating")
            self._led_until_ns = clock.monotonic_ns() + int(seconds * NS_PER_S)
        return {"patterns": ["hit", *PATTERNS]}, b""

    def _end_led_test(self) -> None:
        if self._led_until_ns and self._node.platform.clock.monotonic_ns() >= self._led_until_ns:
            self._led_until_ns = 0
            self._node.platform.outputs.led.show("calibrating", False)

    def _test_read(self, request: Request) -> Answer:
        """Hand a read of a test plate to the recorder, as the loop does: matched, stored, signalled, sent."""
        read = made_up_read(self._node, self._settings, str(request["vrm"]))
        plane = np.full((40, 180), 128, np.uint8)
        self._node.desk.hand_over([Ripe(read, Evidence(plane, plane), self._node.platform.clock.monotonic_ns())])
        return {"read_id": read.read_id}, b""

    def _outcome(self, request: Request) -> Answer:
        """What became of a test read."""
        found = [r for r in list(self._node.desk.recent) if r.read.read_id == request["read_id"]]
        if not found or TEST_FLAG not in found[0].read.flags:
            return {"stored": False}, b""
        hits = found[0].shown_hits
        return {
            "stored": True,
            "hits": [{"list": h.entry.list_id, "category": h.entry.category, "held_back": h.held_back} for h in hits],
            "relay_closed": self._node.platform.outputs.relay.is_on,
        }, b""

    def _log_lines(self, request: Request) -> Answer:
        return {"lines": list(self._log.lines)[-max(1, min(int(request.get("count", 20)), LOG_KEPT)) :]}, b""

    def _reload(self, _: Request) -> Answer:
        """The node stops in order and starts again with the settings as they are then."""
        self.reload_wanted.set()
        return {}, b""

    def _reboot(self, _: Request) -> Answer:
        """The node stops in order with the exit code upon which systemd starts the machine anew."""
        if self._settings.camera.kind in {"simulated", "replay"}:
            raise AnprError("no real roadside hangs on this machine: start it anew by hand")
        self.reboot_wanted.set()
        return {}, b""

    def _bench(self, request: Request) -> Answer:
        """Turn the simulated mount by hand; the loop goes on with a camera that looks from there."""
        folder, reopen = self._settings.state_folder, self._node.platform.reopen
        if self._settings.camera.kind != "simulated" or reopen is None:
            raise AnprError("there is a real roadside here: turn it by hand")
        bench = turned(read_bench(folder), {k: float(v) for k, v in dict(request.get("turn", {})).items()})
        if request.get("turn"):
            write_bench(folder, bench)

            def look_from_there() -> None:
                self._camera.close()
                self._camera.replace(reopen())

            self._camera.ask_for(look_from_there)
        return {"bench": asdict(bench)}, b""


def _row(recorded: Recorded, plates: bool) -> dict[str, Any]:
    read = recorded.read
    row = {
        "read_id": read.read_id,
        "last_seen_ns": read.last_seen_ns,
        "country": read.country,
        "confidence": read.confidence,
        "votes": read.votes,
        "plate_width_px": read.plate_width_px,
        "direction": read.direction,
        "flags": [flag.split(":")[0] for flag in read.flags],
        "corrects": read.corrects,
        "hits": len(recorded.shown_hits),
    }
    return {**row, "vrm": read.vrm} if plates else row
