"""The self-test of `anpr-node check`: each item OK, WARN or FAIL, with what to do next.

It leaves everything off: pins are claimed and given back, a real camera is lit for the one frame it takes.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from anpr_node import access, modem_keeper
from anpr_node.alert.arming import is_calibrated
from anpr_node.config import Settings
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.gpio import Outputs
from anpr_node.drivers.inputs import Inputs
from anpr_node.drivers.platform import input_pins_of, open_platform, open_trigger
from anpr_node.drivers.wiring import pin_factory, pins_of, pwm_device_of
from anpr_node.errors import AnprError
from anpr_node.hotlist import lists
from anpr_node.store.database import use_store
from anpr_node.store.key import KEY_NAME, load_key
from anpr_node.uplink import selftest
from anpr_node.vision.reader import PlateReader
from anpr_node.vision.runtime import find_runtime

OTHERS = 0o007
DISK_WARN_MB = 2_000
DISK_FAIL_MB = 200
CLOCK_SANE_FROM = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the self-test."""

    verdict: str
    item: str
    text: str


CLAIMING = frozenset({"wiring", "inputs", "trigger", "camera"})
"""Checks that take the pins or the camera, which a running node holds."""


def run(settings: Settings, claim: bool = True) -> Iterator[Finding]:
    """All checks, in the order a technician would want them; without `claim` those that go beside a running node."""
    checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
        ("models", _models),
        ("wiring", _wiring),
        ("inputs", _inputs),
        ("trigger", _trigger),
        ("camera", _camera),
        ("clock", _clock),
        ("store", _store),
        ("hotlists", _hotlists),
        ("uplink", _uplink),
        ("modem", _modem),
        ("sms", _sms),
        ("disk", _disk),
        ("armed", _armed),
        ("access", _access),
        ("encryption", _encryption),
    )
    yield Finding("OK", "configuration", f"node {settings.node.id}, lane {settings.node.lane}")
    for item, check in checks:
        if item in CLAIMING and not claim:
            continue
        try:
            yield check(settings)
        except (AnprError, OSError) as error:
            yield Finding("FAIL", item, str(error))


def _models(settings: Settings) -> Finding:
    reader = PlateReader(settings.models_folder)
    reader.recognizer.read(np.full((32, 160), 128, np.uint8))
    return Finding("OK", "models", f"{reader.model_id} on {find_runtime()[0]}")


def _wiring(settings: Settings) -> Finding:
    Outputs(pins_of(settings.outputs), pin_factory(settings.outputs, settings.node.board), SystemClock()).close()
    outputs = settings.outputs
    pins = f"relay {outputs.relay_pin}, LED {outputs.led_pin}, illuminator {outputs.illuminator_pin}"
    if outputs.pins == "simulated":
        return Finding("WARN", "wiring", f"{pins}, simulated; on a node set outputs.pins = 'lgpio'")
    return Finding("OK", "wiring", pins)


def _inputs(settings: Settings) -> Finding:
    factory = pin_factory(settings.outputs, settings.node.board)
    with closing(Inputs(input_pins_of(settings.inputs), factory, SystemClock())) as inputs:
        alarms = [
            f"{name} on pin {line.pin} is raised or torn off; see hw/README.md"
            for name, line in (("illuminator_fault", inputs.illuminator_fault), ("power_fail", inputs.power_fail))
            if line is not None and line.raised
        ]
    if alarms:
        return Finding("FAIL", "inputs", "; ".join(alarms))
    return Finding("OK", "inputs", f"quiet: {', '.join(settings.inputs.fitted) or 'none fitted'}")


def _trigger(settings: Settings) -> Finding:
    trigger = open_trigger(settings, SystemClock())
    if trigger is None:
        return Finding("OK", "trigger", "none: the camera runs free, or is simulated with its own")
    trigger.close()
    return Finding("OK", "trigger", f"channel {settings.trigger.pwm_channel} of {pwm_device_of(settings)}, stopped")


def _camera(settings: Settings) -> Finding:
    camera = settings.camera
    if camera.kind == "replay":
        exists = Path(camera.path or "").exists()
        return Finding(
            "OK" if exists else "FAIL", "camera", f"recording {camera.path}" + ("" if exists else ": missing")
        )
    if camera.kind != "simulated":
        return _real_camera(settings)
    return Finding("WARN", "camera", f"simulated {camera.light}; on a node set camera.kind = 'csi' or 'gstreamer'")


def _real_camera(settings: Settings) -> Finding:
    """Light, pulses and one frame. Nothing else may use the camera meanwhile."""
    with closing(open_platform(settings)) as platform:
        platform.start(settings.camera)
        frame = platform.camera.capture()
        remarks = getattr(platform.camera, "remarks", [])
    if frame is None:
        return Finding("FAIL", "camera", "the source has ended: check sensor.source")
    rows, columns = frame.pixels.shape
    seen = f"{settings.camera.kind} {columns}×{rows}, {frame.exposure_us} us, gain {frame.gain:g}"
    return Finding("WARN" if remarks else "OK", "camera", "; ".join([seen, *remarks]))


def _clock(_: Settings) -> Finding:
    now = datetime.now(UTC)
    if now < CLOCK_SANE_FROM:
        return Finding("FAIL", "clock", f"it says {now:%Y-%m-%d %H:%M}; set it: timedatectl set-time, or fit an RTC")
    if SystemClock().true_offset_ns() is None:
        return Finding("WARN", "clock", "not seen to be synchronised; see: timedatectl timesync-status")
    return Finding("OK", "clock", "synchronised")


def _store(settings: Settings) -> Finding:
    with use_store(settings.state_folder) as database:
        verdict = database.execute("PRAGMA quick_check").fetchone()[0]
    if verdict != "ok":
        return Finding("FAIL", "store", f"damaged ({verdict}); copy {settings.state_folder} away and call the engineer")
    if settings.state_folder.stat().st_mode & OTHERS:
        return Finding("WARN", "store", f"every account here may read the record: chmod 700 {settings.state_folder}")
    return Finding("OK", "store", str(settings.state_folder))


def _hotlists(settings: Settings) -> Finding:
    with use_store(settings.state_folder) as database:
        in_force, alarms = lists.show(database), lists.overdue(database, settings, time.time_ns())
        alarms += list(_unreadable(lists.open_lists(database, settings), in_force))
    if alarms:
        return Finding("FAIL", "hotlists", "; ".join(f"{name}: {problem}" for name, problem in alarms))
    unsigned = [each.list_id for each in in_force if not each.signed]
    if unsigned:
        return Finding("WARN", "hotlists", f"{len(in_force)} lists, unsigned: {', '.join(unsigned)}")
    return Finding("OK", "hotlists", f"{len(in_force)} lists")


def _unreadable(opened: lists.Lists, in_force: list[lists.ListStatus]) -> Iterator[tuple[str, str]]:
    for each in in_force:
        try:
            opened.open(opened.folder / each.file, each.list_id).close()
        except (AnprError, OSError, sqlite3.Error) as error:
            yield each.list_id, str(error)


def _disk(settings: Settings) -> Finding:
    free_mb = shutil.disk_usage(settings.state_folder).free // 1_000_000
    verdict = "FAIL" if free_mb < DISK_FAIL_MB else "WARN" if free_mb < DISK_WARN_MB else "OK"
    hint = "" if verdict == "OK" else "; free some, or fit a larger card"
    return Finding(verdict, "disk", f"{free_mb} MB free{hint}")


def _uplink(settings: Settings) -> Finding:
    faults, remarks = selftest.faults(settings), selftest.remarks(settings)
    if faults:
        return Finding("FAIL", "uplink", "; ".join(faults))
    names = ", ".join(f"{sink.name} ({sink.format})" for sink in settings.sinks)
    return Finding("WARN" if remarks else "OK", "uplink", "; ".join(remarks) or names)


def _armed(settings: Settings) -> Finding:
    if settings.outputs.arm == "calibrated" and not is_calibrated(settings.state_folder):
        return Finding(
            "WARN", "armed", "hits signal nothing before the installation is reported: anpr-node console, install"
        )
    return Finding("OK", "armed", "hits are signalled")


def _sms(settings: Settings) -> Finding:
    section = settings.sms
    if not section.numbers:
        return Finding("OK", "sms", "no numbers named")
    if settings.modem.kind == "none":
        return Finding("WARN", "sms", "numbers are named and no modem: nobody is told; set modem.kind = 'serial'")
    return Finding(
        "OK", "sms", f"{len(section.numbers)} are told of top hits that nobody took in {section.after_s:g} s"
    )


def _modem(settings: Settings) -> Finding:
    """Ask it, unless the node has it already."""
    if settings.modem.kind == "none":
        return Finding("OK", "modem", "none")
    report = modem_keeper.ask(settings)
    state, link = report.modem, report.link
    seen = f"{state.model}, card {state.sim}, {state.registration} {state.operator}, signal {state.signal_dbm} dBm"
    if settings.modem.kind == "simulated":
        return Finding("WARN", "modem", "simulated; on a node set modem.kind = 'serial'")
    if state.sim != "ready" or not state.is_registered:
        return Finding("FAIL", "modem", f"{seen}; see docs/modem.md")
    if not link.up:
        return Finding("WARN", "modem", f"{seen}; {link.interface} is down: the operating system makes the data link")
    return Finding("OK", "modem", seen)


def _access(settings: Settings) -> Finding:
    with use_store(settings.state_folder) as database:
        named = access.people(database)
    if not named:
        return Finding("WARN", "access", "nobody is named yet: anpr-node user add NAME --role service --login ACCOUNT")
    return Finding("OK", "access", f"{len(named)} people are named")


def _encryption(settings: Settings) -> Finding:
    if load_key(settings.state_folder) is None:
        return Finding("WARN", "encryption", "whoever steals the card can read it: anpr-node store encrypt --key F")
    if not (settings.state_folder / KEY_NAME).is_symlink():
        return Finding("WARN", "encryption", "the key lies on the card itself: move it, and leave a link")
    return Finding("OK", "encryption", f"key {(settings.state_folder / KEY_NAME).readlink()}")
