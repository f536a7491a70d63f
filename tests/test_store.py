"""The store: one transaction per read, settings that survive a power cut, and errors instead of half a read."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from makers import evidence, read
from sqlite_utils import Database

from anpr_node import audit
from anpr_node.errors import StoreDamaged, StoreError, StoreLogLost
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store.database import BUSY_TIMEOUT_S, FILE_NAME, open_store, use_store, writing
from anpr_node.store.finding import Criteria, find_reads
from anpr_node.store.key import secret_for
from anpr_node.store.reads import add_read, load_evidence

ENTRY = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))


def count(store: Database, table: str) -> int:
    return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_commit_survives_a_power_cut_by_its_settings(store: Database) -> None:
    assert store.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert store.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_every_table_of_ours_is_strict(store: Database) -> None:
    ours = {row[1] for row in store.execute("PRAGMA table_list") if row[5] == 1}
    assert {"read", "evidence", "outbox", "hotlist", "hit", "figure", "person"} <= ours


def test_a_read_comes_with_evidence_hits_and_outbox(store: Database) -> None:
    add_read(store, read(), encode(evidence()), [Hit("h1", "r1", ENTRY, "exact", 5)])
    assert [count(store, table) for table in ("read", "evidence", "hit", "outbox")] == [1, 2, 1, 2]
    assert [row[0] for row in store.execute("SELECT kind FROM outbox ORDER BY item_id")] == ["hit", "read"]


def test_stored_pictures_carry_their_hash(store: Database) -> None:
    import hashlib

    add_read(store, read(), encode(evidence()), [])
    for kind in ("patch", "overview"):
        found = load_evidence(store, "r1", kind)
        assert found is not None
        assert hashlib.sha256(found[0]).hexdigest() == found[1]
    assert load_evidence(store, "nobody", "patch") is None


def test_a_read_that_fails_halfway_leaves_nothing(store: Database) -> None:
    add_read(store, read(), encode(evidence()), [Hit("h1", "r1", ENTRY, "exact", 5)])
    with pytest.raises(StoreError, match="r2 not stored"):
        add_read(store, read(read_id="r2"), encode(evidence()), [Hit("h1", "r2", ENTRY, "exact", 5)])
    assert [count(store, table) for table in ("read", "evidence", "hit", "outbox")] == [1, 2, 1, 2]


def test_a_full_card_is_an_error_and_nothing_is_half_written(store: Database) -> None:
    pages = store.execute("PRAGMA page_count").fetchone()[0]
    store.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreError, match="full"):
        add_read(store, read(), encode(evidence()), [])
    assert count(store, "read") == 0
    store.execute("PRAGMA max_page_count=1000000")
    add_read(store, read(), encode(evidence()), [])
    assert count(store, "read") == 1


@pytest.mark.parametrize("stands_a_new_one", [False, True])
def test_nothing_is_written_into_a_deleted_log(store: Database, tmp_path: Path, stands_a_new_one: bool) -> None:
    log = tmp_path / "state" / f"{FILE_NAME}-wal"
    add_read(store, read(), encode(evidence()), [])
    log.unlink()
    if stands_a_new_one:  # as whoever opens the store now makes it
        log.touch()
    with pytest.raises(StoreLogLost):
        add_read(store, read("1ABC124", "r2"), encode(evidence()), [])
    assert count(store, "read") == 1
    file_alone_uri = f"file:{log.with_name(FILE_NAME)}?immutable=1"
    with closing(sqlite3.connect(file_alone_uri, uri=True)) as file_alone:
        assert file_alone.execute("SELECT count(*) FROM read").fetchone() == (1,)


def test_another_process_sees_only_whole_reads(store: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "state" / FILE_NAME)
    with store.atomic():
        add_read(store, read(), encode(evidence()), [])
        assert other.execute("SELECT count(*) FROM read").fetchone()[0] == 0
    assert other.execute("SELECT count(*) FROM read").fetchone()[0] == 1
    other.close()


def test_a_store_opens_while_another_process_writes(tmp_path: Path) -> None:
    writer = open_store(tmp_path)
    assert writer.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    writer.execute("BEGIN IMMEDIATE")
    began_s = time.monotonic()
    open_store(tmp_path).close()
    assert time.monotonic() - began_s < BUSY_TIMEOUT_S, "it does not wait for the writer"
    writer.close()


def test_opening_twice_migrates_once(tmp_path: Path) -> None:
    first = open_store(tmp_path)
    applied = count(first, "_sqlite_migrations")
    first.close()
    again = open_store(tmp_path)
    assert count(again, "_sqlite_migrations") == applied > 0
    again.close()


def test_a_new_store_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    for attempt in range(10):
        ready = threading.Barrier(6)

        def first_open(folder: Path = tmp_path / str(attempt), ready: threading.Barrier = ready) -> None:
            ready.wait()
            open_store(folder).close()

        with ThreadPoolExecutor(6) as pool:
            for opened in [pool.submit(first_open) for _ in range(6)]:
                opened.result()


def test_damage_that_shows_late_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="anpr-node check"), use_store(tmp_path) as database:
        database.execute("SELECT * FROM nowhere")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all, and long enough to look like one" * 100)
    with pytest.raises(StoreDamaged, match=r"cannot open .*start the node: it sets the file aside"):
        open_store(tmp_path)


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="writable"):
        open_store(tmp_path / "file" / "state")


def test_searching(store: Database) -> None:
    for n, vrm in enumerate(("1ABC123", "1ABX123", "WOBDE77")):
        add_read(store, read(vrm, f"r{n}", at_s=1000 + n), encode(evidence()), [])
    add_read(store, read("1AEX123", "r9", at_s=1001, corrects="r1"), encode(evidence()), [])
    find = lambda **wanted: [r.vrm for r in find_reads(store, Criteria(**wanted))]  # noqa: E731
    assert find(pattern="1ABC123") == ["1ABC123"]
    assert find(pattern="1A?X*") == ["1AEX123"], "the corrected row is not shown any more"
    assert find(pattern="*") == ["WOBDE77", "1AEX123", "1ABC123"]
    assert find(pattern="*", from_ns=1001 * 10**9, to_ns=1002 * 10**9) == ["1AEX123"]
    assert find(pattern="*", country="NL") == []
    assert find(pattern="*", limit=1) == ["WOBDE77"]


@pytest.mark.parametrize("made_by", [
    lambda folder: open_store(folder).close(),
    lambda folder: audit.append(folder, audit.Entry("jan", "search")),
    lambda folder: secret_for(folder, "lists"),
], ids=["store", "audit", "key"])  # fmt: skip
def test_a_new_record_is_closed_to_other_accounts(tmp_path: Path, made_by: Callable[[Path], object]) -> None:
    before = os.umask(0o022)
    try:
        made_by(tmp_path / "home" / "state")
    finally:
        os.umask(before)
    assert (tmp_path / "home" / "state").stat().st_mode & 0o777 == 0o700


def test_what_reads_before_it_writes_is_not_overtaken(tmp_path: Path, store: Database) -> None:
    def read_then_write(transaction: AbstractContextManager[object], between: Callable[[], object]) -> None:
        with transaction:
            other.execute("SELECT count(*) FROM person").fetchone()
            between()
            other.execute("DELETE FROM person")

    def overtake() -> None:
        add_read(store, read(), encode(evidence()), [])

    store.execute("PRAGMA busy_timeout=0")
    with closing(open_store(tmp_path / "state")) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            read_then_write(other.atomic(), overtake)  # why `writing` is there
        with pytest.raises(StoreError):
            read_then_write(writing(other), overtake)
        read_then_write(writing(other), lambda: None)
        assert count(store, "read") == 1
