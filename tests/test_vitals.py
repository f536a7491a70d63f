"""The watchdog is fed only while frames move and commits succeed."""

from __future__ import annotations

import re

from conftest import ROOT

from anpr_node.service import LAST_WORD_S
from anpr_node.supervision.recovery import ALLOWANCES
from anpr_node.supervision.vitals import (
    COMMITS_MAX_AGE_S,
    FRAMES_MAX_AGE_S,
    PROVE_EVERY_S,
    WATCHDOG_S,
    Vitals,
)

UNIT = ROOT / "image" / "overlay" / "etc" / "systemd" / "system" / "anpr-node.service"


def test_frames_that_stand_still_starve_it() -> None:
    vitals = Vitals(0.0)
    vitals.frames(1, 10.0)
    vitals.proved(True, 30.0)
    assert vitals.is_alive(10 + FRAMES_MAX_AGE_S)
    vitals.frames(1, 11 + FRAMES_MAX_AGE_S)
    assert not vitals.is_alive(11 + FRAMES_MAX_AGE_S)
    vitals.frames(2, 12 + FRAMES_MAX_AGE_S)
    assert vitals.is_alive(12 + FRAMES_MAX_AGE_S)


def test_a_card_that_takes_no_writes_starves_it() -> None:
    vitals, now_s = Vitals(0.0), 0.0
    while now_s <= COMMITS_MAX_AGE_S + 10:
        vitals.frames(int(now_s), now_s)
        if vitals.needs_proof(now_s):
            vitals.proved(False, now_s)
        assert vitals.is_alive(now_s) is (now_s <= COMMITS_MAX_AGE_S)
        now_s += 1
    vitals.proved(True, now_s)
    assert vitals.is_alive(now_s)


def test_reads_that_are_refused_starve_it_whatever_the_proof_says() -> None:
    vitals = Vitals(0.0)
    vitals.commits("", 1, 1.0)
    for now_s in range(2, 200):
        vitals.frames(now_s, now_s)
        vitals.proved(True, now_s)
    assert not vitals.is_alive(199)
    vitals.commits("read-1", 1, 200.0)
    assert vitals.is_alive(200)


def test_no_traffic_does_not_starve_it() -> None:
    vitals = Vitals(0.0)
    for now_s in range(1, 1000):
        vitals.frames(now_s, now_s)
        if vitals.needs_proof(now_s):
            vitals.proved(True, now_s)
        assert vitals.is_alive(now_s)
    assert PROVE_EVERY_S < COMMITS_MAX_AGE_S


def test_recovery_inside_the_process_comes_before_the_watchdog() -> None:
    assert ALLOWANCES["stream"].patience_s + ALLOWANCES["driver"].patience_s + 5 < FRAMES_MAX_AGE_S


def test_the_unit_agrees() -> None:
    text = UNIT.read_text()
    assert re.search(r"^Type=notify$", text, re.M)
    assert re.search(rf"^WatchdogSec={WATCHDOG_S:g}$", text, re.M)
    assert re.search(r"^RestartPreventExitStatus=4$", text, re.M)
    patience = re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)
    assert patience
    assert float(patience[1]) > LAST_WORD_S
    assert re.search(r"^OnFailure=reboot.target$", text, re.M)
    assert "\nFailureAction=" not in text
    assert re.search(r"^StartLimitIntervalSec=0$", text, re.M)
    assert re.search(r"^ExecStopPost=.*anpr-node safe$", text, re.M)
