"""The bytes of a day and a month: for whom there is room, when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlite_utils import Database

from anpr_node.config import UplinkSection
from anpr_node.store.outbox import add_bytes
from anpr_node.uplink.backoff import Backoff
from anpr_node.uplink.budget import MB, Budget, day_of, is_night


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


NOON = ns("2026-11-10T12:00:00")


def test_without_limits_there_is_none(store: Database) -> None:
    assert Budget(UplinkSection()).left(store, NOON, "read") is None


def test_reads_have_the_day_and_pictures_what_is_over_of_it(store: Database) -> None:
    budget = Budget(UplinkSection(day_mb=100))
    with store.atomic():
        add_bytes(store, "2026-11-09", 99 * MB)
        add_bytes(store, "2026-11-10", 30 * MB)
        add_bytes(store, "2026-11-10", 10 * MB)
    assert budget.left(store, NOON, "read") == 59_500_000, "half a per cent waits for the afternoon's hits"
    assert budget.left(store, NOON, "patch") == 10 * MB
    assert budget.left(store, NOON, "patch", unwritten=2 * MB) == 8 * MB
    budget.heartbeat_bytes = 1000
    assert budget.left(store, NOON, "read") == 59_500_000 - 720_000
    assert budget.left(store, ns("2026-11-10T23:59:59"), "night") == pytest.approx(60 * MB, rel=0.001)


def test_the_month_counts_too(store: Database) -> None:
    budget = Budget(UplinkSection(day_mb=100, month_mb=600))
    with store.atomic():
        for day in range(1, 10):
            add_bytes(store, f"2026-11-{day:02}", 60 * MB)
        add_bytes(store, "2026-10-31", 500 * MB)
    left = budget.left(store, NOON, "read")
    assert left == pytest.approx(60 * MB, rel=0.1)
    assert budget.left(store, NOON, "patch") < 0  # type: ignore[operator]


def test_night_spans_midnight() -> None:
    hours = [hour for hour in range(24) if is_night(hour * 3_600_000_000_000, (21, 4))]
    assert hours == [0, 1, 2, 3, 21, 22, 23]
    assert [hour for hour in range(24) if is_night(hour * 3_600_000_000_000, (1, 5))] == [1, 2, 3, 4]
    assert day_of(0) == "1970-01-01"


def test_pauses_double_with_full_jitter_up_to_five_minutes_and_obey() -> None:
    pauses = [[Backoff(seed).failed() for _ in range(1)] for seed in range(200)]
    assert 0 <= min(map(min, pauses)) < 0.1
    assert 0.9 < max(map(max, pauses)) <= 1.0
    backoff = Backoff(3)
    later = [backoff.failed() for _ in range(300)]
    assert max(later) <= 300
    assert max(later) > 250
    assert min(later[20:]) < 30, "from nothing, or all nodes would come at once"
    assert backoff.failed(wish_s=900.0) == 900
    assert backoff.failed(wish_s=1e9) == 3600
    backoff.succeeded()
    assert backoff.failed() <= 1
