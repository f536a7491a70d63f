"""Remembers what was published, so that a plate whose track broke off does not become a second read of one passage.

It remembers as long as the plate is seen: age counts from its last sighting, not from its publication.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from anpr_node.tracking.tracker import Track, centre
from anpr_node.units import NS_PER_S
from anpr_node.vrm import edit_distance

REMEMBERED_MAX = 64

TURN_S = 3.0
"""No vehicle turns round and comes back within this time: the same text is the same passage, whatever its way."""
SPLINTER_S = 1.0
SPLINTER_EDITS_MAX = 2
SPLINTER_WIDTHS = 2.0
"""A doubtful text this near, in time, spelling and place, to one just published is a splinter of the same plate.

The plate of the next vehicle, beside or behind it, is nearly four plate widths away or more.
"""


@dataclass
class Published:
    """A text that went out, and the read that is in force for it now; its track goes on moving."""

    text: str
    read_id: str
    corrections: int
    track: Track


class RecentReads:
    """The last published texts of one camera."""

    def __init__(self, repeat_s: float) -> None:
        self._repeat_s = repeat_s
        self._published: deque[Published] = deque(maxlen=REMEMBERED_MAX)

    def remember(self, fresh: Published, corrects: str | None) -> None:
        """Note a text that was published; what it corrects is in force no more."""
        for before in self._published:
            if corrects is not None and before.read_id == corrects:
                before.read_id, before.corrections = fresh.read_id, fresh.corrections
        self._published.append(fresh)

    def find(self, text: str, since_ns: int, track: Track, sure: bool) -> Published | None:
        """What was published of the passage whose track reads as `text` since that moment, if anything.

        It is remembered from now on by this track, too.
        """
        for before in self._published:
            if self._is_same(before, text, since_ns, track, sure):
                if before.track is track:
                    self._published.remove(before)
                again = Published(before.text, before.read_id, before.corrections, track)
                self._published.append(again)
                return again
        return None

    def _is_same(self, before: Published, text: str, since_ns: int, track: Track, sure: bool) -> bool:
        age_s = (since_ns - before.track.last_seen_ns) / NS_PER_S
        if before.text == text:
            same_way = before.track.direction == track.direction or "unknown" in {
                before.track.direction,
                track.direction,
            }
            return age_s <= (self._repeat_s if same_way else TURN_S)
        is_near = age_s <= SPLINTER_S and _is_splinter(text, before.text)
        return not sure and is_near and _same_place(track, before.track)


def _is_splinter(text: str, whole: str) -> bool:
    return text in whole or edit_distance(text, whole) <= SPLINTER_EDITS_MAX


def _same_place(track: Track, before: Track) -> bool:
    """Whether two tracks were at one place at one time; of a plate seen once nobody knows where it went."""
    if track is before or before.sightings == 1:
        return True
    if track.first_seen_ns > before.last_seen_ns:
        (x1, y1), (x2, y2) = centre(track.first_box), before.predict(track.first_seen_ns)
    else:
        at_ns = min(track.last_seen_ns, before.last_seen_ns)
        (x1, y1), (x2, y2) = track.predict(at_ns), before.predict(at_ns)
    reach_px = SPLINTER_WIDTHS * max(track.rough.width_px, before.rough.width_px)
    return bool(((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5 <= reach_px)
