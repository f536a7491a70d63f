"""Writes an image to a card, reads all of it back, and puts the claim onto its firmware partition.

It refuses disks that are mounted, not removable, too small, or of a size that no card has; it never guesses a disk.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "image" / "recipe")]

import card  # noqa: E402

from anpr_node.claim.document import read_claim  # noqa: E402
from anpr_node.errors import AnprError  # noqa: E402

SYSFS, MOUNTS = Path("/sys/class/block"), Path("/proc/self/mounts")
CARD_GB_MAX = 2100
BLOCK = 4 * card.MB
SECTOR = 512


class Refused(Exception):
    """The disk is not written to, or cannot be trusted."""


def inspect(device: Path, sysfs: Path = SYSFS, mounts: Path = MOUNTS) -> tuple[int, str]:
    """Bytes and name of a card.

    Raises:
        Refused: it is no card, or is in use.

    """
    folder = sysfs / device.name
    if (folder / "partition").exists():
        raise Refused(f"{device} is a partition; name the whole disk")
    if not folder.exists():
        raise Refused(f"{device} is no disk of this machine; see: lsblk")
    size = int((folder / "size").read_text()) * SECTOR
    removable = (folder / "removable").read_text().strip() == "1"
    if not removable and not device.name.startswith("mmcblk"):
        raise Refused(f"{device} is not removable: it looks like a disk of this machine")
    if (folder / "ro").read_text().strip() == "1":
        raise Refused(f"{device} is write-protected: move the card's little switch")
    if size == 0:
        raise Refused(f"{device} holds no card")
    if size > CARD_GB_MAX * 1_000_000_000:
        raise Refused(f"{device} has {size / 1e12:.1f} TB: no card has")
    used = [line.split()[:2] for line in mounts.read_text().splitlines()]
    for source, place in used:
        if source == str(device) or (
            source.startswith(str(device)) and source[len(str(device)) :].lstrip("p").isdigit()
        ):
            raise Refused(f"{source} is mounted on {place}; unmount it first, if it is the right card")
    model = folder / "device" / "model"
    name = model.read_text().strip() if model.exists() else device.name
    return size, name


@contextlib.contextmanager
def opened(image: Path) -> Iterator[IO[bytes]]:
    """The image's bytes, unpacked on the way."""
    if image.suffix == ".zst":
        with subprocess.Popen(["zstd", "-dcq", image], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            yield process.stdout
            if process.stdout.read(1) == b"" and process.wait() != 0:
                raise Refused(f"{image} is damaged: zstd could not unpack it")
    else:
        with image.open("rb") as file:
            yield file


def size_of(image: Path) -> int:
    """The image's bytes, unpacked. Unpacking it once before the card is touched also shows a damaged one."""
    if image.suffix != ".zst":
        return image.stat().st_size
    with opened(image) as source:
        return sum(len(block) for block in iter(lambda: source.read(BLOCK), b""))


def check_tools(image: Path, disk: Path, claim: Path | None) -> None:
    """Raises Refused where something is missing that would stop the writing half-way."""
    needed = {"zstd": image.suffix == ".zst", "mcopy": claim is not None}
    missing = [tool for tool, is_needed in needed.items() if is_needed and shutil.which(tool) is None]
    if missing:
        packages = " ".join(tool.replace("mcopy", "mtools") for tool in missing)
        raise Refused(f"{' and '.join(missing)} missing; install with:  sudo apt-get install -y {packages}")
    if disk.exists() and not os.access(disk, os.R_OK | os.W_OK):
        raise Refused(f"{disk} may not be written to by you; try it with:  sudo scripts/flash …")


def check_room(image: Path, disk: Path, size: int) -> None:
    """Raises Refused where the image does not fit."""
    needed = size_of(image)
    if needed > size:
        raise Refused(
            f"{disk} is too small: {size / 1e6:.0f} MB, and {image.name} needs {needed / 1e6:.0f}; take a larger card"
        )


def write(image: Path, disk: IO[bytes]) -> tuple[int, str]:
    """Copy every byte; how many, and their SHA-256."""
    digest, total = hashlib.sha256(), 0
    with opened(image) as source:
        while block := source.read(BLOCK):
            digest.update(block)
            total += len(block)
            disk.write(block)
    os.fsync(disk.fileno())
    return total, digest.hexdigest()


def verify(target: Path, total: int, expected: str) -> None:
    """Read back from the card, not from memory. Raises Refused."""
    digest, left = hashlib.sha256(), total
    with target.open("rb", buffering=0) as disk:
        os.posix_fadvise(disk.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while left:
            block = disk.read(min(BLOCK, left))
            if not block:
                break
            digest.update(block)
            left -= len(block)
    if left or digest.hexdigest() != expected:
        raise Refused(f"{target} does not hold what was written: the card is bad or fake; take another one")


def provision(target: Path, text: str) -> None:
    """Put the claim on the firmware partition."""
    place = f"{target}@@{card.layout()['firmware'].start_mb * card.MB}"
    command = ["mcopy", "-o", "-i", place, "-", "::anpr-provision.toml"]
    subprocess.run(command, input=text.encode(), check=True)


def fill(image: Path, target: Path, claim: str | None) -> None:
    """Write, read back, provision. Raises Refused.

    The disk is held open all the while: once it is closed, a desktop mounts what it finds and writes to it, so that a
    good card would not hold what was written.
    """
    with target.open("r+b", buffering=0) as disk:
        total, digest = write(image, disk)
        print(f"wrote  {total / 1e6:.0f} MB, SHA-256 {digest[:16]}…")
        verify(target, total, digest)
        print("read   back, the same")
        if claim is not None:
            provision(target, claim)
            os.fsync(disk.fileno())
            print("claim  on the card; it deletes itself at the first start")


def main() -> None:
    """Parse the arguments, ask once, do it."""
    parser = argparse.ArgumentParser(
        "scripts/flash",
        description=(__doc__ or "").split("\n")[0],
        epilog="example: scripts/flash anpr-node.img.zst /dev/sdX --claim anpr-provision.toml",
    )
    parser.add_argument("image", type=Path, help="anpr-node.img, or .img.zst")
    parser.add_argument("disk", type=Path, help="the whole disk, e.g. /dev/sdb; or, to try it, a file of a card's size")
    parser.add_argument("--claim", type=Path, help="checked first, then put on the card; see docs/install.md")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    arguments = parser.parse_args()
    try:
        claim = arguments.claim.read_text(encoding="utf-8-sig") if arguments.claim else None
        if claim is not None:
            said = read_claim(claim, arguments.claim.name)
            print(f"claim  node {said.node.id}, {said.user.name} is {said.user.role}")
        disk: Path = arguments.disk
        if disk.exists() and stat.S_ISREG(disk.stat().st_mode):
            size, name = disk.stat().st_size, "a file"
        else:
            size, name = inspect(disk)
        check_tools(arguments.image, disk, arguments.claim)
        check_room(arguments.image, disk, size)
        if not arguments.yes:
            print(f"All that is on {disk} ({name}, {size / 1e9:.1f} GB) will be lost.")
            if input(f"Type {disk.name} to go on: ") != disk.name:
                raise Refused("nothing was written")
        fill(arguments.image, disk, claim)
    except EOFError:
        sys.exit("refused: nobody answered, nothing was written; --yes does not ask")
    except UnicodeDecodeError as error:
        sys.exit(f"refused: {arguments.claim} is no text in UTF-8: {error}")
    except (Refused, AnprError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"refused: {error}")


if __name__ == "__main__":
    main()
