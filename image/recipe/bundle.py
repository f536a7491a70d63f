"""Update bundles: both file systems of a slot, signed.

Verity format, so that a node can install while it downloads; with a table of each block's hash, so that it fetches
no block that one of its slots holds already.

The key in a build folder is for development; a release is signed where its own key is kept.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

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
    """The certificate that the image trusts; a development key is made where there is none."""
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
    subprocess.run(
        ["rauc", f"--cert={keys / 'signing.cert.pem'}", f"--key={keys / 'signing.key.pem'}", "bundle", work, target],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
