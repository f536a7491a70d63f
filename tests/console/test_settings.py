"""Settings from the console: checked, tried, kept, taken back; in a file of their own that no accident leaves half."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anpr_node import audit, config
from anpr_node.config import layers, load
from anpr_node.console.changing import WITHHELD, wait_for_another
from anpr_node.console.registry import find
from anpr_node.errors import AnprError, ConfigError, RefusedByPolicy
from console.far_end import context_for, settings_in, talk


def do(context: object, line: str) -> None:
    command, words = find(line)
    command.run(context, words)  # type: ignore[arg-type]


def test_set_waits_and_save_counts(tmp_path: Path) -> None:
    context, seen = context_for(settings_in(tmp_path, "[camera]\nfps = 20\n"))
    do(context, "set camera.exposure_us 200")
    assert load(context.settings.source).camera.exposure_us == 300
    do(context, "save")
    assert load(context.settings.source).camera.exposure_us == 200
    assert load(context.settings.source).camera.fps == 20
    assert "fps = 20" in (tmp_path / "node.toml").read_text()
    assert "300 -> 200" in seen.text


def test_the_file_says_who_wrote_it_and_that_it_is_not_to_be_edited(tmp_path: Path) -> None:
    context, _ = context_for(settings_in(tmp_path))
    do(context, "set node.lane 2")
    do(context, "save")
    text = (tmp_path / "node.d" / "tool.toml").read_text()
    assert text.startswith("# Written by the console")
    assert 'by jan: node.lane "1" -> "2"' in text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("set camera.exposure_us 99999", "allowed: 20 to 20000"),
        ("set camera.exposure_us fast", "valid integer"),
        ("set sensor.lens_dioptres -", "valid number"),
        ("set camera.exposure 3", "no setting"),
        ("set nothing.at_all 3", "no setting"),
        ("set camera.kind csi", "simulated"),
        ("set outputs.relay_pin 27", "three different pins"),
        ("set camera.exposure_us", "SECTION.KEY VALUE"),
    ],
)
def test_what_is_out_of_range_is_refused_with_what_is_allowed(tmp_path: Path, line: str, problem: str) -> None:
    settings = settings_in(tmp_path)
    if "kind" in line:
        settings = settings_in(tmp_path, '[camera]\nkind = "csi"\n[outputs]\npins = "lgpio"\n')
        line = "set camera.kind simulated"
    context, _ = context_for(settings)
    with pytest.raises(AnprError, match=problem):
        do(context, line)
    assert context.pending == {}


def test_a_key_while_the_node_comes_back_does_not_make_it_run(tmp_path: Path) -> None:
    context, seen = context_for(settings_in(tmp_path), "technician", b" \r", "y")
    seen.shown += b"> "
    assert wait_for_another(context, 0) is False
    assert "wait no longer for the node? [y/n] y" in seen.text


def test_a_trial_reverts_by_itself_and_ends_with_the_machine(tmp_path: Path) -> None:
    context, _ = context_for(settings_in(tmp_path))
    source = context.settings.source
    assert source is not None
    do(context, "set camera.exposure_us 200")
    do(context, "try 10")
    assert load(source).camera.exposure_us == 200
    path = tmp_path / "node.d" / "trial.json"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "ends_s": layers.boot_s() - 0.001}))
    assert load(source).camera.exposure_us == 300
    path.write_text(json.dumps({**row, "boot_id": "another start"}))
    assert load(source).camera.exposure_us == 300
    path.write_text(json.dumps(row))
    do(context, "save")
    assert load(source).camera.exposure_us == 200
    assert not path.exists()


@pytest.mark.parametrize(
    "rubbish", ["", "{", "[]", '{"values": 3, "ends_s": "x"}', "null", '{"values": {}, "ends_s": 1e99}']
)
def test_a_damaged_trial_counts_as_none(tmp_path: Path, rubbish: str) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "node.d").mkdir()
    (tmp_path / "node.d" / "trial.json").write_text(rubbish)
    assert settings.source is not None
    assert load(settings.source).camera == settings.camera


def test_undo_goes_back_one_by_one(tmp_path: Path) -> None:
    context, seen = context_for(settings_in(tmp_path))
    for value in (200, 150):
        do(context, f"set camera.exposure_us {value}")
        do(context, "save")
    do(context, "set camera.exposure_us 100")
    do(context, "undo")
    assert context.pending == {}
    values = []
    for _ in range(2):
        do(context, "undo")
        values.append(load(context.settings.source).camera.exposure_us)
    assert values == [200, 300]
    with pytest.raises(AnprError, match="nothing is left"):
        do(context, "undo")
    do(context, "history")
    assert "undone" in seen.text


def test_kept_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "KEPT_MAX", 3)
    source = settings_in(tmp_path).source
    assert source is not None
    for value in range(100, 110):
        layers.save(source, {"camera": {"exposure_us": value}}, "jan", 0.0)
    assert [row.values["camera"]["exposure_us"] for row in layers.history(source)] == [108, 107, 106]


def test_a_technician_does_not_change_what_the_law_has_a_say_in(tmp_path: Path) -> None:
    context, _ = context_for(settings_in(tmp_path))
    for line in ("set policy.preset NL", "set store.quota_mb 100", "set sms.numbers []"):
        with pytest.raises(RefusedByPolicy):
            do(context, line)
    refused = [line.entry for line in audit.read(context.folder)]
    assert [entry.outcome for entry in refused] == ["refused"] * 3
    boss, _ = context_for(context.settings, "service")
    do(boss, "set policy.preset NL")
    do(boss, "save")
    with pytest.raises(RefusedByPolicy):
        do(context, "undo")


def test_who_is_told_of_hits_is_shown_to_those_who_may_change_it(tmp_path: Path) -> None:
    old, new = "+32470111222", "+32470999888"
    settings = settings_in(tmp_path, f'[sms]\nnumbers = ["{old}"]\n')
    boss, seen_by_boss = context_for(settings, "service")
    do(boss, "show sms")
    assert old in seen_by_boss.text
    do(boss, f'set sms.numbers ["{new}"]')
    do(boss, "save")
    context, seen = context_for(load(settings.source))
    for line in ("show", "show sms", "show sms.numbers", "history"):
        do(context, line)
    assert "sms.numbers" in seen.text
    assert WITHHELD in seen.text
    assert "sms.numbers changed" in seen.text
    assert not [number for number in (old, new) if number[1:] in seen.text]
    do(boss, "undo")
    assert load(settings.source).sms.numbers == [old]


def test_every_change_is_in_the_audit_with_who_and_what(tmp_path: Path) -> None:
    context, _ = context_for(settings_in(tmp_path))
    do(context, "set camera.exposure_us 200")
    do(context, "try")
    do(context, "save")
    do(context, "undo")
    entries = [line.entry for line in audit.read(context.folder)]
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("jan", "console try"),
        ("jan", "console save"),
        ("jan", "console undo"),
    ]
    assert entries[1].detail["change"] == ["camera.exposure_us 200 -> 200"]


def test_a_tool_file_that_is_broken_is_named_with_what_to_do(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "node.d").mkdir()
    (tmp_path / "node.d" / "tool.toml").write_text("[camera\n")
    with pytest.raises(ConfigError, match=r"tool\.toml.*delete it"):
        load(settings.source)


def test_show_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "[camera]\nfps = 20\n")
    shown = talk(settings, "set camera.seed 7", "save", "set camera.exposure_us 90", "show camera", "show camera.fps")
    assert "(file)" in shown
    assert "(saved)" in shown
    assert "(set)" in shown
    assert "may be: 1 to 120" in shown


def test_values_are_written_so_that_toml_reads_them_back(tmp_path: Path) -> None:
    source = settings_in(tmp_path).source
    assert source is not None
    change = {
        "site": {"place": 'N3 "km 12", richting Luik \\ é', "lens_mm": 25.0},
        "inputs": {"fitted": ["presence"]},
        "daynight": {"day_lit": True},
        "hotlists": {"lists": {"a.b": {"near": True}}},
    }
    layers.save(source, change, "jan", 0.0)
    assert layers.read_tool(source) == change
    assert config.load(source).hotlists.of("a.b").near
