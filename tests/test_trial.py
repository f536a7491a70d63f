"""While an update is on trial, the store stays one that the version before can use."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from anpr_node.store import database as opening
from anpr_node.store.database import migrate, open_store
from anpr_node.store.schema import AFTER_CONFIRMATION, migrations

RELEASED = ("first_tables", "supervision_tables", "record_tables", "sealed_lists", "outbox_tables", "sms_tables")
"""What the first image brings: nobody can fall back to before it."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Migrations:
    """One step that the version before can live with, one that it cannot, one after that."""
    made = Migrations("anpr_node")

    @made()
    def read_table(database: Database) -> None:
        database.execute("CREATE TABLE read (vrm TEXT) STRICT")

    @made()
    def one_more_column(database: Database) -> None:
        database.execute("ALTER TABLE read ADD COLUMN lane TEXT")

    @made()
    def column_gone(database: Database) -> None:
        database.execute("ALTER TABLE read DROP COLUMN vrm")

    @made()
    def another_table(database: Database) -> None:
        database.execute("CREATE TABLE other (a TEXT) STRICT")

    monkeypatch.setattr(opening, "migrations", made)
    return made


def columns(database: Database) -> set[str]:
    return {row[1] for row in database.execute("PRAGMA table_info(read)")}


def old_store() -> Database:
    database = Database(memory=True)
    first = Migrations("anpr_node")

    @first()
    def read_table(database: Database) -> None:
        database.execute("CREATE TABLE read (vrm TEXT) STRICT")

    first.apply(database)
    return database


def test_on_trial_what_the_version_before_needs_stays(steps: Migrations) -> None:
    database = old_store()
    migrate(database, on_trial=True, waiting=("column_gone",))
    assert columns(database) == {"vrm", "lane"}
    migrate(database, on_trial=False, waiting=("column_gone",))  # confirmed
    assert columns(database) == {"lane"}
    assert database["other"].exists()


def test_a_new_store_has_no_version_before(steps: Migrations) -> None:
    database = Database(memory=True)
    migrate(database, on_trial=True, waiting=("column_gone",))
    assert columns(database) == {"lane"}


def test_the_trial_is_read_from_where_the_start_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "TRIAL", tmp_path / "trial")
    (tmp_path / "trial").touch()
    open_store(tmp_path / "state").close()  # a new one is made whole all the same


def shape(database: Database) -> dict[tuple[str, str], tuple[int, object]]:
    """Every column there is: whether it must be filled, and with what if nobody says."""
    return {
        (table, row[1]): (row[3], row[4])
        for table in database.table_names()
        for row in database.execute(f"PRAGMA table_info({table})")
    }


def test_every_step_since_the_first_image_only_adds_or_waits() -> None:
    database = Database(memory=True)
    names = [step.name for step in migrations.pending(database)]
    assert tuple(names[: len(RELEASED)]) == RELEASED
    for name, after in zip(names, [*names[1:], None], strict=True):
        before = shape(database)
        migrations.apply(database, stop_before=after)
        if name in RELEASED or name in AFTER_CONFIRMATION:
            continue
        now = shape(database)
        assert before.keys() <= now.keys(), f"{name} takes away what the version before reads; see AFTER_CONFIRMATION"
        tables = {table for table, _ in before}
        forced = [place for place in now.keys() - before.keys() if place[0] in tables and now[place] == (1, None)]
        assert not forced, f"{name} wants filled what the version before does not know: {forced}"
