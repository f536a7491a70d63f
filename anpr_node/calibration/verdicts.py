"""OK, WARN or FAIL for a measured value, by the limits of policy/calibration.toml. It measures nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from anpr_node.policy import Limits, calibration_limits

Verdict = Literal["OK", "WARN", "FAIL"]
ORDER: tuple[Verdict, ...] = ("OK", "WARN", "FAIL")


@dataclass(frozen=True, slots=True)
class Judged:
    """A value with its verdict, and what to do about it where it is not OK."""

    name: str
    value: float | None
    verdict: Verdict
    hint: str = ""

    @property
    def text(self) -> str:
        """`plate width 188 px`."""
        limits = calibration_limits()[self.name]
        if self.value is None:
            return f"{limits.label} -"
        return f"{limits.label} {self.value:.{limits.digits}f} {limits.unit}".rstrip()


def judge(name: str, value: float | None) -> Verdict:
    """The verdict of one value; what could not be measured is no success."""
    if value is None:
        return "WARN"
    limits = calibration_limits()[name]
    # what is shown is what is judged: 170 px must not fail as 169.6
    shown = round(value, limits.digits)
    if limits.ok[0] <= shown <= limits.ok[1]:
        return "OK"
    return "WARN" if limits.warn[0] <= shown <= limits.warn[1] else "FAIL"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; OK where there are none."""
    return max(verdicts, key=ORDER.index, default="OK")


__all__ = ["Judged", "Limits", "Verdict", "judge", "worst"]
