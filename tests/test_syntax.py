"""Country syntaxes: look-alikes are told apart by them, and nothing else is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from makers import plate

from anpr_node.vision.syntax import fits, prefer


@pytest.mark.parametrize(
    ("country", "text", "known"),
    [
        ("B", "1ABC123", True),
        ("B", "OAAA123", True),
        ("B", "0AAA123", False),
        ("B", "LJT830", True),
        ("NL", "XSNB23", True),
        ("NL", "VD020P", True),
        ("NL", "XONB23", False),
        ("D", "WOBDE77", True),
        ("D", "WOBDE077", False),
        ("SK", "BA302OZ", True),
        ("SK", "BA3020Z", False),
        ("CZ", "4B04979", True),
        ("CZ", "4BO4979", False),
        ("GB", "BF10YHP", True),
        ("PL", "WW8653G", None),
        (None, "1ABC123", None),
    ],
)
def test_what_a_country_issues(country: str | None, text: str, known: bool | None) -> None:
    assert fits(text, country) is known


@pytest.mark.parametrize(
    ("country", "seen", "meant"),
    [
        ("SK", "BA3020Z", "BA302OZ"),
        ("CZ", "4BO4979", "4B04979"),
        ("GB", "BFI0YHP", "BF10YHP"),
        ("B", "1ABC12O", "1ABC120"),
        ("B", "IABC12O", "1ABC120"),
    ],
)
def test_look_alikes_follow_the_syntax(country: str, seen: str, meant: str) -> None:
    read = prefer(plate(seen, 0.9, ("X", 0.05), country=country))
    assert read.text == meant
    assert read.candidates[0].text == meant
    assert read.score == 0.9
    assert seen in [c.text for c in read.candidates], "what was seen stays a candidate"


@pytest.mark.parametrize(("score_of_i", "meant"), [(0.997, "MABI76"), (0.85, "MAB176")])
def test_a_look_alike_that_was_read_surely_stays(score_of_i: float, meant: str) -> None:
    """A Swedish personalised plate whose I was told from 1 by its shape."""
    seen = replace(plate("MABI76", 0.9, ("MAB176", 0.003), country="S"), char_scores=(1, 1, 1, score_of_i, 1, 1))
    assert prefer(seen).text == meant


def test_a_candidate_that_fits_wins_over_a_close_first_choice_that_does_not() -> None:
    assert prefer(plate("1A8C123", 0.6, ("1ABC123", 0.3))).text == "1ABC123"
    assert prefer(plate("1A8C123", 0.95, ("1ABC123", 0.01))).text == "1A8C123"


@pytest.mark.parametrize("text", ["TOM444", "OOPS", "AMG63X", "1ABC1234"])
def test_a_personalised_plate_is_read_as_it_is(text: str) -> None:
    assert prefer(plate(text, 0.9, ("X", 0.05))).text == text


def test_nothing_is_changed_where_the_country_is_not_sure() -> None:
    assert prefer(plate("BA3020Z", 0.9, country=None)).text == "BA3020Z"


def test_a_candidate_that_wins_by_its_syntax_is_no_surer_than_that_makes_it() -> None:
    """One in twenty against nine in ten: it may win, but not with the confidence of the text it replaced."""
    weak = prefer(plate("1ABCT23", 0.90, ("1ABC123", 0.05)))
    assert (weak.text, round(weak.score, 2)) == ("1ABC123", 0.34)
    strong = prefer(plate("1A8C123", 0.6, ("1ABC123", 0.35)))
    assert (strong.text, round(strong.score, 2)) == ("1ABC123", 0.81)
    assert [c.text for c in strong.candidates] == ["1ABC123", "1A8C123"]


def test_what_was_weighed_still_sums_to_one_and_stays_best_first() -> None:
    read = prefer(plate("1A8C123", 0.5, ("1A6C123", 0.2), ("1ABC123", 0.15), ("1ABC12", 0.1)))
    scores = [c.score for c in read.candidates]
    assert read.text == "1ABC123"
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) < 1


def test_nothing_read_stays_nothing() -> None:
    assert prefer(plate("")).text == ""
