"""The initrd: busybox, the modules that reach the root, and image/boot/init. The same for every base."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

UNPACK = {".xz": ("xz", "-dc"), ".zst": ("zstd", "-dcq"), ".gz": ("gzip", "-dc")}
"""How kernels come with their modules packed; insmod of busybox takes them plain."""
INIT = Path(__file__).resolve().parent.parent / "boot" / "init"


def load_order(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """Files of modules with what they depend on before them. A name that is not there is built in, or not needed."""
    depends: dict[str, tuple[Path, list[str]]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        depends[_name(file)] = (modules / file, [_name(each) for each in rest.split()])
    order: list[Path] = []

    def add(name: str) -> None:
        if name not in depends or depends[name][0] in order:
            return
        for each in reversed(depends[name][1]):
            add(each)
        order.append(depends[name][0])

    for name in wanted:
        add(name)
    return order


def _name(file: str) -> str:
    return Path(file).name.split(".")[0].replace("-", "_")


def make(folder: Path, busybox: Path, modules: Path, wanted: Iterable[str], target: Path) -> None:
    """Write an initrd. The same input gives the same bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("bin", "modules", "dev"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin" / "busybox")
    shutil.copy(INIT, folder / "init")
    (folder / "init").chmod(0o755)
    order = []
    for file in load_order(modules, wanted):
        plain = folder / "modules" / f"{file.name.partition('.ko')[0]}.ko"
        if file.suffix in UNPACK:
            plain.write_bytes(subprocess.run([*UNPACK[file.suffix], file], check=True, stdout=subprocess.PIPE).stdout)
        else:
            shutil.copy(file, plain)
        order.append(plain.name)
    (folder / "modules" / "order").write_text("".join(f"{name}\n" for name in order))
    _pack(folder, target)


def _pack(folder: Path, target: Path) -> None:
    stamp = int(os.environ["SOURCE_DATE_EPOCH"])
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    for name in names:
        os.utime(folder / name, (stamp, stamp))
    archive = subprocess.run(
        ["cpio", "--create", "--format=newc", "--reproducible", "--owner=0:0", "--quiet"],
        input="\n".join(names).encode(), cwd=folder, check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    with target.open("wb") as file:
        subprocess.run(["gzip", "-9n"], input=archive, stdout=file, check=True)
