"""Compares two builds of an image: the same bytes, or which files within differ, and what an update would fetch.

Both must have had the same keys/. A bundle's signature and the salt of its hash tree are made at random each time; what
they protect is compared. Usage: compare.py FOLDER OTHER. Ends with 1 where anything else differs.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from build import sha256

FILES = ("root.tar", "root.squashfs", "initrd.img", "boot.vfat", "anpr-node.img", "sbom.cdx.json", "licences.txt")
BUNDLE = "update.raucb"
SLOT = ("root.squashfs", "boot.vfat")
INDEXED = 4096
"""Bytes of a block as RAUC's index has them."""
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


def members(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything in a tar that the image gets to see."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            content = hashlib.file_digest(file, "sha256").hexdigest() if file else member.linkname  # type: ignore[arg-type]
            found[member.name] = (member.type, oct(member.mode), member.uid, member.gid, member.mtime, content)
    return found


def fetched_mb(old: Path, new: Path) -> float:
    """Megabytes of a new image's slot that a node with the old one has not."""
    missing = 0
    for name in SLOT:
        known = {hashlib.sha256(block).digest() for block in _blocks(old / name)}
        missing += sum(hashlib.sha256(block).digest() not in known for block in _blocks(new / name))
    return missing * INDEXED / 1e6


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(INDEXED):
            yield block


def differences(folder: Path, other: Path) -> list[str]:
    """A line for each file that is not the same in both; of a tar also the names within."""
    lines = []
    for name in FILES:
        one, two = folder / name, other / name
        if sha256(one) == sha256(two):
            continue
        lines.append(name)
        if one.suffix == ".tar":
            left, right = members(one), members(two)
            lines += [f"  {each}" for each in sorted(left.keys() | right.keys()) if left.get(each) != right.get(each)]
    if payload(folder / BUNDLE) != payload(other / BUNDLE):
        lines.append(BUNDLE)
    return lines


def main() -> int:
    """Say it."""
    one, two = Path(sys.argv[1]), Path(sys.argv[2])
    found = differences(one, two)
    lines = found or [f"the same bytes: {', '.join(FILES)}, and what {BUNDLE} carries"]
    if found:
        whole_mb = sum((two / name).stat().st_size for name in SLOT) / 1e6
        lines.append(f"an update from the first to the second fetches {fetched_mb(one, two):.1f} of {whole_mb:.0f} MB")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
