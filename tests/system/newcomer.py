"""Somebody who has never seen the console and does nothing but what it prints. No test of its own.

Hands are `bench` (what one would turn on a pole), words are what a hint names. Nothing here knows what is wrong.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect

PROMPT = r"node-1\*?> $"
ANSWERS = {
    r"place \[": "N3 km 12, towards Liege",
    r"camera_type \[": "",
    r"purpose \[": "wanted vehicles",
    r"authorisation_ref \[": "2026/17",
    r"authorisation_date \[": "2026-11-01",
    r"responsible_officer \[": "Insp. A. Dupont",
    r"lens_mm \[": "",
    r"distance_m \[": "",
    r"height_m \[": "",
    r"speed_limit_kmh \[": "",
    r"did what hangs on it switch\? \[y/n\] ": "y",
    r"Enter: leave ": "",
}
ROUNDS_MAX = 25
STEP_S = 240


class Newcomer:
    """At a terminal, with both hands free."""

    def __init__(self, config: Path) -> None:
        self.terminal = pexpect.spawn(
            sys.executable,
            ["-m", "anpr_node", "console", "--config", str(config), "--port", "-"],
            encoding="utf-8",
            timeout=STEP_S,
            dimensions=(50, 80),
        )
        self.seen: list[str] = []
        self._focus_step = 0.4
        self.terminal.expect(PROMPT)

    def type(self, line: str) -> str:
        """Type a line, answer what is asked, and return what was printed, folded lines joined."""
        self.terminal.sendline(line)
        shown = ""
        while True:
            index = self.terminal.expect([PROMPT, *ANSWERS])
            shown += self.terminal.before or ""
            if index == 0:
                break
            self.terminal.sendline(list(ANSWERS.values())[index - 1])
        text = re.sub(r"\r?\n {2,}(?=\S)", " ", shown.replace("\r", ""))
        self.seen.append(f"$ {line}\n{text}")
        return text

    def install(self) -> bool:
        """Go through the installation until it says that all is well; False when the hints lead nowhere."""
        for _ in range(ROUNDS_MAX):
            text = self.type("install")
            if "report: OK" in text or "every step is OK" in text:
                return True
            self.follow(text)
        return False

    def follow(self, text: str) -> None:
        """Do what the hints say, in the order in which they stand."""
        done = False
        for pattern, act in self._acts():
            for found in re.finditer(pattern, text):
                act(found)
                done = True
        if not done and "install illumination" in text:
            self.follow(self.type("install illumination"))

    def _acts(self) -> list[tuple[str, Callable[[re.Match[str]], None]]]:
        return [
            (r"once fitted: set site\.lens_mm (\d+)", self._fit_lens),
            (r"turn the camera ([\d.]+) deg (clockwise|counter-clockwise)", self._roll),
            (r"turn the camera ([\d.]+) deg to the (right|left)", self._pan),
            (r"turn the camera ([\d.]+) deg (up|down)", self._pitch),
            (r"turn the focus ring a little", lambda _: self._turn_focus(text_before=self.seen[-1])),
            (r": set camera\.exposure_us (\d+)", self._set_exposure),
            (r"or set camera\.fps (\d+)", self._set_fps),
            (r"the strobe gives no light: check its supply, fuse and cable", lambda _: self._repair_strobe()),
        ]

    def _fit_lens(self, found: re.Match[str]) -> None:
        self.type(f"bench lens_mm {found[1]}")
        self.type(f"set site.lens_mm {found[1]}")
        self.type("save")

    def _roll(self, found: re.Match[str]) -> None:
        self.type(f"bench roll_deg {'+' if found[2] == 'clockwise' else '-'}{found[1]}")

    def _pan(self, found: re.Match[str]) -> None:
        self.type(f"bench pan_deg {'+' if found[2] == 'right' else '-'}{found[1]}")

    def _pitch(self, found: re.Match[str]) -> None:
        self.type(f"bench pitch_deg {'+' if found[2] == 'up' else '-'}{found[1]}")

    def _turn_focus(self, text_before: str) -> None:
        if "turn back, half as far" in text_before:
            self._focus_step = -self._focus_step / 2
        elif "turn back, twice as far" in text_before:
            self._focus_step = -self._focus_step * 2
        self.type(f"bench focus {self._focus_step:+.3f}")

    def _set_exposure(self, found: re.Match[str]) -> None:
        self.type(f"set camera.exposure_us {found[1]}")
        self.type("save")

    def _set_fps(self, found: re.Match[str]) -> None:
        self.type(f"set camera.fps {found[1]}")
        self.type("save")

    def _repair_strobe(self) -> None:
        self.type("bench strobe 1")

    def leave(self) -> None:
        """Log out and wait for the end."""
        self.terminal.sendline("logout")
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()
