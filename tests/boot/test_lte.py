"""The data link over LTE in the booted image: from what the modem's manager says to an address, a route and names.

The manager's own command is played, as tests/system/test_lte.py has the real one; unit, rights and networkd are real.
"""

from __future__ import annotations

from pathlib import Path

from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import UserModeLinux, powered
from boot.test_boot import failed_units, wait_for_reads

BEARER = "/org/freedesktop/ModemManager1/Bearer/7"
MMCLI = f"""#!/bin/sh
case "$*" in
    *simple-connect=apn=internet,ip-type=ipv4,allow-roaming=yes) touch /run/systemd/network/dialled ;;
    "-m any -K") echo "modem.generic.bearers.value[1] : {BEARER}" ;;
    "-b {BEARER} -K")
        [ -e /run/systemd/network/dialled ] || exit 1
        echo "bearer.status.connected : yes
bearer.status.interface : wwan0
bearer.ipv4-config.method : static
bearer.ipv4-config.address : 10.64.0.2
bearer.ipv4-config.prefix : 29
bearer.ipv4-config.gateway : 10.64.0.1
bearer.ipv4-config.dns.value[1] : 10.64.1.1
bearer.ipv4-config.mtu : 1430" ;;
    *) echo "error: $*" >&2; exit 1 ;;
esac
"""
INTERFACE = """import fcntl, os, struct, time
line = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(line, 0x400454CA, struct.pack("16sH", b"wwan0", 0x1001))
time.sleep(3600)
"""
"""A line without a wire, as a modem's: TUN, no packet headers."""


def test_what_the_claim_says_of_lte_becomes_a_route(board: UserModeLinux, tmp_path: Path) -> None:
    (tmp_path / "mmcli").write_text(MMCLI)
    (tmp_path / "line.py").write_text(INTERFACE)
    board.put("anpr-provision.toml", f'{CLAIM}\n[lte]\napn = "internet"\n')
    with powered(board):
        shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
        wait_for_reads(shell)  # its modem is missing: an alarm, and no more
        assert "no link" in shell.out("journalctl -u anpr-lte -o cat --no-pager")
        shell.out(f"mkdir -p /run/here && mount -t hostfs none /run/here -o {tmp_path}")
        shell.out("install -m 755 /run/here/mmcli /usr/local/bin/")
        shell.out("modprobe tun && systemd-run --quiet python3 /run/here/line.py")
        for _ in range(60):
            if "10.64.0.2/29" in shell.out("ip -4 -o address show dev wwan0 | cat"):  # into a pipe: no colours
                break
            shell.run("sleep 1")
        assert "10.64.0.2/29" in shell.out("ip -4 -o address show dev wwan0 | cat")
        assert "mtu 1430" in shell.out("ip link show dev wwan0 | cat")
        assert "via 10.64.0.1" in shell.out("ip -4 route show default metric 2000 dev wwan0 | cat")
        assert "10.64.1.1" in shell.out("cat /run/systemd/resolve/resolv.conf")
        assert failed_units(shell) == set()
