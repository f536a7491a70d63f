"""What can be checked of the image without building it: lists, layout, scripts, units."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "image" / "recipe"))

import build
import card
from bases import BASES

IMAGE = ROOT / "image"
OVERLAY = IMAGE / "overlay"
SCRIPTS = sorted([*(OVERLAY / "usr/lib/anpr-node").iterdir(), *(IMAGE / "hooks").iterdir(), IMAGE / "boot" / "init",
                  OVERLAY / "usr/local/bin/anpr-node"])  # fmt: skip
UNITS = sorted((OVERLAY / "etc/systemd/system").glob("*.service"))
SECURITY_MAX = 2.0
ROOT_UNITS = {"anpr-site.service", "anpr-confirm.service", "anpr-update.service"}
"""They change the system: docs/security.md says what, and why nothing can be taken from them."""


def test_every_base_has_the_same_packages_but_for_what_is_marked() -> None:
    shared = set(build.packages("none"))
    for base in (*BASES, "rpi"):
        assert shared < set(build.packages(base)) or shared == set(build.packages(base))
    names = build.packages("rpi")
    assert len(names) == len(set(names))


def test_wheels_are_locked_for_everything_that_the_node_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=\[; ]", line)[0].lower() for line in project["dependencies"]} | {"ai-edge-litert", "numpy"}
    lock = (IMAGE / "requirements.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9._-]+)==\S+ --hash=sha256:", lock, re.MULTILINE))
    assert wanted - {"lgpio"} <= locked, "write it anew: python3 image/recipe/application.py"


def test_updates_and_card_agree_on_names_and_sizes() -> None:
    parts = card.layout()
    named = re.findall(r"by-partlabel/(\S+)", (IMAGE / "rauc" / "system.conf").read_text())
    assert set(named) == {"root-a", "root-b", "boot-a", "boot-b"}
    assert set(named) < set(parts)
    assert parts["boot-a"].number == 2  # autoboot.txt, and image/boot/init, name them by number
    assert parts["boot-b"].number == 3
    assert parts["root-a"].size_mb == parts["root-b"].size_mb <= 600


def test_the_firmwares_file_is_one_sector_and_swaps_in_place() -> None:
    text = (IMAGE / "boot" / "autoboot.txt").read_text()
    assert len(text) < 512
    assert re.fullmatch(r"\[all\]\ntryboot_a_b=1\nboot_partition=2\n\[tryboot\]\nboot_partition=3\n", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_can_be_run(script: Path) -> None:
    if not script.read_text().startswith("#!"):
        pytest.skip("no script")
    assert script.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", script], check=True)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_hardened(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    if unit.name in ROOT_UNITS:
        pytest.skip("changes the system")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={round(SECURITY_MAX * 10)}", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-400:] + said.stderr[-400:]


def test_a_restart_is_no_failure_to_newer_systemds() -> None:
    unit = (OVERLAY / "etc/systemd/system/anpr-node.service").read_text()
    assert "OnFailure=reboot.target" in unit
    assert "RestartMode=direct" in unit  # else systemd 254 and later reboot the board at every restart


def test_no_password_is_set_anywhere() -> None:
    for path in [*OVERLAY.rglob("*"), *(IMAGE / "hooks").iterdir()]:
        if path.is_file():
            assert not re.search(r"chpasswd|root::|password *=", path.read_text().replace("Password", "")), path


def test_what_is_laid_into_var_is_unmounted_before_it() -> None:
    named = (OVERLAY / "etc/systemd/system/var.mount").read_text()
    for line in (IMAGE / "shared-paths").read_text().splitlines():
        if line.startswith("/var/"):
            place = line.split()[0].strip("/")
            assert place.replace("-", "\\x2d").replace("/", "-") + ".mount" in named


def test_what_changes_with_a_version_lies_at_the_end(tmp_path: Path) -> None:
    packages = "./opt/anpr-node/.venv/lib/python3.13/site-packages"
    names = ["./", "./etc/hostname", f"{packages}/anpr_node/cli.py", f"{packages}/av/__init__.py", "./usr/bin/ls",
             "./usr/lib/anpr-node/image-id", "./usr/lib/os-release", "./var/log"]  # fmt: skip
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    with (tmp_path / "ordered.tar").open("wb") as target:
        build.ours_last(tmp_path / "root.tar", target)
    with tarfile.open(tmp_path / "ordered.tar") as tar:
        assert tar.getnames() == [*names[3:5], names[6], *names[1:3], names[5], names[7]]


def test_the_firewall_drops_what_nobody_named() -> None:
    """That it does, test_firewall.py and boot/test_arm64.py see; they need root."""
    assert "policy drop" in (OVERLAY / "etc/nftables.conf").read_text()
