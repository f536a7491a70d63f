"""Searching: by plate, wildcard, near miss and everything else; the gate; what is written down."""

from __future__ import annotations

import csv
import io
import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from makers import NS_PER_S, evidence, read
from sqlite_utils import Database

from anpr_node import audit, search
from anpr_node.cli import main
from anpr_node.errors import RefusedByPolicy
from anpr_node.policy import presets
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.search import Query
from anpr_node.store import finding
from anpr_node.store.database import open_store
from anpr_node.store.finding import Criteria, find_reads
from anpr_node.store.reads import add_read
from anpr_node.units import NS_PER_DAY

ENTRY = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))
NOW_NS = 1_767_225_600 * NS_PER_S
BE, NL, FR = (presets()[name] for name in ("BE", "NL", "FR"))


def add(store: Database, vrm: str, days_ago: float, **changes: object) -> str:
    read_id = f"r-{vrm}-{days_ago}"
    hits = [Hit(f"h-{read_id}", read_id, ENTRY, "exact", 0)] if changes.pop("hit", False) else []
    made = read(vrm, read_id, NOW_NS / NS_PER_S - days_ago * 86_400, **changes)
    add_read(store, made, encode(evidence()), hits)
    return read_id


@pytest.fixture
def filled(store: Database) -> Database:
    add(store, "1ABC123", 1, direction="receding", hit=True)
    add(store, "1ABC123", 31)
    add(store, "1ABX123", 2, country="NL")
    add(store, "WOBDE77", 3)
    add(store, "1A8C123", 4)
    return store


def plates(store: Database, **wanted: object) -> list[str]:
    return [found.vrm for found in find_reads(store, Criteria(**wanted))]  # type: ignore[arg-type]


@pytest.mark.parametrize("few", [0, 5000])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("1ABC123", ["1ABC123", "1ABC123"]),
        ("1AB*", ["1ABC123", "1ABX123", "1ABC123"]),
        ("1AB?123", ["1ABC123", "1ABX123", "1ABC123"]),
        ("*123", ["1ABC123", "1ABX123", "1A8C123", "1ABC123"]),
        ("*DE*", ["WOBDE77"]),
        ("?OB*7", ["WOBDE77"]),
        ("*", ["1ABC123", "1ABX123", "WOBDE77", "1A8C123", "1ABC123"]),
        ("1ABC", []),
        ("2*", []),
        ("", []),
    ],
)
def test_patterns_newest_first_along_either_index(
    filled: Database, pattern: str, expected: list[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    assert plates(filled, pattern=pattern) == expected


def test_everything_else_that_can_be_asked_for(filled: Database) -> None:
    assert plates(filled, pattern="*", direction="receding") == ["1ABC123"]
    assert plates(filled, pattern="*", country="NL") == ["1ABX123"]
    assert plates(filled, pattern="*", category="seize") == ["1ABC123"]
    assert plates(filled, pattern="1ABC123", category="seize") == ["1ABC123"]
    assert plates(filled, pattern="*", category="tax") == []
    assert plates(filled, pattern="*", from_ns=NOW_NS - 2 * NS_PER_DAY, to_ns=NOW_NS) == ["1ABC123", "1ABX123"]
    assert plates(filled, pattern="*", limit=2) == ["1ABC123", "1ABX123"]


def test_a_silent_hit_shows_nowhere_and_hides_its_companions(filled: Database) -> None:
    """Who may search may still not learn who is watched discreetly."""
    discreet = HotlistEntry("sis", "WOBDE77", "D", "discreet", 70, "art. 36", "sis", None, None, ("silent",))
    for number, entry in enumerate((ENTRY, discreet)):
        made = read("WOBDE77", f"s{number}", NOW_NS / NS_PER_S - 10)
        add_read(filled, made, encode(evidence()), [Hit(f"s{number}-{n}", made.read_id, e, "exact", 0) for n, e in
                                                     enumerate((ENTRY, entry))])  # fmt: skip
    found = {r.read_id: r.hit_categories for r in find_reads(filled, Criteria("WOBDE77"))}
    assert found == {"s0": ("seize",), "s1": (), "r-WOBDE77-3": ()}
    assert plates(filled, pattern="*", category="discreet") == []
    assert [r.read_id for r in find_reads(filled, Criteria("WOBDE77", category="seize"))] == ["s0"]
    package = {read_id: finding.whole_read(filled, read_id) for read_id in ("s0", "s1")}
    assert [len(row["hits"]) for row in package.values() if row] == [2, 0]  # type: ignore[arg-type]


def test_near_misses_are_what_looks_alike(filled: Database) -> None:
    assert plates(filled, pattern="1ABC123", near=search.near_texts("1ABC123")) == ["1ABC123", "1A8C123", "1ABC123"]
    near = search.near_texts("0B1")
    assert {"0B1", "OB1", "08I", "OBL"} <= set(near)
    assert "O8I" not in near, "two changes, not three"
    assert len(search.near_texts("1ABC123")) < 400


def ask(store: Database, tmp_path: Path, terms: object, **changes: object) -> search.Answer:
    about = {"actor": "jan", "reason": "burglary", "case_ref": "LI/1", "decision_ref": None, **changes}
    wanted = about.pop("wanted", Criteria("1ABC123"))
    query = Query(wanted=wanted, **about)  # type: ignore[arg-type]
    return search.search(store, tmp_path / "state", query, terms, NOW_NS)  # type: ignore[arg-type]


def last_line(tmp_path: Path) -> audit.Entry:
    return list(audit.read(tmp_path / "state"))[-1].entry


@pytest.mark.parametrize("missing", [{"reason": ""}, {"case_ref": " "}, {"reason": "  ", "case_ref": ""}])
def test_nobody_searches_without_reason_and_case(filled: Database, tmp_path: Path, missing: dict[str, str]) -> None:
    with pytest.raises(RefusedByPolicy, match="--reason and --case"):
        ask(filled, tmp_path, FR, **missing)
    assert (last_line(tmp_path).outcome, last_line(tmp_path).rows) == ("refused", 0)


def test_beyond_the_gate_only_on_a_decision(filled: Database, tmp_path: Path) -> None:
    narrowed = ask(filled, tmp_path, BE)
    assert [r.read_id for r in narrowed.reads] == ["r-1ABC123-1"]
    assert narrowed.only_from_ns == NOW_NS - 30 * NS_PER_DAY
    old = Criteria("1ABC123", from_ns=NOW_NS - 31 * NS_PER_DAY)
    with pytest.raises(RefusedByPolicy, match="--decision"):
        ask(filled, tmp_path, BE, wanted=old)
    with pytest.raises(RefusedByPolicy, match="--decision"):
        ask(filled, tmp_path, BE, wanted=Criteria("1ABC123", to_ns=NOW_NS - 30 * NS_PER_DAY))
    assert last_line(tmp_path).outcome == "refused"
    assert len(ask(filled, tmp_path, BE, wanted=old, decision_ref="PDR/7").reads) == 2
    entry = last_line(tmp_path)
    assert (entry.outcome, entry.decision_ref, entry.rows) == ("done", "PDR/7", 2)


def test_a_gate_refuses_rather_than_say_that_there_is_nothing(filled: Database, tmp_path: Path) -> None:
    with pytest.raises(RefusedByPolicy, match="nothing on this side"):
        ask(filled, tmp_path, BE, wanted=Criteria("9ZZZ999"))
    with pytest.raises(RefusedByPolicy, match="older than 0 days"):
        ask(filled, tmp_path, NL)
    assert len(ask(filled, tmp_path, NL, decision_ref="OvJ/1").reads) == 2


def test_no_gate_no_decision(filled: Database, tmp_path: Path) -> None:
    assert len(ask(filled, tmp_path, FR).reads) == 2
    assert ask(filled, tmp_path, FR, wanted=Criteria("9ZZZ999")).reads == []


def test_a_search_that_cannot_be_written_down_is_not_answered(filled: Database, tmp_path: Path) -> None:
    (tmp_path / "state" / audit.FILE_NAME).mkdir()
    with pytest.raises(OSError, match="audit"):
        ask(filled, tmp_path, FR)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    with closing(open_store(tmp_path / "state")) as store:
        for n, vrm in enumerate(("1ABC123", "1ABX123")):
            made = read(vrm, f"r{n}", time.time() - 100 + n)
            add_read(store, made, encode(evidence()), [Hit("h", "r0", ENTRY, "exact", 0)] if n == 0 else [])
    return path


def call(config: Path, *options: str) -> Result:
    why = ["--reason", "burglary", "--case", "LI/1"]
    return CliRunner().invoke(main, ["search", "--config", str(config), *options, *why])


def test_table_json_and_csv_say_the_same(config: Path) -> None:
    table = call(config, "1AB*").stdout.splitlines()
    assert [line.split()[2] for line in table[1:]] == ["1ABX123", "1ABC123"]
    as_json = [json.loads(line) for line in call(config, "1AB*", "--json").stdout.splitlines()]
    as_csv = list(csv.DictReader(io.StringIO(call(config, "1AB*", "--csv").stdout)))
    assert [row["vrm"] for row in as_json] == [row["vrm"] for row in as_csv] == ["1ABX123", "1ABC123"]
    assert [row["hit_categories"] for row in as_json] == [[], ["seize"]]
    assert [row["hit_categories"] for row in as_csv] == ["", "seize"]
    assert set(as_json[0]) == set(as_csv[0])


def test_options_reach_the_search(config: Path) -> None:
    assert "1ABC123" in call(config, "IABC123", "--near").stdout
    assert len(call(config, "*", "--category", "seize").stdout.splitlines()) == 2
    assert "there may be more" in call(config, "*", "--limit", "1").stderr
    assert call(config, "*", "--from", "2020-01-01").exit_code == 3
    assert call(config, "*", "--from", "2020-01-01", "--decision", "PDR/7").exit_code == 0


@pytest.mark.parametrize("country", ["B", "be", "BEL"])
def test_a_country_is_written_as_in_lists(config: Path, country: str) -> None:
    assert "2 reads" in call(config, "*", "--country", country).stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["*", "--country", "Belgium"], "none that is read"),
        (["*", "--country", "XX"], "none that is read"),
        (["*", "--category", "nonsense"], "is none of arrest"),
        (["*", "--from", "2026-11-02", "--to", "2026-11-01", "--decision", "D"], "is not before"),
        (["*", "--from", "2026-11-02", "--to", "2026-11-02", "--decision", "D"], "is not before"),
        (["*", "--from", "9999-12-31"], "between 1970 and 2261"),
        (["*", "--from", "1600-01-01", "--decision", "D"], "between 1970 and 2261"),
        (["*", "--to", "1600-01-01"], "between 1970 and 2261"),
        (["ЖЖЖ"], "is not read"),
        (["1ABЖ123"], "is not read"),
        (["1AB%"], "is not read"),
        ([""], "is empty"),
        (["-"], "is empty"),
        (["1ABC123456789"], "has 13 letters"),
        (["1ABC123456789", "--near"], "has 13 letters"),
        (["1AB*", "--near"], "whole plate"),
    ],
)
def test_what_no_read_can_be_is_said_and_written_down(
    config: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    result = call(config, *options)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr
    entry = last_line(tmp_path)
    assert (entry.action, entry.outcome, entry.case_ref) == ("search", "refused", "LI/1")
    assert words in str(entry.detail["problem"])
