"""Remembers which PIN a card has refused, across restarts, so that no wrong PIN is ever tried twice.

A try is written down before it is made. Neither PIN nor card number is written: a keyed hash of both is. It protects
the card from being locked, not the PIN from somebody who has the node's folder: a PIN has four digits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

from anpr_node.errors import ModemLocked
from anpr_node.whole_file import write_whole

FILE_NAME = "modem-pin.json"
REFUSED_KEPT = 20
TRIES_MIN = 2
"""With fewer left, a person has failed already: the last try is never the node's."""
ALL_TRIES = 3


class PinMemory:
    """The memory of one state folder. `secret` is the node's own."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        self._path, self._secret = folder / FILE_NAME, secret

    def before(self, card: str, pin: str, tries_left: int | None) -> None:
        """Note a try that follows at once. Raises ModemLocked where it must not be made."""
        tag = self._tag(card, pin)
        tried = self._read()
        if tag in tried and not (tried[tag] == "tried" and tries_left == ALL_TRIES):
            raise ModemLocked("the card has refused this PIN before: put the right one into the file of modem.pin_file")
        if tries_left is not None and tries_left < TRIES_MIN:
            raise ModemLocked(f"the card has {tries_left} tries left: put the PIN in by hand, in a telephone")
        self._write({**tried, tag: "tried"})

    def refused(self, card: str, pin: str) -> None:
        """The card said no."""
        self._write({**self._read(), self._tag(card, pin): "refused"})

    def accepted(self, card: str, pin: str) -> None:
        """The card said yes, or wants no PIN any more."""
        tried = self._read()
        if tried.pop(self._tag(card, pin), None):
            self._write(tried)

    def _tag(self, card: str, pin: str) -> str:
        return hmac.new(self._secret, f"{card} {pin}".encode(), hashlib.sha256).hexdigest()

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self._path.read_text("ascii"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ModemLocked(
                f"{self._path} cannot be read ({error}): no PIN is tried; delete it once the PIN is right"
            ) from error
        return {str(tag): str(state) for tag, state in content.items()} if isinstance(content, dict) else {}

    def _write(self, tried: dict[str, str]) -> None:
        """On the card before it returns. Raises ModemLocked."""
        kept = dict(list(tried.items())[-REFUSED_KEPT:])
        try:
            write_whole(self._path, json.dumps(kept))
        except OSError as error:
            raise ModemLocked(f"{self._path} cannot be written ({error}): no PIN is tried") from error
