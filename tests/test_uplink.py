"""From the outbox to a sink: lanes, order, exactly once, and nothing gone before its acknowledgement."""

from __future__ import annotations

import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hostile import FAULTS, HostileServer, Plan
from makers import put_list
from sqlite_utils import Database
from uplink_kit import NOW_S, NS_PER_S, Node, add, body_of, hit, kept, outbox, running, settings_for, sink

from anpr_node.audit import By
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.hotlist import verdicts
from anpr_node.policy import presets
from anpr_node.records import ClockState
from anpr_node.store import outbox as box
from anpr_node.store.database import note_start
from anpr_node.store.reads import add_hits, correct_times
from anpr_node.uplink.link import Link
from anpr_node.uplink.uplink import UNCLAIMED_S


def test_everything_arrives_and_the_outbox_is_empty(store: Database, tmp_path: Path) -> None:
    for number in range(5):
        add(store, f"r{number}", pictures=True)
    add(store, "r5", hit("r5"), hit("r5", "insurance", "batch"), pictures=True)
    with store.atomic():
        box.queue(store, "overview", "r3", 0)
    folder = tmp_path / "sink"
    with sink(folder) as url, Node(settings_for(tmp_path / "state", {"name": "zone", "url": url})) as node:
        node.run(30)
    assert kept(folder, "read") == {f"r{number}": 1 for number in range(6)}
    assert kept(folder, "hit") == {"h-r5-seize": 1, "h-r5-insurance": 1}
    assert kept(folder, "patch") == {f"r{number}": 1 for number in range(6)}
    assert kept(folder, "overview") == {"r3": 1}
    assert (folder / "pictures" / "r3.overview.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert (folder / "pictures" / "h-r5-seize.hit.jpg").exists(), "a hit brings its patch along"
    assert not outbox(store)
    assert store.execute("SELECT count(*) FROM refused").fetchone()[0] == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_ends_in_everything_taken(store: Database, tmp_path: Path, fault: str) -> None:
    """Three times in a row for hits and reads; nothing leaves the outbox before its acknowledgement."""
    add(store, "r0", hit("r0"))
    for number in range(1, 60):
        add(store, f"r{number}")
    plan = Plan(script=[fault] * 6, slow_s=200)
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node:
        node.line_limits(0.3 if fault == "slow" else 20)  # a busy machine's answer may be late; then it is asked again
        node.run(1)
        assert outbox(store)["read"] == 60
        node.run(400)
    assert not outbox(store)
    assert {id_ for kind, id_ in plan.taken if kind == "read"} == {f"r{number}" for number in range(60)}
    assert plan.met[fault] == 6
    kept_before_the_answer = fault in {"lost answer", "slow", "garbled", "page"}
    assert (max(plan.taken.values()) > 1) == kept_before_the_answer, "a sink that keeps ids has each once"


def test_the_newest_hit_goes_first_and_the_oldest_read(store: Database, tmp_path: Path) -> None:
    for number in range(25):
        add(store, f"r{number:02}", hit(f"r{number:02}"))
    plan = Plan()
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url, kinds=["hits", "reads"]) as node:
        node.run(20)
    hits = [id_ for batch in plan.batches for kind, id_ in batch if kind == "hit"]
    assert hits == [f"h-r{number:02}-seize" for number in reversed(range(25))]
    reads = [id_ for batch in plan.batches for kind, id_ in batch if kind == "read"]
    assert reads == [f"r{number:02}" for number in range(25)]
    assert len(plan.batches) <= 4, "in batches"


def test_a_batch_hit_waits_behind_no_urgent_one_and_before_the_reads(store: Database, tmp_path: Path) -> None:
    for number in range(60):
        add(store, f"r{number:02}", hit(f"r{number:02}", "insurance", "batch"))
    add(store, "r99", hit("r99"))
    plan = Plan()
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node:
        node.run(20)
    assert plan.batches[0] == [("hit", "h-r99-seize")]
    assert {kind for kind, _ in plan.batches[1]} == {"hit"}
    assert len(plan.batches[1]) == 60
    assert {kind for kind, _ in plan.batches[2]} == {"read"}


def test_a_new_hit_is_tried_at_once_though_the_sink_has_failed(store: Database, tmp_path: Path) -> None:
    """Back-off has reached minutes; a hit does not wait for them, and asks again on its own."""
    plan = Plan(always=500)
    add(store, "r0", hit("r0"))
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node:
        node.run(3000)
        tries = sum(plan.met.values())
        assert tries < 80, "it is left alone for minutes"
        plan.always = None
        add(store, "r1", hit("r1"))
        node.run(0.4)
        assert ("hit", "h-r1-seize") in plan.taken
        assert ("hit", "h-r0-seize") in plan.taken


def test_the_sinks_wish_is_obeyed(store: Database, tmp_path: Path) -> None:
    plan = Plan(script=["429", "429"], retry_after_s=90)
    add(store, "r0", hit("r0"))
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node:
        node.run(80)
        add(store, "r1", hit("r1"))
        node.run(5)
        assert sum(plan.met.values()) == 2, "one try for hits and one for reads, and no more before the 90 s are over"
        node.run(120)
    assert not outbox(store)


def test_nothing_is_tried_while_the_link_is_down(store: Database, tmp_path: Path) -> None:
    """And at once when it comes back, whatever the back-off had been."""
    add(store, "r0", hit("r0"))
    plan = Plan(script=["500"] * 8)
    state = tmp_path / "class" / "net" / "wwan0"
    state.mkdir(parents=True)
    (state / "operstate").write_text("up\n")
    with running(HostileServer(plan)) as server:
        settings = settings_for(tmp_path / "state", {"name": "zone", "url": server.url})
        with Node(settings, link=Link("wwan0", tmp_path)) as node:
            node.run(200)
            (state / "operstate").write_text("down\n")
            node.run(2)
            tried = sum(plan.met.values())
            add(store, "r1", hit("r1"))
            node.run(500)
            assert sum(plan.met.values()) == tried
            plan.script.clear()
            (state / "operstate").write_text("unknown\n")
            node.run(8)
    assert not outbox(store)


# what a sink will not take


def test_an_item_that_is_refused_is_set_aside_and_the_queue_goes_on(store: Database, tmp_path: Path) -> None:
    add(store, "r00", hit("r00"), vrm="1ABC123")
    for number in range(1, 70):
        add(store, f"r{number:02}")
    plan = Plan(refuse={"r07": "vrm 1ABC123 is too long", "h-r00-seize": "no such list"})
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url, kinds=["hits", "reads"]) as node:
        node.run(30)
    assert sum(kind == "read" for kind, _ in plan.taken) == 69
    assert not set(outbox(store)) - {"sms"}
    refused = store.execute("SELECT kind, ref, reason FROM refused ORDER BY ref").fetchall()
    assert refused == [("hit", "h-r00-seize", "no such list"), ("read", "r07", "vrm [plate] is too long")]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_batch_that_is_refused_is_halved_until_the_culprit_is_found(
    store: Database, tmp_path: Path, status: int
) -> None:
    for number in range(100):
        add(store, f"r{number:02}", *[hit(f"r{number:02}")] * (number in {3, 50}))
    plan = Plan(status_for={"r42": status, "r43": status, "h-r03-seize": status})
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url, kinds=["hits", "reads"]) as node:
        node.run(30)
    assert {id_ for kind, id_ in plan.taken if kind == "read"} == {f"r{n:02}" for n in range(100)} - {"r42", "r43"}
    assert set(plan.taken.values()) == {1}
    assert ("hit", "h-r50-seize") in plan.taken
    rows = store.execute("SELECT ref, reason FROM refused ORDER BY ref").fetchall()
    assert [ref for ref, _ in rows] == ["h-r03-seize", "r42", "r43"]
    assert all(reason.startswith(str(status)) for _, reason in rows)


@pytest.mark.parametrize("status", [401, 301, 409])
def test_a_sink_that_takes_nothing_costs_nothing(store: Database, tmp_path: Path, status: int) -> None:
    """A wrong token or url is no item's fault: everything waits until a person has mended it."""
    for number in range(60):
        add(store, f"r{number:02}", *[hit(f"r{number:02}")] * (number < 3))
    plan = Plan(always=status)
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url, kinds=["hits", "reads"]) as node:
        node.run(2000)
        assert outbox(store)["read"] == 60
        assert outbox(store)["hit"] == 3
        plan.always = None
        node.run(400)
    assert not outbox(store)
    assert store.execute("SELECT count(*) FROM refused").fetchone()[0] == 0


def test_a_doubtful_answer_to_one_item_alone_is_that_items_fault(store: Database, tmp_path: Path) -> None:
    for number in range(60):
        add(store, f"r{number:02}", *[hit(f"r{number:02}")] * (number < 3))
    plan = Plan(status_for={"r07": 403, "h-r01-seize": 404})
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url, kinds=["hits", "reads"]) as node:
        node.run(2000)
    assert not set(outbox(store)) - {"sms"}
    assert [ref for (ref,) in store.execute("SELECT ref FROM refused ORDER BY ref")] == ["h-r01-seize", "r07"]


def test_what_was_refused_can_be_sent_again(store: Database, tmp_path: Path) -> None:
    for number in range(3):
        add(store, f"r{number}")
    plan = Plan(refuse={"r0": "no", "r1": "no"})
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url, kinds=["reads"]) as node:
        node.run(10)
        plan.refuse.clear()
        assert box.retry(store, "zone", "r1", 0) == 1
        node.run(10)
        assert ("read", "r1") in plan.taken
        assert ("read", "r0") not in plan.taken
        assert box.retry(store, None, None, 0) == 1
        node.run(10)
    assert plan.taken[("read", "r0")] == 1
    assert not outbox(store)


def test_the_quarantine_is_bounded(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "REFUSED_MAX", 3)
    with store.atomic():
        for number in range(5):
            box.refuse(store, box.Refusal("zone", "read", f"r{number}", "no"), number)
    assert [ref for (ref,) in store.execute("SELECT ref FROM refused ORDER BY ref")] == ["r2", "r3", "r4"]
    assert store.execute("SELECT n FROM figure WHERE name = 'refused_forgotten'").fetchone()[0] == 2


# several sinks


def test_each_sink_has_its_own_cursor_and_its_own_taste(store: Database, tmp_path: Path) -> None:
    for number in range(60):
        add(store, f"r{number:02}", *[hit(f"r{number:02}")] * (number < 2), pictures=number < 3)
    add(store, "r60", hit("r60", "discreet", "silent"))
    add(store, "r61", hit("r61", "missing"), pictures=True)
    good, slow, hits = Plan(), Plan(always=500), Plan()
    with (
        running(HostileServer(good)) as one,
        running(HostileServer(slow)) as two,
        running(HostileServer(hits)) as three,
    ):
        settings = settings_for(
            tmp_path / "state",
            {"name": "good", "url": one.url, "silent": False, "pictures": False},
            {"name": "slow", "url": two.url, "kinds": ["reads", "hits"]},
            {"name": "hits", "url": three.url, "kinds": ["hits"], "categories": ["missing"]},
        )
        with Node(settings) as node:
            node.run(60)
            assert sum(kind == "read" for kind, _ in good.taken) == 62
            assert ("hit", "h-r60-discreet") not in good.taken, "silent hits go to whom they are meant for alone"
            assert not any(kind == "patch" for kind, _ in good.taken)
            assert set(hits.taken) == {("hit", "h-r61-missing")}
            assert outbox(store)["read"] == 62, "nothing goes that the slow one does not have"
            assert outbox(store)["hit"] == 4
            slow.always = None
            node.run(400)
    assert sum(kind == "read" for kind, _ in slow.taken) == 62
    assert ("hit", "h-r60-discreet") in slow.taken
    assert set(good.taken.values()) == set(slow.taken.values()) == {1}
    assert not outbox(store)


def test_rows_that_nobody_takes_go_after_a_day(store: Database, tmp_path: Path) -> None:
    clock = SimulatedClock()
    now_ns = clock.utc_ns(clock.monotonic_ns())
    with store.atomic():
        for kind in ("hit", "read", "sms", "patch"):
            box.queue(store, kind, f"old-{kind}", now_ns - round((UNCLAIMED_S + 9) * NS_PER_S))
            box.queue(store, kind, f"new-{kind}", now_ns - round((UNCLAIMED_S - 9) * NS_PER_S))
    takers = {"read": ["zone"]}
    while box.drop_unclaimed(store, takers, now_ns - round(UNCLAIMED_S * NS_PER_S)):
        pass
    left = sorted(ref for (ref,) in store.execute("SELECT ref FROM outbox"))
    assert left == ["new-hit", "new-patch", "new-read", "new-sms", "old-read"]


def test_a_sink_that_was_taken_away_holds_nothing_up(store: Database, tmp_path: Path) -> None:
    for number in range(10):
        add(store, f"r{number}")
    with store.atomic():
        box.move_cursor(store, "here", "read", 10)
    assert box.delete_taken(store, "read", ["here", "gone"]) == 0
    assert outbox(store)["read"] == 10
    while box.drop_unclaimed(store, {"read": ["here"]}, 0):
        pass
    assert outbox(store)["read"] == 0


class Receiver(BaseHTTPRequestHandler):
    """Takes anything, as somebody else's receiver does."""

    got: list[tuple[str, bytes]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("X-ClickHouse-Summary", "{}")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.mark.parametrize(("format_", "requests"), [("openalpr", 4), ("platerecognizer", 3), ("clickhouse", 2)])
def test_other_formats_go_the_same_way(store: Database, tmp_path: Path, format_: str, requests: int) -> None:
    add(store, "r0", hit("r0"), pictures=True)
    add(store, "r1", pictures=True)
    add(store, "r2", hit("r2", "discreet", "silent"), vrm="")
    add(store, "r3", pictures=True)
    got: list[tuple[str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Receiver,), {"got": got}))
    with running(server), _node(tmp_path, f"http://127.0.0.1:{server.server_port}/in", format=format_) as node:
        node.run(30)
    unclaimed = {"hit"} if format_ == "platerecognizer" else set()
    assert set(outbox(store)) - {"sms"} == unclaimed, "what nobody takes waits for a day"
    assert len(got) == requests
    assert any(b"r1" in body or "query=INSERT" in path for path, body in got)


def test_overviews_of_the_night_wait_for_the_night(store: Database, tmp_path: Path) -> None:
    add(store, "r0", pictures=True)
    plan, noon = Plan(), SimulatedClock()
    noon.advance_to(12 * 3600 * NS_PER_S)
    with running(HostileServer(plan)) as server:
        settings = settings_for(
            tmp_path / "state",
            {"name": "zone", "url": server.url},
            uplink={"overviews": "night", "night_utc": [13, 14]},
        )
        with Node(settings, noon) as node:
            node.run(30)
            assert ("patch", "r0") in plan.taken
            assert outbox(store) == {"night": 1}
            noon.advance_to(13 * 3600 * NS_PER_S)
            node.run(5)
    assert ("overview", "r0") in plan.taken
    assert not outbox(store)


# what changes afterwards


def test_verdicts_corrections_and_corrected_times_are_sent(store: Database, tmp_path: Path) -> None:
    add(store, "r0", hit("r0"))
    folder = tmp_path / "sink"
    with sink(folder) as url, _node(tmp_path, url) as node:
        node.run(10)
        verdicts.verify(store, tmp_path / "state", "h-r0-seize", "confirmed", By("jan", "looked", 5 * NS_PER_S))
        node.run(3)
        assert kept(folder, "verdict") == {"h-r0-seize": 1}
        verdicts.verify(store, tmp_path / "state", "h-r0-seize", "not this vehicle", By("jan", "again", 6 * NS_PER_S))
        add(store, "r1", corrects="r0")
        node.run(10)
    assert body_of(folder, "verdict", "h-r0-seize")["verdict"]["verdict"] == "not this vehicle"
    assert body_of(folder, "read", "r1")["read"]["corrects"] == "r0"


def test_a_read_whose_time_was_corrected_replaces_itself(store: Database, tmp_path: Path) -> None:
    start = {"started_ns": 0, "boot_id": "b", "offset_ns": 0, "reads_before": 0, "node_id": "n",
             "software_version": "0", "model_id": "m"}  # fmt: skip
    note_start(store, start)
    add(store, "r0", clock=ClockState("free", 0, 0))
    folder = tmp_path / "sink"
    with sink(folder) as url, _node(tmp_path, url) as node:
        node.run(10)
        assert correct_times(store, "b", 77 * NS_PER_S, presets()["BE"], NS_PER_S) == 1
        node.run(10)
    body = body_of(folder, "read", "r0")
    assert (body["rev"], body["read"]["first_seen_ns"]) == (1, (NOW_S + 77) * NS_PER_S)


def test_the_message_by_sms_is_called_off_when_a_sink_has_the_hit(store: Database, tmp_path: Path) -> None:
    add(store, "r0", hit("r0"))
    plan = Plan(always=500)
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node:
        node.run(60)
        assert outbox(store)["sms"] == 1
        plan.always = None
        node.run(400)
    assert outbox(store)["sms"] == 0


# silence


def test_a_silent_hit_is_sent_at_once_and_leaves_no_line(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = Plan(refuse={"h-r1-discreet": "no such list"})
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node, caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        node.run(2)
        add(store, "r0", hit("r0", "discreet", "silent"))
        node.run(0.4)
        assert ("hit", "h-r0-discreet") in plan.taken
        add(store, "r1", hit("r1", "discreet", "silent"))
        plan.script = ["500", "reset before"]
        node.run(1)
        assert caplog.text == ""


def test_retrospective_hits_of_another_process_are_noticed(store: Database, tmp_path: Path) -> None:
    """`hotlist import` runs beside the node; what it finds is in the store and nowhere else."""
    settings = settings_for(tmp_path / "state")
    put_list(store, settings, "vrm,category\n1ABC123,seize\n")
    add(store, "r0")
    plan = Plan()
    with running(HostileServer(plan)) as server, _node(tmp_path, server.url) as node:
        node.run(2)
        with store.atomic():
            add_hits(store, [hit("r0", match="retrospective")], 0)
        node.run(0.4)
    assert ("hit", "h-r0-seize") in plan.taken


def _node(tmp_path: Path, url: str, **options: object) -> Node:
    return Node(settings_for(tmp_path / "state", {"name": "zone", "url": url, **options}))
