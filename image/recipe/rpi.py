"""The Raspberry Pi's part: from a root that rpi-image-gen has made to the card and the bundle, as for the other bases.

A slot's boot partition is what the Pi's packages put into /boot/firmware, with our config.txt, overlays and initrds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build
import card
import initrd
from bases import RPI

INITRDS = {"rpi-v8": "initramfs8", "rpi-2712": "initramfs_2712"}
"""The names that auto_initramfs=1 looks for: one kernel for the Pi 4 and CM4, one for the Pi 5."""
KEYS = "IGconf_anpr_keys"
"""The variable of image/rpi/layer/anpr-node.yaml."""
CONFIG = """
# the start of a slot
arm_64bit=1
auto_initramfs=1
enable_uart=1
# a kernel that hangs before the manager holds the watchdog, whose device must be opened within so many seconds
kernel_watchdog_timeout=600
"""


class RaspberryPi(build.Build):
    """The steps that differ: Debian and kernels are in the root already."""

    def __init__(self, folder: Path, version: str) -> None:
        """Nothing is fetched."""
        super().__init__(RPI, folder, version, fast=False)
        # the tree of ours and the bundle are made in folders of their own: what one trusts must have signed the other
        self.keys = Path(os.environ.get(KEYS) or self.keys)

    def finish(self, root: Path) -> None:
        """Root, boot partition, card, bundle."""
        self.squash_tree(root)
        self.boot_from(root)
        self.card()
        self.bundle()

    def squash_tree(self, root: Path) -> None:
        """The root as it lies in a slot; the boot partition is beside it."""
        date = f"--mtime=@{os.environ['SOURCE_DATE_EPOCH']}"
        options = ["--sort=name", "--numeric-owner", "--clamp-mtime", date, "--exclude=./boot/firmware/*"]
        options += [] if build.is_root() else ["--owner=0", "--group=0"]
        subprocess.run(["tar", "-C", root, *options, "-c", "-f", self.folder / "root.tar", "."], check=True)
        self.squash()

    def boot_from(self, root: Path) -> None:
        """Firmware, kernels and overlays of the Pi's packages; initrds and settings of ours."""
        firmware = root / "boot" / "firmware"
        files: dict[str, Path | bytes] = {
            path.relative_to(firmware).as_posix(): path for path in firmware.rglob("*") if path.is_file()
        }
        busybox = next(path for path in (root / "usr/bin/busybox", root / "bin/busybox") if path.exists())
        for modules in sorted((root / "usr/lib/modules").iterdir()):
            name = next((name for ending, name in INITRDS.items() if modules.name.endswith(ending)), None)
            if name is not None:
                made = self.folder / name
                initrd.make(self.work / name, busybox, modules, RPI.modules, made)
                files[name] = made
        files["config.txt"] = (build.ROOT / "hw" / "config.txt").read_bytes() + CONFIG.encode()
        files["cmdline.txt"] = (build.IMAGE / "boot" / "cmdline-rpi.txt").read_bytes()
        files["image-id"] = f"{self.image_id}\n".encode()
        files |= self._overlays()
        size_mb = card.layout()["boot-a"].size_mb
        card.make_fat(self.folder / "boot.vfat", size_mb, "boot", files, self.work / "fat")
        shutil.copy(self.folder / "initramfs8", self.folder / "initrd.img")

    def _overlays(self) -> dict[str, Path | bytes]:
        made: dict[str, Path | bytes] = {}
        for source in sorted((build.ROOT / "hw" / "overlay").glob("*.dts")):
            target = self.work / f"{source.stem}.dtbo"
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dtc", "-q", "-@", "-I", "dts", "-O", "dtb", "-o", target, source], check=True)
            made[f"overlays/{source.stem}.dtbo"] = target
        return made


def main() -> None:
    """`rpi.py ROOT FOLDER VERSION`, or `rpi.py --stage FOLDER VERSION` for the tree of ours alone."""
    root, folder, version = sys.argv[1:4]
    if root == "--stage":
        made = RaspberryPi(Path(folder).parent / "anpr-build", version)
        made.stage_into(Path(folder))
    else:
        RaspberryPi(Path(folder), version).finish(Path(root))


if __name__ == "__main__":
    main()
