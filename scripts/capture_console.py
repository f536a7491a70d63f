"""Types at a real console beside the simulated roadside; what it printed goes into docs/calibration.md and pictures.

Nothing is written by hand: text and pictures are what the terminal showed.
It runs for about a minute; no two runs are alike, as no two minutes of traffic are.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from html import escape
from pathlib import Path

import pexpect

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "calibration.md"
PICTURES = ROOT / "docs" / "pictures"
BENCH = {"lens_mm": 8.0, "roll_deg": 1.2 - 8.0}
SETTINGS = (
    '[camera]\nfps = 15\n[site]\nlens_mm = 8.0\nresponsible_officer = "Insp. A. Dupont"\n[store]\nfolder = "{}"\n'
)
PROMPT = r"node-1\*?> $"
TURNS = {
    r"once fitted: set site\.lens_mm (\d+)": ("bench lens_mm {0}", "set site.lens_mm {0}", "save"),
    r"turn the camera ([\d.]+) deg clockwise": ("bench roll_deg +{0}",),
    r"turn the camera ([\d.]+) deg counter-clockwise": ("bench roll_deg -{0}",),
    r": set camera\.exposure_us (\d+)": ("set camera.exposure_us {0}", "save"),
}
ASKED_S = 120
COLUMNS = 80
CHARACTER_PX, LINE_PX, MARGIN_PX = 8.4, 17, 10
PLAIN_INK = "#e6edf3"
INK = {"OK": "#7ee787", "WARN": "#f2cc60", "FAIL": "#ff7b72", "$": "#79c0ff"}
HANG = "     "
"""So a verdict goes on in the next line."""


class Session:
    """A person at the console's own terminal; `parts` are what each command and its answer looked like."""

    def __init__(self, config: Path) -> None:
        self.terminal = pexpect.spawn(
            sys.executable, ["-m", "anpr_node", "console", "--config", str(config), "--port", "-"],
            encoding="utf-8", timeout=ASKED_S, dimensions=(60, COLUMNS),
        )  # fmt: skip
        self.terminal.expect(PROMPT)
        self._prompt = str(self.terminal.after)
        self.parts: list[list[str]] = []

    def type(self, line: str) -> str:
        """What was printed, as it stood on the screen."""
        self.terminal.send(f"{line}\r")
        self.terminal.expect(PROMPT)
        shown = str(self.terminal.before).replace("\r", "").rstrip("\n").split("\n")
        self.parts.append([self._prompt + shown[0], *shown[1:]])
        self._prompt = str(self.terminal.after)
        return "\n".join(shown)

    def follow(self, text: str) -> None:
        """Do what the hints say."""
        joined = re.sub(r"\n {2,}(?=\S)", " ", text)
        for pattern, lines in TURNS.items():
            for found in re.finditer(pattern, joined):
                for line in lines:
                    self.type(line.format(found[1]))

    def leave(self) -> None:
        """Log out."""
        self.terminal.send("logout\r")
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()


def main() -> None:
    """Run the session, write page and pictures."""
    with tempfile.TemporaryDirectory(prefix="anpr-capture-") as folder:
        config, state = Path(folder) / "node.toml", Path(folder) / "state"
        config.write_text(SETTINGS.format(state))
        state.mkdir()
        (state / "bench.json").write_text(json.dumps(BENCH))
        session = Session(config)
        marks = []
        for step in ("aim", "aim", "exposure", "exposure"):
            marks.append(len(session.parts))
            session.follow(session.type(f"install {step}"))
        marks.append(len(session.parts))
        session.type("snap plate")
        marks.append(len(session.parts))
        session.type("live 5")
        session.leave()
    for name, first, last in (("aim", 0, 2), ("exposure", 2, 4), ("snap", 4, 5), ("live", 5, None)):
        part = session.parts[marks[first] : marks[last] if last is not None else None]
        (PICTURES / f"console-{name}.svg").write_text(drawn([line for lines in part for line in lines]), "utf-8")
    put_into_page([line for part in session.parts[: marks[4]] for line in part])


def drawn(lines: list[str]) -> str:
    """A screen as a picture: the characters as they stood, verdicts in their colours."""
    width, height = COLUMNS * CHARACTER_PX + 2 * MARGIN_PX, len(lines) * LINE_PX + 2 * MARGIN_PX
    rows, fill = [], PLAIN_INK
    for number, line in enumerate(lines):
        first = "$" if re.match(r"node-1\*?> ", line) else line.split(" ", 1)[0]
        fill = fill if line.startswith(HANG) else INK.get(first, PLAIN_INK)
        y = MARGIN_PX + number * LINE_PX + 12
        rows.append(f'<text x="{MARGIN_PX}" y="{y}" fill="{fill}" xml:space="preserve">{escape(line.rstrip())}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-size="14"',
        ' font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
        f'<rect width="{width:.0f}" height="{height}" rx="6" fill="#0d1117"/>', *rows, "</svg>\n",
    ])  # fmt: skip


def put_into_page(lines: list[str]) -> None:
    """Take the place of the session that stands there."""
    page = PAGE.read_text("utf-8")
    block = "\n".join(f"    {line}".rstrip() for line in lines)
    fresh, count = re.subn(
        r"(## On the screen\n\n)(?:    .*\n|\n(?=    ))+", lambda found: f"{found[1]}{block}\n", page, count=1
    )
    if not count:
        raise SystemExit(f"{PAGE}: no session under 'On the screen'")
    PAGE.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
