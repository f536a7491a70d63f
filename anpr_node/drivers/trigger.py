"""The trigger seam: one hardware pulse opens the shutter and fires the strobe; software only sets period and width.

Nothing in Python ever times a strobe or an exposure.
"""

from __future__ import annotations

from typing import Protocol

DUTY_MAX = 0.10
"""No setting passes this share of the period: it guards the illuminator's current and the eye-safety calculation."""


def check_pulse(period_us: int, exposure_us: int) -> None:
    """Raise ValueError when the pulse would be longer than the duty limit allows."""
    limit_us = int(period_us * DUTY_MAX)
    if not 0 < exposure_us <= limit_us:
        raise ValueError(f"exposure {exposure_us} us is outside 1 to {limit_us} us at a period of {period_us} us")


class Trigger(Protocol):
    """The pulse generator of one camera and its illuminator."""

    def start(self, period_us: int, exposure_us: int) -> None:
        """Begin or change the pulses. Raises ValueError beyond the duty limit."""
        ...

    def stop(self) -> None:
        """No more pulses: the camera gets no frames and the strobe stays dark. Stopping twice is fine."""
        ...
