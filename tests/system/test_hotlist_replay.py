"""A thousand passages with watched vehicles among them: what closes the relay, what nobody may notice, what is sent.

The passages are made up by default. With ANPR_FULL=1 they drive past the simulated camera and are read (minutes).
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hotlist_replay import WATCHED, Passing, made_up_passages, replay, road_passages, rows
from makers import importer

from anpr_node.config import parse
from anpr_node.store.database import open_store
from anpr_node.vision.reader import PlateReader

pytestmark = pytest.mark.system

PASSAGES = 1000
SWAPS = 100
FULL = bool(os.environ.get("ANPR_FULL"))


@pytest.fixture(scope="module")
def passing(reader: PlateReader) -> list[Passing]:
    return road_passages(reader, PASSAGES) if FULL else made_up_passages(PASSAGES)


def watched_reads(passing: list[Passing]) -> Counter[str]:
    """How many vehicles of each category were read, by their true plate."""
    read = {each.ripe.read.vrm for each in passing}
    return Counter({category: len(read & set(vrms)) for category, vrms in WATCHED.items()})


def test_the_relay_closes_for_the_stolen_and_nobody_notices_the_discreet(
    tmp_path: Path, passing: list[Passing]
) -> None:
    whole = replay(tmp_path / "whole", passing, rows("insurance", "seize", "discreet", "expired"))
    without = replay(tmp_path / "without", passing, rows("insurance", "seize", "expired"))
    assert len(passing) >= 0.98 * PASSAGES
    assert whole.relay_closings == 3
    assert whole.pins == without.pins, "every change of relay and LED, with its moment"
    assert whole.console == without.console
    assert whole.log == without.log
    assert whole.commands == without.commands
    assert "discreet" not in "".join((whole.console, *whole.log, *whole.commands))
    due = watched_reads(passing)
    assert due["seize"] == 3
    assert due["discreet"] == 2
    assert due["insurance"] >= (38 if FULL else 40), "a vehicle may pass hidden behind a lorry"
    del due["expired"]
    assert Counter(category for category, _ in whole.to_back_office) == due, "the expired ones never fire"
    del due["discreet"]
    assert Counter(category for category, _ in without.to_back_office) == due
    ways = dict(whole.to_back_office)
    assert '"batch"' in ways["insurance"]
    assert '"uplink"' in ways["seize"]
    assert ways["discreet"] == '["silent"]'


def test_a_list_swapped_a_hundred_times_leaves_no_read_unmatched(tmp_path: Path, passing: list[Passing]) -> None:
    """Every generation holds every watched plate, and says in each entry which generation it is."""
    folder = tmp_path / "state"
    settings = parse({"store": {"folder": str(folder)}}, "test")
    watched = [vrm for vrms in WATCHED.values() for vrm in vrms]
    swaps = 0

    def generation(number: int) -> str:
        filler = "".join(f"9QQ{n:04},{number}\n" for n in range(200))
        return "vrm,reason\n" + "".join(f"{vrm},{number}\n" for vrm in watched) + filler

    def swap(passage: int) -> None:
        nonlocal swaps
        if passage % (PASSAGES // SWAPS) == 0:
            swaps += 1
            path = tmp_path / "watched.csv"
            path.write_text(generation(swaps))
            with closing(open_store(folder)) as other:
                importer(other, settings).by_hand(path, "watched", "replace")

    trace = replay(folder, passing, generation(0), meanwhile=swap)
    assert swaps >= min(SWAPS, len(passing) // 10)
    seen = [(r.read.vrm, [h.entry.reason for h in r.hits]) for r in trace.recorded if r.read.vrm in watched]
    assert len({vrm for vrm, _ in seen}) == watched_reads(passing).total()
    assert all(len(reasons) == 1 for _, reasons in seen), "one entry, of one generation"
    generations = [int(reasons[0]) for _, reasons in seen]
    assert generations == sorted(generations)
    assert generations[-1] > 0.9 * swaps
    assert len(list((folder / "lists").glob("*.list"))) == 1
