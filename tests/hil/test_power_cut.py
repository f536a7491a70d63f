"""Real power cuts: a whole Linux is killed in mid-write and booted again. Opt-in; some seconds a cut.

Needs a User-Mode Linux with ext4 and the device mapper: Debian's, which scripts/uml-kernel --disk FOLDER fetches.

    scripts/uml-kernel --disk ~/uml && ANPR_UML_DISK=~/uml scripts/test --unit -m uml -k power

ANPR_POWER_CUTS sets how many (default 6). synchronous=NORMAL is cut as well, to show that the test can tell.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import record_writer
from conftest import ROOT
from record_writer import Said

KERNEL_FOLDER = Path(os.environ.get("ANPR_UML_DISK", "/nonexistent"))
KERNEL = KERNEL_FOLDER / "usr" / "bin" / "linux.uml"
MODULES = KERNEL_FOLDER / "usr" / "lib" / "uml" / "modules"
CUTS = int(os.environ.get("ANPR_POWER_CUTS", "6"))
WRITER = ROOT / "tests" / "system" / "record_writer.py"
DISK_MB = 400
BOOT_S = 120.0

INIT = """#!/bin/sh
export PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs dev /dev/shm 2>/dev/null
disk=/dev/ubda
{before}
mount -t ext4 -o noatime,data=ordered,commit=30 $disk {mount} || {{ echo "NO DISK"; exit; }}
{job}
umount {mount}
echo o > /proc/sysrq-trigger
sleep 5
"""

pytestmark = [
    pytest.mark.uml,
    pytest.mark.skipif(
        not KERNEL.is_file(), reason="no User-Mode Linux with ext4 in ANPR_UML_DISK; see scripts/uml-kernel"
    ),
]


class Board:
    """A computer whose supply can be cut."""

    def __init__(self, folder: Path, megabytes: int = DISK_MB) -> None:
        self.folder = folder
        self.disk = folder / "disk.img"
        self.mount = folder / "mnt"
        self.mount.mkdir()
        with self.disk.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", self.disk], check=True)

    def boot(self, job: str, before: str = "") -> subprocess.Popen[str]:
        """Switch it on; its console is the process's output."""
        init = self.folder / "init.sh"
        init.write_text(INIT.format(root=ROOT, mount=self.mount, job=job, before=before))
        init.chmod(0o755)
        command = [str(KERNEL), "mem=256M", "root=/dev/root", "rootfstype=hostfs", "rw", f"init={init}"]
        command += [f"ubd0={self.disk}", "con0=null,fd:1", "con=null", "quiet"]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True, cwd=self.folder,
        )  # fmt: skip

    def cut(self, board: subprocess.Popen[str]) -> str:
        """Take the supply away, and read what was still on the line."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(board.pid, signal.SIGKILL)
        return board.communicate()[0]

    def run(self, job: str, before: str = "") -> str:
        """Switch on, let it do something, and let it switch itself off."""
        board = self.boot(job, before)
        try:
            return board.communicate(timeout=BOOT_S)[0]
        finally:
            if board.poll() is None:
                self.cut(board)

    def write_and_cut(self, mode: str, rng: random.Random, before: str = "", most_s: float = 2.5) -> list[str]:
        """Write until the supply goes at a random moment; returns what the writer said."""
        board = self.boot(f"{sys.executable} {WRITER} write {self.mount}/state {mode}", before)
        assert board.stdout is not None
        lines: list[str] = []
        began_s, ends_s = time.monotonic(), None
        while ends_s is None or time.monotonic() < ends_s:
            line = board.stdout.readline()
            if not line:
                raise AssertionError(f"the guest ended by itself: {lines[-20:]} {self.cut(board)}")
            assert time.monotonic() < began_s + BOOT_S
            lines.append(line)
            if line.startswith("ACK") and ends_s is None:
                ends_s = time.monotonic() + rng.uniform(0.1, most_s)
        return lines + self.cut(board).splitlines()

    def look(self) -> dict[str, object]:
        """Boot again, and see what the card holds."""
        out = self.run(f"{sys.executable} {WRITER} check {self.mount}/state")
        found = [line for line in out.splitlines() if line.startswith("FOUND ")]
        assert found, out[-3000:]
        return json.loads(found[0].removeprefix("FOUND "))  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["FULL", "ENCRYPTED"])
def test_no_read_is_lost_by_power_cuts(tmp_path: Path, mode: str) -> None:
    rng, board, said, acknowledged = random.Random(), Board(tmp_path), Said(), 0
    for cut in range(CUTS):
        acknowledged += said.hear(iter(board.write_and_cut(mode, rng)))
        wrong = record_writer.problems(said, board.look())
        assert wrong == [], f"cut {cut + 1} after {acknowledged} reads"
        if cut % 5 == 4:
            board.disk.unlink()
            board.mount.rmdir()
            board, said = Board(tmp_path), Said()
    sys.stdout.write(f"{mode}: {CUTS} power cuts, {acknowledged} reads acknowledged, none lost\n")


def test_the_cuts_would_show_a_store_that_does_not_wait_for_the_card(tmp_path: Path) -> None:
    """With synchronous=NORMAL acknowledged reads are lost: what passes above is no accident."""
    rng, board, lost = random.Random(), Board(tmp_path), 0
    for _ in range(3):
        said = Said()
        said.hear(iter(board.write_and_cut("NORMAL", rng)))
        lost += len([p for p in record_writer.problems(said, board.look()) if "acknowledged and is lost" in p])
        if lost:
            break
    assert lost > 0


MAPPER = """
{python} -c "import ctypes, sys
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        assert ctypes.CDLL(None).syscall(313, file.fileno(), b'', 0) == 0  # finit_module" \\
    {modules}/*/kernel/drivers/md/dm-mod.ko {modules}/*/kernel/drivers/md/dm-flakey.ko
mkdir -p /dev/mapper
/usr/sbin/dmsetup create --noudevsync card --table "0 {sectors} linear /dev/ubda 0"
/usr/sbin/dmsetup mknodes
disk=/dev/mapper/card
"""


def test_a_card_that_is_full_read_only_or_fails_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    board, sectors = Board(tmp_path, megabytes=48), (48 << 20) // 512
    faults = (
        f"{sys.executable} {ROOT / 'tests' / 'hil' / 'record_faults.py'} {board.mount} /dev/mapper/card {sectors} 2>&1"
    )
    out = board.run(faults, MAPPER.format(modules=MODULES, sectors=sectors, python=sys.executable))
    found = [line for line in out.splitlines() if line.startswith("SEEN ")]
    assert found, out[-3000:]
    seen = json.loads(found[0].removeprefix("SEEN "))
    sys.stdout.write(json.dumps(seen, indent=1) + "\n")
    assert set(seen) == {"full", "read-only", "write errors", "all errors"}
    for name, fault in seen.items():
        assert fault["refused"] >= 1, name
        assert (fault["before"], fault["after"], fault["lost"]) == ([], [], []), name
        assert (fault["integrity"], fault["whole"]) == ("ok", [2]), name


def test_a_card_that_drops_writes_and_says_nothing_leaves_a_store_that_opens(tmp_path: Path) -> None:
    """No program can save what such a card swallows; the node must come up again, with what there is."""
    rng, sectors = random.Random(), (DISK_MB << 20) // 512
    for _ in range(max(1, CUTS // 6)):
        folder = tmp_path / str(rng.random())
        folder.mkdir()
        board = Board(folder)
        drops = f"( sleep {rng.uniform(2, 5):.1f}; /usr/sbin/dmsetup suspend --noflush card;"
        drops += f" /usr/sbin/dmsetup reload card --table '0 {sectors} flakey /dev/ubda 0 0 1000 1 drop_writes';"
        drops += " /usr/sbin/dmsetup resume card ) &"
        board.write_and_cut(
            "FULL", rng, MAPPER.format(modules=MODULES, sectors=sectors, python=sys.executable) + drops, most_s=6
        )
        out = board.run(
            f"{sys.executable} {WRITER} repair {board.mount}/state", "/usr/sbin/e2fsck -fy /dev/ubda >/dev/null"
        )
        found = [line for line in out.splitlines() if line.startswith("FOUND ")]
        assert found, out[-3000:]
        assert json.loads(found[0].removeprefix("FOUND "))["integrity"] == "ok"
