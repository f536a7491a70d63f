"""A discreet hit leaves no trace that anybody at the node could see: in search, export, status, figures or audit."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from makers import NS_PER_S, evidence, importer, put_list, read
from sqlite_utils import Database

from anpr_node import audit, search, status
from anpr_node import evidence as packages
from anpr_node.audit import By
from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.errors import AnprError
from anpr_node.hotlist import preview as previews
from anpr_node.hotlist import verdicts
from anpr_node.hotlist.lists import open_lists
from anpr_node.keeper import SETTLE_S, Keeper
from anpr_node.policy import presets
from anpr_node.recorder import encode
from anpr_node.records import ClockState, Hit, HotlistEntry
from anpr_node.store import retention
from anpr_node.store.database import figures, note_start, open_store
from anpr_node.store.finding import Criteria, find_reads, whole_read
from anpr_node.store.reads import add_read
from anpr_node.store.silence import count_shown
from anpr_node.units import NS_PER_DAY

NOW_NS = 100 * NS_PER_DAY


def entry(*actions: str, category: str = "discreet") -> HotlistEntry:
    return HotlistEntry("l", "1ABC123", "B", category, 80, "", "zone", None, None, actions)


def hit(read_id: str, entry: HotlistEntry, match: str = "exact") -> Hit:
    return Hit(f"h-{read_id}-{entry.category}", read_id, entry, match, NOW_NS)


def add(
    store: Database, read_id: str, *hits: Hit, days_ago: float = 1, vrm: str = "1ABC123", **changes: object
) -> None:
    at_s = (NOW_NS - days_ago * NS_PER_DAY) / NS_PER_S
    add_read(store, read(vrm, read_id, at_s=at_s, **changes), encode(evidence()), hits)


def ask(store: Database, folder: Path, preset: str, pattern: str = "*", category: str | None = None) -> list[str]:
    wanted = Criteria(pattern, category=category)
    query = search.Query("jan", wanted, "burglary", "LI/1", "order 7")
    answer = search.search(store, folder, query, presets()[preset], NOW_NS)
    return [found.read_id for found in answer.reads]


@pytest.fixture
def german(store: Database) -> Database:
    """What the recorder keeps where non-hits may not be kept: two hits, one of them silent, and its correction."""
    add(store, "r1", hit("r1", entry("relay", category="seize")))
    add(store, "r2", hit("r2", entry("silent")), vrm="3GHI789")
    add(store, "r3", vrm="", corrects="r2")
    return store


def test_a_read_that_only_a_silent_hit_keeps_is_not_found(german: Database, tmp_path: Path) -> None:
    assert ask(german, tmp_path, "DE") == ["r1"]
    assert ask(german, tmp_path, "DE", "3GHI789") == []
    assert sorted(ask(german, tmp_path, "BE")) == ["r1", "r3"], "where every read is kept it is one among them"


def test_it_does_not_make_a_search_be_refused(store: Database, tmp_path: Path) -> None:
    """Under a gate of no days a search that finds nothing says whether there are older reads."""
    query = search.Query("jan", Criteria("*"), "burglary", "LI/1", None)
    empty = search.search(store, tmp_path, query, presets()["DE"], NOW_NS)
    add(store, "r2", hit("r2", entry("silent")))
    assert search.search(store, tmp_path, query, presets()["DE"], NOW_NS) == empty


def test_it_is_not_exported(german: Database, tmp_path: Path) -> None:
    for read_id in ("r2", "r3", "nobody"):
        request = packages.Request("jan", read_id, "burglary", "LI/1", "order 7", "")
        with pytest.raises(AnprError, match=f"there is no read {read_id}"):
            packages.export(german, tmp_path, request, presets()["DE"], NOW_NS)


def test_it_is_not_previewed(german: Database, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "guess.csv"
    path.write_text("vrm,category\n3GHI789,seize\n1ABC123,seize\n")
    request = previews.Request("guess", path, settings.hotlists.of("guess"), 48)
    by = By("jan", "new list", NOW_NS, "ADM/8", "order 7")
    found = previews.preview(open_lists(german, settings), request, presets()["DE"], by)
    assert [past.read_id for past, _ in found] == ["r1"]


def test_it_is_not_counted(german: Database) -> None:
    shown = count_shown(german, presets()["DE"].only_hits_before_ns(NOW_NS))
    assert (shown.reads, shown.hits) == (1, 1)
    assert shown.outbox == 2, "a read and its hit"
    everything = count_shown(german, presets()["BE"].only_hits_before_ns(NOW_NS))
    assert (everything.reads, everything.hits, everything.outbox) == (2, 1, 4), "the reads, but not the silent hit"


def test_its_purge_is_not_counted(german: Database) -> None:
    assert retention.purge(german, presets()["DE"], NOW_NS + 3 * NS_PER_DAY) == 1
    assert german.execute("SELECT count(*) FROM read").fetchone()[0] == 0
    assert german.execute("SELECT count(*) FROM hit").fetchone()[0] == 0
    assert figures(german) == {"purged_reads": 1, "purged_undelivered_reads": 1}


def test_hits_that_stay_longer_than_reads_tell_nothing_either(store: Database, tmp_path: Path) -> None:
    add(store, "r1", hit("r1", entry("silent")), days_ago=14)
    add(store, "r2", hit("r2", entry("silent")), days_ago=16)
    add(store, "r3", hit("r3", entry("relay", category="seize")), days_ago=17)
    assert ask(store, tmp_path, "FR") == ["r1", "r3"]


def test_no_category_and_no_record_names_it(store: Database, tmp_path: Path) -> None:
    add(store, "r1", hit("r1", entry("silent")), hit("r1", entry("relay", category="seize")))
    assert ask(store, tmp_path, "BE", category="discreet") == []
    assert ask(store, tmp_path, "BE", category="seize") == [], "one silent entry silences the others"
    assert ask(store, tmp_path, "BE", "1ABC123", category="seize") == []
    assert [found.hit_categories for found in find_reads(store, Criteria("*"))] == [()]
    whole = whole_read(store, "r1")
    assert whole is not None
    assert whole["hits"] == []


def test_a_silent_hit_found_later_hides_nothing_that_was_shown(store: Database, tmp_path: Path) -> None:
    add(
        store,
        "r1",
        hit("r1", entry("relay", category="seize")),
        hit("r1", entry("silent"), "retrospective"),
    )
    assert ask(store, tmp_path, "BE", category="seize") == ["r1"]
    assert ask(store, tmp_path, "DE") == ["r1"]
    assert [found.hit_categories for found in find_reads(store, Criteria("*"))] == [("seize",)]


def test_status_and_audit_do_not_tell(store: Database, settings: Settings) -> None:
    """The command itself, under terms that keep hits only: a silent hit changes not one character."""
    german = parse({"store": {"folder": str(settings.state_folder)}, "policy": {"preset": "DE"}}, "test")
    put_list(store, german, "vrm,category\n3GHI789,discreet\n")
    volatile = {"disk_free_mb", "system_uptime_s"}
    before = {name: value for name, value in status.collect(german).items() if name not in volatile}
    add(store, "r2", hit("r2", entry("silent")), vrm="3GHI789")
    assert {name: value for name, value in status.collect(german).items() if name not in volatile} == before
    assert [line.entry.action for line in audit.read(settings.state_folder)] == ["hotlist replace"]


class Synchronised(SimulatedClock):
    """A clock that a source vouches for, and that believed to be a day earlier when the node started."""

    def true_offset_ns(self) -> int:
        return NOW_NS


@pytest.mark.parametrize("silent", [False, True])
def test_a_corrected_clock_does_not_tell(
    store: Database, settings: Settings, caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    """Under terms that keep hits only, with and without one silent hit before the clock was set: the same."""
    german = parse({"store": {"folder": str(settings.state_folder)}, "policy": {"preset": "DE"}}, "test")
    started = {"started_ns": 0, "boot_id": "b", "node_id": "n", "software_version": "0", "model_id": "m"}
    note_start(store, {**started, "offset_ns": NOW_NS - NS_PER_DAY, "reads_before": 0})
    clock = Synchronised(NOW_NS)
    if silent:
        add(store, "r1", hit("r1", entry("silent")), clock=ClockState("free", 0.0, 0.0))
    keeper = Keeper(store, german, clock, "b")
    for seconds in (1, 1 + round(SETTLE_S)):
        clock.advance_to(seconds * NS_PER_S)
        keeper.tick()
    assert store.execute("SELECT clock_corrected_ns FROM read").fetchall() == [(NS_PER_DAY,)] * silent
    assert "moved to their true time" not in caplog.text
    assert figures(store) == {"clock_corrected_reads": 0}
    assert list(audit.read(settings.state_folder)) == []


def looking_back(settings: Settings, preset: str) -> Settings:
    lists = {"lists": {"mine": {"look_back_h": 48.0}}}
    folder = str(settings.state_folder)
    return parse({"store": {"folder": folder}, "policy": {"preset": preset}, "hotlists": lists}, "test")


def probe(store: Database, settings: Settings, folder: Path) -> list[object]:
    """All that an officer can ask about a vehicle by putting it on a list of his own."""
    path = folder / "mine.csv"
    path.write_text("vrm,category\n1ABC123,seize\n")
    by = By("jan", "new list", NOW_NS, "ADM/8", "order 7")
    importer(store, settings, NOW_NS).by_hand(path, "mine", "replace")
    previewed = previews.preview(
        open_lists(store, settings), previews.Request("mine", None, settings.hotlists.of("mine"), 48),
        settings.policy.terms, by,
    )  # fmt: skip
    listed = verdicts.hits(store, 9, unverified=True)
    lines = [(line.entry.action, line.entry.rows) for line in audit.read(settings.state_folder)]
    return [
        lines,
        [past.read_id for past, _ in previewed],
        [(found.category, found.match) for found in listed],
        ask(store, settings.state_folder, settings.policy.preset, "1ABC123"),
    ]


@pytest.mark.parametrize("preset", ["BE", "DE"])
def test_a_list_of_ones_own_tells_nothing_of_a_silent_hit(
    store: Database, settings: Settings, tmp_path: Path, preset: str
) -> None:
    """The look back, a preview, the list of hits and a search agree, with the silent hit as without it."""
    other = parse({"store": {"folder": str(tmp_path / "other")}}, "test")
    with closing(open_store(other.state_folder)) as without:
        if preset == "BE":
            add(without, "r1")
        expected = probe(without, looking_back(other, preset), tmp_path)
    add(store, "r1", hit("r1", entry("silent")))
    assert probe(store, looking_back(settings, preset), tmp_path) == expected
    found = store.execute("SELECT count(*) FROM hit WHERE match = 'retrospective'").fetchone()
    assert found == (1,), "the back office learns of it in any case"
