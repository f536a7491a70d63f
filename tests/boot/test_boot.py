"""The booted image: it reads, it keeps what it should, nobody comes in without a claim, nothing listens."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable

from boot.claims import FIRST_READ_S, NAME, PASSWORD
from boot.console import PATIENCE_S, Shell
from boot.machine import UserModeLinux, powered

WEAR_S, WEAR_READS = float(os.environ.get("ANPR_WEAR_S", "20")), 8


def status(shell: Shell) -> dict[str, object]:
    """What the node says of itself."""
    said = json.loads(shell.out("anpr-node status --json", PATIENCE_S))
    assert isinstance(said, dict)
    return said


def wait_for_reads(shell: Shell, more_than: int = 0, tries: int = 180) -> dict[str, object]:
    """The status once there are reads."""
    for _ in range(tries):
        now = status(shell)
        if int(str(now["reads"])) > more_than:
            return now
        shell.run("sleep 1")
    raise AssertionError(f"no read: {now}; {shell.run('journalctl -u anpr-node -n 30 --no-pager')[1]}")


def failed_units(shell: Shell) -> set[str]:
    """What could not be started. This kernel has no tables for IP; see test_firewall.py and test_arm64.py."""
    return set(shell.out("systemctl --failed --no-legend --plain | cut -d' ' -f1").split()) - {"nftables.service"}


CLAIMING = [
    ("Name of the node", "e40-km12"), ("Site,", "E40"), ("Lane", "2"), ("Board", "pc"), ("Your account", NAME),
    ("Your password:", PASSWORD), ("Once more:", PASSWORD), ("Your public SSH key", ""), ("Fixed address", ""),
    ("LTE card", ""), ("Updates from", ""),
]  # fmt: skip


def test_claimed_at_the_console_it_lets_its_owner_in_and_nobody_before(board: UserModeLinux) -> None:
    with powered(board):
        console = board.console
        console.expect("no owner yet", FIRST_READ_S)
        console.converse([(question, "root" if text == NAME else text) for question, text in CLAIMING])
        console.expect("root belongs to the system", PATIENCE_S)  # asked again, never a shell
        console.expect("Name of the node.*: ", PATIENCE_S)
        console.send("\x03")  # interrupted: asked again by the next process
        console.provoke("no owner yet", PATIENCE_S)  # before the wait for a key it shows with the next
        assert "# " not in console.said
        assert "$ " not in console.said
        console.converse(CLAIMING)
        console.expect("BEGIN CERTIFICATE REQUEST", PATIENCE_S)
        shell = Shell(console, NAME, PASSWORD, FIRST_READ_S)
        assert shell.out("hostname") == "e40-km12"
        assert PASSWORD not in console.said
        code, _ = shell.run("anpr-node claim --console")
        assert code == 3  # once, and no more


def test_first_read(claimed: tuple[UserModeLinux, Shell], record_property: Callable[[str, object], None]) -> None:
    _, shell = claimed
    now = wait_for_reads(shell)
    assert now["node_id"] == "e40-km12"
    booted = float(shell.out("cut -d' ' -f1 /proc/uptime")) - float(shell.out("date +%s.%N"))
    record_property("first read, s after power on", round(float(str(now["first_read_s"])) + booted, 1))


def test_the_claim_is_gone_from_the_card(claimed: tuple[UserModeLinux, Shell]) -> None:
    board, shell = claimed
    shell.out("sync")
    assert "anpr-provision.toml" not in board.files()
    with board.card.open("rb") as card:
        assert PASSWORD.encode() not in card.read(40 << 20)
    assert b"CERTIFICATE REQUEST" in board.get("e40-km12.csr.pem")


def test_root_is_read_only_and_what_is_written_there_is_ram(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    assert shell.run("touch /media/slot/x")[0] != 0
    assert shell.out("findmnt -no FSTYPE /") == "overlay"
    for path in ("/var/lib/anpr-node", "/etc/anpr-node", "/var/log/journal"):
        assert shell.out(f"findmnt -no SOURCE {path}") == f"/dev/ubda6[/shared{path}]"


def test_data_partition_grew_with_the_card(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    assert int(shell.out("df -m --output=size /data | tail -1")) > 1000


def test_nothing_listens_but_what_the_claim_opened(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    listening = set()
    for line in shell.out("ss -H -l -n -t -u -p").splitlines():
        kind, _, _, _, local, *_, who = line.split()
        listening.add((kind, local, *re.findall(r'"([^"]+)"', who)[:1]))
    assert {row for row in listening if not row[1].startswith(("127.0.0.1", "[::1]"))} <= {
        ("tcp", "0.0.0.0:22", "sshd"), ("tcp", "[::]:22", "sshd"), ("tcp", "*:22", "sshd")}, listening  # fmt: skip


def test_units_keep_their_promise(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    scores = shell.out("systemd-analyze security --no-pager anpr-node.service | tail -1")
    assert float(re.findall(r"(\d+\.\d)", scores)[-1]) <= 2.0
    assert failed_units(shell) == set()


def test_what_a_day_writes_to_the_card(
    claimed: tuple[UserModeLinux, Shell], record_property: Callable[[str, object], None]
) -> None:
    """By the kernel's own count of the card's sectors, over a minute of the simulated road, with pictures."""
    _, shell = claimed
    ask = "awk '$3 == \"ubda\" {print $10}' /proc/diskstats"
    shell.out("sync")
    reads, before = int(str(status(shell)["reads"])), int(shell.out(ask))
    began_s = time.monotonic()
    shell.out(f"sleep {WEAR_S:g}", WEAR_S + PATIENCE_S)
    wait_for_reads(shell, reads + WEAR_READS - 1)  # of fewer, what is written without any would be the most part
    shell.out("sync")
    written, more = (int(shell.out(ask)) - before) * 512, int(str(status(shell)["reads"])) - reads
    took_s = time.monotonic() - began_s
    record_property("written, kB", round(written / 1000))
    record_property("reads meanwhile", more)
    record_property("GB a day at this rate", round(written * 86_400 / took_s / 1e9, 2))
    assert more >= WEAR_READS
    assert written / more < 400_000
