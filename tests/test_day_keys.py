"""A searched plate is in the audit as long as a read may be kept, and then nobody reads it again; the chain holds."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from makers import NS_PER_S
from sqlite_utils import Database

from anpr_node import audit, search
from anpr_node.cli import main
from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.errors import StoreError
from anpr_node.keeper import FIRST_PURGE_S, PURGE_EVERY_S, Keeper
from anpr_node.policy import presets
from anpr_node.store import day_keys
from anpr_node.store.database import open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.finding import Criteria
from anpr_node.units import NS_PER_DAY

NL = presets()["NL"]
NOON_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2


def ask(store: Database, folder: Path, now_ns: int = NOON_NS, pattern: str = "7QZX001") -> None:
    query = search.Query("jan", Criteria(pattern), "burglary", "LI/1", "order 7")
    search.search(store, folder, query, NL, now_ns)


def patterns(folder: Path) -> list[str]:
    return [search.readable(folder, line.entry.detail)["pattern"] for line in audit.read(folder)]


def files_with(folder: Path, text: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_plate_of_a_search_is_in_no_file_and_the_auditor_reads_it(tmp_path: Path, encrypted: bool) -> None:
    state = tmp_path / "state"
    if encrypted:
        encrypt(state, tmp_path / "key")
    with closing(open_store(state)) as store:
        ask(store, state)
        ask(store, state, pattern="7QZX002")
    assert patterns(state) == ["7QZX001", "7QZX002"]
    assert files_with(tmp_path, b"7QZX00") == []
    assert len(list((state / "audit-keys").iterdir())) == 1, "one key a day"


def test_a_refused_search_is_closed_as_well(store: Database, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(Exception, match="--reason"):
        search.search(store, state, search.Query("jan", Criteria("7QZX001"), "", "", None), NL, NOON_NS)
    assert patterns(state) == ["7QZX001"]
    assert files_with(state, b"7QZX001") == []


def test_after_the_term_nobody_reads_it_and_the_chain_holds(store: Database, tmp_path: Path) -> None:
    state = tmp_path / "state"
    ask(store, state)
    ask(store, state, NOON_NS + NS_PER_DAY, "7QZX002")
    ends_ns = 20_001 * NS_PER_DAY + 28 * NS_PER_DAY
    assert day_keys.erase(state, 28, ends_ns - 1) == 0
    assert day_keys.erase(state, 28, ends_ns) == 1
    assert patterns(state) == ["(erased)", "7QZX002"]
    assert audit.verify(state) == (2, [])
    assert [line.entry.case_ref for line in audit.read(state)] == ["LI/1", "LI/1"], "who and why stays"


def test_a_key_of_a_future_that_a_mistaken_clock_made_goes_too(store: Database, tmp_path: Path) -> None:
    ask(store, tmp_path / "state", NOON_NS + 3_000 * NS_PER_DAY)
    assert day_keys.erase(tmp_path / "state", 28, NOON_NS) == 1


def test_the_keeper_erases(store: Database, settings: Settings) -> None:
    folder = settings.state_folder
    dutch = parse({"store": {"folder": str(folder)}, "policy": {"preset": "NL"}}, "test")
    ask(store, folder)
    clock = SimulatedClock(NOON_NS + 28 * NS_PER_DAY)
    keeper = Keeper(store, dutch, clock, "boot")
    for seconds in (FIRST_PURGE_S, FIRST_PURGE_S + PURGE_EVERY_S + NS_PER_DAY / NS_PER_S):
        clock.advance_to(round(seconds * NS_PER_S))
        keeper.tick()
        assert patterns(folder) == (["7QZX001"] if seconds == FIRST_PURGE_S else ["(erased)"])


def test_a_key_that_cannot_be_made_keeps_the_search_from_being_answered(store: Database, tmp_path: Path) -> None:
    (tmp_path / "state" / "audit-keys").write_text("in the way")
    with pytest.raises(StoreError, match="no key for the audit"):
        ask(store, tmp_path / "state")


@pytest.mark.parametrize("closed", ["", "20261129:", "20261129:!!", "../../etc/passwd:AAAA", "20261129:AAAA"])
def test_what_was_never_closed_opens_to_nothing(tmp_path: Path, closed: str) -> None:
    day_keys.close(tmp_path, "7QZX001", 1_795_910_400 * NS_PER_S)
    assert (tmp_path / "audit-keys" / "20261129.key").exists()
    assert day_keys.reopen(tmp_path, closed) is None


def test_the_auditor_sees_the_pattern_by_the_command(settings: Settings, store: Database, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{settings.state_folder}"\n')
    ask(store, settings.state_folder)
    shown = CliRunner().invoke(main, ["audit", "show", "--config", str(config)]).stdout
    assert 'pattern="7QZX001"' in shown
    lines = CliRunner().invoke(main, ["audit", "show", "--json", "--config", str(config)]).stdout.splitlines()
    assert json.loads(lines[0])["entry"]["detail"]["pattern"] == "7QZX001"
