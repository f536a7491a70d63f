"""What a camera driver must be told of the light, since no sensor knows it: the pulse's width, and whether it is lit.

It measures nothing and switches nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lighting:
    """Asked once per frame by the camera driver.

    `pulse_us` gives the width of the trigger pulse that ended at a monotonic moment (ns); None where the sensor times
    its exposures itself. `illuminated` says whether that pulse would have lit the strobe.
    """

    pulse_us: Callable[[int], int] | None
    illuminated: Callable[[], bool]
