"""CTC decoding on small hand-written columns."""

from __future__ import annotations

import numpy as np

from anpr_node.vision.ctc import decode

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK = len(ALPHABET)


def columns(*spec: str | dict[str, float]) -> np.ndarray:
    """Logits for columns given as a symbol ("_" the blank) or as {symbol: probability}; others share the rest."""
    rows = []
    for column in spec:
        chances = column if isinstance(column, dict) else {column: 0.99}
        row = np.full(BLANK + 1, (1 - sum(chances.values())) / (BLANK + 1 - len(chances)) + 1e-9)
        for symbol, chance in chances.items():
            row[BLANK if symbol == "_" else ALPHABET.index(symbol)] = chance
        rows.append(np.log(row))
    return np.array(rows, np.float32)


def test_repeated_columns_are_one_character_and_blank_parts_two() -> None:
    assert decode(columns("_", "A", "A", "_", "A", "1", "1"), ALPHABET).text == "AA1"


def test_nothing_but_blank_is_the_empty_text() -> None:
    decoded = decode(columns("_", "_", "_"), ALPHABET)
    assert (decoded.text, decoded.char_scores) == ("", ())
    assert decoded.candidates[0][0] == ""


def test_two_strong_symbols_that_touch_are_two_characters() -> None:
    assert decode(columns("_", "K", "K", "L", "L", "_"), ALPHABET).text == "KL"


def test_a_faint_symbol_on_another_ones_edge_is_dropped() -> None:
    decoded = decode(columns("_", {"8": 0.5, "B": 0.45}, "B", "B", "_"), ALPHABET)
    assert decoded.text == "B"
    assert "8" in [text for text, _ in decoded.candidates]


def test_a_character_that_wavers_over_several_columns_is_one() -> None:
    wavering = [{"O": 0.55, "0": 0.44}, {"O": 0.55, "0": 0.44}, {"O": 0.45, "0": 0.54}, {"O": 0.4, "0": 0.55}]
    decoded = decode(columns("B", "_", *wavering, "_"), ALPHABET)
    assert decoded.text in {"BO", "B0"}
    assert {text for text, _ in decoded.candidates[:2]} == {"BO", "B0"}


def test_an_unsure_character_gives_a_second_candidate_and_a_low_score() -> None:
    decoded = decode(columns("1", "_", {"O": 0.6, "0": 0.39}, "_", "2"), ALPHABET)
    assert decoded.text == "1O2"
    assert decoded.candidates[1][0] == "102"
    assert decoded.char_scores[1] < 0.7 < decoded.char_scores[0]


def test_a_character_the_blank_outweighs_is_a_candidate() -> None:
    decoded = decode(columns("A", "_", {"_": 0.6, "I": 0.39}, "_", "B"), ALPHABET)
    assert decoded.text == "AB"
    assert "AIB" in [text for text, _ in decoded.candidates[:2]]


def test_candidates_are_distinct_sorted_and_at_most_beam() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        decoded = decode(rng.normal(0, 2, (40, 37)).astype(np.float32), ALPHABET, 10)
        texts, scores = zip(*decoded.candidates, strict=True)
        assert len(set(texts)) == len(texts) <= 10
        assert texts[0] == decoded.text
        assert all(0 <= score <= 1 for score in scores)
        assert list(scores[1:]) == sorted(scores[1:], reverse=True)


def test_beam_of_one_is_the_text_alone() -> None:
    decoded = decode(columns("A", "_", "B"), ALPHABET, 1)
    assert [text for text, _ in decoded.candidates] == [decoded.text] == ["AB"]


def test_scores_do_not_depend_on_a_constant_added_to_the_logits() -> None:
    logits = columns("A", "_", {"B": 0.7, "8": 0.29})
    assert np.allclose(decode(logits, ALPHABET).char_scores, decode(logits + 7, ALPHABET).char_scores, atol=1e-5)


def test_a_faint_symbol_in_one_column_beside_another_is_no_character() -> None:
    """The two do not waver over the same columns: the left one alone is half blank."""
    faint, strong = ({"J": chance, "_": 0.99 - chance} for chance in (0.6, 0.9))
    assert decode(columns("_", faint, "B", "B", "_"), ALPHABET).text == "B"
    assert decode(columns("_", strong, "B", "B", "_"), ALPHABET).text == "JB"
