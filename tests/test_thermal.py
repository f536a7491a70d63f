"""The board's health from real files, and from a program in place of `vcgencmd`."""

from __future__ import annotations

from pathlib import Path

from anpr_node.drivers.thermal import BoardThermometer, Heat


def zone(sys: Path, number: int, text: str) -> None:
    folder = sys / "class" / "thermal" / f"thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "temp").write_text(text)


def firmware(sys: Path, word: str) -> None:
    folder = sys / "devices" / "platform" / "soc" / "soc:firmware"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "get_throttled").write_text(word + "\n")


def test_the_hottest_zone_counts(tmp_path: Path) -> None:
    for number, text in enumerate(("48200\n", "81500\n", "\n")):
        zone(tmp_path, number, text)
    assert BoardThermometer(tmp_path, "/none/vcgencmd").read() == Heat(81.5)


def test_a_board_without_thermometer_is_not_hot(tmp_path: Path) -> None:
    assert BoardThermometer(tmp_path, "/none/vcgencmd").read() == Heat(None)


def test_the_bits_of_this_moment_count_not_those_since_boot(tmp_path: Path) -> None:
    for word, throttled, undervoltage in (
        ("0", False, False),
        ("50000", False, False),
        ("1", False, True),
        ("50005", True, True),
        ("8", True, False),
        ("2", True, False),
    ):
        firmware(tmp_path, word)
        assert BoardThermometer(tmp_path).read() == Heat(None, throttled, undervoltage)


def test_vcgencmd_is_asked_where_there_is_no_file(tmp_path: Path) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\necho "throttled=0x4"\n')
    program.chmod(0o755)
    thermometer = BoardThermometer(tmp_path / "sys", str(program))
    assert thermometer.read() == Heat(None, throttled=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    assert thermometer.read() == Heat(None)
    program.write_text('#!/bin/sh\necho "throttled=0x4"\n')
    assert thermometer.read() == Heat(None), "a program that refused is not asked again"
