"""Compares two builds of an image: the same bytes, or which files within differ. Both must have had the same keys/.

A bundle's signature and the salt of its hash tree are made at random each time; what they protect is compared.
Usage: compare.py FOLDER OTHER. Ends with 1 where anything else differs.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import tarfile
from pathlib import Path

FILES = ("root.tar", "root.squashfs", "initrd.img", "boot.vfat", "anpr-node.img", "sbom.cdx.json", "licences.txt")
BUNDLE = "update.raucb"
HEAD = struct.Struct("<40xQ")
"""Of a squashfs: the bytes that it uses, in the superblock."""
BLOCK = 1 << 20


def payload(bundle: Path) -> str:
    """Hash of the file system in a bundle, without the hash tree and the signature behind it."""
    with bundle.open("rb") as file:
        (left,) = HEAD.unpack(file.read(HEAD.size))
        file.seek(0)
        digest = hashlib.sha256()
        while left and (block := file.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def whole(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def members(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything in a tar that the image gets to see."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            content = hashlib.file_digest(file, "sha256").hexdigest() if file else member.linkname  # type: ignore[arg-type]
            found[member.name] = (member.type, oct(member.mode), member.uid, member.gid, member.mtime, content)
    return found


def differences(folder: Path, other: Path) -> list[str]:
    """A line for each file that is not the same in both; of a tar also the names within."""
    lines = []
    for name in FILES:
        one, two = folder / name, other / name
        if whole(one) == whole(two):
            continue
        lines.append(name)
        if one.suffix == ".tar":
            left, right = members(one), members(two)
            lines += [f"  {each}" for each in sorted(left.keys() | right.keys()) if left.get(each) != right.get(each)]
    if payload(folder / BUNDLE) != payload(other / BUNDLE):
        lines.append(BUNDLE)
    return lines


if __name__ == "__main__":
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write("\n".join(found) or f"the same bytes: {', '.join(FILES)}, and what {BUNDLE} carries")
    sys.stdout.write("\n")
    sys.exit(1 if found else 0)
