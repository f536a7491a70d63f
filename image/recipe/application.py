"""The node's program for a base: this checkout and its wheels as a tree that mirrors /, made without running it.

Versions and hashes are those of image/requirements.txt; `python3 image/recipe/application.py` writes that file anew.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bases import BASES, PYTHON, Base

ROOT = Path(__file__).resolve().parent.parent.parent
LOCK = ROOT / "image" / "requirements.txt"
HOME = Path("opt/anpr-node")
GLIBC_MAX = 41
FROM_DEBIAN = frozenset({"lgpio", "pip", "setuptools"})
"""lgpio comes from the Raspberry Pi's archive, and has no wheel for this Python; the other two only install."""
STARTER = """#!/opt/anpr-node/.venv/bin/python -s
import sys

from anpr_node.cli import main

sys.exit(main())
"""


def stage(folder: Path, base: Base) -> None:
    """Lay out /opt/anpr-node, as a virtual environment that sees Debian's own packages too."""
    environment = folder / HOME / ".venv"
    packages = environment / "lib" / f"python{PYTHON}" / "site-packages"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {PYTHON}\n"
    )
    (environment / "bin" / "python").symlink_to("/usr/bin/python3")
    starter = environment / "bin" / "anpr-node"
    starter.write_text(STARTER)
    starter.chmod(0o755)
    # an old pip compares what a wheel requires with the Python that runs pip; the lock has looked at the right one
    options = ["--require-hashes", "--no-deps", "--ignore-requires-python", "--requirement", str(LOCK)]
    pip("install", *options, "--target", str(packages), *_target(base))
    for name in ("bin", "share"):
        shutil.rmtree(packages / name, ignore_errors=True)
    for record in packages.glob("*.dist-info/RECORD"):  # with hashes of programs that name this machine's Python
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("../")), encoding="utf-8")
    _copy_checkout(folder, packages)


def _copy_checkout(folder: Path, packages: Path) -> None:
    files = subprocess.run(
        ["git", "ls-files", "anpr_node", "models/plate_detector", "models/plate_recognizer", "LICENSE"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in files:
        parts = Path(name)
        place = packages / parts if parts.parts[0] == "anpr_node" else folder / HOME / parts
        if parts.parts[0] == "models":
            place = folder / "usr/share/anpr-node" / parts
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place)


def pip(*arguments: str) -> None:
    """Run pip quietly, as this Python has it."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    subprocess.run(command, check=True, env={**os.environ, "PIP_NO_COMPILE": "1", "PYTHONWARNINGS": "ignore"})


def _target(base: Base) -> list[str]:
    """What pip has to know of the machine that it does not run on."""
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", "--no-compile"]
    for glibc in range(GLIBC_MAX, 16, -1):
        options.append(f"--platform=manylinux_2_{glibc}_{base.platform}")
    return [*options, f"--platform=manylinux2014_{base.platform}"]


def lock() -> None:
    """Choose the newest versions that fit both architectures, with the hashes of their wheels."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["litert"]]
    wanted = [line.split(";")[0].strip() for line in wanted if not line.startswith("lgpio")]
    found: dict[str, tuple[str, set[str]]] = {}
    for base in BASES.values():
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            arguments = ["--dry-run", "--ignore-installed", "--target", "/nonexistent", *_target(base)]
            pip("install", "--report", report.name, *arguments, *wanted)
            rows = json.loads(Path(report.name).read_text())["install"]
        for row in rows:
            name, version = row["metadata"]["name"].lower().replace("_", "-"), row["metadata"]["version"]
            if name in FROM_DEBIAN:
                continue
            known, hashes = found.setdefault(name, (version, set()))
            if known != version:
                raise SystemExit(f"{name}: {known} for one architecture, {version} for the other; set a limit")
            hashes.add(row["download_info"]["archive_info"]["hashes"]["sha256"])
    lines = ["# Written by: python3 image/recipe/application.py"]
    for name, (version, hashes) in sorted(found.items()):
        lines.append(f"{name}=={version} " + " ".join(f"--hash=sha256:{one}" for one in sorted(hashes)))
    LOCK.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    lock()
