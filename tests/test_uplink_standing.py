"""How the uplink stands, before people and programs: counts, ages, quarantine, Prometheus; and what does not show."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hostile import HostileServer, Plan
from sqlite_utils import Database
from stalls import measured
from uplink_kit import NS_PER_S, Node, add, hit, kept, outbox, running, settings_for, sink

from anpr_node import audit, status
from anpr_node.access import Person
from anpr_node.access import add as name_person
from anpr_node.cli import main
from anpr_node.config import Settings
from anpr_node.drivers.clock import SystemClock
from anpr_node.store import outbox as box
from anpr_node.uplink.prometheus import as_prometheus
from anpr_node.uplink.standing import as_lines, standing
from anpr_node.uplink.uplink import Uplink

PATIENCE_S = 60.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(
        f'[store]\nfolder = "{tmp_path / "state"}"\n[uplink]\nday_mb = 50\n'
        '[[sinks]]\nname = "zone"\nurl = "https://sink.example/"\n'
    )
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def zone(tmp_path: Path, **sections: Any) -> Settings:
    return settings_for(tmp_path / "state", {"name": "zone", "url": "https://sink.example/"}, **sections)


def test_what_waits_is_counted_by_lane_with_its_age(store: Database, config: Path) -> None:
    now_s = time.time()
    add(store, "r0", hit("r0"), at_s=now_s - 100)
    add(store, "r1", hit("r1", "insurance", "batch"), at_s=now_s - 50)
    with store.atomic():
        for day in {time.strftime("%Y-%m-%d", time.gmtime(now_s + later_s)) for later_s in (0, 600)}:
            box.add_bytes(store, day, 12_345_678)
        box.note_problem(store, "zone", "no connection", int(now_s * NS_PER_S))
    shown = json.loads(call("uplink", "status", "--config", config, "--json").stdout)
    (one,) = shown["sinks"]
    assert {name: lane["waiting"] for name, lane in one["lanes"].items() if lane["waiting"]} == {
        "hit": 1, "batch": 1, "read": 2,
    }  # fmt: skip
    assert 99 <= one["lanes"]["read"]["oldest_s"] <= 199
    assert (shown["today_mb"], shown["day_mb_max"]) == (12, 50)
    text = call("uplink", "status", "--config", config).stdout
    assert re.search(r"zone: FAILING, no connection; waiting: 1 hit \(1\d\d s\)", text)
    assert "12 of 50 MB today" in text
    assert "zone: FAILING" in call("status", "--config", config).stdout
    with store.atomic():
        box.note_answer(store, "zone", 1_795_961_100 * NS_PER_S)
    assert "zone: answered 2026-11-29 14:05 UTC; waiting" in call("status", "--config", config).stdout


def test_without_a_sink_it_says_so(store: Database, tmp_path: Path) -> None:
    assert as_lines(standing(store, settings_for(tmp_path / "state"), 0))[0].startswith("uplink      no sink")


def test_a_silent_hit_changes_no_figure(store: Database, tmp_path: Path) -> None:
    """Waiting, sent, refused, failing: as if there were none. Under terms that keep hits only, not even its read."""
    settings = zone(tmp_path, policy={"preset": "DE"})
    now_ns = time.time_ns()
    add(store, "r0", hit("r0"), at_s=now_ns / NS_PER_S - 1000)
    before = standing(store, settings, now_ns)
    add(store, "r1", hit("r1", "discreet", "silent"), at_s=now_ns / NS_PER_S - 2000)
    with store.atomic():
        box.refuse(store, box.Refusal("zone", "hit", "h-r1-discreet", "no"), now_ns)
        box.refuse(store, box.Refusal("zone", "read", "r1", "no"), now_ns)
        box.add_bytes(store, "2026-01-01", 20_000)
    assert standing(store, settings, now_ns) == before
    assert before["sinks"][0]["lanes"]["hit"]["waiting"] == 1


def test_a_silent_hit_that_is_sent_moves_no_time(store: Database, tmp_path: Path) -> None:
    plan = Plan()
    with running(HostileServer(plan)) as server:
        settings = settings_for(tmp_path / "state", {"name": "zone", "url": server.url})
        with Node(settings) as node:
            node.run(5)
            before = standing(store, settings, node.clock.utc_ns(node.clock.monotonic_ns()))
            with store.atomic():
                box.queue(store, "hit", "h-r9-discreet", 0)
            add(store, "r9", hit("r9", "discreet", "silent"))
            store.execute("DELETE FROM outbox WHERE kind = 'read'")
            node.run(65)
            after = standing(store, settings, node.clock.utc_ns(node.clock.monotonic_ns()))
    assert ("hit", "h-r9-discreet") in plan.taken
    assert after == before


def test_refused_things_are_shown_and_sent_again_by_who_may(store: Database, config: Path, tmp_path: Path) -> None:
    add(store, "r0", hit("r0"))
    add(store, "r1", hit("r1", "discreet", "silent"))
    with store.atomic():
        store.execute("DELETE FROM outbox")
        for kind, ref in (("read", "r0"), ("hit", "h-r0-seize"), ("hit", "h-r1-discreet")):
            box.refuse(store, box.Refusal("zone", kind, ref, "400 no such field"), NS_PER_S)
    shown = call("uplink", "refused", "--config", config).stdout
    assert len(shown.splitlines()) == 2
    assert "h-r0-seize  400 no such field" in shown
    assert "discreet" not in shown
    assert "1ABC123" not in shown
    assert call("uplink", "retry", "--config", config).exit_code == 2
    assert call("uplink", "retry", "--config", config, "h-r0-seize").stdout == "1 wait again\n"
    for nothing in (["foo"], ["h-r1-discreet", "--sink", "other"], ["--all", "--sink", "nobody"]):
        result = call("uplink", "retry", "--config", config, *nothing)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "nothing refused by that name" in result.stderr
    assert call("uplink", "retry", "--config", config, "--all", "--sink", "zone").stdout == "1 wait again\n"
    assert call("uplink", "retry", "--config", config, "--all").stdout == "0 wait again\n"
    assert outbox(store) == {"hit": 2, "read": 1}, "the silent one goes along and is not counted"
    assert [line.entry.rows for line in audit.read(tmp_path / "state")] == [1, 1, 0]
    name_person(store, Person("oskar", "officer"), "oskar", None, 0)
    assert call("uplink", "refused", "--config", config).exit_code == 3


def test_an_overview_is_sent_on_request_for_a_reason(store: Database, config: Path, tmp_path: Path) -> None:
    add(store, "r0", pictures=True)
    store.execute("DELETE FROM outbox")
    store.conn.commit()
    why = ["--reason", "plate unreadable", "--case", "LI/7"]
    assert call("uplink", "overview", "--config", config, "r0").exit_code == 3
    assert call("uplink", "overview", "--config", config, "nobody", *why).exit_code == 1
    assert call("uplink", "overview", "--config", config, "r0", *why).exit_code == 0
    assert outbox(store) == {"overview": 1}
    written = [(line.entry.object_ref, line.entry.outcome) for line in audit.read(tmp_path / "state")]
    assert written == [("r0", "refused"), ("r0", "done")]


def test_the_schemas_terms_are_the_laws(config: Path) -> None:
    text = call("uplink", "schema", "--config", config).stdout
    assert "TTL toDateTime(first_seen) + INTERVAL 365 DAY" in text
    assert "{" not in text
    config.write_text('[policy]\npreset = "DE"\n')
    assert "INTERVAL 2 DAY" in call("uplink", "schema", "--config", config).stdout


def test_prometheus_text_can_be_parsed(store: Database, config: Path, tmp_path: Path) -> None:
    add(store, "r0", hit("r0"))
    text = call("status", "--config", config, "--prometheus").stdout
    sample = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+')
    lines = text.splitlines()
    assert all(line.startswith("#") or sample.fullmatch(line) for line in lines), text
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "one family, once"
    assert 'anpr_node_uplink_waiting{sink="zone",lane="hit"} 1' in lines
    odd = {**status.collect(zone(tmp_path)), "node_id": 'a"b\\c\nd'}
    assert 'node_id="a\\"b\\\\c\\nd"' in as_prometheus(odd)


@pytest.mark.parametrize(("source", "synchronised"), [("ntp", 1), ("gps", 1), ("free", 0)])
def test_what_the_watch_says_of_board_and_clock_is_scraped(tmp_path: Path, source: str, synchronised: int) -> None:
    health = {"temperature_c": 51.0, "throttled": False, "undervoltage": None, "frame_age_s": 0.1, "clock": source}
    lines = as_prometheus({**status.collect(zone(tmp_path)), "health": health}).splitlines()
    assert f"anpr_node_clock_synchronised {synchronised}" in lines
    assert "anpr_node_temperature_c 51.0" in lines
    assert "anpr_node_throttled 0" in lines
    assert not [line for line in lines if "undervoltage" in line]


# the thread


def test_the_uplink_runs_beats_and_ends(store: Database, tmp_path: Path) -> None:
    folder, figures = tmp_path / "sink", tmp_path / "metrics.prom"
    add(store, "r0", hit("r0"), pictures=True, at_s=time.time())
    audit.append(tmp_path / "state", audit.Entry("jan", "search"))
    with sink(folder) as url:
        settings = settings_for(
            tmp_path / "state", {"name": "zone", "url": url}, uplink={"prometheus_file": str(figures)}
        )
        uplink, stopping = Uplink(settings, SystemClock(), lambda: status.collect(settings)), threading.Event()
        thread = threading.Thread(target=uplink.run, args=(stopping,))
        thread.start()
        _wait(lambda: kept(folder, "heartbeat") and not outbox(store), PATIENCE_S)
        numbers = itertools.count(1)

        def arrives_s() -> float:
            """How long a new hit takes from its commit to the sink."""
            read_id = f"r{next(numbers)}"
            add(store, read_id, hit(read_id), at_s=time.time())
            started_s = time.monotonic()
            _wait(lambda: f"h-{read_id}-seize" in kept(folder, "hit"), PATIENCE_S)
            return time.monotonic() - started_s

        assert measured(arrives_s, 1.5) < 1.5
        stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("uplink")]
    assert "anpr_node_info" in figures.read_text()
    anchors = _rows(folder, "SELECT head FROM anchor")
    assert anchors == [(audit.head(tmp_path / "state"),)]
    assert audit.verify(tmp_path / "state", (anchors[0][0],))[1] == []


def test_a_locked_or_replaced_store_is_waited_for(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = Plan()
    with running(HostileServer(plan)) as server:
        settings = settings_for(tmp_path / "state", {"name": "zone", "url": server.url})
        with Node(settings) as node:
            node.run(0)
            for number in range(60):
                add(store, f"r{number:02}")
            store.execute("BEGIN IMMEDIATE")
            node.run(10)
            assert not plan.taken, "nothing is sent that could not be ticked off"
            assert "cannot use the store now" in caplog.text
            store.execute("ROLLBACK")
            node.run(20)
            assert len(plan.taken) == 60
            path = tmp_path / "state" / "anpr-node.sqlite"
            store.close()
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            from anpr_node.store.database import open_store

            fresh = open_store(tmp_path / "state")
            for number in range(3):
                add(fresh, f"n{number}", hit(f"n{number}"))
            node.run(20)
            assert not set(outbox(fresh)) - {"sms"}
            fresh.close()
    assert ("read", "n0") in plan.taken, "the cursor of the old store says nothing about the new one"


def _wait(done: Any, seconds: float) -> None:
    ended = threading.Event()
    for _ in range(round(seconds / 0.05)):
        if done():
            return
        ended.wait(0.05)
    raise AssertionError("it did not come to that")


def _rows(folder: Path, query: str) -> list[Any]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "sink.sqlite")) as database:
        return database.execute(query).fetchall()
