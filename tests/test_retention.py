"""Retention and room: right to the day, hits longer, undelivered last, and nothing left of what went."""

from __future__ import annotations

import os
import random
import re
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from makers import NS_PER_S, evidence, read
from sqlite_utils import Database

from anpr_node import audit
from anpr_node.cli import main
from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import Discipline, LinuxClocks, SimulatedClock
from anpr_node.errors import ConfigError, StoreError
from anpr_node.keeper import FIRST_PURGE_S, PATIENCE_S, PURGE_EVERY_S, SCRUB_EVERY_S, SETTLE_S, Keeper, leap_s
from anpr_node.policy import Terms, presets
from anpr_node.recorder import encode
from anpr_node.records import ClockState, Hit, HotlistEntry
from anpr_node.store import recovery, retention, room, wal
from anpr_node.store.database import FILE_NAME, figures, open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.reads import EncodedEvidence, add_read
from anpr_node.store.room import Limits
from anpr_node.store.scrub import Scrubber

ENTRY = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))
DAY_S = 86_400
TERMS = Terms(10, 20, True, False, True, "test", "")
START_S = 1_767_225_600
PLATE = re.compile(rb"7[A-Z]{3}[0-9]{3}")


def add(store: Database, read_id: str, day: float, *, hit: bool = False, **changes: object) -> None:
    made = read(read_id=read_id, at_s=START_S + day * DAY_S, **changes)
    hits = [Hit(f"h-{read_id}", read_id, ENTRY, "exact", made.last_seen_ns)] if hit else []
    add_read(store, made, encode(evidence()), hits)


def day(n: float) -> int:
    return int((START_S + n * DAY_S) * NS_PER_S)


def ids(store: Database) -> list[str]:
    return [row[0] for row in store.execute("SELECT read_id FROM read ORDER BY read_id")]


def rows(store: Database, table: str) -> int:
    return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("name", presets())
def test_every_preset_has_its_source_and_says_what_is_in_doubt(name: str) -> None:
    terms = presets()[name]
    assert len(terms.source) > 30
    assert terms.doubt
    assert terms.hits_days >= terms.reads_days


def test_the_presets_are_those_of_the_law() -> None:
    kept = {name: (t.reads_days, t.hits_days, t.gate_days, t.store_non_hits) for name, t in presets().items()}
    assert kept == {
        "BE": (365, 365, 30, True),
        "NL": (28, 28, 0, True),
        "FR": (15, 30, None, True),
        "UK": (365, 365, 90, True),
        "DE": (0, 2, 0, False),
    }


def test_a_site_may_keep_less_and_never_more() -> None:
    assert parse({"policy": {"preset": "FR", "reads_days": 3}}, "t").policy.terms.reads_days == 3
    assert parse({"policy": {"preset": "FR", "reads_days": 90}}, "t").policy.terms.reads_days == 15
    with pytest.raises(ConfigError, match="hits_days"):
        parse({"policy": {"preset": "FR", "hits_days": 3}}, "t")


def test_reads_go_on_their_day_and_hits_on_theirs(store: Database) -> None:
    add(store, "r1", 0)
    add(store, "r2", 0, hit=True)
    add(store, "r3", 1)
    assert retention.purge(store, TERMS, day(10)) == 0
    assert retention.purge(store, TERMS, day(10) + 1) == 1
    assert ids(store) == ["r2", "r3"]
    assert retention.purge(store, TERMS, day(19.999)) == 1
    assert ids(store) == ["r2"]
    assert retention.purge(store, TERMS, day(20) + 1) == 1
    assert [rows(store, table) for table in ("read", "evidence", "hit", "outbox")] == [0, 0, 0, 0]
    assert figures(store)["purged_reads"] == 3
    assert figures(store)["purged_undelivered_reads"] == 3


def test_a_corrected_hit_keeps_its_correction_as_long(store: Database) -> None:
    """Else the hit that was wrong would stand there as if it were right."""
    add(store, "r1", 0, hit=True)
    add(store, "r2", 0, corrects="r1")
    add(store, "r3", 0, corrects="r2")
    assert retention.purge(store, TERMS, day(15)) == 0
    assert retention.purge(store, TERMS, day(21)) == 3


def test_what_is_interrupted_goes_on(store: Database) -> None:
    for n in range(50):
        add(store, f"r{n:02}", 0)
    assert retention.purge(store, TERMS, day(11), batches=1) == retention.BATCH
    assert rows(store, "read") == 50 - retention.BATCH
    assert retention.purge(store, TERMS, day(11)) == 50 - retention.BATCH


def test_a_correction_outlives_what_it_corrected_by_a_batch(store: Database) -> None:
    add(store, "r1", 0)
    add(store, "r2", 5, corrects="r1")
    retention.purge(store, TERMS, day(11))
    assert store.execute("SELECT read_id, corrects FROM read").fetchall() == [("r2", None)]


def traces(folder: Path, store: Database, plates: set[bytes]) -> set[bytes]:
    """Those plates that are in no row any more and still somewhere in the folder's files."""
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    live = {row[0].encode() for row in store.execute("SELECT vrm FROM read")}
    return (set(PLATE.findall(content)) & plates) - live  # noise, as that of closed pictures, looks like others


def fill_and_purge(store: Database) -> set[bytes]:
    """A random plate an hour for a hundred days, hits among them; purged day by day. Returns the plates."""
    store.execute("PRAGMA synchronous=OFF")  # what is asked here does not depend on it
    rng, plates = random.Random(4), set()
    for n in range(2400):
        vrm = "7" + "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3)) + f"{rng.randrange(1000):03}"
        plates.add(vrm.encode())
        made = read(vrm, f"r{n:04}", START_S + n * 3600, flags=(f"corrected_from:{vrm}",))
        hits = [Hit(f"h{n}", made.read_id, ENTRY, "exact", 0)] if n % 7 == 0 else []
        add_read(store, made, EncodedEvidence(None, None), hits)
        if n % 24 == 23:
            retention.purge(store, TERMS, day(n / 24))
    return plates


def test_nothing_is_left_of_purged_plates(store: Database, tmp_path: Path) -> None:
    """By the bytes of every file. Before the scrubbing there is: the test can fail."""
    folder = tmp_path / "state"
    plates = fill_and_purge(store)
    assert 0 < rows(store, "read") < 300
    assert traces(folder, store, plates), "the log holds everything"
    assert wal.leave_no_trace(store)
    left = traces(folder, store, plates)
    assert 0 < len(left) < 100, "what SQLite leaves in the gaps"
    scrubber = Scrubber(store, folder)
    while not scrubber.scrub(slice_pages=50):
        pass
    scrubber.finish()
    assert wal.leave_no_trace(store)
    assert traces(folder, store, plates) == set()
    assert scrubber.cleaned > 0
    assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_file_that_becomes_shorter_between_two_slices_is_scrubbed_to_its_new_end(
    store: Database, tmp_path: Path
) -> None:
    """As by `anpr-node purge` beside a node that is at its daily scrubbing."""
    folder = tmp_path / "state"
    for n in range(3):
        add_read(store, read(read_id=f"r{n}", at_s=START_S), EncodedEvidence(None, bytes(1_000_000)), [])
    scrubber = Scrubber(store, folder)
    assert not scrubber.scrub(slice_pages=1)
    with closing(open_store(folder)) as other:
        assert retention.purge(other, TERMS, day(30)) == 3
        wal.shrink(other)
        assert wal.leave_no_trace(other)
    assert (folder / FILE_NAME).stat().st_size < 1_000_000
    while not scrubber.scrub(slice_pages=10):
        assert scrubber.went_on
    scrubber.finish()


def test_scrubbing_between_writes_of_another_connection_changes_no_row(store: Database, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    plates = fill_and_purge(store)
    before = store.execute("SELECT * FROM read ORDER BY read_id").fetchall()
    with closing(open_store(folder)) as other:
        scrubber = Scrubber(other, folder)
        n = 0
        while not scrubber.scrub(slice_pages=10):
            add(store, f"s{n:03}", 101, vrm="WOBDE77")
            n += 1
    assert n >= 4, "several slices, with a commit of another between them"
    assert store.execute("SELECT * FROM read WHERE read_id < 's' ORDER BY read_id").fetchall() == before
    assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    wal.leave_no_trace(store)
    assert traces(folder, store, plates) == set()


def test_an_encrypted_store_holds_no_plate_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    encrypt(folder, tmp_path / "key")
    with closing(open_store(folder)) as store:
        plates = fill_and_purge(store)
        content = b"".join(file.read_bytes() for file in folder.iterdir())
        assert set(PLATE.findall(content)) & plates == set()  # noise looks like some plate once in 100 times
        assert b"corrected_from" not in content
        assert Scrubber(store, folder).scrub()


def test_a_file_that_goes_while_the_record_is_measured_counts_nothing(store: Database, tmp_path: Path) -> None:
    """A damaged store that `anpr-node purge` deletes meanwhile: its name was found, and then it is not there."""
    aside = tmp_path / "state" / "damaged-20260101T000000"
    before = room.excess(store, tmp_path / "state", Limits(1, 0))
    aside.mkdir()
    (aside / "salvage").write_bytes(bytes(100))
    (aside / FILE_NAME).symlink_to(aside / "gone")
    assert room.excess(store, tmp_path / "state", Limits(1, 0)) == before + 100


@pytest.mark.parametrize("how", ["purge", "scrub"])
def test_a_long_log_is_in_the_file_before_the_store_is_held_to_empty_it(
    store: Database, tmp_path: Path, how: str
) -> None:
    """While it is emptied nobody writes, and a hit waits: nothing may be left to be written then."""
    folder = tmp_path / "state"
    store.execute("PRAGMA wal_autocheckpoint=0")
    add_read(store, read(), EncodedEvidence(None, bytes(1_000_000)), [])
    assert (folder / FILE_NAME).stat().st_size < 1_000_000
    sizes: list[int] = []

    def look(statement: str) -> None:
        if "TRUNCATE" in statement:
            sizes.append((folder / FILE_NAME).stat().st_size)

    store.conn.set_trace_callback(look)
    assert wal.leave_no_trace(store) if how == "purge" else Scrubber(store, folder).scrub()
    assert sizes
    assert min(sizes) > 1_000_000


def test_room_is_given_back_to_the_card(store: Database, tmp_path: Path) -> None:
    fill(store, 60, delivered=0)
    wal.leave_no_trace(store)
    size = (tmp_path / "state" / FILE_NAME).stat().st_size
    retention.purge(store, TERMS, day(30))
    wal.shrink(store)
    wal.leave_no_trace(store)
    assert store.execute("PRAGMA freelist_count").fetchone()[0] == 0
    assert (tmp_path / "state" / FILE_NAME).stat().st_size < size / 5


def fill(store: Database, reads: int, *, delivered: int, hits: tuple[int, ...] = ()) -> None:
    for n in range(reads):
        add(store, f"r{n:03}", n / 1000, hit=n in hits)
        if n < delivered:
            store.execute("DELETE FROM outbox WHERE ref IN (?, ?)", [f"r{n:03}", f"h-r{n:03}"])
    store.conn.commit()


def limits(store: Database, folder: Path, less_bytes: int) -> Limits:
    used = room.excess(store, folder, Limits(0, 0))
    return Limits(used - less_bytes, 0)


@pytest.mark.parametrize(("actions", "stays"), [('["relay"]', True), ('["silent"]', False)])
def test_a_hit_outlasts_what_is_younger_and_a_silent_one_does_not_show_by_it(
    store: Database, tmp_path: Path, actions: str, stays: bool
) -> None:
    folder = tmp_path / "state"
    fill(store, 40, delivered=40, hits=(0,))
    store.execute("UPDATE hit SET actions = ?", [actions])
    store.conn.commit()
    wal.leave_no_trace(store)
    room.make_room(store, folder, limits(store, folder, 1), day(1), batches=3)
    kept = store.execute("SELECT count(*) FROM evidence WHERE read_id = 'r000'").fetchone()[0]
    assert bool(kept) == stays


def test_room_is_made_in_the_stated_order_and_counted(store: Database, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    fill(store, 100, delivered=40, hits=(5, 50))
    wal.leave_no_trace(store)
    states = []
    for _ in range(60):
        dropped = room.make_room(store, folder, limits(store, folder, 1), day(1), batches=1)
        if not dropped:
            break
        states += dropped
    assert list(dict.fromkeys(states)) == list(dict.fromkeys(s.name for s in room.STEPS))
    assert figures(store) == {
        "dropped_delivered_pictures": 78,
        "dropped_delivered_reads": 39,
        "dropped_delivered_hits": 1,
        "dropped_overviews": 60,
        "dropped_undelivered_reads": 60,
    }
    assert rows(store, "read") == rows(store, "outbox") == rows(store, "evidence") == 0


def test_a_hit_is_the_last_thing_to_go(store: Database, tmp_path: Path) -> None:
    fill(store, 45, delivered=0, hits=(0,))
    wal.leave_no_trace(store)
    folder = tmp_path / "state"
    while rows(store, "read") > 1:
        assert room.make_room(store, folder, limits(store, folder, 1), day(1), batches=1)
    assert ids(store) == ["r000"]


def test_delivered_pictures_go_first_and_only_as_many_as_needed(store: Database, tmp_path: Path) -> None:
    fill(store, 100, delivered=50)
    wal.leave_no_trace(store)
    folder = tmp_path / "state"
    room.make_room(store, folder, limits(store, folder, 100_000), day(1))
    assert rows(store, "read") == 100
    assert 100 < rows(store, "evidence") < 200
    undelivered = "SELECT count(*) FROM evidence WHERE read_id IN (SELECT ref FROM outbox)"
    assert store.execute(undelivered).fetchone()[0] == 100
    assert room.excess(store, folder, limits(store, folder, 0)) <= 0


def put_aside(folder: Path, moment_day: float, **reads: tuple[float, bool]) -> Path:
    """A store with reads of some days, hits among them, set aside as damaged and salvaged."""
    with closing(open_store(folder)) as store:
        for read_id, (taken_day, hit) in reads.items():
            add(store, read_id, taken_day, hit=hit)
    recovery.mark_damaged(folder)
    result = recovery.make_sound(folder, day(moment_day), TERMS)
    assert result is not None
    return result.aside


def finish(folder: Path, moment_day: float) -> None:
    with closing(open_store(folder)) as store:
        while not recovery.salvage_pictures(folder, store, TERMS, day(moment_day)):
            pass


def test_a_damaged_store_set_aside_goes_when_the_oldest_read_in_it_is_over_age(tmp_path: Path) -> None:
    aside = put_aside(tmp_path, 9, r1=(0, True), r2=(1, False), r3=(9, False))
    finish(tmp_path, 9)
    assert retention.delete_set_aside(tmp_path, TERMS, day(11)) == 0
    assert retention.delete_set_aside(tmp_path, TERMS, day(11) + 1) == 1, (
        "ten days after r2, not after the setting aside"
    )
    assert not aside.exists()


def test_a_hit_in_a_damaged_store_has_its_own_term(tmp_path: Path) -> None:
    put_aside(tmp_path, 9, r1=(0, True), r2=(15, False))
    finish(tmp_path, 9)
    assert retention.delete_set_aside(tmp_path, TERMS, day(20)) == 0
    assert retention.delete_set_aside(tmp_path, TERMS, day(20) + 1) == 1


def test_a_damaged_store_stays_until_it_is_salvaged(tmp_path: Path) -> None:
    """Set aside under a clock that was 400 days slow, it looks old enough at once."""
    put_aside(tmp_path, -400, r1=(-400, False))
    assert retention.delete_set_aside(tmp_path, TERMS, day(0)) == 0
    finish(tmp_path, 0)
    assert retention.delete_set_aside(tmp_path, TERMS, day(0)) == 1


def test_a_damaged_store_of_which_nothing_can_be_read_is_not_kept(tmp_path: Path) -> None:
    aside = tmp_path / "damaged-20260101T000000"
    aside.mkdir()
    (aside / FILE_NAME).write_bytes(b"7QZX001")
    assert retention.delete_set_aside(tmp_path, TERMS, day(1)) == 1
    assert not aside.exists()


def test_a_folder_that_somebody_else_named_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "damaged-20261101T000000.bak"
    other.mkdir()
    assert retention.delete_set_aside(tmp_path, TERMS, day(9000)) == 0
    assert other.exists()


class SyncedClock(SimulatedClock):
    """A simulated clock that a source may vouch for."""

    source = "free"

    def state(self) -> ClockState:
        return ClockState(self.source, 0.0, 0.0)

    def true_offset_ns(self) -> int | None:
        return None if self.source == "free" else self.utc_ns(0)


@pytest.fixture
def clock() -> SyncedClock:
    return SyncedClock(day(0))


def keep(keeper: Keeper, clock: SimulatedClock, seconds: float, ticks: int = 8) -> None:
    clock.advance_to(clock.monotonic_ns() + int(seconds * NS_PER_S))
    for _ in range(ticks):
        keeper.tick()


def test_the_keeper_purges_by_itself_and_writes_it_down(
    store: Database, settings: Settings, clock: SyncedClock
) -> None:
    add(store, "r1", 0.5)
    store.execute("PRAGMA synchronous=OFF")
    keeper = Keeper(store, settings, clock, "boot")
    for _ in range(365):
        keep(keeper, clock, DAY_S, ticks=3)
    assert ids(store) == ["r1"]
    keep(keeper, clock, DAY_S)
    assert ids(store) == []
    assert [(line.entry.action, line.entry.rows) for line in audit.read(settings.state_folder)] == [("purge", 1)]
    assert figures(store)["purges"] > 300


def test_a_free_clock_that_leaps_ahead_purges_nothing_for_a_day(
    store: Database, settings: Settings, clock: SyncedClock
) -> None:
    add(store, "r1", 0)
    keep(Keeper(store, settings, clock, "boot"), clock, FIRST_PURGE_S)
    wrong = SyncedClock(day(4000))
    keeper = Keeper(store, settings, wrong, "boot")
    keep(keeper, wrong, FIRST_PURGE_S)
    assert ids(store) == ["r1"]
    keep(keeper, wrong, PATIENCE_S / 2)
    assert ids(store) == ["r1"]
    wrong.source = "ntp"
    keep(keeper, wrong, PURGE_EVERY_S)
    keep(keeper, wrong, SETTLE_S)
    assert ids(store) == []


def test_a_leap_before_the_first_purge_shows_by_the_reads(
    store: Database, settings: Settings, clock: SyncedClock
) -> None:
    assert leap_s(store, clock) == 0, "nothing is there that could be deleted"
    add(store, "r1", -2)
    assert leap_s(store, clock) == 0
    wrong = SyncedClock(day(400))
    assert leap_s(store, wrong) == pytest.approx(402 * DAY_S)
    wrong.source = "ntp"
    assert leap_s(store, wrong) == 0


class LeaptClocks(LinuxClocks):
    """This machine's clocks, 400 days ahead, and nothing that vouches for them."""

    def realtime_ns(self) -> int:
        return super().realtime_ns() + 400 * DAY_S * NS_PER_S

    def discipline(self) -> Discipline:
        return Discipline(False, 0.0, 0)


def test_a_card_that_fails_under_the_scrubbing_stops_nothing_else(
    store: Database, settings: Settings, clock: SyncedClock
) -> None:
    """A real input/output error: of its own memory a process reads nothing at address 0."""
    add(store, "r1", 0.5)
    keeper = Keeper(store, settings, clock, "boot")
    with Path("/proc/self/mem").open("r+b", buffering=0) as broken:
        os.dup2(broken.fileno(), keeper._scrubber._handle or -1)
    with pytest.raises(StoreError, match="Input/output error; replace the card"):
        keep(keeper, clock, FIRST_PURGE_S)
    keep(keeper, clock, PURGE_EVERY_S)
    with pytest.raises(StoreError, match="Input/output error"):
        keep(keeper, clock, SCRUB_EVERY_S)
    assert figures(store)["purges"] == 3


def test_a_purge_by_hand_does_not_believe_a_clock_that_leaps(
    store: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node.toml").write_text(f'[store]\nfolder = "{settings.state_folder}"\n')
    add_read(store, read(read_id="r1", at_s=time.time() - 60), encode(evidence()), [])
    monkeypatch.setattr("anpr_node.drivers.clock.LinuxClocks", LeaptClocks)
    arguments = ["purge", "--config", str(tmp_path / "node.toml")]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 3, refused.output
    assert "400 days ahead" in refused.output
    assert ids(store) == ["r1"]
    assert CliRunner().invoke(main, [*arguments, "--believe-clock"]).exit_code == 0
    assert ids(store) == []
    entries = [line.entry for line in audit.read(settings.state_folder)]
    assert [(entry.action, entry.outcome) for entry in entries] == [("purge", "refused"), ("purge", "done")]
    assert entries[1].detail == {"believed_clock_days_ahead": 400}


def test_the_keeper_makes_room(tmp_path: Path, clock: SyncedClock) -> None:
    folder = tmp_path / "state"
    settings = parse({"store": {"folder": str(folder), "quota_mb": 50, "free_mb_min": 10}}, "t")
    with closing(open_store(folder)) as store:
        for n in range(40):
            made = read(read_id=f"r{n}", at_s=START_S + n)
            add_read(store, made, replace(encode(evidence()), overview_jpeg=bytes(2_000_000)), [])
        keeper = Keeper(store, settings, clock, "boot")
        for _ in range(10):
            keep(keeper, clock, 11)
        assert figures(store)["dropped_overviews"] >= 15
        assert rows(store, "read") == 40
