"""Which pulses run now: full rate while a vehicle is there, an idle rate else; by night's exposures or by day's.

The pulses never stop while the node runs: one a second proves that camera and strobe live, and keeps the camera's own
timeout from striking. It senses nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from anpr_node.drivers.camera import Camera, Restartable
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.inputs import WatchedLine
from anpr_node.drivers.trigger import Trigger
from anpr_node.errors import FrameTimeout
from anpr_node.records import Frame
from anpr_node.units import NS_PER_S, NS_PER_US

PERIODS_PATIENT = 2

LightName = Literal["day", "night"]


@dataclass(frozen=True, slots=True)
class Exposures:
    """One exposure, or two in turn."""

    exposure_us: int
    bracket_us: int = 0


@dataclass(frozen=True, slots=True)
class PulsePlan:
    """All pulses a site may want."""

    period_us: int
    idle_period_us: int
    hold_s: float
    night: Exposures
    day: Exposures


class Pulses:
    """Keeps the trigger at what light and presence ask for. Without a presence line it is always full rate."""

    def __init__(self, trigger: Trigger, clock: Clock, plan: PulsePlan, presence: WatchedLine | None = None) -> None:
        self._trigger = trigger
        self._clock = clock
        self._plan = plan
        self._presence = presence
        self._light: LightName = "night"
        self._seen_ns: int | None = None
        self._running: tuple[int, Exposures] | None = None
        self._stopped = True
        self.changed_ns = 0
        """When the pulses last became others."""

    @property
    def period_us(self) -> int:
        """Of the pulses that are wanted now."""
        return self._plan.idle_period_us if self.is_idle else self._plan.period_us

    @property
    def is_idle(self) -> bool:
        """Whether nobody is there, nor was a moment ago."""
        if self._presence is None or self._presence.raised:
            return False
        return self._seen_ns is None or self._clock.monotonic_ns() - self._seen_ns > self._plan.hold_s * NS_PER_S

    def start(self) -> None:
        """Run. Raises ValueError, naming the exposure, when one of the plan's is beyond the limits."""
        self._running, self._stopped = None, False
        for light in ("day", "night"):  # both are tried now: dusk is no time to find out
            self.use(light)

    def stop(self) -> None:
        """No more pulses until `start`, whatever the lines say."""
        self._stopped = True
        self._trigger.stop()

    def use(self, light: LightName) -> None:
        """Go over to the exposures of that light."""
        self._light = light
        self._apply()

    def tick(self) -> None:
        """Follow the presence line."""
        if self._presence is not None and self._presence.raised:
            self._seen_ns = self._clock.monotonic_ns()
        self._apply()

    def _apply(self) -> None:
        wanted = (self.period_us, self._plan.day if self._light == "day" else self._plan.night)
        if wanted != self._running and not self._stopped:
            period_us, exposures = wanted
            self._trigger.start(period_us, exposures.exposure_us, exposures.bracket_us)
            self._running, self.changed_ns = wanted, self._clock.monotonic_ns()


class PatientCamera:
    """A camera whose pulses may be slow: no timeout counts before two of their periods have gone without a frame."""

    def __init__(self, camera: Camera, pulses: Pulses, clock: Clock, while_waiting: Callable[[], None]) -> None:
        """`while_waiting` is called after every timeout: it may find that somebody has come."""
        self._camera = camera
        self._pulses = pulses
        self._clock = clock
        self._while_waiting = while_waiting

    def capture(self) -> Frame | None:
        """The next frame; raises as the camera itself does."""
        asked_ns = self._clock.monotonic_ns()
        while True:
            try:
                return self._camera.capture()
            except FrameTimeout:
                waited_ns = self._clock.monotonic_ns() - max(asked_ns, self._pulses.changed_ns)
                if waited_ns >= PERIODS_PATIENT * self._pulses.period_us * NS_PER_US:
                    raise
            self._while_waiting()

    @property
    def remarks(self) -> list[str]:
        """The camera's own."""
        return list(getattr(self._camera, "remarks", []))

    def restart(self) -> None:
        """Restart the stream of a camera that can."""
        if isinstance(self._camera, Restartable):
            self._camera.restart()

    def close(self) -> None:
        """Close the camera."""
        self._camera.close()
