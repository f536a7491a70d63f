"""A damaged store: found, set aside, salvaged row by row around the damage, and the node goes on."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from makers import evidence, put_list, read

from anpr_node.config import Settings, parse
from anpr_node.errors import StoreDamaged, StoreError
from anpr_node.hotlist.matching import Sighting, open_matcher
from anpr_node.policy import presets
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store import recovery, retention, room
from anpr_node.store.database import FILE_NAME, PAGE_BYTES, figures, open_store
from anpr_node.store.events import Event, add_events
from anpr_node.store.key import KEY_NAME, new_key
from anpr_node.store.reads import add_read, load_evidence
from anpr_node.units import NS_PER_DAY

ENTRY = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))
TERMS = presets()["BE"]
PAGE = PAGE_BYTES
READS = 300


def settings_of(folder: Path) -> Settings:
    return parse({"store": {"folder": str(folder)}}, "test")


def fill(folder: Path, reads: int = READS) -> None:
    with closing(open_store(folder)) as store:
        store.execute("PRAGMA synchronous=OFF")
        put_list(store, settings_of(folder), "vrm,category\n1ABC123,seize\n", "stolen")
        for n in range(reads):
            hits = [Hit(f"h{n}", f"r{n}", ENTRY, "exact", n)] if n % 10 == 0 else []
            add_read(store, read(f"1AB{n:04}", f"r{n}", at_s=1000 + n), encode(evidence()), hits)
        rows = "SELECT NULL, hit_id, '+32470123456', 0, 'delivered', 0, 0, 1, 7, 1, 2 FROM hit"
        store.execute(f"INSERT INTO sms {rows}")
        store.execute("UPDATE hit SET verdict = 'confirmed', verified_by = 'jan', relay_latency_us = 9")
        store.conn.commit()


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    state = folder / "state"
    state.mkdir()
    if request.param == "encrypted":
        new_key(folder / "key")
        (state / KEY_NAME).symlink_to(folder / "key")
    fill(state)
    return state


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "state", symlinks=True))


def overwrite(path: Path, at: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(random.Random(at).randbytes(length))


def test_a_sound_store_is_left_alone(folder: Path) -> None:
    before = (folder / FILE_NAME).read_bytes()
    assert recovery.make_sound(folder, 0, TERMS) is None
    assert (folder / FILE_NAME).read_bytes() == before


def test_a_folder_without_a_store_is_sound(tmp_path: Path) -> None:
    assert recovery.make_sound(tmp_path / "nothing", 0, TERMS) is None


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_damage_in_the_middle_costs_what_lay_there_and_no_more(folder: Path, share: float) -> None:
    path = folder / FILE_NAME
    at = round(path.stat().st_size * share) // PAGE * PAGE
    overwrite(path, at, 3 * PAGE)
    result = recovery.make_sound(folder, 1_767_225_600_000_000_000, TERMS)
    assert result is not None
    assert result.aside.name == "damaged-20260101T000000"
    assert (result.aside / FILE_NAME).exists()
    with closing(open_store(folder)) as store:
        while not recovery.salvage_pictures(folder, store, TERMS, 0):
            pass
        assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        reads = store.execute("SELECT count(*) FROM read").fetchone()[0]
        pictures = store.execute("SELECT count(*) FROM evidence").fetchone()[0]
        assert reads >= READS - 40
        assert pictures >= 2 * (READS - 60)
        with closing(open_matcher(store, settings_of(folder))) as matcher:
            assert matcher.match(Sighting("1ABC123", "B", 1.0, (), 0)), "the lists in force stay so"
        judged = store.execute("SELECT verdict, verified_by, relay_latency_us FROM shown_hit").fetchall()
        assert set(judged) == {("confirmed", "jan", 9)}
        messages = store.execute("SELECT count(*), count(DISTINCT hit_id) FROM sms").fetchone()
        assert messages[0] == messages[1] > len(judged) - 10, "no message is sent again for a damaged page"
        assert figures(store)["damaged_stores"] == 1
        assert figures(store)["salvaged_reads"] >= reads
        add_read(store, read("1ABC123", "new", at_s=5000), encode(evidence()), [])
        kept = [row[0] for row in store.execute("SELECT read_id FROM evidence WHERE kind = 'patch'")]
        assert all(load_evidence(store, read_id, "patch") for read_id in kept)
    assert recovery.make_sound(folder, 0, TERMS) is None


def test_a_file_whose_beginning_is_gone_gives_an_empty_store_and_is_kept(folder: Path) -> None:
    overwrite(folder / FILE_NAME, 0, 2 * PAGE)
    result = recovery.make_sound(folder, 0, TERMS)
    assert result is not None
    assert sum(result.rows.values()) == 0
    with closing(open_store(folder)) as store:
        assert store.execute("SELECT count(*) FROM read").fetchone()[0] == 0
    assert (result.aside / FILE_NAME).stat().st_size > READS * 1000


def test_a_file_cut_short_is_salvaged_as_far_as_it_goes(folder: Path) -> None:
    os.truncate(folder / FILE_NAME, (folder / FILE_NAME).stat().st_size * 2 // 3)
    result = recovery.make_sound(folder, 0, TERMS)
    assert result is not None
    assert result.rows["read"] > 20


def test_many_random_damages_never_leave_a_store_that_does_not_open(tmp_path: Path) -> None:
    rng = random.Random(5)
    fill(tmp_path / "whole", 60)
    content = (tmp_path / "whole" / FILE_NAME).read_bytes()
    for n in range(15):
        state = tmp_path / str(n)
        state.mkdir()
        (state / FILE_NAME).write_bytes(content)
        for _ in range(rng.randrange(1, 6)):
            overwrite(state / FILE_NAME, rng.randrange(len(content)), rng.randrange(1, 9000))
        recovery.make_sound(state, n, TERMS)
        with closing(open_store(state)) as store:
            assert store.execute("PRAGMA quick_check").fetchone()[0] == "ok"
            add_read(store, read(read_id="new"), encode(evidence()), [])


def test_the_wrong_key_or_none_is_no_damage(tmp_path: Path) -> None:
    """Nothing may be set aside because somebody forgot the key."""
    from anpr_node.store.encrypting import encrypt

    state = tmp_path / "state"
    encrypt(state, tmp_path / "key")
    before = (state / FILE_NAME).read_bytes()
    (state / KEY_NAME).unlink()
    with pytest.raises(StoreError, match="bring the key back"):
        recovery.make_sound(state, 0, TERMS)
    new_key(tmp_path / "other")
    (state / KEY_NAME).symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="not the key"):
        recovery.make_sound(state, 0, TERMS)
    with pytest.raises(StoreError, match="not the key"):
        open_store(state)
    assert (state / FILE_NAME).read_bytes() == before


def test_damage_seen_while_running_is_remembered(folder: Path) -> None:
    recovery.mark_damaged(folder)
    result = recovery.make_sound(folder, 0, TERMS)
    assert result is not None
    assert (result.problem, result.rows["read"]) == ("seen while running", READS)
    assert recovery.make_sound(folder, 0, TERMS) is None


def test_writing_into_a_broken_file_is_told_from_a_full_card(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        roots = [r[0] for r in raw.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name IN ('read', 'evidence')")]
    for root in roots:
        overwrite(tmp_path / FILE_NAME, (root - 1) * PAGE, PAGE)
    with closing(open_store(tmp_path)) as store, pytest.raises(StoreDamaged, match="set"):
        add_read(store, read(read_id="new"), encode(evidence()), [])


def test_a_key_laid_beside_a_plain_store_is_no_damage(tmp_path: Path) -> None:
    fill(tmp_path / "state", 3)
    new_key(tmp_path / "state" / KEY_NAME)
    for use in (lambda: recovery.make_sound(tmp_path / "state", 0, TERMS), lambda: open_store(tmp_path / "state")):
        with pytest.raises(StoreError, match="store encrypt"):
            use()


def test_a_store_made_with_a_key_remembers_which(tmp_path: Path) -> None:
    tmp_path.joinpath("state").mkdir()
    new_key(tmp_path / "state" / KEY_NAME)
    open_store(tmp_path / "state").close()
    (tmp_path / "state" / KEY_NAME).unlink()
    new_key(tmp_path / "state" / KEY_NAME)
    with pytest.raises(StoreError, match="not the key"):
        recovery.make_sound(tmp_path / "state", 0, TERMS)


def test_an_interrupted_encryption_is_finished_by_calling_it_again(tmp_path: Path) -> None:
    from anpr_node import audit
    from anpr_node.store.encrypting import encrypt

    state, key = tmp_path / "state", tmp_path / "key"
    fill(state, 5)
    audit.append(state, audit.Entry("jan", "search"))
    encrypt(state, key)
    (state / KEY_NAME).unlink()  # as if the last step had been cut off
    with pytest.raises(StoreError, match="bring the key back"):
        open_store(state)
    encrypt(state, key)
    with pytest.raises(StoreError, match="already"):
        encrypt(state, key)
    with closing(open_store(state)) as store:
        assert store.execute("SELECT count(*) FROM read").fetchone() == (5,)
        assert store.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert audit.verify(state) == (2, []), "the audit's secret went with it"
    audit.append(state, audit.Entry("jan", "search"))
    assert audit.verify(state) == (3, [])
    assert (state / "audit.secret").stat().st_size > 32


def test_a_salvage_that_is_interrupted_goes_on_at_the_next_start(folder: Path) -> None:
    """Killed among the tables, and then among the pictures."""
    recovery.mark_damaged(folder)
    result = recovery.make_sound(folder, 0, TERMS)
    assert result is not None
    with closing(open_store(folder)) as store:
        store.execute("DELETE FROM read WHERE read_id > 'r2'")
        store.conn.commit()
    (result.aside / recovery.TODO).write_text(recovery.TABLES)
    again = recovery.make_sound(folder, 0, TERMS)
    assert again is not None
    assert (again.aside, again.problem) == (result.aside, "its salvage was interrupted")
    with closing(open_store(folder)) as store:
        assert store.execute("SELECT count(*) FROM read").fetchone() == (READS,)
        for _ in range(3):
            assert not recovery.salvage_pictures(folder, store, TERMS, 0)
        assert store.execute("SELECT count(*) FROM evidence").fetchone() == (60,)
    with closing(open_store(folder)) as store:
        while not recovery.salvage_pictures(folder, store, TERMS, 0):
            pass
        assert store.execute("SELECT count(*) FROM evidence").fetchone() == (2 * READS,)
        assert figures(store)["salvaged_pictures"] == 2 * READS
    assert recovery.make_sound(folder, 0, TERMS) is None


class PowerCut(Exception):
    """The supply goes."""


@pytest.mark.parametrize("at", ["_salvage", "_take_away", "_count_salvaged"])
def test_a_power_cut_in_a_salvage_costs_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The mark says that the old store is damaged, never that the new one is."""
    with closing(open_store(folder)) as store:
        waiting = store.execute("SELECT kind, ref FROM outbox ORDER BY kind, ref").fetchall()
    recovery.mark_damaged(folder)

    def cut(*_: object) -> None:
        open_store(folder).close()
        raise PowerCut

    monkeypatch.setattr(recovery, at, cut)
    with pytest.raises(PowerCut):
        recovery.make_sound(folder, 0, TERMS)
    monkeypatch.undo()
    again = recovery.make_sound(folder, 60 * 10**9, TERMS)
    assert again is not None
    assert [aside.name for aside in recovery.set_aside_folders(folder)] == ["damaged-19700101T000000"]
    assert recovery.make_sound(folder, 120 * 10**9, TERMS) is None
    with closing(open_store(folder)) as store:
        assert store.execute("SELECT count(*) FROM read").fetchone() == (READS,)
        assert store.execute("SELECT kind, ref FROM outbox ORDER BY kind, ref").fetchall() == waiting


def test_two_stores_set_aside_are_brought_over_at_once_and_no_row_takes_the_number_of_another(tmp_path: Path) -> None:
    state = tmp_path / "state"
    waiting = set()
    for n in range(2):
        with closing(open_store(state)) as store:
            for m in range(3):
                add_read(store, read(read_id=f"r{n}{m}", at_s=1000 + n), encode(evidence()), [])
            add_events(store, [Event(n, "raised", "strobe_dead", "")])
            waiting |= set(store.execute("SELECT ref FROM outbox").fetchall())
        recovery.mark_damaged(state)
        recovery._set_aside(state, n)
    result = recovery.make_sound(state, 2, TERMS)
    assert result is not None
    assert len(recovery.set_aside_folders(state)) == 2
    with closing(open_store(state)) as store:
        assert len(waiting) == 6
        assert set(store.execute("SELECT ref FROM outbox").fetchall()) == waiting
        assert store.execute("SELECT count(*) FROM outbox").fetchone() == (6,)
        assert store.execute("SELECT count(*) FROM read").fetchone() == (6,)
        assert store.execute("SELECT count(*) FROM event").fetchone() == (2,)
        assert figures(store)["damaged_stores"] == 2
        while not recovery.salvage_pictures(state, store, TERMS, 0):
            pass
        assert store.execute("SELECT count(*) FROM evidence").fetchone() == (12,)


def test_an_overview_dropped_since_does_not_come_back_without_its_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut between the pictures and the note of how far they are: they come over twice."""
    recovery.mark_damaged(folder)
    assert recovery.make_sound(folder, 0, TERMS) is not None
    with closing(open_store(folder)) as store:

        def cut(*_: object) -> None:
            raise PowerCut

        monkeypatch.setattr(recovery, "_note_todo", cut)
        with pytest.raises(PowerCut):
            recovery.salvage_pictures(folder, store, TERMS, 0)
        monkeypatch.undo()
        assert store.execute("SELECT count(*) FROM evidence").fetchone() == (recovery.PICTURES_AT_ONCE,)
        dropped = room.make_room(store, folder, room.Limits(1, 0), 0, batches=1)
        assert dropped == {"dropped_overviews": recovery.PICTURES_AT_ONCE // 2}
        while not recovery.salvage_pictures(folder, store, TERMS, 0):
            pass
        pictures = store.execute("SELECT read_id, kind FROM evidence").fetchall()
        assert len(pictures) == 2 * READS - recovery.PICTURES_AT_ONCE // 2
        assert figures(store)["salvaged_pictures"] == 2 * READS, "none of them is counted twice"
        for read_id, kind in pictures:
            picture, digest = load_evidence(store, read_id, kind) or (b"", "")
            assert hashlib.sha256(picture).hexdigest() == digest


@pytest.mark.parametrize("name", [recovery.TODO, recovery.OLDEST])
def test_a_note_beside_a_damaged_store_that_cannot_be_written_is_an_error_of_the_store(
    tmp_path: Path, name: str
) -> None:
    """One that the keeper waits out; any other ends the node."""
    state = tmp_path / "state"
    fill(state, 1)
    recovery.mark_damaged(state)
    found = recovery.make_sound(state, 0, TERMS)
    assert found is not None
    (found.aside / f"{name}.new").mkdir()

    def keep_house() -> None:
        while not recovery.salvage_pictures(state, store, TERMS, 0):
            pass
        retention.delete_set_aside(state, TERMS, 0)

    with closing(open_store(state)) as store, pytest.raises(StoreError, match=f"{name} cannot be written"):
        keep_house()


def test_a_note_that_a_power_cut_left_empty_means_all_of_it(folder: Path) -> None:
    recovery.mark_damaged(folder)
    result = recovery.make_sound(folder, 0, TERMS)
    assert result is not None
    (result.aside / recovery.TODO).write_text("")
    with closing(open_store(folder)) as store:
        assert recovery.salvage_pictures(folder, store, TERMS, 0), "nothing is done about it while the node runs"
    assert recovery.make_sound(folder, 0, TERMS) is not None


def test_a_salvage_counts_nothing_that_a_silent_hit_alone_keeps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under terms that keep hits only every count of reads would be one of silent hits."""
    now_ns = 10 * NS_PER_DAY
    silent = HotlistEntry("l", "3GHI789", "B", "discreet", 80, "", "zone", None, None, ("silent",))
    with closing(open_store(tmp_path)) as store:
        add_read(store, read(read_id="r1"), encode(evidence()), [Hit("h1", "r1", ENTRY, "exact", 0)])
        add_read(store, read("3GHI789", "r2"), encode(evidence()), [Hit("h2", "r2", silent, "exact", 0)])
    recovery.mark_damaged(tmp_path)
    recovery.make_sound(tmp_path, now_ns, presets()["DE"])
    assert "salvaged: 1 reads, 1 hits" in caplog.text
    with closing(open_store(tmp_path)) as store:
        while not recovery.salvage_pictures(tmp_path, store, presets()["DE"], now_ns):
            pass
        assert store.execute("SELECT count(*) FROM read").fetchone() == (2,)
        assert store.execute("SELECT count(*) FROM evidence").fetchone() == (4,)
        assert figures(store) == {"damaged_stores": 1, "salvaged_reads": 1, "salvaged_pictures": 2}
