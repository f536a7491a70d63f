"""What the installation says of a back office: the state that the uplink has written down, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from anpr_node.config import Settings, parse
from anpr_node.console.asked_steps import office_of
from anpr_node.store import outbox
from anpr_node.store.database import open_store
from anpr_node.units import NS_PER_S
from anpr_node.uplink.standing import standing

NOW_NS = 1_790_000_000 * NS_PER_S
SETTINGS = parse({"sinks": [{"name": "zone", "url": "https://zone.example/in"}]}, "node.toml")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with closing(open_store(tmp_path)) as database:
        yield database


def said(store: Database, settings: Settings = SETTINGS) -> list[tuple[str, str]]:
    return [office_of(sink) for sink in standing(store, settings, NOW_NS)["sinks"]]


def test_one_that_was_never_asked_is_in_doubt(store: Database) -> None:
    assert said(store) == [("WARN", "back office zone was not asked yet: repeat `install link` in a minute")]


def test_one_that_answers_is_well_and_one_that_fails_says_why(store: Database) -> None:
    with store.atomic():
        outbox.note_answer(store, "zone", NOW_NS)
    assert said(store) == [("OK", "back office zone answers")]
    with store.atomic():
        outbox.note_problem(store, "zone", "no route to host", NOW_NS)
    assert said(store) == [("FAIL", "back office zone fails: no route to host; see docs/uplink.md")]


def test_where_none_is_named_nothing_is_said(store: Database) -> None:
    assert said(store, parse({}, "node.toml")) == []
