"""The real trigger: a hardware PWM channel whose pulse opens the shutter and fires the strobe.

The hardware times every pulse. Bracketing writes another width while the line rests between two pulses; when the
moment for that is missed the width stays, and the frame says so because it is told what its pulse was.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.pwm import PwmChannel
from anpr_node.drivers.trigger import DUTY_MAX, check_pulse
from anpr_node.units import NS_PER_US

SENSOR_EXTRA_US = 14
"""An IMX296 exposes 14.26 µs longer than its trigger pulse lasts (Raspberry Pi's documentation, external trigger)."""

QUIET_SHARE = 0.10
"""So much of the period before a pulse no width is written: a pre-empted process must not meet the pulse."""

WIDTHS_KEPT = 16


@dataclass(frozen=True, slots=True)
class _Width:
    """From this moment on pulses gave this exposure."""

    since_ns: int
    exposure_us: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked for: a period and the exposures that take turns."""

    period_us: int
    exposures_us: tuple[int, ...]

    def after(self, exposure_us: int) -> int:
        """Whose turn it is after this one."""
        return self.exposures_us[(self.exposures_us.index(exposure_us) + 1) % len(self.exposures_us)]


class PwmTrigger:
    """Pulses of one channel. `missed_turns` counts the frames after which the width could not be changed in time."""

    def __init__(
        self, channel: PwmChannel, clock: Clock, duty_max: float = DUTY_MAX, extra_us: int = SENSOR_EXTRA_US
    ) -> None:
        """`extra_us` is what the sensor adds to the pulse; `duty_max` lowers the limit, never lifts it."""
        self._channel = channel
        self._clock = clock
        self._duty_max = duty_max
        self._extra_us = extra_us
        self._plan: _Plan | None = None
        self._widths: deque[_Width] = deque(maxlen=WIDTHS_KEPT)
        # A turn taken while another thread starts a shorter period would pass the limit with the old width.
        self._lock = threading.Lock()
        self.missed_turns = 0

    def start(self, period_us: int, exposure_us: int, bracket_us: int = 0) -> None:
        """Begin or change the pulses. Raises ValueError beyond the limits, WiringError when the kernel refuses."""
        exposures_us = (exposure_us, bracket_us) if bracket_us else (exposure_us,)
        for exposure in exposures_us:
            check_pulse(period_us, exposure, self._duty_max)
            if exposure <= self._extra_us:
                raise ValueError(f"exposure {exposure} us is shorter than the sensor can: over {self._extra_us} us")
        with self._lock:
            self._channel.run(period_us * NS_PER_US, self._width_ns(exposure_us))
            self._plan = _Plan(period_us, exposures_us)
            self._note(exposure_us)

    def stop(self) -> None:
        """No more pulses; no frame that is still on its way sets a width again."""
        with self._lock:
            self._plan = None
            self._channel.stop()

    def close(self) -> None:
        """Stopped, and the channel given back."""
        with self._lock:
            self._plan = None
            self._channel.close()

    def taken(self, ended_ns: int) -> int:
        """What a frame's pulse exposed, by the width that was set when it opened; then the next one's turn."""
        with self._lock:
            exposure_us = self._exposure_at(ended_ns)
            if self._plan is not None and len(self._plan.exposures_us) > 1:
                self._take_turns(self._plan, ended_ns)
        return exposure_us

    def _exposure_at(self, ended_ns: int) -> int:
        """Of the pulse that ended at `ended_ns`: the last width set before it, the oldest known if all are younger."""
        for width in reversed(self._widths):
            if width.since_ns <= ended_ns - width.exposure_us * NS_PER_US:
                return width.exposure_us
        return self._widths[0].exposure_us if self._widths else 0

    def _take_turns(self, plan: _Plan, ended_ns: int) -> None:
        """Set the other width if the line rests now, and will for a while: pulses come at a constant period."""
        period_ns = plan.period_us * NS_PER_US
        phase_ns = (self._clock.monotonic_ns() - ended_ns) % period_ns
        longest_ns = max(plan.exposures_us) * NS_PER_US
        # The next pulse opens before the next end, by the longest exposure at most.
        if not longest_ns < phase_ns < (1 - QUIET_SHARE) * period_ns - longest_ns:
            self.missed_turns += 1
            return
        exposure_us = plan.after(self._widths[-1].exposure_us)
        self._channel.set_width(self._width_ns(exposure_us))
        self._note(exposure_us)

    def _width_ns(self, exposure_us: int) -> int:
        return (exposure_us - self._extra_us) * NS_PER_US

    def _note(self, exposure_us: int) -> None:
        self._widths.append(_Width(self._clock.monotonic_ns(), exposure_us))
