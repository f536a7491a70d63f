"""The quick twin, built once for all boot tests, and a claimed board.

ANPR_IMAGE names a folder that scripts/build-image made for amd64-uml; without, one is built where the tools are there.
Everything here is marked `image` and runs only when asked for: `pytest -m image`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import ROOT, UserModeLinux, free_space_mb, powered


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that lies beside this file is opt-in."""
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.image)


@pytest.fixture(scope="session")
def image() -> Path:
    """The folder of a built twin."""
    named = os.environ.get("ANPR_IMAGE")
    if named:
        return Path(named)
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is missing, so no image can be built: sudo apt-get install -y mmdebstrap")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anpr-node" / "image-amd64-uml"
    folder.mkdir(parents=True, exist_ok=True)
    if free_space_mb(folder) < 6000:
        pytest.skip(f"6 GB are needed in {folder}")
    subprocess.run([ROOT / "scripts" / "build-image", "amd64-uml", folder, "--version", "1.0", "--fast"], check=True)
    return folder


@pytest.fixture(scope="session")
def kernel(image: Path) -> Path:
    """The program that is the twin's kernel."""
    return image / "kernel" / "usr" / "bin" / "linux.uml"


@pytest.fixture
def board(image: Path, kernel: Path, tmp_path: Path) -> Iterator[UserModeLinux]:
    """A new board with a new card, switched off."""
    made = UserModeLinux(tmp_path / "board", image / "anpr-node.img", kernel)
    try:
        yield made
    finally:
        made.cut()
        made.card.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def claimed(
    image: Path, kernel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[UserModeLinux, Shell]]:
    """A running board that was claimed from its card, and a root shell on it."""
    made = UserModeLinux(tmp_path_factory.mktemp("claimed") / "board", image / "anpr-node.img", kernel)
    made.put("anpr-provision.toml", CLAIM)
    with powered(made):
        yield made, Shell(made.console, NAME, PASSWORD, FIRST_READ_S)
    made.card.unlink(missing_ok=True)
