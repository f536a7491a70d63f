"""Runs the node as a service: until a signal or a failure, supervised, with a heartbeat file for `anpr-node status`."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import closing
from types import FrameType

from anpr_node.config import Settings
from anpr_node.drivers.notify import Manager
from anpr_node.drivers.platform import Platform, open_platform
from anpr_node.errors import AnprError, PowerCycleNeeded
from anpr_node.node import Node
from anpr_node.status import collect, write_heartbeat
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
    supervise(settings, open_platform(settings), _stop_on_signals())


def supervise(settings: Settings, platform: Platform, stop: threading.Event, last_word_s: float = LAST_WORD_S) -> None:
    """Run on hardware that is open already; raises what `run` does."""
    manager = Manager()
    platform, camera = watched(platform)
    with (
        Node(settings, platform, None, lambda: collect(settings)) as node,
        closing(Watch(settings, node, camera, manager)) as watch,
    ):
        log.info("node %s runs, store %s", settings.node.id, settings.state_folder)
        manager.ready()
        while not node.ended.wait(BEAT_S) and not stop.is_set() and watch.gave_up is None:
            watch.beat()
            _beat(settings, node, watch)
        manager.stopping()
        if watch.gave_up is not None:
            _exit_anyway(last_word_s, 4 if isinstance(watch.gave_up, PowerCycleNeeded) else 1)
    log.info("node %s stopped", settings.node.id)
    if watch.gave_up is not None:
        raise watch.gave_up
    if node.failure is not None:
        raise AnprError(f"the node failed: {node.failure}") from node.failure


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
