"""Many suspicions are one alarm, which ends by itself; a flicker is none."""

from __future__ import annotations

from collections.abc import Iterable

from anpr_node.supervision.alarms import Latch
from anpr_node.supervision.limits import LIMITS

NS_PER_S = 1_000_000_000
HOLD_5_FREE_5 = LIMITS["lens_covered"]


def changes(latch: Latch, verdicts: Iterable[bool | None], start_s: float = 0.0) -> list[float]:
    """Seconds at which the alarm was raised or cleared, with two verdicts a second."""
    timed = ((start_s + index / 2, verdict) for index, verdict in enumerate(verdicts))
    return [at_s for at_s, verdict in timed if latch.observe(int(at_s * NS_PER_S), verdict)]


def test_one_alarm_however_long_it_lasts() -> None:
    assert changes(Latch(HOLD_5_FREE_5), [True] * 2000) == [5.0]


def test_it_ends_by_itself() -> None:
    latch = Latch(HOLD_5_FREE_5)
    assert changes(latch, [True] * 20 + [False] * 100) == [5.0, 13.5]
    assert not latch.raised


def test_a_flicker_is_no_alarm() -> None:
    assert changes(Latch(HOLD_5_FREE_5), [True, False] * 500) == []
    assert changes(Latch(HOLD_5_FREE_5), ([True] * 4 + [False] * 12) * 50) == []


def test_no_verdict_changes_nothing() -> None:
    latch = Latch(HOLD_5_FREE_5)
    changes(latch, [True] * 20)
    assert changes(latch, [None] * 500, 10) == []
    assert latch.raised


def test_suspicions_before_a_long_silence_do_not_count() -> None:
    latch = Latch(HOLD_5_FREE_5)
    assert changes(latch, [True] * 8) == []
    assert changes(latch, [True] * 8, 100) == []


def test_without_a_hold_the_first_suspicion_counts() -> None:
    assert changes(Latch(LIMITS["undervoltage"]), [False, True]) == [0.5]
