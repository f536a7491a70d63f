"""Which kind of source disciplines the clock: chrony's own words, and a real chronyd fed by a receiver."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from anpr_node.drivers import time_source

SAMPLE_MAGIC = 0x534F434B


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("47505300,GPS,1,1767225600.1,-0.000001,0.0,0.000002,-1.1,0.0,0.01,0.0001,0.00005,16.1,Normal", "gps"),
        ("50505300,PPS,1,1767225600.1,-0.000001,0.0,0.000002,-1.1,0.0,0.01,0.0001,0.00005,16.1,Normal", "gps"),
        ("C0A80001,192.168.0.1,3,1767225600.1,-0.0001,0.0,0.0002,-1.1,0.0,0.01,0.01,0.0005,64.1,Normal", "ntp"),
        ("7F7F0101,,1,1767225600.1,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal", "ntp"),
        ("506 Cannot talk to daemon", "ntp"),
        ("", "ntp"),
    ],
)
def test_chronys_words(line: str, source: str) -> None:
    assert time_source.parse(line) == source


def test_a_machine_without_chrony_says_ntp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert time_source.ask() == "ntp"


@pytest.mark.system
@pytest.mark.skipif(not shutil.which("chronyd") or os.geteuid() != 0, reason="needs root and chrony")
def test_a_receiver_is_gps(tmp_path: Path) -> None:
    """A real chronyd that does not touch the clock (-x), fed through its SOCK reference clock."""
    feed, command = tmp_path / "gps.sock", tmp_path / "run" / "chronyd.sock"
    command.parent.mkdir(mode=0o700)
    config = tmp_path / "chrony.conf"
    config.write_text(
        f"refclock SOCK {feed} refid GPS poll 0 filter 1\nbindcmdaddress {command}\ncmdport 0\nport 0\n"
        f"pidfile {tmp_path}/pid\n"
    )
    chronyd = subprocess.Popen(["chronyd", "-x", "-d", "-u", "root", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        assert _until_gps(feed, command), "chronyd never took the receiver"
    finally:
        chronyd.terminate()
        chronyd.wait(10)


def _until_gps(feed: Path, command: Path) -> bool:
    for _ in range(60):
        if feed.exists():
            _give_sample(feed)
        if time_source.ask("-h", str(command)) == "gps":
            return True
        time.sleep(0.5)
    return False


def _give_sample(feed: Path) -> None:
    """struct sock_sample of chrony's refclock_sock.c: the moment, the offset, no pulse, no leap second."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.connect(str(feed))
        receiver.send(struct.pack("qqdiiii", seconds, nanoseconds // 1000, 0.000_01, 0, 0, 0, SAMPLE_MAGIC))
