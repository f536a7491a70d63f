"""The trigger seam: one hardware pulse opens the shutter and fires the strobe; software only sets period and width.

Nothing in Python ever times a strobe or an exposure. With bracketing, software says between two pulses how long the
next one will be.
"""

from __future__ import annotations

from typing import Protocol

DUTY_MAX = 0.10
"""No setting passes this share of the period: it guards the illuminator's current and the eye-safety calculation."""

PULSE_MAX_US = 2_000
"""Nor this: the one-shot on the strobe driver cuts the light there, so a longer exposure would not be what it says."""


def check_pulse(period_us: int, exposure_us: int, duty_max: float = DUTY_MAX) -> None:
    """Raise ValueError when the pulse would be longer than the limits allow; `duty_max` can only lower them."""
    limit_us = min(PULSE_MAX_US, int(period_us * min(duty_max, DUTY_MAX)))
    if not 0 < exposure_us <= limit_us:
        raise ValueError(f"exposure {exposure_us} us is outside 1 to {limit_us} us at a period of {period_us} us")


class Trigger(Protocol):
    """The pulse generator of one camera and its illuminator."""

    def start(self, period_us: int, exposure_us: int, bracket_us: int = 0) -> None:
        """Begin or change the pulses; with `bracket_us` every second exposure is that long instead.

        Raises:
            ValueError: beyond the duty limit.
            WiringError: the pulse hardware cannot be driven.

        """
        ...

    def stop(self) -> None:
        """No more pulses: the camera gets no frames and the strobe stays dark. Stopping twice is fine."""
        ...

    def taken(self, ended_ns: int) -> int:
        """A frame has come whose exposure ended at `ended_ns`: how long its pulse exposed it, in µs.

        Called once for every frame, in order, because this is also where the next pulse is chosen.
        """
        ...
