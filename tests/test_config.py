"""node.toml: defaults that run, and refusals that name the key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from anpr_node.config import Settings, load, parse
from anpr_node.errors import ConfigError


def test_the_built_in_settings_are_the_simulated_roadside() -> None:
    settings = Settings()
    assert settings.camera.kind == "simulated"
    assert settings.outputs.pins == "simulated"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"camera": {"fps": 500}}, ["camera.fps", "1 to 120"]),
        ({"camera": {"fpss": 30}}, ["camera.fpss", "unknown key", "exposure_us"]),
        ({"kamera": {}}, ["kamera", "unknown key", "camera"]),
        ({"camera": {"fps": "fast"}}, ["camera.fps", "1 to 120"]),
        ({"camera": {"light": "dusk"}}, ["camera.light", "day", "night"]),
        ({"camera": {"kind": "replay"}}, ["camera", "path is needed"]),
        ({"outputs": {"relay_pin": 4, "led_pin": 4}}, ["outputs", "different pins"]),
        ({"outputs": {"pins": "lgpio"}}, ["outputs.pins = 'simulated'"]),
        ({"node": {"id": "a b"}}, ["node.id"]),
        ({"trigger": {"duty_max": 0.11}}, ["trigger.duty_max", "0.1"]),
        ({"trigger": {"bracket_us": 2001}}, ["trigger.bracket_us", "0 to 2000"]),
        ({"trigger": {"capture": "presence"}}, ["inputs.fitted"]),
        ({"trigger": {"kind": "pwm"}}, ["trigger.kind = 'none'"]),
        ({"inputs": {"fitted": ["doorbell"]}}, ["inputs.fitted", "power_fail"]),
        ({"inputs": {"power_fail_pin": 17}}, ["a pin is used twice", "17"]),
        ({"daynight": {"night_below": 5.0}}, ["daynight", "1.5 times"]),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(content: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse(content, "node.toml")
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_every_bad_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"camera\.fps.*reading\.readings_max"):
        parse({"camera": {"fps": 0}, "reading": {"readings_max": 0}}, "node.toml")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[node]\nid = "hannut-1"\n[camera]\nfps = 60\n')
    settings = load(path)
    assert (settings.node.id, settings.camera.fps) == ("hannut-1", 60)


@pytest.mark.parametrize("text", ["[camera", "\xff\xfe"])
def test_a_file_that_is_no_toml_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="not TOML"):
        load(path)


def test_a_missing_file_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "node.toml")
