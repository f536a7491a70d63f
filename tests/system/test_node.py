"""The node as a process: demo and service, threads and signals, on the simulated roadside in real time."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from makers import evidence, read
from stalls import measured
from test_replay import make_clip

from anpr_node.config import Settings, parse
from anpr_node.drivers.platform import Platform, open_platform
from anpr_node.drivers.simulated.wires import WiredPin
from anpr_node.errors import ConfigError, PowerFailing, StoreError
from anpr_node.node import TIMEOUTS_MAX, Node
from anpr_node.pipeline import Ripe
from anpr_node.store.database import open_store

pytestmark = pytest.mark.system

FULL_CARD = "CREATE TRIGGER full BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
PATIENCE_S = 180.0
ANPR_NODE = [sys.executable, "-m", "anpr_node"]


def test_the_demo_reads_vehicles() -> None:
    for seconds in (12, 60, 180):  # a slow machine sees less of the road in the same time
        command = [*ANPR_NODE, "demo", "--seconds", str(seconds)]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + PATIENCE_S)
        lines = result.stdout.splitlines()
        if len(lines) >= 4:
            break
    assert lines[0].startswith("time (UTC)")
    assert lines[-1].startswith("relay open")
    assert len(lines) >= 4, result.stdout
    assert "ERROR" not in result.stderr


def test_the_service_writes_reads_answers_status_and_ends_on_a_signal(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    with subprocess.Popen([*ANPR_NODE, "run", "--config", config], stderr=subprocess.PIPE, text=True) as node:
        try:
            status = wait_for_reads(config)
            assert status["running"]["illuminator_on"]
        finally:
            node.send_signal(signal.SIGTERM)
            log = node.communicate(timeout=PATIENCE_S)[1]
    assert node.returncode == 0, log
    assert "read read_id=" in log


def wait_for_reads(config: Path) -> dict[str, dict[str, object]]:
    """Status once the running node has stored a read; fails after some minutes."""
    ends_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        command = [*ANPR_NODE, "status", "--json", "--config", str(config)]
        status = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        if status["reads"] and status["running"]:
            return status  # type: ignore[no-any-return]
        time.sleep(0.5)
    raise AssertionError(f"no read within {PATIENCE_S:g} s")


def test_a_stopped_trigger_ends_the_node_with_everything_off(tmp_path: Path) -> None:
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings, realtime=False)
    with Node(settings, platform) as node:
        assert platform.trigger is not None
        platform.trigger.stop()
        assert node.ended.wait(PATIENCE_S)
    assert type(node.failure).__name__ == "FrameTimeout"
    assert node.snapshot().timeouts == TIMEOUTS_MAX
    assert not node.snapshot().illuminator_on


def test_a_recording_ends_the_node_by_itself(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.avi", frames=8, fps=20)
    settings = parse(
        {"camera": {"kind": "replay", "path": str(clip)}, "store": {"folder": str(tmp_path / "state")}}, "test"
    )
    with Node(settings, open_platform(settings)) as node:
        assert node.ended.wait(PATIENCE_S)
    assert node.failure is None
    assert node.snapshot().frames == 8


def test_an_exposure_beyond_the_duty_limit_is_refused(tmp_path: Path) -> None:
    settings = parse({"camera": {"exposure_us": 20_000}, "store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings)
    node = Node(settings, platform)
    with pytest.raises(ConfigError, match="exposure_us"):
        node.start()
    assert not platform.outputs.illuminator.is_on
    node.stop()


def test_a_card_that_takes_no_writes_is_refused_at_start(tmp_path: Path) -> None:
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    with closing(open_store(tmp_path)) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON node_start BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    platform = open_platform(settings, realtime=False)
    with pytest.raises(StoreError, match="disk is full"):
        Node(settings, platform)
    platform.close()


def test_a_full_card_is_refused_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anpr_node.node.START_FREE_MB_MIN", 10**12)
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings, realtime=False)
    with pytest.raises(StoreError, match=r"MB free, .* needed to start"):
        Node(settings, platform)
    platform.close()


def test_a_card_that_fails_for_a_while_loses_no_read(tmp_path: Path) -> None:
    """Reads wait while the store refuses them, the relay's pulse still ends, and all are stored when it recovers."""
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings)
    with closing(open_store(tmp_path)) as database:
        database.execute(FULL_CARD.format("read"))
        with Node(settings, platform) as node:
            wait_until(lambda: node.snapshot().store_failures >= 2)
            assert node.snapshot().reads == 0
            assert not node.ended.is_set()
            database.execute("DROP TRIGGER full")
            wait_until(lambda: node.snapshot().reads >= 1)
        assert node.snapshot().queue_depth == 0
        stored = database.execute("SELECT count(*) FROM read WHERE corrects IS NULL").fetchone()[0]
    assert stored == node.snapshot().reads
    assert node.snapshot().reads_dropped == 0
    assert node.failure is None


SLOW_CARD = """
CREATE TRIGGER slow BEFORE INSERT ON read BEGIN
    SELECT count(*) FROM (
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT i FROM n
    );
END
"""


def test_a_backlog_at_the_stop_is_written_as_far_as_time_allows_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing takes longer than the node may: the pins stay the recorder's until its last commit is over."""
    monkeypatch.setattr("anpr_node.node.JOIN_S", 2.0)
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings, realtime=False)
    with closing(open_store(tmp_path)) as database:
        database.execute(SLOW_CARD)
        with Node(settings, platform) as node:
            node.desk.hand_over([Ripe(read(read_id=f"r{n}"), evidence()) for n in range(60)])
            wait_until(lambda: node.snapshot().reads >= 1)
        stored = database.execute("SELECT count(*) FROM read").fetchone()[0]
    assert node.failure is None
    assert 0 < stored < 60
    assert stored == node.snapshot().reads
    assert node.snapshot().reads_dropped >= 60 - stored
    assert node.snapshot().queue_depth == 0
    assert not platform.outputs.led.is_on


def test_a_pulse_ends_while_another_process_holds_the_store(tmp_path: Path) -> None:
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings)
    with closing(open_store(tmp_path)) as database, Node(settings, platform) as node:
        database.execute("BEGIN IMMEDIATE")
        node.desk.hand_over([Ripe(read(), evidence())])
        wait_until(lambda: node.snapshot().queue_depth == 0)

        def late_s() -> float:
            began_ns = platform.clock.monotonic_ns()
            platform.outputs.relay.pulse(0.2)
            wait_until(lambda: not node.snapshot().relay_on)
            return (platform.clock.monotonic_ns() - began_ns) / 1e9 - 0.2

        latest_s = measured(late_s, 1)
        wait_until(lambda: node.snapshot().store_failures >= 1)
        database.execute("ROLLBACK")
        wait_until(lambda: node.snapshot().reads >= 1)
    assert latest_s < 1, "no later than one write that waits for the lock"


def test_a_simulated_node_lives_today_and_claims_no_time_source(tmp_path: Path) -> None:
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings, realtime=False)
    assert abs(platform.clock.utc_ns(platform.clock.monotonic_ns()) / 1e9 - time.time()) < 10
    assert platform.clock.state().source == "free"
    platform.close()


def test_the_demo_leaves_nothing_behind_when_it_is_terminated(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*ANPR_NODE, "demo"], stdout=subprocess.PIPE, env=environment, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith("time (UTC)")
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == []


def wait_until(done: Callable[[], bool]) -> None:
    """Poll for some minutes at most."""
    ends_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < ends_s, "it did not come about"
        time.sleep(0.1)


def supply_of(platform: Platform) -> WiredPin:
    """The far end of the supply's warning wire."""
    wire = platform.outputs.relay.factory.pin(Settings().inputs.power_fail_pin)
    assert isinstance(wire, WiredPin)
    return wire


def test_a_failing_supply_ends_the_node_in_order_while_the_hold_up_lasts(tmp_path: Path) -> None:
    numbers = itertools.count()
    closed_s = measured(lambda: close_without_supply(tmp_path / str(next(numbers))), 3)
    assert closed_s < 3, f"the hold-up lasts 5 s, closing took {closed_s:.1f} s"


def close_without_supply(folder: Path) -> float:
    """How long after the supply's warning a reading node is at its end, with everything in its place."""
    settings = parse({"store": {"folder": str(folder)}}, "test")
    platform = open_platform(settings)
    with Node(settings, platform) as node:
        wait_until(lambda: node.snapshot().reads >= 1)
        supply_of(platform).hold(high=True)
        warned_s = time.monotonic()
        assert node.ended.wait(PATIENCE_S)
        assert not node.snapshot().illuminator_on
    closed_s = time.monotonic() - warned_s
    assert isinstance(node.failure, PowerFailing)
    now = node.snapshot()
    assert (now.queue_depth, now.reads_dropped, now.relay_on, now.led_on) == (0, 0, False, False)
    log_bytes = sum(file.stat().st_size for file in folder.glob("*-wal"))
    assert log_bytes == 0, "the store was not checkpointed"
    with closing(open_store(folder)) as database:
        assert database.execute("SELECT count(*) FROM read WHERE corrects IS NULL").fetchone()[0] == now.reads
    return closed_s


def test_a_node_does_not_start_on_a_failing_supply(tmp_path: Path) -> None:
    settings = parse({"store": {"folder": str(tmp_path)}}, "test")
    platform = open_platform(settings, realtime=False)
    supply_of(platform).hold(high=True)
    for _ in range(2):
        platform.tick()
        platform.clock.advance_to(platform.clock.monotonic_ns() + 200_000_000)  # type: ignore[attr-defined]
    platform.tick()
    node = Node(settings, platform)
    with pytest.raises(PowerFailing, match="the supply fails"):
        node.start()
    assert not platform.outputs.illuminator.is_on
    node.stop()


def test_the_node_finds_out_that_it_is_day(tmp_path: Path) -> None:
    content = {
        "camera": {"light": "day"},
        "daynight": {"mode": "auto", "steady_s": 2.0},
        "store": {"folder": str(tmp_path)},
    }
    settings = parse(content, "test")
    with Node(settings, open_platform(settings, realtime=False)) as node:
        wait_until(lambda: node.snapshot().light == "day")
        assert not node.snapshot().illuminator_on
