"""Lists and the past: new entries meet the reads of before, previews change nothing, persons give verdicts."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from makers import NS_PER_S, evidence, importer, put_list, read
from sqlite_utils import Database

from anpr_node import audit
from anpr_node.audit import By
from anpr_node.cli import main
from anpr_node.config import PolicySection, Settings, parse
from anpr_node.errors import HotlistError, RefusedByPolicy
from anpr_node.hotlist import verdicts
from anpr_node.recorder import encode
from anpr_node.records import Candidate, Hit, HotlistEntry
from anpr_node.store.encrypting import encrypt
from anpr_node.store.finding import Criteria, find_reads
from anpr_node.store.reads import add_read
from anpr_node.units import NS_PER_DAY

HOUR_NS = 3600 * NS_PER_S


def add(store: Database, vrm: str, read_id: str, at_h: float, **changes: object) -> None:
    add_read(store, read(vrm, read_id, at_s=at_h * 3600, **changes), encode(evidence()), [])


def hits(store: Database) -> list[tuple[str, str, str]]:
    return store.execute("SELECT read_id, category, match FROM hit ORDER BY read_id").fetchall()


@pytest.fixture
def looking(settings: Settings) -> Settings:
    section = {"look_back_h": 24.0, "near": True}
    content = {"store": {"folder": str(settings.state_folder)}, "hotlists": {"lists": {"l": section}}}
    return parse(content, "test")


@pytest.fixture
def past(store: Database) -> Database:
    add(store, "1ABC123", "r1", 1, country=None)
    add(store, "1ABC123", "r2", 90)
    add(store, "1A8C123", "r3", 91)
    add(store, "1ABC12", "r4", 92)
    add(store, "2DEF456", "r5", 93, corrects="r4")
    add(store, "3GHI789", "r6", 94)
    return store


def bring(store: Database, settings: Settings, tmp_path: Path, text: str, at_h: float = 100) -> None:
    (tmp_path / "l.csv").write_text(text)
    importer(store, settings, int(at_h * HOUR_NS)).by_hand(tmp_path / "l.csv", "l", "replace")


def test_a_new_entry_meets_the_reads_of_its_look_back(past: Database, looking: Settings, tmp_path: Path) -> None:
    text = "vrm,category\n1ABC123,seize\n1ABC12,seize\n2DEF456,discreet\n3GHI789,insurance\n"
    bring(past, looking, tmp_path, text)
    assert hits(past) == [
        ("r2", "seize", "retrospective"),
        ("r3", "seize", "retrospective"),
        ("r5", "discreet", "retrospective"),
    ], "not the old one, not the corrected one, not what is only batched"
    sent = past.execute("SELECT count(*) FROM outbox WHERE kind = 'hit'").fetchone()[0]
    assert sent == 3
    entry = [line.entry for line in audit.read(looking.state_folder)][-1]
    assert (entry.actor, entry.action, entry.object_ref) == ("tester", "hotlist look back", "l")
    assert entry.rows == 2, "the silent one is not written down"


def test_only_what_is_new_on_the_list_is_looked_back_for(past: Database, looking: Settings, tmp_path: Path) -> None:
    bring(past, looking, tmp_path, "vrm\n1ABC123\n")
    assert len(hits(past)) == 2
    bring(past, looking, tmp_path, "vrm\n1ABC123\n3GHI789\n")
    assert [read_id for read_id, *_ in hits(past)] == ["r2", "r3", "r6"]


def test_an_entry_that_is_not_valid_now_finds_nothing(past: Database, looking: Settings, tmp_path: Path) -> None:
    bring(past, looking, tmp_path, "vrm,valid_to\n1ABC123,1970-01-05\n")
    assert hits(past) == []


def test_lists_without_a_look_back_find_nothing(past: Database, settings: Settings, tmp_path: Path) -> None:
    bring(past, settings, tmp_path, "vrm\n1ABC123\n")
    assert hits(past) == []


@pytest.fixture
def config(settings: Settings, tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\nfolder = "{settings.state_folder}"\n')
    return path


def run(config: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["hotlist", *map(str, arguments), "--config", str(config)])


WHY = ("--reason", "tolerance", "--case", "ADM/7")


@pytest.fixture
def lately(store: Database) -> Database:
    """The same, an hour ago by the machine's clock."""
    hour = time.time() / 3600 - 1
    others = (Candidate("1A8C123", 0.9), Candidate("1ABC123", 0.05))
    add(store, "1A8C123", "r1", hour, candidates=others)
    add(store, "2DEF456", "r2", hour)
    add(store, "3GHI789", "r3", hour)
    return store


def test_a_preview_shows_what_another_tolerance_would_give(lately: Database, settings: Settings, config: Path) -> None:
    put_list(lately, settings, "vrm,category\n1ABC123,seize\n2DEF456,local\n3GHI789,discreet\n")
    exact, near = run(config, "preview", "l", *WHY), run(config, "preview", "l", "--near", *WHY)
    assert exact.exit_code == near.exit_code == 0
    assert "1 hits in 7 days: 1 exact" in exact.stdout
    assert "2 hits in 7 days: 1 near, 1 exact" in near.stdout
    assert "discreet" not in exact.stdout + near.stdout
    assert hits(lately) == []
    notes = [line.entry for line in audit.read(settings.state_folder) if line.entry.action == "hotlist preview"]
    assert [(entry.reason, entry.case_ref, entry.rows) for entry in notes] == [
        ("tolerance", "ADM/7", 1),
        ("tolerance", "ADM/7", 2),
    ]


def test_a_preview_of_a_file_puts_nothing_in_force(
    lately: Database, settings: Settings, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("vrm,category\n2DEF???,seize\n3GHI789,discreet\n")
    shown = run(config, "preview", "wanted", "--file", tmp_path / "new.csv", "--wildcard", *WHY).stdout
    assert "wildcard" in shown
    assert "2 hits" in shown, "who has the file may see all of it"
    assert "list " not in run(config, "list").stdout.splitlines()[1:]
    assert sorted(path.name for path in settings.state_folder.glob("tmp*")) == []


def test_a_preview_of_a_file_says_in_the_audit_what_it_asked_for(
    lately: Database, settings: Settings, config: Path, tmp_path: Path
) -> None:
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    few.write_text("vrm\n2DEF456\n3-GHI-789\n??\n")
    many.write_text("vrm\n" + "".join(f"9XYZ{n:03}\n" for n in range(21)))
    for file in (few, many):
        assert run(config, "preview", "wanted", "--file", file, *WHY).exit_code == 0
    details = [line.entry.detail for line in audit.read(settings.state_folder)]
    assert [detail["sha256"] for detail in details] == [hashlib.sha256(f.read_bytes()).hexdigest() for f in (few, many)]
    assert [(detail["file"], detail["entries"]) for detail in details] == [("few.csv", 2), ("many.csv", 21)]
    assert details[0]["plates"] == ["2DEF456", "3GHI789"]
    assert "plates" not in details[1]


def test_the_plates_of_a_preview_are_in_no_clear_audit_where_there_is_a_key(
    store: Database, settings: Settings, config: Path, tmp_path: Path
) -> None:
    store.close()
    encrypt(settings.state_folder, tmp_path / "key")
    (tmp_path / "few.csv").write_text("vrm\n2DEF456\n")
    assert run(config, "preview", "wanted", "--file", tmp_path / "few.csv", *WHY).exit_code == 0
    assert b"2DEF456" not in (settings.state_folder / audit.FILE_NAME).read_bytes()
    assert list(audit.read(settings.state_folder))[-1].entry.detail["plates"] == ["2DEF456"]


@pytest.mark.parametrize("missing", [("--reason", "x"), ("--case", "x"), ()])
def test_a_preview_needs_reason_and_case(config: Path, missing: tuple[str, ...]) -> None:
    result = run(config, "preview", "l", *missing)
    assert result.exit_code == 3
    assert "refused" in result.stderr


def test_a_preview_of_no_list_is_one_line(config: Path) -> None:
    result = run(config, "preview", "nobody", *WHY)
    assert result.exit_code == 1
    assert "no list nobody is in force" in result.stderr


def entry(*actions: str) -> HotlistEntry:
    return HotlistEntry("l", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, actions)


@pytest.fixture
def judged(store: Database) -> Database:
    for name, actions in (("h1", ("relay",)), ("h2", ("silent",)), ("h3", ("batch",))):
        found = Hit(name, f"r-{name}", entry(*actions), "exact", 5)
        add_read(store, read("1ABC123", f"r-{name}", at_s=time.time() - 60), encode(evidence()), [found])
    return store


def test_a_person_verifies_a_hit_by_its_pictures(judged: Database, config: Path, tmp_path: Path) -> None:
    listed = run(config, "hits").stdout
    assert "unverified" in listed
    assert "1ABC123" not in listed
    assert run(config, "look", "h1").exit_code == 3, "looking needs a reason"
    seen = run(config, "look", "h1", "--to", tmp_path / "out", "--reason", "verification")
    assert "read 1ABC123\nlist l, seize, exact match: stolen\n" in seen.stdout
    assert "anpr-node hotlist verify h1" in seen.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["h1.overview.jpg", "h1.patch.jpg"]
    assert run(config, "verify", "h1").exit_code == 2
    assert run(config, "verify", "h1", "--not-this-vehicle").exit_code == 0
    verdict, verified_by, at_ns = judged.execute(
        "SELECT verdict, verified_by, verified_at_ns FROM hit WHERE hit_id = 'h1'"
    ).fetchone()
    assert verdict == "not this vehicle"
    assert verified_by
    assert at_ns > 0
    assert "h1" not in run(config, "hits").stdout
    assert "not this vehicle by" in run(config, "hits", "--all").stdout
    assert run(config, "verify", "h1", "--confirmed").exit_code == 0, "a second look may find otherwise"
    written = [line.entry.detail for line in audit.read(tmp_path / "state") if line.entry.action == "hotlist verify"]
    assert written == [
        {"verdict": "not this vehicle", "before": "unverified"},
        {"verdict": "confirmed", "before": "not this vehicle"},
    ]


def test_the_reference_of_a_text_message_names_its_hit(store: Database, config: Path, tmp_path: Path) -> None:
    ids = [f"01a22a39-f72e-7e1d-b875-{end}" for end in ("4353b0a9d3f6", "0000aaaaaaaa", "1111aaaaaaaa", "2222bbbbbbbb")]
    for n, name in enumerate(ids):
        found = Hit(name, f"r{n}", entry("silent" if "bbbb" in name else "relay"), "exact", 5)
        add_read(store, read("1ABC123", f"r{n}", at_s=time.time() - 60), encode(evidence()), [found])
    seen = run(config, "look", "b0a9d3f6", "--to", tmp_path / "out", "--reason", "verification")
    assert "read 1ABC123" in seen.stdout, seen.output
    assert (tmp_path / "out" / f"{ids[0]}.patch.jpg").exists()
    assert run(config, "verify", "b0a9d3f6", "--confirmed").exit_code == 0
    assert store.execute("SELECT hit_id FROM hit WHERE verdict = 'confirmed'").fetchall() == [(ids[0],)]
    assert {line.entry.object_ref for line in audit.read(tmp_path / "state")} == {ids[0]}
    both = run(config, "look", "aaaaaaaa", "--reason", "verification").stderr
    assert f"more than one hit ends in aaaaaaaa: {ids[1]}, {ids[2]}" in both
    assert "no hit bbbbbbbb" in run(config, "look", "bbbbbbbb", "--reason", "verification").stderr


def test_a_silent_hit_cannot_be_told_from_none(judged: Database, settings: Settings, tmp_path: Path) -> None:
    by = By("tester", "why", 0)
    assert {hit.hit_id for hit in verdicts.hits(judged, 9, unverified=True)} == {"h1", "h3"}
    for name in ("h2", "nobody"):
        for attempt in (
            lambda name=name: verdicts.look(judged, settings, name, tmp_path, by),
            lambda name=name: verdicts.verify(judged, tmp_path, name, "confirmed", by),
        ):
            with pytest.raises(HotlistError, match=f"no hit {name}"):
                attempt()
    with pytest.raises(RefusedByPolicy):
        verdicts.look(judged, settings, "h1", tmp_path, By("tester", " ", 0))


def test_an_old_hit_is_looked_at_on_a_decision_only(judged: Database, settings: Settings, tmp_path: Path) -> None:
    moment_ns = time.time_ns() + 31 * NS_PER_DAY
    with pytest.raises(RefusedByPolicy, match="older than 30 days"):
        verdicts.look(judged, settings, "h1", tmp_path, By("jan", "why", moment_ns))
    assert verdicts.look(judged, settings, "h1", tmp_path, By("jan", "why", moment_ns, decision_ref="order 7"))
    strict = settings.model_copy(update={"policy": PolicySection(preset="NL")})
    assert verdicts.look(judged, strict, "h1", tmp_path, By("jan", "check", time.time_ns() + NS_PER_DAY))
    written = [line.entry for line in audit.read(settings.state_folder)]
    assert [(entry.outcome, entry.decision_ref) for entry in written] == [
        ("refused", ""),
        ("done", "order 7"),
        ("done", ""),
    ]


def test_a_search_shows_no_hit_of_a_read_that_is_silent(store: Database) -> None:
    both = [Hit("a", "r1", entry("relay"), "exact", 5), Hit("b", "r1", entry("silent"), "exact", 5)]
    add_read(store, read(), encode(evidence()), both)
    assert [found.hit_categories for found in find_reads(store, Criteria("*"))] == [()]


def test_status_is_an_exit_code(store: Database, settings: Settings, config: Path) -> None:
    assert run(config, "status").exit_code == 0
    config.write_text(config.read_text() + "[hotlists.lists.stolen]\nmax_age_h = 24.0\n")
    late = run(config, "status")
    assert late.exit_code == 1
    assert "ALARM list stolen: no list is in force" in late.stdout
    assert CliRunner().invoke(main, ["status", "--config", str(config)]).stdout.count("ALARM") == 1
    put_list(store, settings, "vrm\n1ABC123\n", "other")
    (settings.state_folder / "lists.secret").write_bytes(b"k" * 32)
    checked = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert "FAIL hotlists" in checked.stdout
    assert "other: it was sealed with another key" in checked.stdout
