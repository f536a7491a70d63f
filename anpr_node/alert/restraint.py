"""Keeps signals from becoming noise: the same vehicle once in a while, and no more than so many in a minute.

It decides about signals alone: what it holds back is stored and sent like every hit. It drives nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from anpr_node.records import Hit

NS_PER_S = 1_000_000_000
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
        self._closings_ns: deque[int] = deque()

    def judge(self, vrm: str, hit: Hit, now_ns: int) -> Hit:
        """The hit, held back where it must be. Nothing is remembered yet: the commit may fail and come again."""
        if not SIGNALS & set(hit.entry.actions):
            return hit
        last_ns = self._last_ns.get(_key(vrm, hit))
        if last_ns is not None and now_ns - last_ns < self._repeat_ns:
            return replace(hit, held_back="repeat")
        recent = sum(now_ns - closed_ns < MINUTE_NS for closed_ns in self._closings_ns)
        return replace(hit, held_back="rate") if recent >= self._relay_per_minute_max else hit

    def signalled(self, vrm: str, hits: Sequence[Hit], now_ns: int) -> None:
        """These hits of one read were signalled just now."""
        for hit in hits:
            self._last_ns[_key(vrm, hit)] = now_ns
        if any("relay" in hit.entry.actions for hit in hits):
            self._closings_ns.append(now_ns)
        while self._closings_ns and now_ns - self._closings_ns[0] >= MINUTE_NS:
            self._closings_ns.popleft()
        self._last_ns = {key: at for key, at in self._last_ns.items() if now_ns - at < self._repeat_ns}


def _key(vrm: str, hit: Hit) -> Key:
    """The vehicle that is looked for, and by whom; a pattern looks for every vehicle that fits it."""
    wanted = vrm if hit.entry.is_wildcard else hit.entry.vrm
    return wanted, hit.entry.list_id, hit.entry.category
