"""A record that is encrypted with the key on a stick: read with it after a power cut, by nobody without it."""

from __future__ import annotations

import os
from pathlib import Path

import card

from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import UserModeLinux
from boot.test_boot import wait_for_reads

STORE = "/var/lib/anpr-node/anpr-node.sqlite"
ENCRYPT = f"runuser -u {NAME} -- anpr-node store encrypt --key"


def log_in(board: UserModeLinux, *, settled: bool = True) -> Shell:
    """Switch it on, come in."""
    board.power_on()
    return Shell(board.console, NAME, PASSWORD, FIRST_READ_S, settled=settled)


def test_the_record_is_closed_without_its_stick(board: UserModeLinux, tmp_path: Path) -> None:
    board.put("anpr-provision.toml", CLAIM)
    board.stick = tmp_path / "stick.img"
    card.make_fat(board.stick, 40, "anpr-key", {"store.key": os.urandom(32)}, tmp_path / "stick")
    shell = log_in(board)
    wait_for_reads(shell)
    shell.out("systemctl stop anpr-node")
    code, said = shell.run(f"{ENCRYPT} /run/store.key")
    assert (code, "in this board's memory" in said) == (1, True), said
    assert shell.out("findmnt -rno FSTYPE,OPTIONS /media/key").startswith("vfat ro,")
    assert "encrypted" in shell.out(f"{ENCRYPT} /media/key/store.key", 90)
    shell.out("systemctl start anpr-node")
    kept = int(str(wait_for_reads(shell)["reads"]))
    assert shell.out(f"head -c 6 {STORE} | od -An -tx1") != "53 51 4c 69 74 65"
    board.cut()

    shell = log_in(board)
    assert int(str(wait_for_reads(shell, kept)["reads"])) > kept
    board.cut()

    board.stick = None
    shell = log_in(board, settled=False)
    for _ in range(60):
        if "store.key cannot be read" in shell.out("journalctl -b -u anpr-node --no-pager"):
            break
        shell.run("sleep 1")
    else:
        raise AssertionError(shell.out("journalctl -b -u anpr-node --no-pager"))
    code, said = shell.run("anpr-node status", 90)
    assert (code, "plug in the stick" in said) == (1, True), said
    board.cut()
