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

sys.path.insert(0, str(ROOT / "image" / "recipe"))

import bundle
import initrd
import rpi

FAKETIME = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
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
        "usr/bin/busybox": b"busybox",
        "usr/share/anpr-node/sbom.cdx.json": b'{"metadata": {"component": {"version": "rpi-1.0"}}}',
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
    """Built where the certificate is, signed where the key is."""
    out, keys, recipe = tmp_path / "out", tmp_path / "keys", ROOT / "image" / "recipe"
    bundle.make_keys(keys)
    (keys / "signing.key.pem").rename(tmp_path / "safe")
    environment = {**os.environ, "PATH": PATH, "SOURCE_DATE_EPOCH": "1790000000", rpi.KEYS: str(keys)}
    said = subprocess.run(
        [sys.executable, recipe / "rpi.py", pi_root, out, "1.0"],
        check=True, env=environment, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    assert "not signed" in said
    assert not (out / "update.raucb").exists()
    keys.rename(out / "keys")
    (tmp_path / "safe").rename(out / "keys" / "signing.key.pem")
    subprocess.run([sys.executable, recipe / "bundle.py", out], check=True, env=environment)
    names = subprocess.run(
        ["mdir", "-b", "-/", "-i", out / "boot.vfat", "::"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    wanted = {"config.txt", "cmdline.txt", "kernel8.img", "kernel_2712.img", "initramfs8", "initramfs_2712"}
    wanted |= {"start4.elf", *(f"overlays/{name}.dtbo" for name in ("imx296", "anpr-node-pi4", "anpr-node-pi5"))}
    assert {f"::/{name}" for name in wanted} <= set(names)
    settings = subprocess.run(
        ["mcopy", "-i", out / "boot.vfat", "::/config.txt", "-"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert settings.rpartition("[")[2].startswith("all]"), "what follows would be for one board only"
    assert "\nkernel_watchdog_timeout=600\n" in settings
    listing = subprocess.run(["unsquashfs", "-l", out / "root.squashfs"], check=True, stdout=subprocess.PIPE, text=True)
    assert "start4.elf" not in listing.stdout
    said = subprocess.run(
        ["rauc", f"--keyring={out}/keys/signing.cert.pem", "info", out / "update.raucb"], check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert "anpr-node-rpi" in said.stdout, said.stdout
    assert (out / "anpr-node.img.zst").stat().st_size < 10_000_000


def test_what_the_pis_image_trusts_signs_its_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders, as rpi-image-gen has one for the layer and one for the image."""
    monkeypatch.setenv(rpi.KEYS, str(tmp_path / "keys"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    monkeypatch.setenv("TZ", "UTC")
    folders = {rpi.RaspberryPi(tmp_path / name, "1.0").keys for name in ("layer", "image")}
    assert folders == {tmp_path / "keys"}
    assert "X-Env-Var-keys" in metadata(RPI / "layer" / "anpr-node.yaml")


def test_a_keyring_of_its_own_goes_before_the_signer(tmp_path: Path) -> None:
    bundle.make_keys(tmp_path)
    assert bundle.keyring(tmp_path).name == "signing.cert.pem"
    (tmp_path / "keyring.pem").write_text("the authority")
    assert bundle.keyring(tmp_path).name == "keyring.pem"


@pytest.mark.parametrize(("ending", "tool"), [("", "cat"), (".xz", "xz -c"), (".zst", "zstd -qc"), (".gz", "gzip -c")])
def test_modules_are_plain_in_the_initrd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, tool: str
) -> None:
    if shutil.which(tool.split(maxsplit=1)[0]) is None:
        pytest.skip(f"{tool} is missing")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    modules, busybox = tmp_path / "modules", tmp_path / "busybox"
    modules.mkdir()
    busybox.write_bytes(b"busybox")
    packed = subprocess.run(tool.split(), input=b"ELF of a module", check=True, stdout=subprocess.PIPE).stdout
    (modules / f"overlay.ko{ending}").write_bytes(packed)
    (modules / "modules.dep").write_text(f"overlay.ko{ending}:\n")
    initrd.make(tmp_path / "work", busybox, modules, ["overlay"], tmp_path / "initrd.img")
    assert (tmp_path / "work/modules/overlay.ko").read_bytes() == b"ELF of a module"


@pytest.mark.parametrize("year", [2025, 2026, 2060])
def test_bundles_are_believed_whatever_year_the_node_thinks_it_is(tmp_path: Path, year: int) -> None:
    """A clock that nobody has set; by the image's own settings, with the C library's clock moved."""
    if not FAKETIME or shutil.which("rauc", path=PATH) is None or shutil.which("mksquashfs", path=PATH) is None:
        pytest.skip("needs libfaketime, rauc and squashfs-tools")
    bundle.make_keys(tmp_path / "keys")
    for name in ("root", "boot"):
        (tmp_path / name).write_bytes(os.urandom(32_768))
    bundle.make(
        tmp_path / "u.raucb", tmp_path / "keys", "rpi", "1.0", tmp_path / "root", tmp_path / "boot", tmp_path / "work"
    )
    configuration = (ROOT / "image/rauc/system.conf").read_text().replace("@BASE@", "rpi")
    (tmp_path / "system.conf").write_text(
        configuration.replace("/etc/rauc/keyring.pem", str(bundle.keyring(tmp_path / "keys")))
    )
    said = subprocess.run(
        ["rauc", f"--conf={tmp_path}/system.conf", "info", tmp_path / "u.raucb"], check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": PATH, "LD_PRELOAD": str(FAKETIME[0]), "FAKETIME": f"@{year}-01-01 00:00:00"},
    )  # fmt: skip
    assert said.returncode == 0, said.stdout
