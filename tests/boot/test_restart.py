"""What a start makes of what the one before left on the card; and of a claim that is given while the node runs."""

from __future__ import annotations

import time
from pathlib import Path

from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import UserModeLinux, powered
from boot.network import BOARD, TAP, needs_network, network
from boot.test_boot import CLAIMING, wait_for_reads

DAY_S = 86_400
OTHER = CLAIM.replace(PASSWORD, "another long password").replace("e40-km12", "taken-over")


def test_no_claim_stays_on_a_card_that_has_its_owner_and_no_time_is_lost(board: UserModeLinux) -> None:
    """The clock stands still here: a file of tomorrow is for the start what a clock without battery is on a board."""
    board.put("anpr-provision.toml", CLAIM)
    with powered(board):
        shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
        shell.out("f=/var/lib/anpr-node/tomorrow.sqlite; : >$f; touch -d '+1 day' $f; sync")
    board.put("anpr-provision.toml", OTHER)
    board.put("anpr-provision.toml.txt", OTHER)
    with powered(board):
        shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
        assert shell.out("hostname") == "e40-km12"
        assert int(shell.out("date +%s")) > time.time() + DAY_S - 600
        wait_for_reads(shell)
    assert {"autoboot.txt", "e40-km12.csr.pem"} == set(board.files())
    with board.card.open("rb") as card:
        assert b"another long password" not in card.read(40 << 20)


@needs_network
def test_a_claim_on_the_console_is_obeyed_without_a_restart(image: Path, kernel: Path, tmp_path: Path) -> None:
    with network() as name:
        board = UserModeLinux(tmp_path / "board", image / "anpr-node.img", kernel, tap=TAP, namespace=name)
        answers = [*CLAIMING]
        answers[-3:] = [("Fixed address", f"{BOARD}/24"), ("Gateway", "192.0.2.2"), ("Name servers", "192.0.2.2"),
                        ("LTE card", ""), ("Updates from", "")]  # fmt: skip
        with powered(board):
            board.console.expect("no owner yet", FIRST_READ_S)
            board.console.converse(answers)
            board.console.expect("BEGIN CERTIFICATE REQUEST", 60)
            shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
            assert BOARD in shell.out("ip -o -4 address show scope global")
            assert "nameserver 192.0.2.2" in shell.out("cat /run/systemd/resolve/resolv.conf")
        board.card.unlink()
