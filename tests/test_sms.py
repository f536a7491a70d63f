"""Text messages: who is told of what, never a plate, each step on the card first, and what a crash in between means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from modem_bench import SMS, Bench
from sqlite_utils import Database

from anpr_node.alert import sms, sms_account
from anpr_node.config import parse
from anpr_node.errors import ConfigError
from anpr_node.store.database import figures, open_store
from anpr_node.store.outbox import pass_hits, settle_sms

NS_PER_S = 1_000_000_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.run(20)
        yield bench


@pytest.mark.parametrize("message_format", ["pdu", "text"])
def test_a_top_hit_that_nobody_takes_is_told_and_its_delivery_noted(tmp_path: Path, message_format: str) -> None:
    with Bench(tmp_path, modem={"kind": "simulated", "message_format": message_format}) as bench:
        bench.run(20)
        bench.put_hit(1)
        bench.run(25)
        assert bench.told == [], "the back office still has time"
        bench.run(20)
        assert [number for number, _ in bench.told] == SMS["numbers"]
        text = bench.told[0][1]
        assert text.startswith("ANPR N69 km 12 lane 1: seize 00:00:")
        assert text.endswith("Z ref hit00001. Unverified. Link is down.")
        assert "ABC" not in text
        assert len(text) <= 160
        bench.run(600)
        assert len(bench.told) == 2, "told once"
        assert bench.states == ["delivered", "delivered"]
        assert bench.shift.report.messages.delivered == 2
        row = bench.database.execute("SELECT sms_at_ns FROM hit").fetchone()
        assert row[0] > 0
        kinds = [kind for (kind,) in bench.database.execute("SELECT kind FROM outbox ORDER BY kind").fetchall()]
        assert kinds == ["hit", "read"], "the hit still waits for the back office"


def test_what_the_back_office_has_is_not_told(bench: Bench) -> None:
    bench.put_hit(1)
    with bench.database.atomic():
        settle_sms(bench.database, ["0192-hit00001"])
    bench.run(60)
    assert bench.told == []


def test_what_the_back_office_takes_at_the_last_moment_is_not_told(bench: Bench) -> None:
    bench.modem.network.registration = 2
    bench.put_hit(1)
    bench.run(60)
    assert bench.states == ["waiting", "waiting"]
    with bench.database.atomic():
        settle_sms(bench.database, ["0192-hit00001"])
    bench.modem.network.registration = 1
    bench.run(60)
    assert bench.told == []
    assert bench.states == ["unneeded", "unneeded"]


@pytest.mark.parametrize("changes", [{"actions": ("relay",)}, {"actions": ("batch",)}, {"actions": ("silent",)}])
def test_other_hits_are_not_told(bench: Bench, changes: dict[str, tuple[str, ...]]) -> None:
    bench.put_hit(1, **changes)
    bench.run(60)
    assert bench.told == []


@pytest.mark.parametrize("column", ["held_back = 'repeat'", "match = 'retrospective'"])
def test_repeats_and_past_hits_are_not_told(bench: Bench, column: str) -> None:
    bench.put_hit(1)
    bench.database.execute(f"UPDATE hit SET {column}")
    bench.run(60)
    assert bench.told == []


def test_a_hit_whose_relay_was_held_back_for_its_rate_is_told(bench: Bench) -> None:
    bench.put_hit(1)
    bench.database.execute("UPDATE hit SET held_back = 'rate'")
    bench.run(60)
    assert {number for number, _ in bench.told} == {"+32470000001", "+32470000002"}


def test_messages_are_few_and_late_ones_are_left(bench: Bench) -> None:
    for number in range(4):
        bench.put_hit(number)
    bench.run(120)
    assert len(bench.told) == 4, "two hits in an hour, to two numbers"
    bench.run(3600)
    assert len(bench.told) == 4, "the others are too old by then"


def test_the_most_important_hit_is_told_first(bench: Bench) -> None:
    bench.put_hit(1)
    bench.put_hit(2, category="arrest")
    bench.database.execute("UPDATE hit SET priority = 90 WHERE category = 'arrest'")
    bench.run(60)
    assert ["arrest" in text for _, text in bench.told] == [True, True, False, False]


class TestSilentHits:
    def bench(self, folder: Path, **section: object) -> Bench:
        return Bench(folder, sms={**SMS, "silent_numbers": ["+32470999999"], **section})

    def test_are_told_to_their_own_numbers_and_leave_no_trace(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("DEBUG"), self.bench(tmp_path) as bench:
            bench.run(20)
            caplog.clear()
            bench.put_hit(1, actions=("silent",), category="discreet")
            bench.run(60)
            assert [number for number, _ in bench.told] == ["+32470999999"]
            assert bench.states == ["delivered"]
            assert caplog.text == ""
            assert bench.shift.report.messages == sms_account.Account()
            assert bench.kinds == set()

    def test_that_a_sink_has_are_not_told(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            bench.run(20)
            bench.put_hit(1, actions=("silent",), category="discreet")
            item = bench.database.execute("SELECT item_id FROM outbox WHERE kind = 'hit'").fetchone()[0]
            with bench.database.atomic():
                pass_hits(bench.database, "zone", [item], ["zone", "another that is slow"])
            bench.run(60)
            assert bench.told == []

    def test_that_cannot_be_told_leave_none_either(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with self.bench(tmp_path) as bench:
            bench.run(20)
            caplog.clear()
            bench.modem.network.refuses = 38
            bench.put_hit(1, actions=("silent",), category="discreet")
            bench.run(600)
            assert bench.states == ["failed"]
            assert caplog.text == ""
            assert bench.kinds == set()
            assert figures(bench.database) == {}

    @pytest.mark.parametrize("fault", ["silent_on", "loses", "restarts_on"])
    def test_that_the_modem_swallows_leave_none_either(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
    ) -> None:
        with caplog.at_level("DEBUG"), self.bench(tmp_path) as bench:
            bench.run(20)
            caplog.clear()
            setattr(bench.modem.faults, fault, "AT+CMGS")
            bench.put_hit(1, actions=("silent",), category="discreet")
            bench.run(160)
            setattr(bench.modem.faults, fault, "")
            bench.run(300)
            assert bench.states == ["delivered"]
            assert "CMGS" not in caplog.text
            assert "SMS" not in caplog.text
            assert "9999" not in caplog.text
            assert figures(bench.database) == {}

    def test_of_a_read_hide_its_other_hits(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            bench.run(20)
            bench.put_hit(1)
            bench.database.execute(
                "INSERT INTO hit (hit_id, read_id, list_id, category, priority, reason, issuer, actions, match,"
                " raised_at_ns) SELECT 'silent', read_id, 's', 'discreet', 70, '', '', '[\"silent\"]', 'exact',"
                " raised_at_ns FROM hit"
            )
            bench.database.execute(
                "INSERT INTO outbox (kind, ref, queued_ns)"
                " SELECT 'hit', hit_id, raised_at_ns FROM hit WHERE hit_id = 'silent'"
            )
            bench.run(60)
            assert [number for number, _ in bench.told] == ["+32470999999"]

    def test_do_not_use_up_what_others_may_send(self, tmp_path: Path) -> None:
        with self.bench(tmp_path, per_hour_max=1) as bench:
            bench.run(20)
            bench.put_hit(1, actions=("silent",))
            bench.put_hit(2)
            bench.put_hit(3, actions=("silent",))
            bench.run(60)
            assert sorted(number for number, _ in bench.told) == ["+32470000001", "+32470000002", "+32470999999"]


def test_a_network_that_refuses_is_asked_a_few_times_more_and_then_it_is_said(bench: Bench) -> None:
    bench.modem.network.refuses = 38
    bench.put_hit(1)
    bench.until({"sms_failed"}, 400)
    assert bench.states == ["failed", "failed"]
    tries = [n for (n,) in bench.database.execute("SELECT tries FROM sms").fetchall()]
    assert tries == [sms_account.TRIES_MAX] * 2
    bench.until(set(), 3700)


def test_one_refusal_is_made_good(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.modem.network.refuses = 500
    bench.put_hit(1)
    bench.run(34)
    bench.modem.network.refuses = None
    bench.run(60)
    assert len(bench.told) == 2
    assert bench.states == ["delivered"] * 2
    assert "CMS ERROR: 500" in caplog.text
    assert "ABC" not in caplog.text
    assert "+32470000001" not in caplog.text
    assert figures(bench.database) == {}, "nobody got it twice"


def test_a_message_that_was_not_delivered_is_said(bench: Bench) -> None:
    bench.modem.network.report_status = 0x41
    bench.put_hit(1)
    bench.until({"sms_failed"}, 60)
    bench.run(10)
    assert bench.states == ["failed", "failed"]
    assert len(bench.told) == 2, "the network has given up: it is not sent again"


def test_a_network_without_reports_leaves_it_at_sent(bench: Bench) -> None:
    bench.modem.network.report_status = None
    bench.put_hit(1)
    bench.run(120)
    assert bench.states == ["sent", "sent"]


def test_a_message_waits_for_the_network_and_is_too_old_in_the_end(bench: Bench) -> None:
    bench.modem.network.registration = 2
    bench.put_hit(1)
    bench.run(1000)
    assert bench.told == []
    bench.modem.network.registration = 1
    bench.run(60)
    assert bench.told == []
    assert bench.states == ["expired", "expired"]


def test_a_lost_answer_makes_a_message_go_out_twice_and_is_counted(bench: Bench) -> None:
    bench.modem.faults.loses = "AT+CMGS"
    bench.put_hit(1)
    while not bench.told:
        bench.shift.tick()
    bench.modem.faults.loses = ""
    bench.run(300)
    numbers = sorted(number for number, _ in bench.told)
    assert numbers == ["+32470000001", "+32470000001", "+32470000002"]
    assert len({text for _, text in bench.told}) == 1, "the same reference: whoever reads it sees that it is one hit"
    assert figures(bench.database) == {"sms_repeated": 1}


@pytest.mark.parametrize("fault", ["restarts_on", "silent_on"])
def test_a_modem_that_fails_over_a_message_sends_it_later(bench: Bench, fault: str) -> None:
    setattr(bench.modem.faults, fault, "AT+CMGS")
    bench.put_hit(1)
    bench.run(50)
    assert bench.told == []
    setattr(bench.modem.faults, fault, "")
    bench.run(600)
    assert sorted(number for number, _ in bench.told) == SMS["numbers"]


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", ["before it is queued", "queued", "begun", "with the network", "noted"])
def test_a_crash_at_any_moment_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    places = {
        "before it is queued": (sms, "queue_due", "before"),
        "queued": (sms, "queue_due", "after"),
        "begun": (sms_account, "begin", "after"),
        "with the network": (sms_account, "sent", "before"),
        "noted": (sms_account, "sent", "after"),
    }
    module, name, side = places[moment]
    real, crashed = getattr(module, name), []

    def crashing(*values: object, **named: object) -> object:
        found = None if side == "before" else real(*values, **named)
        if not crashed and (found or name == "sent" or (side == "before" and bench.now_s > 50)):
            crashed.append(True)
            raise Crash
        return real(*values, **named) if side == "before" else found

    monkeypatch.setattr(module, name, crashing)
    bench.put_hit(1)
    with pytest.raises(Crash):
        bench.run(60)
    bench.database.close()
    bench.driver.close()
    bench.database = open_store(bench.folder)
    bench.shift = bench.begin()
    bench.run(120)
    doubled = moment in {"begun", "with the network"}
    assert {number for number, _ in bench.told} == set(SMS["numbers"])
    assert len(bench.told) == (3 if moment == "with the network" else 2)
    assert figures(bench.database) == ({"sms_repeated": 1} if doubled else {})
    assert bench.states == ["delivered", "delivered"]


def test_a_report_belongs_to_the_newest_message_with_its_number(store: Database) -> None:
    store.execute("PRAGMA foreign_keys=OFF")
    for sms_id, number in enumerate(["+32470000001", "+32470000002", "+32470000001"], 1):
        store.execute(
            "INSERT INTO sms VALUES (?, ?, ?, 0, 'sent', 0, 0, 1, 7, ?, NULL)",
            [sms_id, f"h{sms_id}", number, sms_id * NS_PER_S],
        )
    sms_account.reported(store, 7, "0001", delivered=True, now_ns=10 * NS_PER_S)
    states = [state for (state,) in store.execute("SELECT state FROM sms ORDER BY sms_id").fetchall()]
    assert states == ["sent", "sent", "delivered"]


def test_messages_go_with_their_hit(bench: Bench) -> None:
    bench.put_hit(1)
    bench.run(60)
    bench.database.execute("DELETE FROM hit")
    assert bench.states == []


def test_one_row_a_hit_and_number(bench: Bench) -> None:
    bench.put_hit(1)
    bench.run(60)
    with pytest.raises(sqlite3.IntegrityError):
        bench.database.execute("INSERT INTO sms SELECT NULL, hit_id, number, 0, 'waiting', 0, 0, 0, 0, 0, 0 FROM sms")


@pytest.mark.parametrize("key", ["numbers", "silent_numbers"])
def test_numbers_are_international(key: str) -> None:
    with pytest.raises(ConfigError, match=r"\+32470123456"):
        parse({"sms": {key: ["0470123456"]}}, "test")
