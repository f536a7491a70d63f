"""Remembers what was just published, so that a track that broke off does not become a second read of one passage."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from anpr_node.tracking.tracker import Track
from anpr_node.vrm import edit_distance

NS_PER_S = 1_000_000_000
REMEMBERED_MAX = 64

TURN_S = 3.0
"""No vehicle turns round and comes back within this time: the same text is the same passage, whatever its way."""
FRAGMENT_S = 1.0
FRAGMENT_EDITS_MAX = 2
"""A doubtful text this near, in time and spelling, to one just published is a splinter of the same plate."""


@dataclass(frozen=True, slots=True)
class _Published:
    text: str
    direction: str
    moment_ns: int


class RecentReads:
    """The last published texts of one camera."""

    def __init__(self, repeat_s: float) -> None:
        self._repeat_s = repeat_s
        self._published: deque[_Published] = deque(maxlen=REMEMBERED_MAX)

    def remember(self, text: str, track: Track) -> None:
        """Note a text that was published."""
        self._published.append(_Published(text, track.direction, track.last_seen_ns))

    def is_repeat(self, text: str, track: Track, sure: bool) -> bool:
        """Whether a track's text belongs to a passage that was published already."""
        return any(self._is_same(before, text, track, sure) for before in self._published)

    def _is_same(self, before: _Published, text: str, track: Track, sure: bool) -> bool:
        age_s = (track.first_seen_ns - before.moment_ns) / NS_PER_S
        if before.text == text:
            same_way = before.direction == track.direction or "unknown" in {before.direction, track.direction}
            return age_s <= (self._repeat_s if same_way else TURN_S)
        return not sure and age_s <= FRAGMENT_S and _is_splinter(text, before.text)


def _is_splinter(text: str, whole: str) -> bool:
    return text in whole or edit_distance(text, whole) <= FRAGMENT_EDITS_MAX
