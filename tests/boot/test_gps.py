"""A GPS receiver in the booted image: gpsd is there once one is, reads it, and the node may ask chrony what it follows.

The receiver is a pseudo-terminal, from which gpsd takes positions and, on purpose, no time: that last step, from gpsd's
shared memory to chrony, is not shown here.
"""

from __future__ import annotations

import json
from pathlib import Path

from boot.claims import CLAIM, FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import UserModeLinux, powered

RECEIVER = r"""import os, time, tty
ours, line = os.openpty()
tty.setraw(line)
os.chmod(os.ttyname(line), 0o666)
os.symlink(os.ttyname(line), "/run/receiver")
while True:
    time.sleep(1.2 - time.time() % 1)
    at, day = time.strftime("%H%M%S.00", time.gmtime()), time.strftime("%d%m%y", time.gmtime())
    for text in (f"GPRMC,{at},A,5038.0000,N,00514.0000,E,0.0,0.0,{day},,,A",
                 f"GPGGA,{at},5038.0000,N,00514.0000,E,1,08,1.0,120.0,M,47.0,M,,",
                 "GPGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.5,1.0,1.2"):
        total = 0
        for letter in text.encode():
            total ^= letter
        os.write(ours, f"${text}*{total:02X}\r\n".encode())
"""
LISTENER = """import json, socket
with socket.create_connection(("127.0.0.1", 2947), timeout=60) as line, line.makefile("rw") as file:
    print('?WATCH={"enable":true,"json":true}', file=file, flush=True)
    for answer in file:
        if json.loads(answer).get("mode", 0) >= 2:
            print(answer)
            break
"""


def test_a_receiver_that_is_plugged_in_is_read(board: UserModeLinux, tmp_path: Path) -> None:
    (tmp_path / "receiver.py").write_text(RECEIVER)
    (tmp_path / "listener.py").write_text(LISTENER)
    board.put("anpr-provision.toml", CLAIM)
    with powered(board):
        shell = Shell(board.console, NAME, PASSWORD, FIRST_READ_S)
        assert shell.run("systemctl is-active gpsd.service gpsd.socket")[0] != 0  # there is no receiver yet
        assert "Not synchronised" in shell.out("runuser -u anpr -- chronyc -c tracking")
        shell.out(f"mkdir -p /run/here && mount -t hostfs none /run/here -o {tmp_path}")
        shell.out("systemd-run --quiet python3 /run/here/receiver.py && systemctl start gpsd.socket")
        shell.out(
            "until [ -e /run/receiver ]; do sleep 0.2; done; gpsdctl add $(readlink /run/receiver)"
        )  # as udev does
        fix = json.loads(shell.out("python3 /run/here/listener.py", 120))
        assert (fix["class"], round(fix["lat"], 2), round(fix["lon"], 2)) == ("TPV", 50.63, 5.23)
        assert "GPS" in shell.out("chronyc -n sources")
