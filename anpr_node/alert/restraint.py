"""Keeps signals from becoming noise: the same vehicle once in a while, and no more than so many in a minute.

It decides about signals alone: what it holds back is stored and sent like every hit. It drives nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from anpr_node.records import Hit
from anpr_node.units import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
SIGNALS = frozenset({"relay", "led"})

Key = tuple[str, str, str]


class Restraint:
    """What was signalled lately. Times are monotonic nanoseconds."""

    def __init__(self, repeat_s: float = 0.0, relay_per_minute_max: int = 60) -> None:
        """`repeat_s` 0: every hit is signalled."""
        self._repeat_ns = int(repeat_s * NS_PER_S)
        self._relay_per_minute_max = relay_per_minute_max
        self._last_ns: dict[Key, int] = {}
        self._closings: deque[tuple[int, int]] = deque()
        """When the relay closed, and for a hit of which priority."""

    def judge(self, vrm: str, hit: Hit, now_ns: int) -> Hit:
        """The hit, held back where it must be. Nothing is remembered yet: the commit may fail and come again."""
        if not SIGNALS & set(hit.entry.actions):
            return hit
        last_ns = self._last_ns.get(_key(vrm, hit))
        if last_ns is not None and now_ns - last_ns < self._repeat_ns:
            return replace(hit, held_back="repeat")
        return replace(hit, held_back="rate") if self._is_too_often(hit, now_ns) else hit

    def _is_too_often(self, hit: Hit, now_ns: int) -> bool:
        """Whether the relay closed too often for hits that matter as much: lesser ones hold back nothing above them."""
        if "relay" not in hit.entry.actions:
            return False
        recent = sum(
            now_ns - closed_ns < MINUTE_NS and priority >= hit.entry.priority for closed_ns, priority in self._closings
        )
        return recent >= self._relay_per_minute_max

    def signalled(self, vrm: str, hits: Sequence[Hit], now_ns: int) -> None:
        """These hits of one read were signalled just now."""
        for hit in hits:
            self._last_ns[_key(vrm, hit)] = now_ns
        closing = [hit.entry.priority for hit in hits if "relay" in hit.entry.actions]
        if closing:
            self._closings.append((now_ns, max(closing)))
        while self._closings and now_ns - self._closings[0][0] >= MINUTE_NS:
            self._closings.popleft()
        self._last_ns = {key: at for key, at in self._last_ns.items() if now_ns - at < self._repeat_ns}


def _key(vrm: str, hit: Hit) -> Key:
    """The vehicle that is looked for, and by whom; a pattern looks for every vehicle that fits it."""
    wanted = vrm if hit.entry.is_wildcard else hit.entry.vrm
    return wanted, hit.entry.list_id, hit.entry.category
