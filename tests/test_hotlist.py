"""Hotlists: the CSV's good rows in, its bad rows named, the old list safe; and what a read matches."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_utils import Database

from anpr_node.errors import HotlistError, StoreError
from anpr_node.hotlist import csv_import, lists

GOOD = "vrm,country,category,reason\n1-ABC-123,B,seize,stolen\nwob de 77,D,discreet,\n"


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_good_rows_become_entries(tmp_path: Path) -> None:
    parsed = csv_import.read_csv(write(tmp_path, GOOD), "stolen")
    assert [(e.vrm, e.country, e.category, e.priority) for e in parsed.entries] == [
        ("1ABC123", "B", "seize", 80),
        ("WOBDE77", "D", "discreet", 70),
    ]
    assert [e.actions for e in parsed.entries] == [("relay", "led"), ("silent",)]


def test_bad_rows_are_named_by_line_and_the_rest_is_kept(tmp_path: Path) -> None:
    text = (
        "vrm,category,priority,valid_from,valid_to,actions\n"
        "1ABC123,seize,,,,\n"
        "---,seize,,,,\n"
        "1ABC124,nonsense,,,,\n"
        "1ABC125,seize,900,,,\n"
        "1ABC126,seize,,2026-13-01,,\n"
        "1ABC127,seize,,2026-02-01,2026-01-01,\n"
        "1ABC128,seize,,,,dance\n"
        "1-abc-123,seize,,,,\n"
        "1ABC131,seize,,,9999-12-31,\n"
        "1ABC129,seize\n"
        "1ABC130,seize,5,2026-01-01,2026-12-31T23:00:00+01:00,relay log\n"
    )
    parsed = csv_import.read_csv(write(tmp_path, text), "l")
    assert [e.vrm for e in parsed.entries] == ["1ABC123", "1ABC130"]
    assert [bad.line for bad in parsed.bad_rows] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    problems = " ".join(bad.problem for bad in parsed.bad_rows)
    for word in ("1 to 12", "nonsense", "0 to 100", "2026-13-01", "not after", "dance", "already", "number of columns"):
        assert word in problems


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("plate\n1ABC123\n", "must name columns"),
        ("", "must name columns"),
        ("vrm,colour\n1ABC123,red\n", "must name columns"),
        ("vrm\n---\n", "no good row"),
        (b"vrm\n\xff\xfe\xfa\n", "not UTF-8"),
        ('vrm,reason\n1ABC123,"stolen car\n2DEF456,x\n', "not CSV"),
        (b"vrm\n1ABC\x00123\n" + b'"' + b"x" * 200_000, "not CSV"),
    ],
)
def test_an_unusable_file_is_refused_whole(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(HotlistError, match=words):
        csv_import.read_csv(write(tmp_path, content), "l")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HotlistError, match="No such file"):
        csv_import.read_csv(tmp_path / "none.csv", "l")


def put(store: Database, tmp_path: Path, text: str, name: str = "l") -> None:
    lists.replace(store, name, "file", csv_import.read_csv(write(tmp_path, text), name).entries, 7)


def test_matching_is_exact_and_takes_the_highest_priority_first(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, GOOD, "a")
    put(store, tmp_path, "vrm,category\n1ABC123,inspection\n", "b")
    assert [e.category for e in lists.match(store, "1ABC123", "B", 0)] == ["seize", "inspection"]
    assert lists.match(store, "1ABC12", "B", 0) == []
    assert lists.match(store, "1A8C123", "B", 0) == []


def test_countries_must_agree_where_both_are_known(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, GOOD)
    assert lists.match(store, "1ABC123", None, 0)
    assert not lists.match(store, "1ABC123", "NL", 0)


def test_an_entry_fires_only_while_it_is_valid(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, "vrm,valid_from,valid_to\n1ABC123,2026-01-01,2026-02-01\n")
    january, day = 1_767_225_600 * 10**9, 86_400 * 10**9
    assert not lists.match(store, "1ABC123", None, january - 1)
    assert lists.match(store, "1ABC123", None, january)
    assert not lists.match(store, "1ABC123", None, january + 31 * day)


def test_a_list_is_replaced_whole(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, GOOD)
    put(store, tmp_path, "vrm\n2DEF456\n")
    assert not lists.match(store, "1ABC123", "B", 0)
    assert lists.match(store, "2DEF456", None, 0)
    assert [(s.list_id, s.entries) for s in lists.show(store)] == [("l", 1)]


def test_a_failed_import_leaves_the_old_list(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, GOOD)
    entries = csv_import.read_csv(write(tmp_path, "vrm\n2DEF456\n"), "l").entries
    with pytest.raises(StoreError, match="the one in force stays"):
        lists.replace(store, "l", "file", [*entries, *entries], 8)
    assert lists.match(store, "1ABC123", "B", 0)
    assert [s.imported_ns for s in lists.show(store)] == [7]
