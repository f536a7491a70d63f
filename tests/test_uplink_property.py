"""Whatever happens in whatever order, in the end each sink has everything once, and nothing waits."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from hostile import FAULTS, HostileServer, Plan
from sqlite_utils import Database
from uplink_kit import Node, add, hit, kept, outbox, running, settings_for

from anpr_node.audit import By
from anpr_node.hotlist import verdicts
from anpr_node.sink.shelf import Shelf

STEPS = 15
QUICK = tuple(fault for fault in FAULTS if fault != "slow")


@pytest.mark.parametrize("seed", range(3))
def test_everything_once_whatever_happens(store: Database, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    shelves = [Shelf(tmp_path / name) for name in ("one", "two")]
    plans = [Plan(share=0.3, faults=QUICK, seed=seed * 2 + n, shelf=shelf) for n, shelf in enumerate(shelves)]
    with (
        closing(shelves[0]),
        closing(shelves[1]),
        running(HostileServer(plans[0])) as one,
        running(HostileServer(plans[1])) as two,
    ):
        settings = settings_for(
            tmp_path / "state",
            {"name": "one", "url": one.url},
            {"name": "two", "url": two.url, "kinds": ["reads", "hits"]},
        )
        reads, hits, judged = _live(store, settings, rng, tmp_path)
        for plan in plans:
            plan.share = 0.0
        with Node(settings) as node:
            node.run(700)
    for name in ("one", "two"):
        assert set(kept(tmp_path / name, "read")) == reads
        assert set(kept(tmp_path / name, "hit")) == hits
        assert set(kept(tmp_path / name, "verdict")) == judged
    assert set(kept(tmp_path / "one", "patch")) == reads
    assert not kept(tmp_path / "two", "patch")
    assert not set(outbox(store)) - {"sms"}
    assert store.execute("SELECT count(*) FROM refused").fetchone()[0] == 0
    assert store.execute("SELECT count(*) FROM sink_passed").fetchone()[0] == 0


def _live(store: Database, settings: object, rng: random.Random, tmp_path: Path) -> tuple[set[str], set[str], set[str]]:
    """Reads, hits, verdicts, pauses and restarts at random; what there is to be at the sinks."""
    reads: set[str] = set()
    hits: set[str] = set()
    judged: set[str] = set()
    node = Node(settings)  # type: ignore[arg-type]
    for _ in range(STEPS):
        what = rng.choice(["reads", "hits", "batch", "verdict", "pause", "restart"])
        if what in {"reads", "hits", "batch"}:
            for _ in range(rng.randrange(1, 40 if what == "reads" else 4)):
                read_id = f"r{len(reads):04}"
                reads.add(read_id)
                category, actions = ("insurance", ("batch",)) if what == "batch" else ("seize", ("uplink", "sms"))
                found = [] if what == "reads" else [hit(read_id, category, *actions)]
                hits |= {each.hit_id for each in found}
                add(store, read_id, *found, pictures=True)
        elif what == "verdict" and hits:
            chosen = rng.choice(sorted(hits))
            judged.add(chosen)
            by = By("jan", "looked", node.clock.utc_ns(node.clock.monotonic_ns()))
            verdicts.verify(store, tmp_path / "state", chosen, "confirmed", by)
        elif what == "pause":
            node.run(rng.uniform(0, 20))
        elif what == "restart":
            node.__exit__()
            node = Node(settings)  # type: ignore[arg-type]
    node.__exit__()
    return reads, hits, judged
