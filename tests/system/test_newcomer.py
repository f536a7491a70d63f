"""A newcomer at five bad installations: the hints alone lead to OK on every step."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from makers import importer
from newcomer import Newcomer

from anpr_node.config import load
from anpr_node.console import installation
from anpr_node.store.database import use_store

pytestmark = pytest.mark.system

BAD: dict[str, tuple[dict[str, float], str]] = {
    "out of focus": ({"focus": 0.9}, ""),
    "too wide a lens": ({"lens_mm": 8.0}, "[site]\nlens_mm = 8.0\n"),
    "tilted 8 degrees": ({"roll_deg": 1.2 - 8.0}, ""),
    "illuminator dead": ({"strobe": 0.0}, ""),
    "exposure 2 ms": ({}, "exposure_us = 2000\n"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_the_hints_alone_lead_to_a_node_that_reads(tmp_path: Path, name: str) -> None:
    bench, more = BAD[name]
    config = tmp_path / "node.toml"
    state = tmp_path / "state"
    camera = "[camera]\nfps = 15\n" + (more if more.startswith("exposure") else "")
    site = more if more.startswith("[site]") else ""
    config.write_text(f'{camera}[store]\nfolder = "{state}"\n{site}')
    state.mkdir()
    (state / "bench.json").write_text(json.dumps(bench))
    settings, listed = load(config), tmp_path / "zone.csv"
    listed.write_text("vrm,category\n1ABC123,seize\n")
    with use_store(state) as store:
        importer(store, settings, time.time_ns()).by_hand(listed, "zone", "replace")
    newcomer = Newcomer(config)
    try:
        assert newcomer.install(), "\n".join(newcomer.seen[-12:])
    finally:
        newcomer.leave()
    done = installation.read(state)
    assert {step: each.verdict for step, each in done.items()} == dict.fromkeys(installation.STEPS, "OK")
    assert (state / "report.zip").exists()
