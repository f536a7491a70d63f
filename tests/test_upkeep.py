"""Alarms of what no frame shows: overdue lists and silent sinks, from a real store; and the LED that says so."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from anpr_node.config import Settings, parse
from anpr_node.store.database import open_store
from anpr_node.supervision.upkeep import LOOK_EVERY_S, SINK_SILENT_S
from anpr_node.upkeep import Caretaker

NS_PER_S = 1_000_000_000
NOW_NS = 1_767_225_600 * NS_PER_S


@pytest.fixture
def watched(tmp_path: Path) -> Settings:
    lists = {"stolen": {"max_age_h": 24.0}, "local": {}}
    sinks = [{"name": "zone", "url": "https://zone.example/ingest"}]
    return parse({"store": {"folder": str(tmp_path)}, "hotlists": {"lists": lists}, "sinks": sinks}, "test")


def test_an_overdue_list_is_one_alarm_until_it_is_delivered(watched: Settings) -> None:
    with closing(open_store(watched.state_folder)) as store:
        caretaker = Caretaker(watched, store)
        (alarm,) = caretaker.look(0, NOW_NS)
        assert (alarm.kind, alarm.detail, alarm.cleared_ns) == ("list_overdue", "stolen: no list is in force", None)
        assert alarm.advice.startswith("see `anpr-node hotlist status`")
        assert caretaker.look(1, NOW_NS) == []
        _deliver(store, "stolen", NOW_NS)
        later_ns = int(LOOK_EVERY_S * NS_PER_S)
        (over,) = caretaker.look(later_ns, NOW_NS + later_ns)
        assert (over.kind, over.raised_ns, over.cleared_ns) == ("list_overdue", NOW_NS, NOW_NS + later_ns)
        assert caretaker.alarms == ()
        day_ns = 25 * 3600 * NS_PER_S
        (again,) = caretaker.look(day_ns, NOW_NS + day_ns)
        assert again.detail == "stolen: 25.0 h old, 24 h allowed"


def test_a_sink_that_fails_for_minutes_is_an_alarm(watched: Settings) -> None:
    with closing(open_store(watched.state_folder)) as store:
        _deliver(store, "stolen", NOW_NS)
        store.execute("INSERT INTO sink_state (sink, failing_ns, problem) VALUES ('zone', ?, 'no route')", [NOW_NS])
        store.execute("INSERT INTO sink_state (sink, failing_ns, problem) VALUES ('gone', 1, 'no route')")
        caretaker, step_ns = Caretaker(watched, store), int(SINK_SILENT_S * NS_PER_S)
        assert caretaker.look(0, NOW_NS + step_ns - 1) == []
        (alarm,) = caretaker.look(step_ns, NOW_NS + step_ns)
        assert (alarm.kind, alarm.detail) == ("sink_silent", "zone")
        store.execute("UPDATE sink_state SET failing_ns = NULL")
        (over,) = caretaker.look(2 * step_ns, NOW_NS + 2 * step_ns)
        assert over.cleared_ns == NOW_NS + 2 * step_ns


def test_a_store_that_cannot_be_read_changes_nothing(watched: Settings) -> None:
    with closing(open_store(watched.state_folder)) as store:
        caretaker = Caretaker(watched, store)
        known = caretaker.look(0, NOW_NS)
        store.execute("ALTER TABLE hotlist RENAME TO hotlist_gone")
        assert caretaker.look(10**12, NOW_NS) == []
        assert [alarm.kind for alarm in caretaker.alarms] == [alarm.kind for alarm in known]


def _deliver(store: object, name: str, issued_ns: int) -> None:
    columns = {row[1]: row for row in store.execute("PRAGMA table_info(hotlist)")}  # type: ignore[attr-defined]
    values = {
        column: (b"" if kind == "BLOB" else 0 if kind == "INTEGER" else "")
        for column, (_, _, kind, *_) in columns.items()
    }
    values |= {"list_id": name, "issued_ns": issued_ns}
    marks = ", ".join(f":{column}" for column in values)
    store.execute(f"INSERT INTO hotlist ({', '.join(values)}) VALUES ({marks})", values)  # type: ignore[attr-defined]
