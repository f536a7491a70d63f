"""Two builds of one commit give the same bytes, whoever builds, wherever, with whatever left over."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import build
import compare
import pytest

from boot.machine import ROOT, free_space_mb

VERSION = "1.0"


def test_another_build_gives_the_same_bytes(image: Path, tmp_path: Path) -> None:
    note = image / "built-from"
    if not note.exists() or note.read_text() != build.built_from(VERSION, fast=True):
        pytest.skip(f"{image} was not built from this commit with --version {VERSION} --fast")
    if shutil.which("mmdebstrap") is None or free_space_mb(tmp_path) < 6000:
        pytest.skip("mmdebstrap and 6 GB are needed")
    other = tmp_path / "another place"
    shutil.copytree(image / "keys", other / "keys")
    command = [ROOT / "scripts" / "build-image", "amd64-uml", other, "--version", VERSION, "--fast"]
    subprocess.run(command, check=True, umask=0o002)
    assert compare.differences(image, other) == []
    shutil.rmtree(other)
