"""docs/settings.md: every key of node.toml is there, as it is in the code."""

from __future__ import annotations

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import list_settings

from anpr_node.config import may_be


def test_the_page_is_what_the_code_says() -> None:
    assert list_settings.PAGE.read_text("utf-8") == list_settings.page(), "write it anew: scripts/list-settings"


def test_every_key_says_what_it_is() -> None:
    assert "| None |" not in list_settings.page()


def test_what_a_key_may_be() -> None:
    assert may_be(["camera", "fps"]) == "1 to 120"
    assert may_be(["camera", "light"]) == "day, night"
    assert may_be(["uplink", "day_mb"]) == "0.1 to 1000000"
    assert may_be(["inputs", "fitted"]) == "illuminator_fault, presence, power_fail"
    assert may_be(["modem", "power_fitted"]) == "true, false"
    assert may_be(["node", "id"]) == ""
