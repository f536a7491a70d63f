"""An update that is installed while it downloads, over a link that keeps breaking off and is gone for a while.

What both versions have in common is not fetched, nor what had arrived before the link went. Needs root and a tap.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from boot import variants
from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import MB, UserModeLinux, powered
from boot.network import CLAIMED, HERE, TAP, needs_network, network
from boot.test_boot import wait_for_reads
from boot.test_update import long

BREAK_EVERY, PORT = 7, 8000
NEW_MB, OUTAGE_AFTER_MB, OUTAGE_S, FETCHED_MAX_MB = 40, 20, 60, 65

pytestmark = [long, needs_network]


def test_an_update_comes_over_a_bad_link(
    image: Path, kernel: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    bundle = variants.good(image, tmp_path, "2.0", NEW_MB)
    with network() as name:
        said = tmp_path / "server.log"
        server = [sys.executable, str(Path(__file__).with_name("bad_link.py")), str(tmp_path)]
        server += [str(each) for each in (PORT, BREAK_EVERY, OUTAGE_AFTER_MB, OUTAGE_S)]
        with said.open("w") as log:
            serving = subprocess.Popen(["ip", "netns", "exec", name, *server], stdout=log)
        board = UserModeLinux(tmp_path / "board", image / "anpr-node.img", kernel, tap=TAP, namespace=name)
        board.put("anpr-provision.toml", CLAIM.replace("[network]\n", CLAIMED))
        try:
            with powered(board):
                shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
                wait_for_reads(shell)
                shell.begin(f"/usr/lib/anpr-node/update http://{HERE}:{PORT}/2.0.raucb")
                board.reboot(900)
                board.console.expect("slot b is confirmed: amd64-uml-2.0", FIRST_READ_S + 120)
                shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
                assert "TRIAL=no" in shell.out("cat /etc/anpr-slot")  # it takes the next one without a reboot between
        finally:
            serving.terminate()
            serving.wait()
            board.card.unlink(missing_ok=True)
    answers = [line.split() for line in said.read_text().splitlines()]
    fetched_mb = sum(int(size) for size, *_ in answers if size != "out") / MB
    record_property("fetched, MB", round(fetched_mb, 1))
    record_property("bundle, MB", round(bundle.stat().st_size / MB))
    assert {how for _, *rest in answers for how in rest} == {"broken", "whole"}
    assert ["out"] in answers
    assert fetched_mb < FETCHED_MAX_MB
