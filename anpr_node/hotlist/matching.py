"""Asks the lists in force whether a sighting is on one: exactly, as a misread, or by pattern.

It follows every change of the lists by itself and writes nothing. One damaged list does not silence the others.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node import policy, vrm
from anpr_node.config import HotlistsSection, ListSection, Settings
from anpr_node.errors import HotlistError
from anpr_node.hotlist.files import ListFile
from anpr_node.hotlist.lists import Lists, ListStatus, open_lists, show
from anpr_node.hotlist.rows import FIXED_CHARACTERS_MIN
from anpr_node.records import Candidate, HotlistEntry, PlateRead

log = logging.getLogger(__name__)

CANDIDATE_SCORE_MIN = 0.01
OPEN_ATTEMPTS = 5
"""So often a list may be replaced between asking for its file and opening it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What matching needs to know of a read. `at_ns` is the moment at which entries must be valid."""

    vrm: str
    country: str | None
    confidence: float
    candidates: tuple[Candidate, ...]
    at_ns: int


def sighting_of(read: PlateRead) -> Sighting:
    """A read as it is matched."""
    return Sighting(read.vrm, read.country, read.confidence, read.candidates, read.last_seen_ns)


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that a sighting is on; `how` is exact, near or wildcard."""

    entry: HotlistEntry
    how: str


class OpenList:
    """One list file with the rules of its list."""

    def __init__(self, file: ListFile, settings: ListSection) -> None:
        self.file = file
        self._settings = settings
        self._patterns = [(_regex(entry.vrm), entry) for entry in file.patterns] if settings.wildcard else []

    def match(self, seen: Sighting, loose: Sequence[str]) -> Iterator[Match]:
        """Entries that this sighting is on; `loose` are the texts that it may be a misreading of."""
        if seen.confidence < self._settings.confidence_min:
            return
        texts = [seen.vrm, *loose] if self._settings.near else [seen.vrm]
        for entry in self.file.find(texts):
            if entry.vrm == seen.vrm:
                yield Match(entry, "exact")
            elif not entry.exact_only:
                yield Match(entry, "near")
        for pattern, entry in self._patterns:
            if pattern.fullmatch(seen.vrm):
                yield Match(entry, "wildcard")


class Matcher:
    """The lists in force, kept open. Use it from the thread whose connection `lists` has."""

    def __init__(self, lists: Lists, settings: HotlistsSection) -> None:
        self._lists = lists
        self._settings = settings
        self._skipped = {vrm.normalise(text) for text in settings.skip}
        self._open: dict[str, OpenList | None] = {}
        """By file name; None is a file that cannot be read."""

    def match(self, seen: Sighting) -> list[Match]:
        """What this sighting is on, highest priority first. Raises sqlite3.Error when the store cannot be asked."""
        if seen.vrm in self._skipped:
            return []
        loose = [text for text in misreadings(seen) if text not in self._skipped]
        found = [match for opened in self._follow() for match in self._ask(opened, seen, loose)]
        found = [match for match in found if agrees(match.entry, seen)]
        return sorted(found, key=lambda match: (-match.entry.priority, match.entry.list_id))

    def close(self) -> None:
        """Give all files back."""
        for name in [*self._open]:
            self._forget(name)

    def _ask(self, opened: OpenList, seen: Sighting, loose: Sequence[str]) -> list[Match]:
        try:
            return list(opened.match(seen, loose))
        except (HotlistError, sqlite3.Error) as error:
            log.error("list %s cannot be asked: %s", opened.file.list_id, error)
            return []

    def _follow(self) -> list[OpenList]:
        """The files in force, opened as they change."""
        in_force = show(self._lists.database)
        for _ in range(OPEN_ATTEMPTS):
            if not [status for status in in_force if not self._is_there(status)]:
                break
            in_force = show(self._lists.database)  # one was replaced and deleted since we asked
        opened = [self._opened(status) for status in in_force]
        for name in self._open.keys() - {status.file for status in in_force}:
            self._forget(name)
        return [each for each in opened if each is not None]

    def _is_there(self, status: ListStatus) -> bool:
        """Whether the file could be opened; what is wrong with it otherwise does not mend by asking again."""
        if status.file not in self._open:
            try:
                file = self._lists.open(self._lists.folder / status.file, status.list_id)
            except FileNotFoundError:
                return False
            except (HotlistError, OSError, sqlite3.Error) as error:
                log.error("list %s cannot be opened: %s", status.list_id, error)
                self._open[status.file] = None
            else:
                self._open[status.file] = OpenList(file, self._settings.of(status.list_id))
        return True

    def _opened(self, status: ListStatus) -> OpenList | None:
        if status.file not in self._open:
            log.error("list %s: its file is gone; import it again", status.list_id)
            self._open[status.file] = None
        return self._open[status.file]

    def _forget(self, name: str) -> None:
        gone = self._open.pop(name)
        if gone is not None:
            gone.file.close()


def misreadings(seen: Sighting) -> list[str]:
    """What the plate may carry in truth: the recogniser's other candidates, and one character taken for another."""
    confusions, text = policy.confusions("match"), seen.vrm
    others = [c.text for c in seen.candidates if c.score >= CANDIDATE_SCORE_MIN]
    others += [text[:at] + other + text[at + 1 :] for at, char in enumerate(text) for other in confusions.get(char, "")]
    return [other for other in dict.fromkeys(others) if other != text and len(other) >= FIXED_CHARACTERS_MIN]


def agrees(entry: HotlistEntry, seen: Sighting) -> bool:
    """Whether the entry is valid at that moment, and its country is the plate's where both are known."""
    if entry.valid_from_ns is not None and seen.at_ns < entry.valid_from_ns:
        return False
    if entry.valid_to_ns is not None and seen.at_ns >= entry.valid_to_ns:
        return False
    return entry.country is None or seen.country is None or entry.country == seen.country


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("?", ".").replace("*", ".*"))


def open_matcher(database: Database, settings: Settings) -> Matcher:
    """The matcher of a node, by its settings. Raises HotlistError when the lists' key cannot be had."""
    return Matcher(open_lists(database, settings), settings.hotlists)
