"""The demo: a whole node on the simulated roadside, with a small hotlist of plates that the traffic includes."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import Any

from anpr_node import config
from anpr_node.audit import By
from anpr_node.drivers.platform import open_platform
from anpr_node.hotlist.imports import Importer
from anpr_node.hotlist.lists import open_lists
from anpr_node.live import REFRESH_S, LiveView
from anpr_node.node import Node
from anpr_node.store.database import use_store

HOTLIST = """vrm,country,category,reason,issuer
1-VOL-112,B,seize,stolen vehicle (demo),zone
2-ZOE-404,B,missing,missing person (demo),zone
WOB-DE 77,D,local,burglary suspect (demo),zone
1-KEU-001,B,inspection,no inspection: logged only (demo),zone
"""
SMS = {"numbers": ["+32470000000"], "place": "demo road", "after_s": 5.0}
"""Nobody takes the demo's hits: its simulated modem tells about them."""
PLANTED = ("1VOL112", "2ZOE404", "WOBDE77", "1KEU001")


def run(folder: Path, seconds: float | None, light: str, seed: int) -> None:
    """Run live until the time is over, Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end alike, and leave nothing behind
    sections: dict[str, Any] = {"camera": {"light": light, "seed": seed}, "store": {"folder": str(folder)}}
    settings = config.parse({**sections, "modem": {"kind": "simulated"}, "sms": SMS}, "demo")
    _import_hotlist(settings, folder)
    with Node(settings, open_platform(settings, planted=PLANTED)) as node:
        view = LiveView(node)
        with contextlib.suppress(KeyboardInterrupt):  # the way to leave the demo
            view.start()
            _watch(node, view, seconds)
    view.finish()
    if node.failure is not None:
        raise node.failure


def _watch(node: Node, view: LiveView, seconds: float | None) -> None:
    ends_s = None if seconds is None else time.monotonic() + seconds
    while not node.ended.wait(REFRESH_S) and (ends_s is None or time.monotonic() < ends_s):
        view.refresh()


def _import_hotlist(settings: config.Settings, folder: Path) -> None:
    file = folder / "demo.csv"
    file.write_text(HOTLIST, encoding="utf-8")
    with use_store(settings.state_folder) as database:
        importer = Importer(open_lists(database, settings), settings, By("demo", "demonstration", time.time_ns()))
        importer.by_hand(file, "demo", "replace")
