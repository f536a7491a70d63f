"""What in the booted image could give somebody a right: each stands in docs/security.md with its reason, no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import ROOT, UserModeLinux, powered
from boot.network import BOARD, CLAIMED, TAP, needs_network, neighbour, network, scan

PAGE = (ROOT / "docs" / "security.md").read_text()


def explained(heading: str) -> set[str]:
    """First column of the table below a heading."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return {row.strip("` ") for row in re.findall(r"^\| (`[^|]+`) \|", part, re.MULTILINE)}


LISTS = {
    "Programs that change who one is": "find / /var -xdev -type f -perm /6000 -printf '%p\\n' | sort -u",
    "Programs with capabilities": "getcap -r /usr /opt 2>/dev/null | cut -d' ' -f1",
    "Places that everybody may write to": (
        "find / /var -xdev -perm -0002 ! -type l ! -path '*/systemd-private-*' -printf '%p\\n' | sort -u"
    ),
    "Accounts": "cut -d: -f1 /etc/passwd",
    "Accounts that can log in": "grep -v -E ':(/usr/sbin/nologin|/bin/false)$' /etc/passwd | cut -d: -f1",
    "What listens": "ss -H -l -n -t -u | awk '{print $1, $5}' | sort -u",
}


@pytest.mark.parametrize("heading", LISTS)
def test_everything_found_is_explained(claimed: tuple[UserModeLinux, Shell], heading: str) -> None:
    _, shell = claimed
    found = {
        line.replace(NAME, "PERSON") if line == NAME else line for line in shell.out(LISTS[heading], 90).splitlines()
    }
    assert found <= explained(heading)


def test_nobody_has_a_password_but_who_gave_one(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    rows = [line.split(":")[:2] for line in shell.out("cat /etc/shadow").splitlines()]
    assert {name for name, word in rows if not word.startswith(("!", "*"))} == {NAME}


def test_ssh_takes_keys_only_and_never_root(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    said = shell.out("sshd -T").lower()
    for line in (
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitrootlogin no",
        "allowgroups people",
    ):
        assert line in said


def test_the_nodes_process_has_no_capability(claimed: tuple[UserModeLinux, Shell]) -> None:
    _, shell = claimed
    said = shell.out("grep -E '^(CapEff|CapBnd|NoNewPrivs|Uid)' /proc/$(systemctl show -P MainPID anpr-node)/status")
    assert re.search(r"CapEff:\s+0+\n", said)
    assert re.search(r"NoNewPrivs:\s+1", said)
    assert re.search(r"Uid:\s+800\s", said)


def test_the_updater_obeys_root_alone(claimed: tuple[UserModeLinux, Shell]) -> None:
    """What the node's account may not, whoever gets into its process may not either; see tests/test_updater_bus.py."""
    _, shell = claimed
    assert shell.run("runuser -u anpr -- rauc status mark-good")[0] != 0
    assert shell.run("runuser -u anpr -- rauc install /etc/hostname")[1].count("AccessDenied") > 0
    assert "rootfs.0" in shell.out(f"runuser -u {NAME} -- rauc status", 90)
    shell.out("rauc status")


@needs_network
def test_a_scan_of_every_port_finds_ssh_alone_and_before_the_claim_nothing(
    image: Path, kernel: Path, tmp_path: Path
) -> None:
    """Twice over a real wire; without the firewall, for which this kernel has no tables (it is in test_arm64.py)."""
    claim = CLAIM.replace("[network]\n", CLAIMED)
    for text, expected in ((None, []), (claim, [22])):
        with network() as name:
            board = UserModeLinux(tmp_path / "board", image / "anpr-node.img", kernel, tap=TAP, namespace=name)
            if text:
                board.put("anpr-provision.toml", text)
            with powered(board):
                if text:
                    Shell(board.console, NAME, PASSWORD, FIRST_READ_S)  # from now on everything is up
                else:
                    board.console.expect("no owner yet", FIRST_READ_S)
                found = scan(name, BOARD if text else neighbour(name))
                assert len(found["closed"]) > 60_000, "the board did not answer, so that the scan says nothing"
                assert found["open"] == expected
            board.card.unlink()
