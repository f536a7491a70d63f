"""Builds the image of one base: root, initrd, boot partition, card, SBOM, and an update bundle. See image/README.md.

Needs no root and no loop devices; nothing of this machine but tools gets into it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent))

import application
import bundle
import card
import initrd
from bases import BASES, PYTHON, SUITE, Base
from debian import Archive, sources

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = ROOT / "image"
TOOLS = {"mmdebstrap": "mmdebstrap", "mksquashfs": "squashfs-tools", "mcopy": "mtools", "mkfs.vfat": "dosfstools",
         "sfdisk": "fdisk", "mke2fs": "e2fsprogs", "cpio": "cpio", "zstd": "zstd", "rauc": "rauc",
         "openssl": "openssl", "xz": "xz-utils", "depmod": "kmod", "git": "git"}  # fmt: skip
NO_DOCUMENTATION = ("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright",
                    "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*",
                    "path-exclude=/usr/share/groff/*", "path-exclude=/usr/share/i18n/*")  # fmt: skip
DAY_S = 86_400
OURS = ("./etc/", f"./{application.HOME}/.venv/lib/python{PYTHON}/site-packages/anpr_node/", "./usr/lib/anpr-node/",
        "./usr/local/", "./usr/share/anpr-node/", "./var/")  # fmt: skip
HW = {"hw/udev": "usr/lib/udev/rules.d", "hw/modprobe": "etc/modprobe.d",
      "hw/libcamera": "usr/share/anpr-node/libcamera"}  # fmt: skip


class Build:
    """One base in one folder."""

    def __init__(self, base: Base, folder: Path, version: str, fast: bool) -> None:
        """Fix the date of everything: that of the commit."""
        os.environ.setdefault("SOURCE_DATE_EPOCH", _git("log", "-1", "--format=%ct"))
        os.environ["TZ"] = "UTC"
        os.umask(0o022)  # a builder's own would be seen in the image
        self.base, self.folder, self.fast = base, folder.absolute(), fast
        self.keys = self.folder / "keys"
        self.version = version
        self.image_id = f"{base.name}-{version}"
        self.work = self.folder / "work"
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        """All of it."""
        (self.folder / "built-from").write_text(built_from(self.version, self.fast))
        for step in (self.debian, self.kernel, self.stage, self.root, self.squash, self.boot, self.card, self.bundle):
            began_s = time.monotonic()
            step()
            sys.stdout.write(f"{step.__name__:<8}{time.monotonic() - began_s:6.1f} s\n")
            sys.stdout.flush()

    def kernel(self) -> None:
        """Unpack kernel and busybox; none of them is installed. Kept as Debian's packages are."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.unpacked = self.folder / "kernel"
        if not self.kept:
            shutil.rmtree(self.unpacked, ignore_errors=True)
            archive = Archive(self.folder / "archive", self.base.architecture, self.base.kernel_suite)
            for package in (archive.kernel_of(self.base.kernel), "busybox-static"):
                archive.unpack(package, self.unpacked)
        self.modules = next(
            each for pattern in ("usr/lib/uml/modules/*", "usr/lib/modules/*", "lib/modules/*")
            for each in self.unpacked.glob(pattern)
        )  # fmt: skip
        _slim_modules(self.modules, self.base.keep_modules)
        subprocess.run(
            ["depmod", "--basedir", self._depmod_base(), self.modules.name], check=True, stderr=subprocess.DEVNULL
        )

    def _depmod_base(self) -> Path:
        """Depmod looks for lib/modules only."""
        base = self.work / "depmod"
        (base / "lib").mkdir(parents=True, exist_ok=True)
        link = base / "lib" / "modules"
        if not link.exists():
            link.symlink_to(self.modules.parent)
        return base

    def stage(self) -> None:
        """Everything of ours that mirrors /, and the kernel's modules."""
        stage = self.work / "stage"
        self.stage_into(stage)
        target = stage / "usr/lib/modules" / self.modules.name
        shutil.copytree(self.modules, target, symlinks=True)
        stamp = int(os.environ["SOURCE_DATE_EPOCH"])
        for path in stage.rglob("*"):
            os.utime(path, (stamp, stamp), follow_symlinks=False)

    def stage_into(self, stage: Path) -> None:
        """Everything of ours that mirrors /."""
        application.stage(stage, self.base)
        for name in _git("ls-files", "--cached", "--others", "--exclude-standard", "image/overlay").splitlines():
            _copy(ROOT / name, stage / Path(name).relative_to("image/overlay"))
        for name, place in HW.items():
            for path in (ROOT / name).iterdir():
                _copy(path, stage / place / path.name)
        _copy(IMAGE / "shared-paths", stage / "usr/lib/anpr-node/shared-paths")
        (stage / "usr/lib/anpr-node/image-id").write_text(f"{self.image_id}\n")
        (stage / "usr/lib/anpr-node/base").write_text(f"{self.base.name}\n")
        system = (IMAGE / "rauc" / "system.conf").read_text().replace("@BASE@", self.base.name)
        (stage / "etc/rauc").mkdir(parents=True, exist_ok=True)
        (stage / "etc/rauc/system.conf").write_text(system)
        shutil.copy(bundle.keyring(self.keys), stage / "etc/rauc/keyring.pem")
        for path in stage.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o022)

    def debian(self) -> None:
        """Debian's packages alone. Kept for other builds on the same day, of the same list, from commits of one day."""
        names = packages(self.base.name)
        date = int(os.environ["SOURCE_DATE_EPOCH"]) // DAY_S * DAY_S
        kernel = [self.base.kernel, self.base.kernel_suite]
        key = " ".join([time.strftime("%F", time.gmtime()), str(date), *kernel, SUITE, *names, *sources(SUITE)])
        self.plain, note = self.folder / "debian.tar", self.folder / "debian.key"
        self.kept = self.plain.exists() and note.exists() and note.read_text() == key
        if self.kept:
            return
        note.unlink(missing_ok=True)
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--architectures={self.base.architecture}",
                   "--include=" + ",".join(names), "--aptopt=Apt::Install-Recommends false"]  # fmt: skip
        command += [f"--dpkgopt={option}" for option in NO_DOCUMENTATION]
        subprocess.run(
            [*command, SUITE, self.plain, *sources(SUITE)],
            check=True,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(date)},
        )
        note.write_text(key)

    def root(self) -> None:
        """Our tree over it, our hooks."""
        stage, tar = self.work / "stage", self.folder / "root.tar"
        tar.unlink(missing_ok=True)
        hooks = customize_hooks(stage, self.base, self.image_id)
        command = ["mmdebstrap", "--quiet", "--variant=custom", f"--architectures={self.base.architecture}",
                   "--skip=update,setup,cleanup", f"--setup-hook={unpack_hook(self.plain)}"]  # fmt: skip
        command += [f"--customize-hook={hook}" for hook in hooks]
        subprocess.run([*command, "", tar], check=True)

    def squash(self) -> None:
        """The root as it lies in a slot."""
        squash(self.folder / "root.tar", self.folder / "root.squashfs", self.fast)

    def boot(self) -> None:
        """The boot partition of a slot: initrd, and on arm64 the kernel and the emulated board's device tree."""
        kernel = self.unpacked
        busybox = next(path for path in (kernel / "usr/bin/busybox", kernel / "bin/busybox") if path.exists())
        initrd.make(self.work / "initrd", busybox, self.modules, self.base.modules, self.folder / "initrd.img")
        files: dict[str, Path | bytes] = {"initrd.img": self.folder / "initrd.img"}
        files["image-id"] = f"{self.image_id}\n".encode()
        files["cmdline.txt"] = (IMAGE / "boot" / f"cmdline-{self.base.name}.txt").read_bytes()
        for found in [*kernel.glob("boot/vmlinuz-*")][:1]:
            files["kernel8.img"] = found
        for found in kernel.glob("usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb"):
            files[found.name] = found
        card.make_fat(self.folder / "boot.vfat", card.layout()["boot-a"].size_mb, "boot", files, self.work / "fat")

    def card(self) -> None:
        """The card as it is flashed. Slot B is empty until the first update."""
        autoboot = (IMAGE / "boot" / "autoboot.txt").read_bytes()
        firmware, data = self.work / "firmware.vfat", self.work / "data.ext4"
        parts = card.layout()
        card.make_fat(firmware, parts["firmware"].size_mb, "firmware", {"autoboot.txt": autoboot}, self.work / "fat")
        card.make_data(data, parts["data"].size_mb)
        contents = {
            "firmware": firmware,
            "boot-a": self.folder / "boot.vfat",
            "root-a": self.folder / "root.squashfs",
            "data": data,
        }
        card.assemble(self.folder / "anpr-node.img", contents)
        if not self.fast:
            subprocess.run(["zstd", "-q", "-f", "-15", "-T0", "anpr-node.img"], cwd=self.folder, check=True)
        extract(self.folder / "root.squashfs", "usr/share/anpr-node/sbom.cdx.json", self.folder / "sbom.cdx.json")
        extract(self.folder / "root.squashfs", "usr/share/anpr-node/licences.txt", self.folder / "licences.txt")
        names = ("anpr-node.img", "root.squashfs", "boot.vfat", "initrd.img", "sbom.cdx.json")
        sums = "".join(f"{sha256(self.folder / name)}  {name}\n" for name in names)
        (self.folder / "SHA256SUMS").write_text(sums)

    def bundle(self) -> None:
        """The same as an update, where the key is."""
        if not (self.keys / "signing.key.pem").exists():
            sys.stdout.write(f"not signed: {self.keys} has no signing.key.pem; see image/recipe/bundle.py\n")
            return
        bundle.make(self.folder / "update.raucb", self.keys, self.base.name, self.version,
                    self.folder / "root.squashfs", self.folder / "boot.vfat", self.work / "bundle")  # fmt: skip


def unpack_hook(plain: Path) -> str:
    """Debian's packages into the root. Nobody but root may make device nodes; a node's own come from its kernel."""
    return f'mkdir -p "$1/dev/pts" "$1/dev/shm"; tar -C "$1" -x --exclude="./dev/*" -f {shlex.quote(str(plain))}'


def customize_hooks(stage: Path, base: Base, image_id: str) -> list[str]:
    """What mmdebstrap runs on a root once Debian's packages are in it. The inventory comes before the last one."""
    tree, image = (shlex.quote(str(path)) for path in (stage, IMAGE))
    hooks = [f'tar -C {tree} --owner=0 --group=0 -c . | tar -C "$1" -x --no-same-owner --keep-directory-symlink']
    hooks += [f'ANPR_BASE={base.name} {image}/hooks/{hook.name} "$1"' for hook in sorted((IMAGE / "hooks").iterdir())]
    hooks.insert(-1, f'{sys.executable} {image}/recipe/inventory.py "$1" {image_id}')
    return hooks


def is_root() -> bool:
    """Whether owners of files can be kept as they are."""
    return os.geteuid() == 0


def built_from(version: str, fast: bool) -> str:
    """What a build's bytes follow from, beside Debian's archive and the keys."""
    return f"{_git('describe', '--always', '--dirty=-changed')} {version}{' fast' if fast else ''}\n"


def packages(base: str) -> list[str]:
    """The names of image/packages that a base gets."""
    names = []
    for line in (IMAGE / "packages").read_text().splitlines():
        name, _, only = line.partition("#")[0].strip().partition(" @")
        if name and only in {"", base}:
            names.append(name)
    return names


def squash(tar: Path, target: Path, fast: bool) -> None:
    """A squashfs of a tar; the same input gives the same bytes."""
    target.unlink(missing_ok=True)
    level, block = ("3", "131072") if fast else ("19", "262144")
    options = ["-tar", "-comp", "zstd", "-Xcompression-level", level, "-b", block]
    options += ["-root-mode", "0755", "-noappend", "-quiet", "-no-progress", "-no-xattrs"]
    # a tar has no entry for the root itself: it becomes whoever runs this
    become_root = [] if is_root() else ["unshare", "--map-root-user"]
    command = [*become_root, "mksquashfs", "-", target, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        ours_last(tar, process.stdin)
        process.stdin.close()
        if process.wait() != 0:
            raise SystemExit(f"mksquashfs could not make {target}; see the messages above")


def ours_last(tar: Path, target: IO[bytes]) -> None:
    """A tar with what changes from version to version at its end: what comes before stays where it was in the squashfs.

    An update then fetches little more than what has changed; see docs/decisions/0104.
    """
    with (
        tarfile.open(tar) as source,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20) as made,
    ):
        members = [member for member in source if Path(member.name) != Path()]
        for member in sorted(members, key=lambda each: each.name.startswith(OURS)):  # in its order otherwise
            made.addfile(member, source.extractfile(member) if member.isreg() else None)


def extract(squashfs: Path, name: str, target: Path) -> None:
    """One file out of a root."""
    with target.open("wb") as file:
        subprocess.run(["unsquashfs", "-cat", squashfs, name], stdout=file, check=True)


def _slim_modules(modules: Path, keep: tuple[str, ...]) -> None:
    for path in (modules / "kernel").rglob("*.ko*"):
        name = path.relative_to(modules / "kernel").as_posix()
        plain = name.split(".ko")[0] + ".ko"
        if not any(plain == each or name.startswith(f"{each}/") for each in keep):
            path.unlink()
    for path in sorted((modules / "kernel").rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    for name in ("build", "source"):
        (modules / name).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def sha256(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def closed_to_others(*paths: Path) -> Path | None:
    """The first file or folder on the way to one of them that only its owner or group may use."""
    for path in paths:
        for each in (*reversed(path.absolute().parents), path):
            mode = each.stat().st_mode
            if not mode & stat.S_IXOTH or (each == path and not mode & stat.S_IROTH):
                return each
    return None


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description="Build the SD image of a base, its SBOM and its update bundle.")
    parser.add_argument("base", choices=sorted(BASES))
    parser.add_argument("folder", type=Path, help="where to; keys/ in it is made when it is missing")
    parser.add_argument("--version", default=_git("describe", "--always", "--dirty=-changed"))
    parser.add_argument("--fast", action="store_true", help="compress little, for tests")
    arguments = parser.parse_args()
    tools = TOOLS if is_root() else {**TOOLS, "newuidmap": "uidmap"}
    missing = [
        package
        for tool, package in tools.items()
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
    ]
    if missing:
        sys.exit(f"missing; install with:  sudo apt-get install -y {' '.join(missing)}")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    closed = None if is_root() else closed_to_others(IMAGE / "hooks" / "10-system", arguments.folder)
    if closed:
        sys.exit(f"without root Debian is unpacked as another user, who cannot get at {closed}; "
                 f"build elsewhere, or:  chmod o+rX {shlex.quote(str(closed))}")  # fmt: skip
    Build(BASES[arguments.base], arguments.folder, arguments.version, arguments.fast).run()


if __name__ == "__main__":
    main()
