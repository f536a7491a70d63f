"""What confirms an update: a node whose frames move and whose store opens, and nothing less."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from anpr_node import health, status
from anpr_node.cli import main
from anpr_node.config import Settings, parse
from anpr_node.snapshot import BOOT_ID
from anpr_node.store.database import insert, use_store

SINK = {"sinks": [{"name": "office", "url": "https://office.example.org/reads"}]}


@pytest.fixture
def beat(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A heartbeat that moves on while `health` waits."""
    monkeypatch.setattr(status, "RUN_FOLDER", tmp_path / "none")
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    return {"pid": 1, "frames": 100, "store_failures": 0, "step": 30}


def look(settings: Settings, beat: dict[str, Any]) -> dict[str, str]:
    def write() -> None:
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        status.heartbeat_path(settings).write_text(json.dumps({**beat, "boot_id": BOOT_ID, "up_s": up_s}))

    def sleep(_: float) -> None:
        beat["frames"] += beat["step"]
        write()

    write()
    return {finding.item: finding.verdict for finding in health.look(settings, sleep)}


def test_a_node_that_works_is_healthy(settings: Settings, beat: dict[str, Any]) -> None:
    assert look(settings, beat) == {"frames": "OK", "store": "OK", "clock": "OK", "office": "OK"}


def test_a_clock_behind_the_image_itself_is_not(
    settings: Settings, beat: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system without a source of time starts at a date of its own, which is later than any that is fixed here."""
    program, now_s = tmp_path / "health.py", time.time()
    program.touch()
    monkeypatch.setattr(health, "PROGRAM", program)
    for built_s, verdict in ((now_s + 86_400, "FAIL"), (now_s - 86_400, "OK")):
        os.utime(program, (built_s, built_s))
        assert look(settings, beat)["clock"] == verdict


def test_frames_that_stand_still_are_not(settings: Settings, beat: dict[str, Any]) -> None:
    assert look(settings, {**beat, "step": 0})["frames"] == "FAIL"


def test_writes_that_fail_are_not(settings: Settings, beat: dict[str, Any]) -> None:
    assert look(settings, {**beat, "store_failures": 1})["store"] == "FAIL"


def test_a_store_that_cannot_be_opened_is_not(settings: Settings, beat: dict[str, Any]) -> None:
    (settings.state_folder / "store.key-id").write_text("another")
    assert look(settings, beat)["store"] == "FAIL"


@pytest.mark.parametrize(("up_s", "answered_s_ago", "verdict"), [(30, 60, "FAIL"), (30, 5, "OK"), (700, 900, "WARN")])
def test_the_back_office_has_a_grace_time(
    settings: Settings, beat: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up_s: int,
    answered_s_ago: int, verdict: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(health, "UPTIME", tmp_path / "uptime")
    (tmp_path / "uptime").write_text(f"{up_s}.0 1.0\n")
    named = parse({"store": {"folder": str(settings.state_folder)}, **SINK}, "test")
    with use_store(named.state_folder) as database:
        row = {"sink": "office", "answered_ns": time.time_ns() - answered_s_ago * 10**9}
        insert(database, "sink_state", row)
    assert look(named, beat)["office"] == verdict


def test_without_a_node_the_command_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOK_S", 0.0)
    monkeypatch.setattr(status, "RUN_FOLDER", tmp_path / "none")
    config = tmp_path / "node.toml"
    config.write_text(f"[store]\nfolder = '{tmp_path}/state'\n")
    said = CliRunner().invoke(main, ["health", "--config", str(config)])
    assert said.exit_code == 1
    assert "no node runs" in said.output
