"""One row of a list: what it becomes, and what is wrong with it, in words."""

from __future__ import annotations

from typing import Any

import pytest

from anpr_node import policy
from anpr_node.config import ListSection
from anpr_node.hotlist.rows import BadRow, GoodRow, to_rows

ANY = ListSection(wildcard=True)


def row(settings: ListSection = ANY, **cells: str) -> GoodRow | BadRow:
    return next(to_rows(iter([(1, cells)]), "l", settings))


def good(settings: ListSection = ANY, **cells: str) -> Any:
    made = row(settings, **cells)
    assert isinstance(made, GoodRow), made
    return made.entry


def problem(settings: ListSection = ANY, **cells: str) -> str:
    made = row(settings, **cells)
    assert isinstance(made, BadRow), made
    return made.problem


@pytest.mark.parametrize(
    ("text", "vrm"),
    [
        ("1-ABC-123", "1ABC123"),
        ("wob de·77", "WOBDE77"),
        ("Ü-AB 1", "UAB1"),
        ("1AB?2*", "1AB?2*"),
        ("1-ab?-2*", "1AB?2*"),
    ],
)
def test_plates_have_one_normal_form(text: str, vrm: str) -> None:
    assert good(vrm=text).vrm == vrm


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---", "1 to 12"),
        ("", "1 to 12"),
        ("ABCDEFGHIJKLM", "1 to 12"),
        ("1АBC123", "not A to Z"),  # a Cyrillic A
        ("1AB;C123", "stands on no plate"),
        ("1AB\x00C1", "stands on no plate"),
        ("STRAßE1", "not A to Z"),
        ("*123", "fewer than 4"),
        ("?B*C*12*", "more than 2"),
        ("1AB?С2", "not A to Z"),
    ],
)
def test_what_is_no_plate_is_refused_and_not_repaired(text: str, words: str) -> None:
    assert words in problem(vrm=text)


def test_patterns_need_a_list_that_allows_them() -> None:
    assert "only a list with wildcard = true" in problem(ListSection(), vrm="1AB?23")


@pytest.mark.parametrize(
    ("code", "country"), [("B", "B"), ("be", "B"), ("BEL", "B"), ("uk", "GB"), ("XYZ", "XYZ"), ("", None)]
)
def test_countries_are_those_of_the_recogniser(code: str, country: str | None) -> None:
    assert good(vrm="1ABC123", country=code).country == country
    assert "one to three letters" in problem(vrm="1ABC123", country="BELG")


def test_what_a_row_does_not_say_the_list_says_and_then_its_category() -> None:
    plain = good(vrm="1ABC123", category="seize")
    assert (plain.priority, plain.actions) == (80, policy.categories()["seize"].actions)
    section = ListSection(category="missing", priority=33, actions=["led"], issuer="zone", country="D")
    listed = good(section, vrm="1ABC123")
    assert (listed.category, listed.priority, listed.actions) == ("missing", 33, ("led",))
    assert (listed.issuer, listed.country) == ("zone", "D")
    own = good(section, vrm="1ABC123", priority="5", actions="relay+uplink", issuer="x", country="F", category="local")
    assert (own.category, own.priority, own.actions, own.issuer, own.country) == (
        "local",
        5,
        ("relay", "uplink"),
        "x",
        "F",
    )


def test_a_discreet_entry_is_silent_whatever_anybody_says() -> None:
    assert good(ListSection(actions=["relay"]), vrm="1ABC123", category="discreet").actions == ("silent",)
    assert "no other action" in problem(vrm="1ABC123", category="discreet", actions="relay")
    assert "no other action" in problem(vrm="1ABC123", actions="silent led")
    assert "exclude each other" in problem(vrm="1ABC123", actions="batch uplink")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"category": "nonsense"}, "nonsense"),
        ({"priority": "900"}, "0 to 100"),
        ({"priority": "٣"}, "0 to 100"),
        ({"valid_from": "2026-13-01"}, "2026-13-01"),
        ({"valid_to": "9999-12-31"}, "9999-12-31"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "not after"),
        ({"actions": "dance"}, "dance"),
        ({"match": "roughly"}, "exact nor near"),
        ({"change": "perhaps"}, "add nor remove"),
        ({"reason": "x" * 501}, "500 at most"),
        ({"reason": "a\x1b[31mred"}, "cannot be printed"),
    ],
)
def test_other_cells_are_refused_in_words(cells: dict[str, str], words: str) -> None:
    assert words in problem(vrm="1ABC123", **cells)


def test_every_category_of_the_sis_names_its_article() -> None:
    articles = {category.sis_article for category in policy.categories().values()} - {None}
    assert articles == {26, 32, 34, 36, 38}
    assert policy.categories()["discreet"].actions == ("silent",)
    assert policy.categories()["insurance"].actions == policy.categories()["inspection"].actions == ("batch",)
