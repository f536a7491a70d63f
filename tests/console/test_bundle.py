"""What support gets names nobody: no officer, and nobody who is told of hits, open or silent."""

from __future__ import annotations

import json

from anpr_node.config import parse
from anpr_node.console.changing import WITHHELD
from anpr_node.console.repair_commands import impersonal

NAMED = {
    "sms": {"numbers": ["+32470123456"], "silent_numbers": ["+32470999999"]},
    "site": {"responsible_officer": "Insp. A. Dupont", "place": "E40, km 12"},
    "hotlists": {"lists": {"stolen": {"issuer": "J. Peeters"}}},
}


def test_the_settings_in_a_bundle_name_nobody() -> None:
    values = impersonal(parse(NAMED, "node.toml"))
    text = json.dumps(values)
    assert not [each for each in ("470123456", "470999999", "Dupont", "Peeters") if each in text]
    assert values["sms"]["silent_numbers"] == WITHHELD
    assert values["site"]["place"] == "E40, km 12"
    assert values["hotlists"] == {"lists": ["stolen"]}
