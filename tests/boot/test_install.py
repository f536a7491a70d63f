"""docs/install.md, followed to the letter on the emulated board: from the claim to the technician's console.

Every line that the page shows of a terminal must have been seen on one. With ANPR_PICTURES the page's pictures are
drawn anew of what was on the screen.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from boot.claims import FIRST_READ_S
from boot.console import PATIENCE_S, Console
from boot.machine import MB, ROOT, UserModeLinux, powered

sys.path.insert(0, str(ROOT / "scripts"))

from capture_console import PICTURES, drawn

PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGsHqX1jXz5S2u6c3ZqfU1iQ4M4mKcH3cXcZQy2mJ9wq jan"
OWNER, OWNERS_PASSWORD = "jan", "at least twelve characters"
TECHNICIAN, SECRET = "piet", "battery staple horse"
PROMPT = r"jan@e40-km12:~\$ "
CARD_MB = 4000
CONTROL = re.compile(r"\x1b(\[[0-9;?!]*[a-zA-Z]|[=>]|\][^\x07]*\x07)|\x1b[()][A-Z0-9]")
NOT_COMPARED = re.compile(r"…|[A-Za-z0-9+/=]{60,}$")
"""What the page leaves out, and the text of a key."""


def section(heading: str) -> str:
    """What stands below a heading of the page."""
    return PAGE.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]


def shown(part: str, language: str = "") -> list[str]:
    """The blocks of a part in one language; the terminal has none."""
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def clean(text: str) -> str:
    """What a screen shows of it."""
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in CONTROL.sub("", text).split("\n")]
    return "\n".join(line.rstrip() for line in lines)


def as_pattern(line: str) -> str:
    """A line of the page, whatever its numbers."""
    return re.sub(r"\d+(\\\.\d+)?", r"\\d[\\d.]*", re.escape(line.strip()))


def assert_seen(part: str, screen: str) -> None:
    """Every line that a part of the page shows has been on the screen."""
    for block in shown(part):
        for line in block.splitlines():
            if line.strip() and not NOT_COMPARED.search(line):
                assert re.search(as_pattern(line), screen), f"{line!r} was never shown; the page is out of date"


def draw(name: str, text: str) -> None:
    """A picture for the page, where they are wanted."""
    if "ANPR_PICTURES" in os.environ:
        # what is so on the emulated board only: its kernel's own lines, and that it has no tables for a firewall
        lines = [line for line in text.strip("\n").split("\n") if not re.search(r"uml_|uml-vector|nftables", line)]
        (PICTURES / f"install-{name}.svg").write_text(drawn(lines), encoding="utf-8")


class Person:
    """Somebody at the serial console, who does what the page says."""

    def __init__(self, console: Console) -> None:
        self.console, self._mark = console, 0

    def screen(self) -> str:
        """What came onto the screen since the last look."""
        text, self._mark = clean(self.console.said[self._mark :]), len(self.console.said)
        return text

    def command(self, line: str, timeout_s: float = 90, password: str | None = None) -> str:
        """Type it; what it said."""
        self.console.type_line(line)
        before = self.console.seen
        if password is not None and self.console.expect(rf"password for {OWNER}: |{PROMPT}", timeout_s)[0][-2] == ":":
            self.console.type_line(password, hidden=True)
            self.console.expect(PROMPT, timeout_s)
        elif password is None:
            self.console.expect(PROMPT, timeout_s)
        return self.console.said[before : self.console.seen]


def flash(image: Path, folder: Path, claim: str) -> tuple[Path, str]:
    """Section 2, onto a file as large as a card."""
    (folder / "anpr-provision.toml").write_text(claim, encoding="utf-8")
    card = folder / "sdX"
    with card.open("wb") as file:
        file.truncate(CARD_MB * MB)
    command = [ROOT / "scripts" / "flash", image / "anpr-node.img", card, "--claim", folder / "anpr-provision.toml"]
    said = subprocess.run(command, check=True, input="sdX\n", stdout=subprocess.PIPE, text=True).stdout
    said = (
        said.replace("to go on: ", "to go on: sdX\n").replace(str(folder), "/dev").replace("(a file", "(SD Card Reader")
    )
    return card, said


def test_the_page_leads_from_the_box_to_a_reading_node(image: Path, kernel: Path, tmp_path: Path) -> None:
    (claim,) = shown(section("1."), "toml")
    for old, new in (
        (r'"raspberry-pi-5"', '"pc"'),
        (r'"csi"', '"simulated"'),
        (r'"pwm"', '"none"'),
        (r'"lgpio"', '"simulated"'),
        (r'"ssh-ed25519 AAAA… jan"', f'"{KEY}"'),
    ):
        assert old in claim
        claim = claim.replace(old, new)
    card, said = flash(image, tmp_path, claim)
    assert_seen(section("2."), said)
    draw("flash", said)

    board = UserModeLinux(tmp_path / "board", card, kernel)
    card.unlink()
    with powered(board):
        person = Person(board.console)
        board.console.answer(r"e40-km12 login: ", OWNER, FIRST_READ_S)
        board.console.answer("Password: ", OWNERS_PASSWORD, hidden=True)
        board.console.expect(PROMPT, PATIENCE_S)
        start = person.screen()
        assert_seen(section("3.").split("Without a file")[0], start)
        draw("start", start[start.index("anpr-boot: slot") :])

        for _ in range(180):
            if re.search(r"reads +[1-9]", clean(person.command("anpr-node status"))):
                break
        else:
            raise AssertionError(f"no read: {board.console.said[-2000:]}")
        person.screen()
        person.command("anpr-node status")
        draw("read", f"{OWNER}@e40-km12:~$ {person.screen()}")
        person.command("sudo systemctl stop anpr-node", password=OWNERS_PASSWORD)
        person.command("anpr-node check")
        assert_seen(section("4."), person.screen())
        person.command("sudo systemctl start anpr-node", password=OWNERS_PASSWORD)

        person.screen()
        name_a_technician(board.console)
        board.console.type_line("exit")
        come_as_technician(board.console)
        console = person.screen()
        assert_seen(section("5."), console)
        draw("console", f"{OWNER}@e40-km12:~$ {console}")
    board.card.unlink()


def name_a_technician(console: Console) -> None:
    """The owner, at the node's console."""
    console.type_line("anpr-node console")
    console.answer("e40-km12> ", f"user add {TECHNICIAN} technician", PATIENCE_S)
    console.answer("new password: ", SECRET, hidden=True)
    console.answer("once more: ", SECRET, hidden=True)
    console.answer("e40-km12> ", "logout")
    console.expect(PROMPT, PATIENCE_S)


def come_as_technician(console: Console) -> None:
    """Somebody without an account."""
    console.answer("e40-km12 login: ", TECHNICIAN, PATIENCE_S)
    console.answer("\nlogin: ", TECHNICIAN, PATIENCE_S)
    console.answer("password: ", SECRET, hidden=True)
    console.expect("e40-km12> ", PATIENCE_S)
