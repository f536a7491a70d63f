"""Faults of a modem one after another, in virtual time: each ends in its alarm in time, or needs none, then in a link.

A hundred; ten thousand with ANPR_FULL=1, or as many as ANPR_MODEM_FAULTS says.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from modem_bench import Bench
from test_modem_faults import FAULTS

from anpr_node.drivers.simulated.modem_dialects import DIALECTS
from anpr_node.supervision.modem import LOSSES_WITHIN_S, MODEM_LIMITS, OVER_S

pytestmark = pytest.mark.system
TIMES = int(os.environ.get("ANPR_MODEM_FAULTS", "10000" if os.environ.get("ANPR_FULL") == "1" else "100"))
LASTING = {"modem_exhausted", "modem_unstable"}


def test_every_fault_ends_in_its_alarm_and_then_in_a_link(tmp_path: Path) -> None:
    rng = random.Random(11)
    for name, dialect in DIALECTS.items():
        (tmp_path / name).mkdir()
        with Bench(tmp_path / name, dialect) as bench:
            bench.run(60)
            for _ in range(TIMES // len(DIALECTS)):
                fault = rng.choice(list(FAULTS))
                kind, break_, mend = FAULTS[fault]
                break_(bench)
                if rng.random() < 0.3:  # it is over before it is an alarm, or it is none
                    bench.run(rng.uniform(1, 60))
                else:
                    bench.until({kind}, MODEM_LIMITS[kind].found_s)
                mend(bench)
                well(bench, fault)
                bench.run(120 if fault == "answers far too late" else rng.uniform(0, 60))  # its answers still come
            assert bench.shift.report.modem.is_registered


def well(bench: Bench, fault: str) -> None:
    """Registered, linked, and without an alarm of the fault itself, in time."""
    began_s = bench.now_s
    while not (bench.shift.report.modem.is_registered and bench.shift.report.link.up and bench.kinds <= LASTING):
        limit_s = OVER_S + bench.modem.dialect.boots_s + (LOSSES_WITHIN_S if fault == "restarts over and over" else 0)
        assert bench.now_s - began_s < limit_s, f"{fault}: {bench.kinds} {bench.shift.report.trouble}"
        bench.shift.tick()
