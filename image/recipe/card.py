"""The card: FAT and ext4 file systems and the partition table around them, made without root and without loop devices.

The same input gives the same bytes: identifiers follow from names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
MB = 1_048_576
FIRST_MB = 4
"""The first partition begins here: the erase block of most cards."""
TAIL_MB = 1
"""The table's second copy."""
NAMES = uuid.UUID("6f0c5d4e-8d65-4f0e-9c0b-2a8f4e9d1a10")
TYPES = {"fat": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "linux": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
LAYOUT = Path(__file__).resolve().parent.parent / "layout.toml"


@dataclass(frozen=True, slots=True)
class Partition:
    """One row of image/layout.toml, with its place."""

    number: int
    name: str
    kind: str
    start_mb: int
    size_mb: int


def layout(path: Path = LAYOUT) -> dict[str, Partition]:
    """The partitions by name, in their order on the card."""
    rows, at = {}, FIRST_MB
    for number, row in enumerate(tomllib.loads(path.read_text())["partition"], 1):
        rows[row["name"]] = Partition(number, row["name"], row["kind"], at, row["size_mb"])
        at += row["size_mb"]
    return rows


def make_fat(target: Path, size_mb: int, label: str, files: dict[str, Path | bytes], work: Path) -> None:
    """A FAT file system with files, which may lie in folders."""
    stamp = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.truncate(size_mb * MB)
    serial = uuid.uuid5(NAMES, label).hex[:8]
    subprocess.run(
        ["mkfs.vfat", "-i", serial, "-n", label.upper(), "--invariant", target], check=True, stdout=subprocess.DEVNULL
    )
    shutil.rmtree(work, ignore_errors=True)
    for name, content in sorted(files.items()):
        place = work / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            shutil.copy(content, place)
    for place in work.rglob("*"):
        os.utime(place, (stamp, stamp))
    top = sorted(work.iterdir())
    if top:
        environment = {**os.environ, "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}
        subprocess.run(["mcopy", "-s", "-m", "-Q", "-i", target, *top, "::"], check=True, env=environment)


def make_data(target: Path, size_mb: int) -> None:
    """An empty ext4 file system; it grows with the card."""
    stamp = os.environ["SOURCE_DATE_EPOCH"]
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.truncate(size_mb * MB)
    identity = str(uuid.uuid5(NAMES, "data"))
    # room for the table of a card of 1 TB, so that it can grow while it is mounted
    options = f"hash_seed={identity},resize={1 << 28},lazy_itable_init=1"
    subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", "data", "-U", identity, "-E", options, target],
        check=True,
        env={**os.environ, "E2FSPROGS_FAKE_TIME": stamp},
    )


def assemble(target: Path, contents: dict[str, Path], size_mb: int | None = None) -> None:
    """Write a sparse card with these file systems in their partitions."""
    partitions = layout()
    needed = FIRST_MB + sum(each.size_mb for each in partitions.values()) + TAIL_MB
    target.unlink(missing_ok=True)
    with target.open("wb") as card:
        card.truncate(max(needed, size_mb or 0) * MB)
    lines = ["label: gpt", f"label-id: {uuid.uuid5(NAMES, 'card')}", "unit: sectors"]
    for each in partitions.values():
        start, size = each.start_mb * MB // SECTOR, each.size_mb * MB // SECTOR
        identity = uuid.uuid5(NAMES, each.name)
        lines.append(f"start={start}, size={size}, type={TYPES[each.kind]}, uuid={identity}, name={each.name}")
    script = "\n".join(lines).encode()
    subprocess.run(["sfdisk", "--quiet", target], input=script, check=True)
    for name, content in contents.items():
        place(target, partitions[name], content)


def place(card: Path, partition: Partition, content: Path) -> None:
    """Copy a file system into its partition, without what is empty."""
    limit = partition.size_mb * MB
    size = content.stat().st_size
    if size > limit:
        raise ValueError(f"{content.name} has {size / MB:.0f} MB, {partition.name} only {partition.size_mb}")
    with content.open("rb") as source, card.open("r+b") as target:
        target.seek(partition.start_mb * MB)
        while block := source.read(MB):
            if block.count(0) == len(block):
                target.seek(len(block), os.SEEK_CUR)
            else:
                target.write(block)
