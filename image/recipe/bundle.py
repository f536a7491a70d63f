"""Update bundles: both file systems of a slot, signed.

Verity format, so that a node can install while it downloads; with a table of each block's hash, so that it fetches
no block that one of its slots holds already.

The key in a build folder is for development; a release is signed where its own key is kept:
`python3 image/recipe/bundle.py FOLDER` writes update.raucb into the folder of a build whose keys/ has signing.key.pem.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bases import BASES, RPI

MANIFEST = """[update]
compatible=anpr-node-{base}
version={version}
build={version}

[bundle]
format=verity

[image.rootfs]
filename=root.squashfs
adaptive=block-hash-index

[image.boot]
filename=boot.vfat
adaptive=block-hash-index
"""
DAYS = "7300"


def keyring(folder: Path) -> Path:
    """What the image trusts: keyring.pem, which may hold an authority, or the old signer and the next; else the signer.

    A development key is made where there is none.
    """
    if (folder / "keyring.pem").exists():
        return folder / "keyring.pem"
    certificate = folder / "signing.cert.pem"
    if not certificate.exists():
        make_keys(folder)
    return certificate


def make_keys(folder: Path, name: str = "anpr-node development") -> None:
    """A key and its own certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
         "-subj", f"/O=anpr-node/CN={name}", "-keyout", folder / "signing.key.pem", "-out", folder / "signing.cert.pem",
         "-addext", "extendedKeyUsage=codeSigning,emailProtection", "-addext", "keyUsage=digitalSignature"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (folder / "signing.key.pem").chmod(0o600)


def make(target: Path, keys: Path, base: str, version: str, root: Path, boot: Path, work: Path) -> None:
    """Write a bundle of a root and a boot partition."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "manifest.raucm").write_text(MANIFEST.format(base=base, version=version))
    for name, source in (("root.squashfs", root), ("boot.vfat", boot)):
        (work / name).hardlink_to(source)
    target.unlink(missing_ok=True)
    said = subprocess.run(
        ["rauc", f"--cert={keys / 'signing.cert.pem'}", f"--key={keys / 'signing.key.pem'}", "bundle", work, target],
        check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if said.returncode:
        raise SystemExit(f"no bundle: {said.stderr.strip()}")


def main() -> None:
    """Sign a build that was made without the key."""
    folder = Path(sys.argv[1])
    image_id = json.loads((folder / "sbom.cdx.json").read_text())["metadata"]["component"]["version"]
    base = next(name for name in (*BASES, RPI.name) if image_id.startswith(f"{name}-"))
    make(folder / "update.raucb", folder / "keys", base, image_id.removeprefix(f"{base}-"), folder / "root.squashfs",
         folder / "boot.vfat", folder / "work" / "bundle")  # fmt: skip


if __name__ == "__main__":
    main()
