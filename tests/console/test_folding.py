"""What a session says, folded at 80 columns: nothing is lost, and a value is not torn from its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr_node.console.terminal import folded, side_by_side

VALUES = [
    "w 207px",
    "char 28.3px",
    "roll -1.0deg",
    "tilt 19.3deg",
    "side -12.2deg",
    "across 0.64",
    "along 0.53",
    "seen 6",
]


@pytest.mark.parametrize("stroke", ["", "|"])
def test_a_line_of_values_is_folded_between_two_of_them(stroke: str) -> None:
    lines = folded("  " + side_by_side(VALUES, stroke), indent=4)
    assert len(lines) == 2
    assert not [line for line in lines if len(line) > 80]
    assert [value for line in lines for value in VALUES if value in line] == VALUES
    assert not lines[1].lstrip().startswith("|")
    assert lines[1].startswith("    ")


@given(words=st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)))
def test_folding_loses_no_word(words: list[str]) -> None:
    lines = folded(" ".join(words), indent=4)
    assert [word for line in lines for word in line.split()] == words
    assert not [line for line in lines if len(line) > 80]


def test_what_is_not_ascii_stays_readable() -> None:
    assert folded("12° to the left … é") == ["12 deg to the left ... e"]
