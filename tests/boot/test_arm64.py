"""The arm64 image on emulated boards, to a reading node. Slow: minutes each. ANPR_IMAGE_ARM64 names its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from boot.claims import CLAIM, NAME, PASSWORD
from boot.console import Shell
from boot.machine import MB, Qemu, powered
from boot.network import BOARD, CLAIMED, TAP, needs_network, network, scan
from boot.test_boot import wait_for_reads

FOLDER = Path(os.environ.get("ANPR_IMAGE_ARM64", "/nonexistent"))
PATIENCE_S = 1500
SLOW = CLAIM.replace("fps = 3.0", "fps = 1.0")
"""An emulated processor renders slowly."""
AT_REST = "while [ $(systemctl show -P ActiveState anpr-node-lists.service) = activating ]; do sleep 2; done"
"""The lists are looked for two minutes after a start, for minutes where the processor is emulated."""
SLOT_MB, COMPRESSED_MB, MEMORY_MB = 600, 400, 350

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no arm64 image in ANPR_IMAGE_ARM64; see image/README.md")


def test_sizes(record_property: Callable[[str, object], None]) -> None:
    root, packed = (FOLDER / name for name in ("root.squashfs", "anpr-node.img.zst"))
    record_property("root, MB", round(root.stat().st_size / MB))
    record_property("compressed, MB", round(packed.stat().st_size / MB))
    assert root.stat().st_size <= SLOT_MB * MB
    assert packed.stat().st_size <= COMPRESSED_MB * MB


@pytest.mark.parametrize("machine", ["virt", "raspi3b"])
def test_it_boots_to_a_reading_node(
    tmp_path: Path, machine: str, record_property: Callable[[str, object], None]
) -> None:
    board = Qemu(tmp_path / machine, FOLDER / "anpr-node.img", machine)
    board.put("anpr-provision.toml", SLOW)
    with powered(board):
        board.console.expect("anpr-boot: slot a", PATIENCE_S / board.pace)
        record_property("root, s", round(board.up_s))
        shell = Shell(board.console, NAME, PASSWORD, PATIENCE_S / board.pace)
        record_property("login, s", round(board.up_s))
        wait_for_reads(shell, tries=200)
        record_property("read, s", round(board.up_s))
        shell.out(AT_REST, 600)
        used = int(shell.out("free -m | awk '/^Mem/ {print $3}'", 120))
        record_property("memory used, MB", used)
        assert used <= MEMORY_MB
        failed = set(shell.out("systemctl --failed --no-legend --plain | cut -d' ' -f1", 120).split())
        assert not failed
    board.card.unlink()


@needs_network
def test_the_firewall_is_silent_but_for_ssh(tmp_path: Path) -> None:
    """Every port of the booted node, from the wire: a kernel with tables for IP, which the quick twin's has not."""
    with network() as name:
        board = Qemu(tmp_path / "virt", FOLDER / "anpr-node.img", tap=TAP, namespace=name)
        board.put("anpr-provision.toml", SLOW.replace("[network]\n", CLAIMED))
        with powered(board):
            Shell(board.console, NAME, PASSWORD, PATIENCE_S / board.pace)
            assert scan(name, BOARD, patience_s=2.0) == {"open": [22], "closed": []}
        board.card.unlink()
