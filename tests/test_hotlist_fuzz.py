"""Mutated list files: a few thousand here, a hundred thousand and more by scripts/fuzz-hotlists."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from conftest import ROOT
from makers import importer, put_list
from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.errors import HotlistError
from anpr_node.hotlist.lists import FOLDER, show

sys.path.insert(0, str(ROOT / "scripts"))

import fuzz_hotlists


def test_no_importer_crashes_hangs_or_loses_a_row() -> None:
    outcomes = fuzz_hotlists.run(7_000, seed=5)
    for form in fuzz_hotlists.SEEDS:
        for outcome in ("rows taken", "rows named as bad", "files refused whole"):
            assert outcomes[form, outcome] > 5, f"the mutants of {form} do not reach: {outcome}"
    assert not [key for key in outcomes if "WITHOUT" in key[1]]


def test_a_mutated_file_is_in_force_whole_or_not_at_all(store: Database, settings: Settings, tmp_path: Path) -> None:
    rng, path, importing = random.Random(3), tmp_path / "l.csv", importer(store, settings)
    put_list(store, settings, "vrm\n1ABC123\n")
    seed = "vrm,priority\n" + "".join(f"1ABC{n:03},5\n" for n in range(40))
    taken = refused = 0
    for _ in range(150):
        path.write_bytes(fuzz_hotlists.mutate(seed.encode(), rng))
        before = show(store)
        try:
            built = importing.by_hand(path, "l", "replace").built
            taken += 1
            assert show(store)[0].entries == built.entries
        except HotlistError:
            refused += 1
            assert show(store) == before
        assert len(list((settings.state_folder / FOLDER).iterdir())) == 1
    assert taken > 20
    assert refused > 5
