"""Bundles of other images: a good one, and one for each way in which an update can be bad. No test.

They are made of the twin's own root and boot partition, with a few files in place of others.
"""

from __future__ import annotations

import io
import random
import subprocess
import tarfile
from pathlib import Path

import build
import bundle
import card

from boot.machine import ROOT  # noqa: F401  puts the recipe on the path

BASE = "amd64-uml"
IMAGE_ID = "./usr/lib/anpr-node/image-id"
SHORT = b"[Service]\nEnvironment=ANPR_HEALTH_WAIT_S=25\n"
NEVER = b"[Service]\nExecStart=\nExecStart=/bin/false\n"
UNITS = "./etc/systemd/system"


def root_with(image: Path, target: Path, files: dict[str, bytes]) -> Path:
    """The twin's root with files in place of its own, or beside them."""
    changed = target.with_suffix(".tar")
    left = dict(files)
    with tarfile.open(image / "root.tar") as source, tarfile.open(changed, "w", format=tarfile.PAX_FORMAT) as made:
        for member in source:
            content = left.pop(member.name, None)
            if content is not None:
                member.size = len(content)
                made.addfile(member, io.BytesIO(content))
            else:
                made.addfile(member, source.extractfile(member) if member.isreg() else None)
        for name, content in left.items():
            folder = tarfile.TarInfo(name.rpartition("/")[0])
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            made.addfile(folder)
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            made.addfile(member, io.BytesIO(content))
    build.squash(changed, target, fast=True)
    changed.unlink()
    return target


def good(image: Path, folder: Path, version: str, new_mb: int = 0) -> Path:
    """Another version, which works; with so much in it that no version had before."""
    files = {IMAGE_ID: f"{BASE}-{version}\n".encode()}
    if new_mb:
        files["./usr/share/anpr-node/noise"] = random.Random(version).randbytes(new_mb << 20)
    root = root_with(image, folder / f"{version}.squashfs", files)
    return _bundle(image, folder, version, root, image / "boot.vfat")


def unhealthy(image: Path, folder: Path, version: str) -> Path:
    """It starts, and its node never does."""
    files = {
        IMAGE_ID: f"{BASE}-{version}\n".encode(),
        f"{UNITS}/anpr-confirm.service.d/short.conf": SHORT,
        f"{UNITS}/anpr-node.service.d/never.conf": NEVER,
    }
    return _bundle(image, folder, version, root_with(image, folder / f"{version}.squashfs", files), image / "boot.vfat")


def does_not_boot(image: Path, folder: Path, version: str) -> Path:
    """Its initrd is noise: the kernel finds no first process."""
    boot = folder / f"{version}.vfat"
    files: dict[str, Path | bytes] = {
        "initrd.img": b"\x00noise" * 1000,
        "cmdline.txt": b"console=tty0 panic=1 quiet\n",
        "image-id": f"{BASE}-{version}\n".encode(),
    }
    card.make_fat(boot, card.layout()["boot-a"].size_mb, "boot", files, folder / "fat")
    return _bundle(image, folder, version, image / "root.squashfs", boot)


def tampered(whole: Path, place: int) -> Path:
    """One byte of it is another one."""
    target = whole.with_name("tampered.raucb")
    subprocess.run(["cp", whole, target], check=True)
    with target.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    return target


def wrong_board(image: Path, folder: Path, version: str) -> Path:
    """Signed by the right key, made for another board."""
    return _bundle(image, folder, version, image / "root.squashfs", image / "boot.vfat", base="arm64-virt")


def wrong_key(image: Path, folder: Path, version: str) -> Path:
    """Made for this board, signed by somebody else."""
    bundle.make_keys(folder / "other-keys", "somebody else")
    return _bundle(image, folder, version, image / "root.squashfs", image / "boot.vfat", keys=folder / "other-keys")


def _bundle(image: Path, folder: Path, version: str, root: Path, boot: Path, base: str = BASE,
            keys: Path | None = None) -> Path:  # fmt: skip
    target = folder / f"{version}.raucb"
    bundle.make(target, keys or image / "keys", base, version, root, boot, folder / f"work-{version}")
    return target
