"""The Raspberry Pi's image without its archive: the layer for rpi-image-gen, and the card that is made of a root.

Nothing of it has run on a board.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

RPI = ROOT / "image" / "rpi"
TOOLS = (
    "mksquashfs",
    "unsquashfs",
    "mcopy",
    "mdir",
    "mkfs.vfat",
    "sfdisk",
    "mke2fs",
    "cpio",
    "rauc",
    "dtc",
    "zstd",
    "openssl",
)
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
MODULES = "6.12.25+rpt-rpi"


def metadata(layer: Path) -> dict[str, str]:
    """The DEB822 block that rpi-image-gen parses."""
    block = layer.read_text().split("# METABEGIN\n")[1].split("# METAEND")[0]
    rows = [line.removeprefix("# ").split(": ", 1) for line in block.splitlines() if line.strip("# ")]
    return dict(rows)


@pytest.mark.parametrize("layer", sorted((RPI / "layer").glob("*.yaml")), ids=lambda path: path.name)
def test_a_layer_has_what_rpi_image_gen_asks_of_one(layer: Path) -> None:
    said = metadata(layer)
    assert said["X-Env-Layer-Name"] == layer.stem
    assert all(part.isdigit() for part in said["X-Env-Layer-Version"].split("."))
    assert {"X-Env-Layer-Category", "X-Env-Layer-Description"} <= said.keys()


def test_the_layer_is_made_of_the_same_list_and_hooks(tmp_path: Path) -> None:
    target = tmp_path / "anpr-node.yaml"
    subprocess.run(
        [sys.executable, RPI / "generate", RPI / "layer" / "anpr-node.yaml", target],
        check=True, env={**os.environ, "ANPR_STAGE": "no", "IGconf_anpr_version": "1.0"},
    )  # fmt: skip
    body = json.loads(target.read_text().split("---\n")[1])["mmdebstrap"]
    assert {"python3-picamera2", "python3-lgpio", "rauc", "linux-image-rpi-2712"} <= set(body["packages"])
    hooks = [Path(line.split()[1]).name for line in body["customize-hooks"] if "/hooks/" in line]
    assert hooks == sorted(path.name for path in (ROOT / "image" / "hooks").iterdir())
    assert "rpi-1.0" in body["customize-hooks"][-2]


@pytest.fixture
def pi_root(tmp_path: Path) -> Path:
    """A root with the files of a Pi's that matter for the card."""
    if any(shutil.which(tool, path=PATH) is None for tool in TOOLS):
        pytest.skip(f"needs {', '.join(TOOLS)}; see image/README.md, and device-tree-compiler")
    root = tmp_path / "root"
    files = {
        "boot/firmware/start4.elf": b"firmware", "boot/firmware/kernel8.img": b"kernel of a Pi 4",
        "boot/firmware/kernel_2712.img": b"kernel of a Pi 5", "boot/firmware/overlays/imx296.dtbo": b"overlay",
        "usr/bin/busybox": b"busybox", "usr/share/anpr-node/sbom.cdx.json": b"{}",
        "usr/share/anpr-node/licences.txt": b"",
    }  # fmt: skip
    for kernel in ("v8", "2712"):
        folder = f"usr/lib/modules/{MODULES}-{kernel}"
        files[f"{folder}/kernel/fs/overlayfs/overlay.ko"] = b"module"
        files[f"{folder}/modules.dep"] = b"kernel/fs/overlayfs/overlay.ko:\n"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_card_and_bundle_are_made_of_a_pis_root(pi_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    subprocess.run(
        [sys.executable, "-c", "import bundle, sys; from pathlib import Path; bundle.make_keys(Path(sys.argv[1]))",
         out / "keys"],
        check=True, cwd=ROOT / "image" / "recipe",
    )  # fmt: skip
    subprocess.run(
        [sys.executable, ROOT / "image" / "recipe" / "rpi.py", pi_root, out, "1.0"], check=True,
        env={**os.environ, "PATH": PATH, "SOURCE_DATE_EPOCH": "1790000000"},
    )  # fmt: skip
    names = subprocess.run(
        ["mdir", "-b", "-/", "-i", out / "boot.vfat", "::"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    wanted = {"config.txt", "cmdline.txt", "kernel8.img", "kernel_2712.img", "initramfs8", "initramfs_2712"}
    wanted |= {"start4.elf", *(f"overlays/{name}.dtbo" for name in ("imx296", "anpr-node-pi4", "anpr-node-pi5"))}
    assert {f"::/{name}" for name in wanted} <= set(names)
    listing = subprocess.run(["unsquashfs", "-l", out / "root.squashfs"], check=True, stdout=subprocess.PIPE, text=True)
    assert "start4.elf" not in listing.stdout
    said = subprocess.run(
        ["rauc", f"--keyring={out}/keys/signing.cert.pem", "info", out / "update.raucb"], check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert "anpr-node-rpi" in said.stdout, said.stdout
    assert (out / "anpr-node.img.zst").stat().st_size < 10_000_000
