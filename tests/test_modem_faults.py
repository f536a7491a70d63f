"""Every fault of a modem ends in a working link or in a named alarm, within the time that docs/failures.md states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from modem_bench import Bench

from anpr_node.config import parse
from anpr_node.drivers.simulated.modem_dialects import DIALECTS
from anpr_node.drivers.simulated.modem_network import SimCard
from anpr_node.errors import ConfigError
from anpr_node.store.events import last_events
from anpr_node.supervision.modem import LOSSES_WITHIN_S, MODEM_ALLOWANCES, MODEM_LIMITS, OVER_S

Change = Callable[[Bench], None]


@pytest.fixture(params=sorted(DIALECTS))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, DIALECTS[request.param]) as bench:
        yield bench


def set_(path: str, value: object) -> Change:
    def change(bench: Bench) -> None:
        *owners, name = path.split(".")
        target: object = bench
        for owner in owners:
            target = getattr(target, owner)
        setattr(target, name, value)

    return change


def taken_by_another(bench: Bench) -> None:
    """It cannot be taken from who has it; another program is quicker when it starts anew."""
    bench.taken = True
    bench.modem.restart()


FAULTS: dict[str, tuple[str, Change, Change]] = {
    "device gone": ("modem_missing", set_("modem.unplugged", True), set_("modem.unplugged", False)),
    "device in other hands": ("modem_taken", taken_by_another, set_("taken", False)),
    "silent": ("modem_silent", set_("modem.faults.silent", True), set_("modem.faults.silent", False)),
    "one command unanswered": (
        "modem_silent", set_("modem.faults.silent_on", "AT+CSQ"), set_("modem.faults.silent_on", ""),
    ),
    "restarts over and over": (
        "modem_unstable", set_("modem.faults.restarts_on", "AT+CSQ"), set_("modem.faults.restarts_on", ""),
    ),
    "answers far too late": ("modem_silent", set_("modem.faults.delay_s", 100.0), set_("modem.faults.delay_s", 0.0)),
    "no card": ("sim_missing", set_("modem.card.present", False), set_("modem.card.present", True)),
    "card locked": ("sim_locked", set_("modem.card.pin", "1234"), set_("modem.card.pin", "")),
    "refused by the network": (
        "modem_denied", set_("modem.network.registration", 3), set_("modem.network.registration", 1),
    ),
    "no network": (
        "modem_searching", set_("modem.network.registration", 2), set_("modem.network.registration", 5),
    ),
    "no data": ("link_down", set_("link.carries", False), set_("link.carries", True)),
    "hot": ("modem_hot", set_("modem.network.temperature_c", 85), set_("modem.network.temperature_c", 60)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_becomes_its_alarm_and_ends_with_it(bench: Bench, name: str) -> None:
    kind, break_, mend = FAULTS[name]
    bench.run(60)
    assert bench.kinds == set(), "well before"
    break_(bench)
    limit = MODEM_LIMITS[kind]
    bench.until({kind}, limit.found_s)
    if not limit.stages:
        bench.run(600)
        assert bench.steps == [], "nothing is tried that cannot help"
    mend(bench)
    bench.until(set(), (LOSSES_WITHIN_S if kind == "modem_unstable" else 0) + OVER_S)
    assert bench.shift.report.modem.is_registered
    assert bench.shift.report.link.up
    bench.run(60)
    assert bench.kinds == set()


STUBBORN = [name for name, (kind, _, _) in FAULTS.items() if MODEM_LIMITS[kind].stages]


@pytest.mark.system
@pytest.mark.parametrize("name", STUBBORN)
def test_a_fault_that_stays_is_tried_within_limits_and_said_to_be_given_up(tmp_path: Path, name: str) -> None:
    kind, break_, _ = FAULTS[name]
    dialect = list(DIALECTS.values())[STUBBORN.index(name) % 2]
    with Bench(tmp_path, dialect, modem={"kind": "simulated", "look_s": 30.0}) as bench:
        bench.run(60)
        break_(bench)
        bench.until({kind, "modem_exhausted"}, 3000)
        bench.run(3700)
        for stage, allowance in MODEM_ALLOWANCES.items():
            taken = bench.steps.count(stage)
            assert taken <= allowance.steps * 2, "in less than two hours"
            assert (taken > 0) == (stage in MODEM_LIMITS[kind].stages)
        assert kind in bench.kinds


def test_a_wedged_modem_is_well_again_after_the_first_step_that_helps(bench: Bench) -> None:
    bench.run(60)
    bench.modem.wedge()
    bench.until({"modem_silent"}, 60)
    bench.until(set(), 600)
    assert bench.steps == ["modem_reopen", "modem_reset", "modem_power"], "only the supply helps a modem that hangs"


def test_without_a_relay_the_power_is_left_alone(tmp_path: Path) -> None:
    with Bench(tmp_path, power=False) as bench:
        bench.run(30)
        bench.modem.wedge()
        bench.until({"modem_silent", "modem_exhausted"}, 1200)
        assert set(bench.steps) == {"modem_reopen", "modem_reset"}
        bench.power_asked.set()
        bench.run(10)
        assert "modem_power" not in bench.steps


def test_steps_of_earlier_runs_count(bench: Bench) -> None:
    bench.run(30)
    bench.modem.wedge(for_good=True)
    bench.until({"modem_silent", "modem_exhausted"}, 2000)
    before = len(bench.steps)
    bench.shift = bench.begin()
    bench.run(300)
    assert len(bench.steps) == before


def test_a_person_may_cycle_the_power_once_a_minute(bench: Bench) -> None:
    bench.run(30)
    for _ in range(3):
        bench.power_asked.set()
        bench.run(2)
    assert bench.steps == ["modem_power"]
    assert bench.supply is not None
    assert not bench.supply.is_on
    assert bench.modem.starts == 2
    bench.run(60)
    assert bench.kinds == set()
    assert bench.shift.report.modem.is_registered


def test_a_modem_that_comes_back_as_another_device_goes_on(bench: Bench) -> None:
    bench.run(30)
    bench.modem.restart()
    bench.run(60)
    assert bench.kinds == set()
    assert bench.steps == []
    assert bench.shift.report.modem.is_registered


def test_a_link_that_is_up_and_leads_nowhere_is_down(tmp_path: Path) -> None:
    section = {"kind": "simulated", "probe": "192.0.2.1:443", "probe_s": 10.0}
    with Bench(tmp_path, modem=section) as bench:
        bench.run(60)
        assert bench.kinds == set()
        bench.link.answers = False
        bench.until({"link_down"}, MODEM_LIMITS["link_down"].found_s)
        assert "192.0.2.1:443 does not answer" in next(iter(bench.shift.report.alarms)).detail
        bench.link.answers = True
        bench.until(set(), OVER_S)


@pytest.mark.parametrize("probe", ["example.org:443", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:x"])
def test_a_probe_is_an_address_and_a_port(probe: str) -> None:
    with pytest.raises(ConfigError, match="probe"):
        parse({"modem": {"probe": probe}}, "test")
    assert parse({"modem": {"probe": "[2001:db8::1]:443"}}, "test").modem.probe


def test_one_trouble_that_becomes_another_is_one_alarm_at_a_time(bench: Bench) -> None:
    bench.run(60)
    bench.modem.network.registration = 2
    bench.until({"modem_searching"}, 240)
    bench.modem.card.present = False
    bench.until({"sim_missing"}, 60)
    assert bench.kinds == {"sim_missing"}
    whats = [(event.what, event.kind) for event in reversed(last_events(bench.database)) if event.what != "recovery"]
    assert whats == [("raised", "modem_searching"), ("cleared", "modem_searching"), ("raised", "sim_missing")]


@pytest.mark.parametrize(
    ("name", "value"),
    [("piece_bytes", 3), ("garbage", b"\xff\x00\xfe\x80"), ("interjection", '+CTZV: "26/11/29,15:00:00+04"'),
     ("interjection", '+CEREG: 2,"1A2B","01A2D051",7'), ("interjection", "+CMTI: \"SM\",3"), ("echoes", True),
     ("delay_s", 1.5)],
)  # fmt: skip
def test_a_modem_that_speaks_badly_is_understood(bench: Bench, name: str, value: object) -> None:
    setattr(bench.modem.faults, name, value)
    bench.run(120)
    assert bench.kinds == set()
    assert bench.shift.report.modem.operator == "Proximus"
    assert bench.shift.report.modem.signal_dbm == -71
    assert bench.shift.report.modem.temperature_c == 38


class TestPin:
    def bench(self, folder: Path, put: str, pin: str = "1234") -> Bench:
        (folder / "pin").write_text(put + "\n")
        bench = Bench(folder, modem={"kind": "simulated", "pin_file": str(folder / "pin")})
        bench.modem.card = SimCard(pin=pin)
        return bench

    def test_the_right_one_opens_the_card(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "1234") as bench:
            bench.run(60)
            assert bench.shift.report.modem.sim == "ready"
            bench.modem.restart()
            bench.run(60)
            assert bench.modem.card.tried == ["1234"] * 2, "once a start"

    def test_a_wrong_one_is_tried_once_whatever_restarts(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "9999") as bench:
            bench.until({"sim_locked"}, 30)
            for _ in range(5):
                bench.run(300)
                bench.modem.restart()
                bench.shift = bench.begin()
            assert bench.modem.card.tried == ["9999"]
        with self.bench(tmp_path, "9999") as again:
            again.run(600)
            assert again.modem.card.tried == []
            assert again.kinds == {"sim_locked"}

    def test_another_one_in_the_file_is_tried_without_a_restart(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "9999") as bench:
            bench.until({"sim_locked"}, 30)
            bench.pin_file.write_text("1234")
            bench.run(120)
            assert bench.modem.card.tried == ["9999", "1234"]
            assert bench.kinds == set()

    def test_the_first_wrong_one_is_not_forgotten_for_a_second(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "9999") as bench:
            bench.run(70)
            bench.modem.card.tries = 3
            for pin in ("8888", "9999", "8888"):
                bench.pin_file.write_text(pin)
                bench.run(70)
            assert bench.modem.card.tried == ["9999", "8888"]

    def test_the_last_try_is_never_the_nodes(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "1234") as bench:
            bench.modem.card.tries = 1
            bench.until({"sim_locked"}, 30)
            bench.run(600)
            assert bench.modem.card.tried == []
            assert "tries left" in next(iter(bench.shift.report.alarms)).detail

    def test_a_try_that_was_cut_short_is_made_again_if_the_card_has_all_its_tries(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "1234") as bench:
            bench.modem.faults.restarts_on = "AT+CPIN="
            bench.run(30)
            bench.modem.faults.restarts_on = ""
            bench.run(120)
            assert bench.kinds == set()
            assert bench.modem.card.tried == ["1234"]

    def test_no_file_and_no_digits_are_said(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "12a4") as bench:
            bench.until({"sim_locked"}, 30)
            assert "4 to 8 digits" in next(iter(bench.shift.report.alarms)).detail
            bench.pin_file.unlink()
            bench.run(120)
            assert bench.modem.card.tried == []

    def test_a_card_that_wants_its_puk_is_left_alone(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, "1234") as bench:
            bench.modem.card.tries = 0
            bench.until({"sim_locked"}, 30)
            assert "PUK" in next(iter(bench.shift.report.alarms)).detail
            assert bench.modem.card.tried == []


def test_a_power_cycle_amid_another_trouble_renames_its_alarm_for_a_moment_only(bench: Bench) -> None:
    bench.run(60)
    bench.link.carries = False
    bench.run(25)
    bench.power_asked.set()
    bench.until({"link_down"}, MODEM_LIMITS["link_down"].found_s - 25)
