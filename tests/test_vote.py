"""Several readings, one verdict."""

from __future__ import annotations

import pytest
from makers import plate

from anpr_node.tracking.vote import vote


def test_one_misread_frame_loses_and_stays_a_candidate() -> None:
    verdict = vote(
        [plate("1ABC123", 0.9), plate("1A8C123", 0.6, ("1ABC123", 0.3)), plate("1ABC123", 0.9)], country_above=0.5
    )
    assert verdict is not None
    assert (verdict.text, verdict.votes, verdict.country) == ("1ABC123", 2, "B")
    assert "1A8C123" in [candidate.text for candidate in verdict.candidates]


def test_one_reading_is_as_sure_as_its_own_score() -> None:
    verdict = vote([plate("1ABC123", 0.8, ("1A8C123", 0.1))], country_above=0.5)
    assert verdict is not None
    assert verdict.confidence == pytest.approx(0.8, abs=0.01)


def test_agreement_makes_surer_and_disagreement_less_sure() -> None:
    one = vote([plate("1ABC123", 0.8)], 0.5)
    three = vote([plate("1ABC123", 0.8)] * 3, 0.5)
    split = vote([plate("1ABC123", 0.8), plate("7XYZ999", 0.8)], 0.5)
    assert one is not None
    assert three is not None
    assert split is not None
    assert split.confidence < one.confidence < three.confidence < 1


def test_only_a_text_that_some_frame_showed_first_can_win() -> None:
    """The evidence must show what the row says, so a text that is everybody's second choice cannot be published."""
    verdict = vote([plate("AAA111", 0.5, ("BBB222", 0.45)), plate("CCC333", 0.5, ("BBB222", 0.45))], 0.5)
    assert verdict is not None
    assert verdict.text in {"AAA111", "CCC333"}
    assert verdict.candidates[0].text == "BBB222"


def test_nothing_read_is_no_verdict() -> None:
    assert vote([], 0.5) is None
    assert vote([plate("", 0.0)], 0.5) is None


def test_an_unsure_country_is_not_said() -> None:
    verdict = vote([plate("1ABC123"), plate("1ABC123", country="NL")], country_above=0.7)
    assert verdict is not None
    assert verdict.country is None
