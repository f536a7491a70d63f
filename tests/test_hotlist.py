"""Lists in force: replaced and changed whole, guarded against worse ones, sealed on the card, and asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from makers import importer, put_list
from sqlite_utils import Database

from anpr_node import audit
from anpr_node.config import Settings, parse
from anpr_node.errors import HotlistError, RefusedByPolicy, StoreError
from anpr_node.hotlist.lists import FOLDER, overdue, show
from anpr_node.hotlist.matching import Match, Matcher, Sighting, misreadings, open_matcher
from anpr_node.hotlist.sealing import open_sealer
from anpr_node.records import Candidate
from anpr_node.store.database import open_store
from anpr_node.store.encrypting import encrypt

GOOD = "vrm,country,category,reason\n1-ABC-123,B,seize,stolen\nwob de 77,D,discreet,\n"
JANUARY_NS, DAY_NS = 1_767_225_600 * 10**9, 86_400 * 10**9


@pytest.fixture
def matcher(store: Database, settings: Settings) -> Iterator[Matcher]:
    with closing(open_matcher(store, settings)) as opened:
        yield opened


def with_lists(settings: Settings, **hotlists: Any) -> Settings:
    return parse({"store": {"folder": str(settings.state_folder)}, "hotlists": hotlists}, "test")


def see(
    vrm: str, country: str | None = "B", at_ns: int = JANUARY_NS, *others: tuple[str, float], sure: float = 0.9
) -> Sighting:
    return Sighting(vrm, country, sure, (Candidate(vrm, sure), *(Candidate(*other) for other in others)), at_ns)


def found(matches: list[Match]) -> list[tuple[str, str]]:
    return [(match.entry.category, match.how) for match in matches]


def files(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.state_folder / FOLDER).iterdir())


def test_matching_is_exact_and_takes_the_highest_priority_first(
    store: Database, settings: Settings, matcher: Matcher
) -> None:
    put_list(store, settings, GOOD, "a")
    put_list(store, settings, "vrm,category\n1ABC123,inspection\n", "b")
    assert found(matcher.match(see("1ABC123"))) == [("seize", "exact"), ("inspection", "exact")]
    for other in ("1ABC12", "1A8C123", ""):
        assert matcher.match(see(other)) == []


def test_an_entry_comes_back_as_it_was_given(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, "vrm,country,category,priority,reason,issuer,valid_to,actions,match\n"
                              "1ABC123,BEL,local,7,Café,zone,2030-01-01,led sms,exact\n")  # fmt: skip
    entry = matcher.match(see("1ABC123"))[0].entry
    assert (entry.list_id, entry.vrm, entry.country, entry.priority) == ("l", "1ABC123", "B", 7)
    assert (entry.reason, entry.issuer, entry.actions, entry.exact_only) == ("Café", "zone", ("led", "sms"), True)
    assert (entry.valid_from_ns, entry.valid_to_ns) == (None, 1_893_456_000 * 10**9)


def test_countries_must_agree_where_both_are_known(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, GOOD + "1ABC123,NL,local,\n1ABC123,,tax,\n")
    assert found(matcher.match(see("1ABC123", "B"))) == [("seize", "exact"), ("tax", "exact")]
    assert found(matcher.match(see("1ABC123", "F"))) == [("tax", "exact")]
    assert len(matcher.match(see("1ABC123", None))) == 3


def test_an_entry_fires_only_while_it_is_valid(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, "vrm,valid_from,valid_to\n1ABC123,2026-01-01,2026-02-01\n")
    assert not matcher.match(see("1ABC123", at_ns=JANUARY_NS - 1))
    assert matcher.match(see("1ABC123", at_ns=JANUARY_NS))
    assert not matcher.match(see("1ABC123", at_ns=JANUARY_NS + 31 * DAY_NS))


NEAR = {"lists": {"l": {"near": True, "wildcard": True}}}


@pytest.fixture
def loose(store: Database, settings: Settings) -> Iterator[Matcher]:
    with closing(open_matcher(store, with_lists(settings, **NEAR, skip=["1ABC-128"]))) as opened:
        yield opened


def test_misreadings_match_on_lists_that_allow_it(store: Database, settings: Settings, loose: Matcher) -> None:
    rows = "vrm\n1ABC123\nO17\n2DEF456\n1ABC128\n"
    put_list(store, settings, rows, "l")
    put_list(store, settings, rows, "strict")
    assert found(loose.match(see("1A8C123"))) == [("local", "near")], "8 for B, on the list that allows it"
    assert [m.entry.vrm for m in loose.match(see("2XYF456", "B", JANUARY_NS, ("2DEF456", 0.05)))] == ["2DEF456"]
    assert not loose.match(see("2XYF456", "B", JANUARY_NS, ("2DEF456", 0.001))), "hardly a candidate"
    assert not loose.match(see("1A8C1Z3")), "two characters at once"
    assert not loose.match(see("017")), "too short to be matched loosely"
    assert len(loose.match(see("O17"))) == 2
    assert not loose.match(see("1ABC128")), "a known false friend, and on the list"
    assert not loose.match(see("1A8C128")), "nor is it taken for one"


def test_an_entry_may_ask_for_more_than_its_list(store: Database, settings: Settings, loose: Matcher) -> None:
    put_list(store, settings, "vrm,match\n1ABC123,exact\n2ABC123,near\n")
    assert not loose.match(see("1A8C123"))
    assert loose.match(see("2A8C123"))


def test_patterns(store: Database, settings: Settings, loose: Matcher) -> None:
    changed = with_lists(settings, **NEAR)
    put_list(store, changed, "vrm,category\n1AB?12*,local\nWOB*77,seize\n")
    assert found(loose.match(see("1ABX123"))) == [("local", "wildcard")]
    assert found(loose.match(see("WOBDE77"))) == [("seize", "wildcard")]
    assert not loose.match(see("1ABX213"))
    put_list(store, changed, "vrm,category,change\n1AB?12*,local,remove\n2CDE???,tax,add\n", operation="delta")
    assert not loose.match(see("1ABX123"))
    assert found(loose.match(see("2CDE999"))) == [("tax", "wildcard")]
    assert [each.entries for each in show(store)] == [2]


def test_an_unsure_read_matches_nothing_on_a_bulk_list(store: Database, settings: Settings) -> None:
    put_list(store, settings, GOOD)
    with closing(open_matcher(store, with_lists(settings, lists={"l": {"confidence_min": 0.95}}))) as strict:
        assert not strict.match(see("1ABC123", sure=0.94))
        assert strict.match(see("1ABC123", sure=0.96))


def test_misreadings_are_few() -> None:
    assert len(misreadings(see("8O1Z5S6"))) < 20
    assert misreadings(see("801")) == []


def test_a_list_is_replaced_whole(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, GOOD)
    assert matcher.match(see("1ABC123"))
    put_list(store, settings, "vrm\n2DEF456\n")
    assert not matcher.match(see("1ABC123"))
    assert matcher.match(see("2DEF456"))
    assert [(s.list_id, s.entries, s.signed) for s in show(store)] == [("l", 1, 0)]
    assert len(files(settings)) == 1


def test_a_delta_adds_changes_and_removes(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, "vrm,category\n1ABC123,seize\n2DEF456,local\n3GHI789,tax\n")
    delta = "vrm,category,change\n4JKL012,local,\n2DEF456,missing,add\n3GHI789,,remove\n9ZZZ999,,remove\n"
    taken = put_list(store, settings, delta, operation="delta")
    assert [row.problem for row in taken.built.bad_rows] == ["to be removed, and not on the list"]
    assert [s.entries for s in show(store)] == [3]
    categories = [found(matcher.match(see(vrm))) for vrm in ("1ABC123", "2DEF456", "3GHI789", "4JKL012")]
    assert categories == [[("seize", "exact")], [("missing", "exact")], [], [("local", "exact")]]
    put_list(store, settings, "vrm\n1ABC123\n", operation="remove")
    assert not matcher.match(see("1ABC123"))


def test_a_delta_needs_a_list(store: Database, settings: Settings) -> None:
    with pytest.raises(HotlistError, match="import the whole list first"):
        put_list(store, settings, "vrm\n1ABC123\n", operation="delta")


def test_what_is_twice_in_a_file_counts_once(store: Database, settings: Settings) -> None:
    taken = put_list(store, settings, "vrm,country\n1ABC123,B\n1-abc-123,BEL\n1ABC123,D\n1ABC123,B\n")
    assert [(row.line, row.problem[:10]) for row in taken.built.bad_rows] == [(3, "this plate"), (5, "this plate")]
    assert taken.built.entries == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vrm\n---\n", "no good row"),
        ("vrm\n", "no good row"),
        ("vrm,priority\n" + "1ABC123,900\n" * 11 + "2DEF456,1\n", "11 bad rows beside 1"),
        ("vrm\n1ABC123\n", "may-shrink"),
        ('vrm\n"1ABC123\n', "not CSV"),
    ],
)
def test_a_failed_import_leaves_the_old_list(
    store: Database, settings: Settings, matcher: Matcher, text: str, words: str
) -> None:
    put_list(store, settings, "vrm\n" + "".join(f"1ABC{n:03}\n" for n in range(100, 250)))
    with pytest.raises(HotlistError, match=words):
        put_list(store, settings, text)
    assert matcher.match(see("1ABC123"))
    assert len(files(settings)) == 1, "nothing is left of what failed"
    if "shrink" in words:
        put_list(store, settings, text, may_shrink=True)
        assert not matcher.match(see("1ABC124"))


def test_a_store_that_fails_leaves_the_old_list(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, GOOD)
    store.execute("CREATE TRIGGER full BEFORE INSERT ON hotlist BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(StoreError, match="the one in force stays"):
        put_list(store, settings, "vrm\n2DEF456\n")
    assert matcher.match(see("1ABC123"))


def test_a_full_card_leaves_the_old_list(store: Database, settings: Settings, matcher: Matcher) -> None:
    put_list(store, settings, GOOD)
    folder = settings.state_folder / FOLDER
    folder.rename(folder.with_name("away"))
    folder.write_text("")
    with pytest.raises(StoreError, match="writable"):
        put_list(store, settings, "vrm\n2DEF456\n")


def test_every_import_is_written_down_with_who_and_why(store: Database, settings: Settings) -> None:
    put_list(store, settings, GOOD)
    (line,) = audit.read(settings.state_folder)
    detail = {"source": "l.csv", "left_out": 0, "unsigned": True}
    wanted = audit.Entry("tester", "hotlist replace", reason="a test", object_ref="l", rows=2, detail=detail)
    assert (line.at_ns, line.entry) == (7, wanted)


def test_what_cannot_be_written_down_does_not_come_in_force(
    store: Database, settings: Settings, matcher: Matcher
) -> None:
    put_list(store, settings, GOOD)
    (settings.state_folder / audit.FILE_NAME).unlink()
    (settings.state_folder / audit.FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="audit cannot be written"):
        put_list(store, settings, "vrm\n2DEF456\n")
    assert matcher.match(see("1ABC123"))
    assert not matcher.match(see("2DEF456"))


def test_a_list_that_comes_signed_takes_nothing_else_unless_told_so_with_a_reason(
    store: Database, settings: Settings
) -> None:
    strict = with_lists(settings, lists={"l": {"public_key": "k"}})
    with pytest.raises(RefusedByPolicy, match="--unsigned --reason"):
        put_list(store, strict, GOOD)
    put_list(store, strict, GOOD, unsigned=True)
    silent = importer(store, strict, reason=" ")
    with pytest.raises(RefusedByPolicy):
        silent.by_hand(Path("x"), "l", "replace", unsigned=True)


def test_a_name_that_is_no_file_name_is_refused(store: Database, settings: Settings) -> None:
    with pytest.raises(HotlistError, match="no name of a list"):
        put_list(store, settings, GOOD, "a list")


def test_a_list_that_is_too_old_or_missing_is_an_alarm(store: Database, settings: Settings) -> None:
    aged = with_lists(settings, lists={"l": {"max_age_h": 24.0}, "m": {"max_age_h": 24.0}, "n": {}})
    put_list(store, aged, GOOD)
    hour_ns = 3600 * 10**9
    assert overdue(store, aged, 24 * hour_ns) == [("m", "no list is in force")]
    assert overdue(store, aged, 26 * hour_ns)[0] == ("l", "26.0 h old, 24 h allowed")


def test_the_card_does_not_hold_the_list(store: Database, settings: Settings) -> None:
    """Neither plates nor reasons stand anywhere in the state folder, as they are or as a plain hash."""
    import hashlib

    vrms = [f"1QXZ{n:03}" for n in range(200)]
    put_list(store, settings, "vrm,reason,issuer\n" + "".join(f"{vrm},wanted for arson,zone5293\n" for vrm in vrms))
    content = b"".join(path.read_bytes() for path in settings.state_folder.rglob("*") if path.is_file())
    for secret in (*vrms, "arson", "zone5293"):
        assert secret.encode() not in content
        for algorithm in ("md5", "sha1", "sha256", "blake2b", "blake2s"):
            assert hashlib.new(algorithm, secret.encode()).digest()[:8] not in content
    assert (settings.state_folder / "lists.secret").stat().st_mode & 0o777 == 0o600


def test_another_key_opens_nothing_and_says_so_once(
    store: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    put_list(store, settings, GOOD)
    secret = settings.state_folder / "lists.secret"
    secret.write_bytes(b"k" * 32)
    with closing(open_matcher(store, settings)) as thief, caplog.at_level(logging.ERROR):
        assert not thief.match(see("1ABC123"))
        assert not thief.match(see("1ABC123"))
    assert caplog.text.count("sealed with another key") == 1
    with pytest.raises(HotlistError, match="sealed with another key"):
        put_list(store, settings, "vrm\n2DEF456\n", operation="delta")
    secret.write_bytes(b"k")
    with pytest.raises(HotlistError, match="32 wanted"):
        open_matcher(store, settings)


def test_the_key_of_an_encrypted_store_closes_lists_too(store: Database, settings: Settings, tmp_path: Path) -> None:
    put_list(store, settings, GOOD)
    folder, secret = settings.state_folder, settings.state_folder / "lists.secret"
    before = secret.read_bytes()
    store.close()
    encrypt(folder, tmp_path / "stick.key")
    assert before not in secret.read_bytes()
    with closing(open_store(folder)) as opened, closing(open_matcher(opened, settings)) as matcher:
        assert matcher.match(see("1ABC123")), "the lists need no import"
    (tmp_path / "stick.key").rename(tmp_path / "away")
    with pytest.raises(StoreError):
        open_sealer(folder)


def test_lists_of_a_store_that_was_encrypted_first_leave_no_secret_on_the_card(
    settings: Settings, tmp_path: Path
) -> None:
    encrypt(settings.state_folder, tmp_path / "stick.key")
    with closing(open_store(settings.state_folder)) as opened:
        put_list(opened, settings, GOOD)
    assert not (settings.state_folder / "lists.secret").exists()


def test_a_damaged_list_does_not_silence_the_others(
    store: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    put_list(store, settings, GOOD, "a")
    put_list(store, settings, GOOD, "b")
    damaged = next((settings.state_folder / FOLDER).glob("a.*"))
    damaged.write_bytes(damaged.read_bytes()[:1024] + b"\xa5" * 20_000)
    with closing(open_matcher(store, settings)) as matcher, caplog.at_level(logging.ERROR):
        assert [m.entry.list_id for m in matcher.match(see("1ABC123"))] == ["b"]
    assert "list a" in caplog.text
    damaged.unlink()
    with closing(open_matcher(store, settings)) as matcher, caplog.at_level(logging.ERROR):
        assert [m.entry.list_id for m in matcher.match(see("1ABC123"))] == ["b"]
    assert "its file is gone" in caplog.text
