"""A board for an image to run on: its firmware, its power switch and its card. No test.

The firmware is played as the Raspberry Pi's behaves: it reads autoboot.txt on the card's first partition, takes kernel
arguments and initrd from the boot partition that is named there, and a reboot that asked for `tryboot` gets the other
one, once. Cutting the power is SIGKILL to the kernel and all its processes: what the guest had not synced is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "image" / "recipe"))

import card
from card import MB

from boot.console import Console, Timeout

__all__ = ["MB", "Board", "Qemu", "UserModeLinux", "free_space_mb", "powered"]

TRYBOOT = re.compile(r"reboot-param: 0 tryboot")


class Board:
    """One board with one card; where it has a network, `tap` is this machine's end of it, in `namespace`."""

    pace = 1
    """How many times the patience with its console."""

    def __init__(
        self, folder: Path, image: Path, *, size_mb: int = 3000, tap: str | None = None, namespace: str | None = None
    ) -> None:
        self.folder, self.card = folder, folder / "card.img"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.card], check=True)
        os.truncate(self.card, size_mb * card.MB)
        self.log = folder / "console.log"
        self.tap = tap
        self.inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.process: subprocess.Popen[bytes] | None = None
        self.tryboot = False
        self.console: Console
        self.started_s = 0.0
        self.partition = 2

    # --- the card, from outside ---------------------------------------------------------------------------------

    def at(self, name: str) -> str:
        """A partition as mtools want it."""
        return f"{self.card}@@{card.layout()[name].start_mb * card.MB}"

    def put(self, name: str, text: str | bytes, partition: str = "firmware") -> None:
        """Write a file onto a FAT partition."""
        content = text.encode() if isinstance(text, str) else text
        subprocess.run(["mcopy", "-o", "-i", self.at(partition), "-", f"::{name}"], input=content, check=True)

    def get(self, name: str, partition: str = "firmware") -> bytes:
        """A file of a FAT partition."""
        return subprocess.run(
            ["mcopy", "-i", self.at(partition), f"::{name}", "-"], check=True, stdout=subprocess.PIPE
        ).stdout

    def files(self, partition: str = "firmware") -> list[str]:
        """Names on a FAT partition."""
        found = subprocess.run(["mdir", "-b", "-i", self.at(partition), "::"], check=True, stdout=subprocess.PIPE)
        return [line.removeprefix("::/") for line in found.stdout.decode().split()]

    # --- the firmware -------------------------------------------------------------------------------------------

    def choose(self) -> int:
        """The boot partition by autoboot.txt."""
        text = self.get("autoboot.txt").decode("ascii")
        section, chosen = "", {"[all]": 2, "[tryboot]": 2}
        for line in text.splitlines():
            if line.startswith("["):
                section = line.strip()
            elif line.startswith("boot_partition="):
                chosen[section] = int(line.partition("=")[2])
        trying, self.tryboot = self.tryboot, False
        self.trying = trying
        return chosen["[tryboot]" if trying else "[all]"]

    def power_on(self) -> Console:
        """Start, as the firmware does."""
        assert self.process is None
        self.partition = self.choose()
        slot = {2: "boot-a", 3: "boot-b"}[self.partition]
        try:
            initrd = self.get("initrd.img", slot)
            words = self.get("cmdline.txt", slot).decode("ascii").split()
        except subprocess.CalledProcessError:  # nothing there: the firmware starts again, without tryboot
            if not self.trying:
                raise
            return self.power_on()
        (self.folder / "initrd.img").write_bytes(initrd)
        words += [f"anpr.partition={self.partition}", *(["anpr.tryboot=1"] if self.trying else [])]
        self.started_s = time.monotonic()
        self.process = self.start(words)
        self.console = Console(self.process, self.log, self.pace)
        return self.console

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """The kernel itself; of each kind of board its own."""
        raise NotImplementedError

    def cut(self) -> None:
        """Cut the power."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process = None

    def wait_for_reboot(self, timeout_s: float) -> None:
        """The guest ends by itself; what it asked of the firmware is remembered for the next start."""
        assert self.process is not None
        before = len(self.console.said) - 2000
        self.console.drain(timeout_s)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            raise Timeout(f"no reboot within {timeout_s} s; last: {self.console.said[-3000:]}")
        self.tryboot = bool(TRYBOOT.search(self.console.said, max(before, 0)))
        self.cut()

    def reboot(self, timeout_s: float = 120) -> Console:
        """Wait for the guest's own reboot, then start again."""
        self.wait_for_reboot(timeout_s)
        return self.power_on()

    @property
    def up_s(self) -> float:
        """Seconds since the power came on."""
        return time.monotonic() - self.started_s


class UserModeLinux(Board):
    """The quick twin: the kernel of Debian's package user-mode-linux, as an ordinary process."""

    def __init__(
        self, folder: Path, image: Path, kernel: Path, *, tap: str | None = None, namespace: str | None = None
    ) -> None:
        super().__init__(folder, image, tap=tap, namespace=namespace)
        self.kernel, self.memory_mb = kernel, 700
        self.stick: Path | None = None
        """What is plugged in beside the card."""

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Its restart executes argv[0] anew: a name that is not there, so that a reboot comes back to the firmware."""
        arguments = ["/nonexistent/reboot", f"mem={self.memory_mb}M", f"ubd0={self.card}"]
        arguments += [f"initrd={self.folder / 'initrd.img'}", f"uml_dir={self.folder}/uml", f"umid={self.folder.name}"]
        arguments += ["con0=fd:0,fd:1", "con=null", *words]
        if self.stick:
            arguments.append(f"ubd1={self.stick}")
        if self.tap:
            arguments.append(f"vec0:transport=tap,ifname={self.tap},depth=128")
        # it has one processor, and hands over to its programs at each of their calls; between two cores, where
        # an idle one has to be woken each time, that takes up to twice as long
        one_core = ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))]
        return subprocess.Popen(
            [*one_core, *self.inside, "bash", "-c", 'exec -a "$1" "$0" "${@:2}"', self.kernel, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TMPDIR": "/dev/shm"},
        )  # fmt: skip


class Qemu(Board):
    """Debian's arm64 image on an emulated board: QEMU's own `virt`, or its Raspberry Pi 3B."""

    pace = 10

    def __init__(
        self, folder: Path, image: Path, machine: str = "virt", *, tap: str | None = None, namespace: str | None = None
    ) -> None:
        super().__init__(folder, image, size_mb=4096, tap=tap, namespace=namespace)  # the Pi's card has a power of two
        self.machine = machine

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Kernel and device tree come from the slot's boot partition too."""
        slot = {2: "boot-a", 3: "boot-b"}[self.partition]
        (self.folder / "kernel8.img").write_bytes(self.get("kernel8.img", slot))
        drive = f"file={self.card},format=raw,if={'sd' if self.machine == 'raspi3b' else 'none,id=card'}"
        command = ["qemu-system-aarch64", "-M", self.machine, "-accel", "tcg,thread=multi", "-no-reboot",
                   "-drive", drive, "-display", "none", "-monitor", "none", "-kernel", self.folder / "kernel8.img",
                   "-initrd", self.folder / "initrd.img"]  # fmt: skip
        if self.machine == "raspi3b":
            words = [word.replace("ttyAMA0", "ttyS1,115200") for word in words] + ["dwc_otg.lpm_enable=0"]
            words.append("module_blacklist=bcm2835_wdt")  # QEMU's resets the board when it is only wound up
            (self.folder / "board.dtb").write_bytes(self.get("bcm2837-rpi-3-b.dtb", slot))
            command += ["-dtb", self.folder / "board.dtb", "-serial", "null", "-serial", "stdio"]
        else:
            command += ["-cpu", "cortex-a72", "-smp", "2", "-m", "1024", "-serial", "stdio"]
            nic = f"tap,ifname={self.tap},script=no,downscript=no,model=virtio-net-pci" if self.tap else "none"
            command += ["-nic", nic]
            for device in ("i6300esb", "virtio-blk-pci,drive=card", "virtio-rng-pci"):
                command += ["-device", device]
        command += ["-append", " ".join(words)]
        return subprocess.Popen(
            [*self.inside, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextlib.contextmanager
def powered(board: Board) -> Iterator[Board]:
    """Switch on, and off whatever happens."""
    try:
        board.power_on()
        yield board
    finally:
        board.cut()


def free_space_mb(folder: Path) -> int:
    """To skip rather than fill somebody's disk."""
    return shutil.disk_usage(folder).free // card.MB
