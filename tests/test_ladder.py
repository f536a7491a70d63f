"""Recovery climbs from mild to harsh, waits between steps, and stops when its allowance is used up."""

from __future__ import annotations

from anpr_node.supervision.limits import Stage
from anpr_node.supervision.recovery import ALLOWANCES, HOUR_S, Ladder, Taken

NS_PER_S = 1_000_000_000


def climb(ladder: Ladder, seconds: float, kind: str, start_s: float = 0.0) -> list[tuple[float, Stage]]:
    """Every step that is taken while one alarm lasts."""
    steps: list[tuple[float, Stage]] = []
    for tick in range(int(seconds * 2)):
        at_s = start_s + tick / 2
        stage = ladder.next_step(int(at_s * NS_PER_S), [kind])
        if stage is not None:
            steps.append((at_s, stage))
    return steps


def test_a_stalled_camera_climbs_all_stages_in_order() -> None:
    assert climb(Ladder(), 30, "camera_stalled") == [(0, "stream"), (5, "driver"), (15, "process"), (25, "power")]


def test_a_trigger_fault_restarts_the_stream_and_no_more() -> None:
    stages = [stage for _, stage in climb(Ladder(), 3000, "trigger_lost")]
    assert stages == ["stream"] * ALLOWANCES["stream"].steps


def test_no_step_is_taken_beyond_the_last_that_can_help() -> None:
    stages = {stage for _, stage in climb(Ladder(last="driver"), 8000, "camera_stalled")}
    assert stages == {"stream", "driver"}


def test_what_needs_a_person_is_left_to_a_person() -> None:
    assert climb(Ladder(), 60, "lens_covered") == []


def test_after_the_end_of_an_alarm_the_next_one_begins_mildly() -> None:
    ladder = Ladder()
    assert climb(ladder, 6, "camera_stalled")[-1][1] == "driver"
    assert ladder.next_step(100 * NS_PER_S, []) is None
    assert ladder.next_step(101 * NS_PER_S, ["camera_stalled"]) == "stream"


def test_steps_of_earlier_runs_count() -> None:
    history = [Taken("process", i * NS_PER_S) for i in range(ALLOWANCES["process"].steps)]
    stages = [stage for _, stage in climb(Ladder(history), 30, "camera_stalled", start_s=60)]
    assert stages[:3] == ["stream", "driver", "power"]


def test_power_is_cycled_twice_a_day_at_most() -> None:
    history: list[Taken] = []
    powered, exhausted = 0, 0
    now_s = 0.0
    while now_s < 23 * HOUR_S:  # every harsh step ends the process: a new ladder with the history of all
        ladder = Ladder(history)
        for at_s, stage in climb(ladder, 40, "camera_stalled", now_s):
            history.append(Taken(stage, int(at_s * NS_PER_S)))
            if stage in {"process", "power"}:
                powered += stage == "power"
                break
        exhausted += ladder.exhausted
        now_s += 240
    assert powered == ALLOWANCES["power"].steps
    assert exhausted > 0
    assert sum(t.stage == "process" for t in history) <= 23 * ALLOWANCES["process"].steps
