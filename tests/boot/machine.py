"""A board for an image to run on: its firmware, its power switch and its serial console. No test.

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

__all__ = ["MB", "Board", "Console", "Qemu", "Shell", "UserModeLinux"]

TRYBOOT = re.compile(r"reboot-param: 0 tryboot")
PROMPT = "anpr-test# "
NUDGE_S = 8.0


class Timeout(AssertionError):
    """The console did not say in time what was waited for."""


class Console:
    """Both directions of a serial line, everything that was said on it kept."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log
        self.said, self._seen = "", 0

    def expect(self, pattern: str, timeout_s: float, *, nudge: bool = False) -> re.Match[str]:
        """Wait until the console says something; what came after it is still to come.

        User-Mode Linux now and then sees what was typed only with the next key: `nudge` presses Enter meanwhile.
        """
        until_s = time.monotonic() + timeout_s
        wanted = re.compile(pattern)
        while True:
            found = wanted.search(self.said, self._seen)
            if found:
                self._seen = found.end()
                return found
            patience_s = min(until_s, time.monotonic() + NUDGE_S) if nudge else until_s
            if self._read(patience_s):
                continue
            if time.monotonic() >= until_s or self._process.poll() is not None:
                raise Timeout(f"{pattern!r} not said within {timeout_s} s; last: {self.said[-3000:]}")
            if nudge:
                self.send("\n")

    def _read(self, until_s: float) -> bool:
        """Take what is there; False when the time is up or the line is dead."""
        import select

        assert self._process.stdout is not None
        rest_s = until_s - time.monotonic()
        if rest_s <= 0 or not select.select([self._process.stdout], [], [], rest_s)[0]:
            return False
        chunk = os.read(self._process.stdout.fileno(), 65536)
        if not chunk:
            return False
        text = chunk.decode("utf-8", "replace")
        self.said += text
        with self._log.open("a") as log:
            log.write(text)
        return True

    def drain(self, timeout_s: float) -> None:
        """Read until the line is dead."""
        until_s = time.monotonic() + timeout_s
        while self._read(until_s):
            pass

    def send(self, text: str) -> None:
        """Type."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def answer(self, question: str, text: str, timeout_s: float = 60) -> None:
        """Wait for a question, type the answer."""
        self.expect(question, timeout_s)
        self.send(text + "\r")


class Board:
    """One board with one card. `network` is a tap that ends at this board."""

    def __init__(self, folder: Path, image: Path, *, size_mb: int = 3000, tap: str | None = None) -> None:
        self.folder, self.card = folder, folder / "card.img"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.card], check=True)
        os.truncate(self.card, size_mb * card.MB)
        self.log = folder / "console.log"
        self.tap = tap
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
        self.console = Console(self.process, self.log)
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
        super().__init__(folder, image, tap=tap)
        self.kernel, self.memory_mb, self.namespace = kernel, 700, namespace

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Its restart executes argv[0] anew: a name that is not there, so that a reboot comes back to the firmware."""
        arguments = ["/nonexistent/reboot", f"mem={self.memory_mb}M", f"ubd0={self.card}"]
        arguments += [f"initrd={self.folder / 'initrd.img'}", f"uml_dir={self.folder}/uml", f"umid={self.folder.name}"]
        arguments += ["con0=fd:0,fd:1", "con=null", *words]
        if self.tap:
            arguments.append(f"vec0:transport=tap,ifname={self.tap},depth=128")
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return subprocess.Popen(
            [*inside, "bash", "-c", 'exec -a "$1" "$0" "${@:2}"', self.kernel, *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TMPDIR": "/dev/shm"},
        )  # fmt: skip


class Qemu(Board):
    """Debian's arm64 image on an emulated board: QEMU's own `virt`, or its Raspberry Pi 3B."""

    def __init__(self, folder: Path, image: Path, machine: str = "virt") -> None:
        super().__init__(folder, image, size_mb=4096)  # the Pi's card has a power of two
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
            (self.folder / "board.dtb").write_bytes(self.get("bcm2837-rpi-3-b.dtb", slot))
            command += ["-dtb", self.folder / "board.dtb", "-serial", "null", "-serial", "stdio"]
        else:
            command += ["-cpu", "cortex-a72", "-smp", "2", "-m", "1024", "-serial", "stdio", "-nic", "none"]
            for device in ("i6300esb", "virtio-blk-pci,drive=card", "virtio-rng-pci"):
                command += ["-device", device]
        command += ["-append", " ".join(words)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
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


class Shell:
    """A root shell of somebody who came in at the console with name and password."""

    def __init__(self, console: Console, name: str, password: str, timeout_s: float = 120, pace: int = 1) -> None:
        """An emulated processor is slower than a process: `pace` times the patience."""
        self._console, self._number, self._pace = console, 0, pace
        console.expect("login:", timeout_s, nudge=True)
        console.send(name + "\r")
        console.answer("Password:", password, 60 * pace)
        console.expect(r"\$ ", 60 * pace)
        console.send("stty -echo\r")
        console.expect(r"\$ ", 60 * pace)
        console.send("sudo -S -p 'sudo-asks ' bash --norc --noprofile --noediting\r")
        console.answer("sudo-asks", password, 60 * pace)
        console.expect("# ", 60 * pace)
        self.run(f"PS1='{PROMPT}'; export TERM=dumb HOME=/root; cd /")

    def run(self, command: str, timeout_s: float = 60) -> tuple[int, str]:
        """Exit code and output of a command."""
        timeout_s *= self._pace
        mark = f"end-{self._number + 1}"
        self.begin(f"{command}; echo '{mark[:3]}''{mark[3:]}' $?", timeout_s)
        start = self._console._seen
        found = self._console.expect(rf"{mark} (\d+)\r?\n", timeout_s)
        text = self._console.said[start : found.start()]
        self._console.expect(re.escape(PROMPT), timeout_s)  # what is typed while sudo gives the line back is lost
        lines = text.replace("\r", "").split("\n")
        return int(found[1]), "\n".join(line.removeprefix(PROMPT) for line in lines).strip()

    def begin(self, command: str, timeout_s: float = 60) -> None:
        """Type a command until the console shows that it runs: User-Mode Linux now and then loses what was typed."""
        self._number += 1
        until_s = time.monotonic() + timeout_s
        while True:
            self._console.send(f"\x15echo 'begin'-{self._number}; {command}\n")
            try:
                self._console.expect(f"begin-{self._number}\r?\n", NUDGE_S * self._pace)
                return
            except Timeout:
                if time.monotonic() > until_s:
                    raise

    def out(self, command: str, timeout_s: float = 60) -> str:
        """Output of a command that succeeds."""
        code, said = self.run(command, timeout_s)
        assert code == 0, f"{command}: {code}: {said}"
        return said
