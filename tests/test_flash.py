"""scripts/flash: writes what it should, notices a card that lies, and keeps its hands off the wrong disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "image" / "recipe")]

import card
import flash_card

TOOLS = ("mkfs.vfat", "mcopy", "zstd")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
CLAIM = "[node]\nid = 'n1'\n[user]\nname = 'jan'\npassword = 'correct horse battery'\n"


def disk(folder: Path, name: str = "sdb", **properties: str) -> tuple[Path, Path]:
    """What the kernel says of a disk, as a folder like /sys/class/block, and the table of mounts."""
    rows = {"size": "62333952", "removable": "1", "ro": "0", **properties}
    (folder / name).mkdir(parents=True)
    for key, value in rows.items():
        (folder / name / key).write_text(value + "\n")
    mounts = folder / "mounts"
    mounts.write_text("/dev/nvme0n1p2 / ext4 rw 0 0\n/dev/sdc1 /media/stick vfat rw 0 0\n")
    return folder, mounts


def test_a_card_is_taken(tmp_path: Path) -> None:
    assert flash_card.inspect(Path("/dev/sdb"), *disk(tmp_path)) == (62333952 * 512, "sdb")
    assert flash_card.inspect(Path("/dev/mmcblk0"), *disk(tmp_path, "mmcblk0", removable="0"))[1] == "mmcblk0"


@pytest.mark.parametrize(
    ("name", "properties", "why"),
    [
        ("sda", {"removable": "0"}, "not removable"),
        ("nvme0n1", {"removable": "0"}, "not removable"),
        ("sdb", {"ro": "1"}, "write-protected"),
        ("sdb", {"size": "0"}, "no card"),
        ("sdb", {"size": "8000000000"}, "TB: no card"),
        ("sdb1", {"partition": "1"}, "a partition"),
        ("sdc", {}, "mounted on /media/stick"),
    ],
)
def test_what_is_no_card_is_refused(tmp_path: Path, name: str, properties: dict[str, str], why: str) -> None:
    with pytest.raises(flash_card.Refused, match=why):
        flash_card.inspect(Path("/dev") / name, *disk(tmp_path, name, **properties))


def test_a_disk_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(flash_card.Refused, match="no disk"):
        flash_card.inspect(Path("/dev/sdz"), *disk(tmp_path))


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The beginning of a card."""
    if any(shutil.which(tool, path=PATH) is None for tool in TOOLS):
        pytest.skip(f"needs {', '.join(TOOLS)}: apt-get install dosfstools mtools zstd")
    monkeypatch.setenv("PATH", PATH)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    firmware = tmp_path / "firmware.vfat"
    card.make_fat(firmware, 32, "firmware", {"autoboot.txt": b"[all]\n"}, tmp_path / "fat")
    small = tmp_path / "anpr.img"  # a card's first partition is enough here
    with small.open("wb") as file:
        file.truncate(40 * card.MB)
    card.place(small, card.layout()["firmware"], firmware)
    return small


def flash(*arguments: object, typed: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "flash_card.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=typed, env=env)


def test_it_writes_reads_back_and_claims(image: Path, tmp_path: Path) -> None:
    target, claim = tmp_path / "card", tmp_path / "anpr-provision.toml"
    with target.open("wb") as file:
        file.truncate(60_000_000)
    claim.write_bytes(b"\xef\xbb\xbf" + CLAIM.replace("\n", "\r\n").encode())  # as Windows writes it
    subprocess.run(["zstd", "-q", "-1", image], check=True)
    said = flash(f"{image}.zst", target, "--claim", claim, typed="card\n")
    assert said.returncode == 0, said.stderr
    place = f"{target}@@{card.layout()['firmware'].start_mb * card.MB}"
    read = subprocess.run(["mcopy", "-i", place, "::anpr-provision.toml", "-"], check=True, stdout=subprocess.PIPE)
    assert read.stdout.decode() == CLAIM


def test_nothing_is_written_before_the_answer_nor_with_a_claim_that_is_wrong(image: Path, tmp_path: Path) -> None:
    target, claim = tmp_path / "card", tmp_path / "claim.toml"
    precious = b"precious".ljust(60_000_000, b"\0")
    target.write_bytes(precious)
    for typed in ("yes\n", ""):
        assert "nothing was written" in flash(image, target, typed=typed).stderr
    claim.write_text(CLAIM.replace("jan", "root"))
    assert "belongs to the system" in flash(image, target, "--claim", claim, "--yes").stderr
    claim.write_bytes(CLAIM.encode() + b"# \xff\n")
    said = flash(image, target, "--claim", claim, "--yes").stderr
    assert said.startswith("refused: ")
    assert "no text in UTF-8" in said
    assert target.read_bytes() == precious


@pytest.mark.parametrize("packed", [False, True])
def test_a_card_that_is_too_small_is_left_alone(image: Path, tmp_path: Path, packed: bool) -> None:
    target = tmp_path / "card"
    target.write_bytes(b"precious")
    if packed:
        subprocess.run(["zstd", "-q", "-1", image], check=True)
    said = flash(f"{image}.zst" if packed else image, target, "--yes")
    assert said.returncode == 1
    assert "card is too small: 0 MB, and anpr.img" in said.stderr
    assert "Traceback" not in said.stderr
    assert target.read_bytes() == b"precious"


def test_a_damaged_image_is_found_before_the_card_is_touched(image: Path, tmp_path: Path) -> None:
    target, broken = tmp_path / "card", tmp_path / "broken.img.zst"
    target.write_bytes(b"precious".ljust(60_000_000, b"\0"))
    subprocess.run(["zstd", "-q", "-1", image, "-o", broken], check=True)
    broken.write_bytes(broken.read_bytes()[:-10])
    assert "zstd could not unpack it" in flash(broken, target, "--yes").stderr
    assert target.read_bytes().startswith(b"precious")


def test_a_card_that_forgets_is_found_out(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "card"
    with target.open("wb") as file:
        file.truncate(60_000_000)
    with target.open("r+b", buffering=0) as file:
        total, digest = flash_card.write(image, file)
    flash_card.verify(target, total, digest)
    with target.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"?")
    with pytest.raises(flash_card.Refused, match="bad or fake"):
        flash_card.verify(target, total, digest)


def test_nobody_gets_at_the_card_before_it_is_read_back_and_claimed(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desktop mounts a disk once it is closed after writing, which changes it: a good card would be called a fake."""
    target, looks = tmp_path / "card", []
    with target.open("wb") as file:
        file.truncate(60_000_000)

    def look(does: Callable[..., None]) -> Callable[..., None]:
        def looking(*arguments: Any) -> None:
            does(*arguments)
            looks.append(is_open_for_writing(target))

        return looking

    for name in ("verify", "provision"):
        monkeypatch.setattr(flash_card, name, look(getattr(flash_card, name)))
    flash_card.fill(image, target, CLAIM)
    assert looks == [True, True]
    assert not is_open_for_writing(target)


def is_open_for_writing(path: Path) -> bool:
    """Whether this process has it so."""
    flags = [
        int(re.findall(r"flags:\s+(\d+)", Path(f"/proc/self/fdinfo/{link.name}").read_text())[0], 8)
        for link in Path("/proc/self/fd").iterdir()
        if os.path.realpath(link) == str(path)
    ]
    return any(each & os.O_ACCMODE for each in flags)


def test_what_is_missing_is_named_before_the_card_is_touched(image: Path, tmp_path: Path) -> None:
    target, claim = tmp_path / "card", tmp_path / "claim.toml"
    target.write_bytes(b"precious".ljust(60_000_000, b"\0"))
    claim.write_text(CLAIM)
    said = flash(image, target, "--claim", claim, "--yes", env={**os.environ, "PATH": str(tmp_path)})
    assert "mcopy missing; install with:  sudo apt-get install -y mtools" in said.stderr
    assert target.read_bytes().startswith(b"precious")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to everything")
def test_who_may_not_write_is_told_how(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "card"
    target.write_bytes(b"".ljust(60_000_000, b"\0"))
    target.chmod(0o400)
    assert "sudo scripts/flash" in flash(image, target, "--yes").stderr
