"""All checks together: frames, looks and moments in, alarms raised and cleared out. One fault raises one alarm.

It reads no clock, opens nothing and moves nothing; recovery is another module's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.thermal import Heat
from anpr_node.supervision import picture
from anpr_node.supervision.alarms import Alarm, Latch
from anpr_node.supervision.limits import LIMITS, PICTURE_KINDS
from anpr_node.supervision.numbers import Look, Mark
from anpr_node.supervision.reference import Reference, References
from anpr_node.supervision.stream import Order, Rate, Repeats, Stall
from anpr_node.supervision.surroundings import Hot, Silence, UsualReads

Verdicts = dict[str, bool | None]


class Supervisor:
    """One lane's supervision; used from one thread."""

    def __init__(self, clock: Clock, usual: UsualReads = lambda _: 0.0, folder: Path | None = None) -> None:
        """References are kept in `folder`."""
        self._clock = clock
        now_ns = clock.monotonic_ns()
        self._stall, self._order, self._repeats = Stall(now_ns), Order(), Repeats()
        self._rate = Rate()
        self._strobe, self._hot = picture.Strobe(), Hot()
        self._silence = Silence(now_ns, usual)
        self._references = References(folder)
        self._latches = {kind: Latch(limit) for kind, limit in LIMITS.items()}
        self._alarms: dict[str, Alarm] = {}
        self._last_look: Look | None = None

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Those raised now, in order of rank."""
        return tuple(self._alarms[kind] for kind in LIMITS if kind in self._alarms)

    def wants_dark(self, now_ns: int) -> bool:
        """Whether the next frame should be taken without the strobe, to compare."""
        return self._strobe.wants_dark(now_ns) and not self._order.disorder.is_any(now_ns)

    def read(self, now_ns: int) -> None:
        """A vehicle was read."""
        self._silence.read(now_ns)

    def frame(self, mark: Mark) -> None:
        """Every frame; a few comparisons."""
        self._stall.frame(mark)
        self._order.frame(mark)
        self._rate.frame(mark)

    def look(self, look: Look) -> list[Alarm]:
        """The measures of a small plane, in the order the frames came; returns what changed."""
        self._last_look = look
        verdicts: Verdicts = {"same_buffer": self._repeats.is_suspect(look)}
        if not (verdicts["same_buffer"] or self._holds("same_buffer")):
            verdicts.update(self._view(look))
        return self._take(look.mark.arrived_ns, verdicts)

    def _view(self, look: Look) -> Verdicts:
        """What the picture shows, most fundamental first; what an earlier finding explains is not judged."""
        if self._order.disorder.is_any(look.mark.arrived_ns):
            self._strobe.forget_pair()
        strobe = self._strobe.look(look)
        if look.mark.probe:
            return {}
        explained = self._holds("lens_covered") or self._holds("picture_dark")
        verdicts: Verdicts = {"strobe_dead": None if strobe and explained else strobe}
        for kind, verdict in self._findings(look, self._references.find(look)):
            verdicts[kind] = verdict
            if verdict:
                break
        if not any(verdicts.values()) and not any(self._holds(kind) for kind in PICTURE_KINDS):
            self._references.learn(look)
        return verdicts

    def _findings(self, look: Look, reference: Reference | None) -> Iterator[tuple[str, bool | None]]:
        if self._holds("strobe_dead") or self._strobe.is_doubtful:
            return
        if reference is not None:
            yield "lens_covered", picture.is_covered(look, reference)
        yield "lens_glaring", picture.is_glaring(look)
        yield "picture_dark", picture.is_dark(look)
        if reference is not None:
            yield "lens_blurred", picture.is_blurred(look, reference)
            yield "mount_moved", picture.is_moved(look, reference)

    def tick(self, now_ns: int, heat: Heat | None = None) -> list[Alarm]:
        """Time passes, a few times a second, whether frames come or not; returns what changed."""
        stalled = self._stall.is_suspect(now_ns)
        verdicts: Verdicts = {"camera_stalled": stalled}
        if not stalled:
            verdicts["frames_disordered"] = self._order.disorder.is_suspect(now_ns)
            verdicts["timestamps_jump"] = self._order.jumps.is_suspect(now_ns)
            if not self._order.disorder.is_any(now_ns):  # numbers out of order say nothing about pulses
                verdicts["trigger_lost"], verdicts["trigger_doubled"] = self._rate.is_lost(), self._rate.is_doubled()
        if heat is not None:
            verdicts |= {"overheating": self._hot.is_suspect(heat), "throttled": heat.throttled}
            verdicts["undervoltage"] = heat.undervoltage
        silent = self._silence.is_suspect(now_ns, self._clock.utc_ns(now_ns))
        explained = any(self._holds(kind) for kind in ("camera_stalled", "same_buffer", *PICTURE_KINDS))
        verdicts["no_reads"] = None if silent and explained else silent
        return self._take(now_ns, verdicts)

    def _holds(self, kind: str) -> bool:
        return kind in self._alarms

    def _take(self, now_ns: int, verdicts: Verdicts) -> list[Alarm]:
        changed = [kind for kind, verdict in verdicts.items() if self._latches[kind].observe(now_ns, verdict)]
        return [self._change(kind, self._clock.utc_ns(now_ns)) for kind in changed]

    def _change(self, kind: str, utc_ns: int) -> Alarm:
        if self._latches[kind].raised:
            self._alarms[kind] = Alarm(kind, utc_ns, None, self._detail(kind))
            return self._alarms[kind]
        raised = self._alarms.pop(kind)
        return Alarm(kind, raised.raised_ns, utc_ns, raised.detail)

    def _detail(self, kind: str) -> str:
        look = self._last_look
        if kind.startswith("trigger_"):
            return f"pulses {self._rate.off_share() or 0:+.0%}"
        if kind in PICTURE_KINDS and look is not None:
            return f"mean {look.mean:.0f}, contrast {look.contrast:.1f}, sharpness {look.sharpness:.0f}"
        return ""
