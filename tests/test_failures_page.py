"""docs/failures.md states the same limits, times and steps as the code."""

from __future__ import annotations

from conftest import ROOT

from anpr_node.alert.sms_account import TRIES_MAX
from anpr_node.service import LAST_WORD_S
from anpr_node.supervision.limits import LIMITS
from anpr_node.supervision.modem import MODEM_ALLOWANCES, MODEM_LIMITS, OVER_S, STEADY_S
from anpr_node.supervision.recovery import ALLOWANCES
from anpr_node.supervision.upkeep import UPKEEP_LIMITS
from anpr_node.supervision.vitals import (
    COMMITS_MAX_AGE_S,
    EXHAUSTED_WATCHDOG_S,
    FRAMES_MAX_AGE_S,
    WATCHDOG_S,
)

PAGE = (ROOT / "docs" / "failures.md").read_text()


def rows() -> dict[str, list[str]]:
    """Table rows by the name in their first cell."""
    lines = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_the_table_of_alarms() -> None:
    table = rows()
    assert {name for name in table if name in LIMITS} == set(LIMITS)
    for limit in LIMITS.values():
        recovery = limit.recovery or "-"
        expected = [limit.rule, f"{limit.found_s:g} s", f"{limit.cleared_s:g} s", recovery, limit.advice]
        assert table[limit.kind] == expected


def test_the_table_of_steps() -> None:
    table = rows()
    for stage, allowance in ALLOWANCES.items():
        assert table[stage][1:] == [
            f"{allowance.steps} in {allowance.within_s / 3600:g} h",
            f"{allowance.patience_s:g} s",
        ]


def test_the_table_of_upkeep() -> None:
    table = rows()
    for limit in UPKEEP_LIMITS.values():
        expected = [limit.rule, f"{limit.found_s:g} s", f"{limit.cleared_s:g} s", limit.advice]
        assert table[limit.kind] == expected


def test_the_watchdogs_figures() -> None:
    for seconds in (LAST_WORD_S, FRAMES_MAX_AGE_S, COMMITS_MAX_AGE_S, WATCHDOG_S, EXHAUSTED_WATCHDOG_S):
        assert f"{seconds:g} s" in PAGE


def test_the_tables_of_the_modem() -> None:
    table = rows()
    for limit in MODEM_LIMITS.values():
        stages = ", ".join(f"`{stage}`" for stage in limit.stages) or "-"
        assert table[limit.kind] == [limit.rule, f"{limit.found_s:g} s", stages, limit.advice]
    for stage, allowance in MODEM_ALLOWANCES.items():
        assert table[stage][1:] == [
            f"{allowance.steps} in {allowance.within_s / 3600:g} h",
            f"{allowance.patience_s:g} s",
        ]
    assert f"well for {STEADY_S:g} s, {OVER_S:g} s after" in PAGE
    assert f"tried {TRIES_MAX} times in all" in PAGE
