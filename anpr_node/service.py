"""Runs the node as a service: until a signal or a failure, supervised, with a heartbeat file for `anpr-node status`."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import closing
from types import FrameType

from anpr_node.config import Settings, layers, load
from anpr_node.drivers.notify import Manager
from anpr_node.drivers.platform import Platform, open_platform
from anpr_node.errors import AnprError, PowerCycleNeeded
from anpr_node.node import Node
from anpr_node.servant import Servant
from anpr_node.status import collect, write_heartbeat
from anpr_node.store.only_node import only_node
from anpr_node.watch import Watch, watched

log = logging.getLogger(__name__)

BEAT_S = 0.5
LAST_WORD_S = 15.0
"""So long an orderly end may take when a hung camera is given up; less than the unit's TimeoutStopSec=."""


def run(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT, or the end of a recording.

    Raises:
        PowerCycleNeeded: the camera stays faulty after restarts of the process.
        AnprError: a thread failed; what is wrong stands in the log, outputs are off.

    """
    run_until(settings, _stop_on_signals())


def run_until(settings: Settings, stop: threading.Event) -> None:
    """Run, and start anew whenever the console wants other settings. Raises what `run` does.

    Settings on trial with which the node fails are given up at once.
    """
    while not stop.is_set():
        try:
            with only_node(settings.state_folder):
                if not supervise(settings, open_platform(settings), stop):
                    return
        except AnprError as error:
            if settings.source is None or layers.read_trial(settings.source) is None:
                raise
            log.error("the settings on trial are given up: %s", error)
            layers.end_trial(settings.source)
        if settings.source is not None:
            settings = load(settings.source)


def supervise(settings: Settings, platform: Platform, stop: threading.Event, last_word_s: float = LAST_WORD_S) -> bool:
    """Run on hardware that is open already, until stopped (False) or until other settings count (True).

    Raises what `run` does.
    """
    manager = Manager()
    platform, camera = watched(platform)
    with (
        Node(settings, platform, None, lambda: collect(settings)) as node,
        closing(Watch(settings, node, camera, manager)) as watch,
        closing(Servant(settings, node, camera, lambda: watch.alarms)) as servant,
    ):
        servant.start()
        trial = layers.read_trial(settings.source) if settings.source else None
        log.info("node %s runs, store %s", settings.node.id, settings.state_folder)
        manager.ready()
        again = False
        while not node.ended.wait(BEAT_S) and not stop.is_set() and watch.gave_up is None and not again:
            watch.beat()
            if servant.reboot_wanted.is_set():
                raise PowerCycleNeeded("a technician wants the machine to start anew")
            again = servant.reload_wanted.is_set() or (trial is not None and trial.left_s <= 0)
            _beat(settings, node, watch)
        manager.stopping()
        if watch.gave_up is not None:
            _exit_anyway(last_word_s, 4 if isinstance(watch.gave_up, PowerCycleNeeded) else 1)
    log.info("node %s stopped", settings.node.id)
    if watch.gave_up is not None:
        raise watch.gave_up
    if node.failure is not None:
        raise AnprError(f"the node failed: {node.failure}") from node.failure
    return again


def _exit_anyway(after_s: float, code: int) -> None:
    """A thread that hangs in a camera's driver must not keep the exit code back: a kill by systemd tells nothing.

    The outputs are off by then, or `anpr-node safe` sees to it.
    """
    timer = threading.Timer(after_s, os._exit, [code])
    timer.daemon = True
    timer.start()


def _beat(settings: Settings, node: Node, watch: Watch) -> None:
    """Status is a convenience: a full card must not end the node over it."""
    try:
        write_heartbeat(settings, node.snapshot(), watch.alarms, watch.health())
    except OSError as error:
        log.warning("no heartbeat: %s", error)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
