"""What can be wrong with the modem, from when on that is an alarm, and how far recovery may go: one table.

docs/failures.md shows the same one. It asks nothing of the modem and reads no clock: every look brings its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from anpr_node.supervision.recovery_steps import Allowance, Steps, StepTaken
from anpr_node.units import NS_PER_S

ModemStage = Literal["modem_reopen", "modem_reset", "modem_power"]
MODEM_STAGES: tuple[ModemStage, ...] = ("modem_reopen", "modem_reset", "modem_power")
STEADY_S = 30.0
"""A modem that was well for a shorter time is not well again: it may be restarting over and over."""
RENAMED_S = 60.0
"""An alarm takes another kind's name after so long: a modem that boots in between is missing for a moment only."""
HOT_C, COOL_C = 80, 75
LOSSES, LOSSES_WITHIN_S = 3, 300.0
HOUR_S = 3600.0

MODEM_ALLOWANCES: dict[ModemStage, Allowance] = {
    "modem_reopen": Allowance(6, HOUR_S, 15.0),
    "modem_reset": Allowance(3, HOUR_S, 90.0),
    "modem_power": Allowance(2, HOUR_S, 120.0),
}


@dataclass(frozen=True, slots=True)
class ModemLimit:
    """One trouble: how long it lasts until it is an alarm, the stated time for that, which steps help, what to do."""

    kind: str
    rule: str
    hold_s: float
    found_s: float
    stages: tuple[ModemStage, ...]
    advice: str


_TABLE = (
    ModemLimit("modem_missing", "the device is not there",
               30, 60, ("modem_power",), "check the modem's cable and supply"),
    ModemLimit("modem_taken", "another program holds the device",
               30, 60, (), "see which: fuser -v /dev/anpr-modem; install hw/udev/75-anpr-modem.rules"),
    ModemLimit("modem_silent", "commands are not answered",
               30, 60, MODEM_STAGES, "it is restarted; if that does not help, exchange it"),
    ModemLimit("sim_missing", "the card is not there or does not answer",
               30, 60, ("modem_reset", "modem_power"), "put the card in, contacts down; clean them"),
    ModemLimit("sim_locked", "the card wants a PIN that is not given or was refused, or its PUK",
               0, 30, (), "put the right PIN into the file of modem.pin_file, or unlock the card in a telephone"),
    ModemLimit("modem_denied", "the network refuses the card",
               60, 120, ("modem_reset",), "ask the operator whether the card is active and may use LTE"),
    ModemLimit("modem_searching", "no network is found",
               180, 240, ("modem_reset", "modem_power"), "check the antenna and its cable, and the coverage"),
    ModemLimit("link_down", "registered, but no data link: interface down, without address, or nothing answers",
               120, 180, ("modem_reset", "modem_power"), "check the access point name (APN) and the data volume"),
    ModemLimit("modem_unstable", f"it went away or restarted by itself {LOSSES} times in {LOSSES_WITHIN_S:g} s",
               0, 120, ("modem_power",), "check its supply and cable: LTE draws 2 A for moments"),
    ModemLimit("modem_hot", f"{HOT_C} °C or more; ends below {COOL_C} °C",
               60, 120, (), "check the sunshield, and whether the modem touches metal"),
    ModemLimit("sms_failed", "a message could not be sent or delivered in the last hour",
               0, 30, (), "check the numbers, and whether the card may send messages"),
    ModemLimit("modem_exhausted", "every step of recovery is used up for this hour, and it still fails",
               0, 30, (), "go there: see the other alarm of the modem"),
)  # fmt: skip
MODEM_LIMITS = {limit.kind: limit for limit in _TABLE}
OVER_S = STEADY_S + 60
"""So soon after the end of a trouble its alarm is over; `modem_unstable` and `sms_failed` look back longer."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong at one look, with numbers or the modem's own words."""

    kind: str
    detail: str = ""


class Watcher:
    """Makes one alarm of many looks: those of the modem itself, of which one at a time holds."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._kind_since_ns = 0
        self._bad_ns = 0
        self._kind = ""
        self.raised = ""

    def look(self, now_ns: int, trouble: Trouble | None) -> tuple[str, str]:
        """Take one look; the kinds of the alarm that ended and of the one that began, empty where none did."""
        if trouble is None:
            if self._since_ns is not None and now_ns - self._bad_ns >= STEADY_S * NS_PER_S:
                self._since_ns = None
                return self._become("")
            return "", ""
        if self._since_ns is None:
            self._since_ns = now_ns
        if trouble.kind != self._kind:
            self._kind, self._kind_since_ns = trouble.kind, now_ns
        self._bad_ns = now_ns
        hold_s = MODEM_LIMITS[trouble.kind].hold_s
        hold_ns = (min(hold_s, RENAMED_S) if self.raised else hold_s) * NS_PER_S
        since_ns = self._kind_since_ns if self.raised else self._since_ns
        if self.raised != trouble.kind and now_ns - since_ns >= hold_ns:
            return self._become(trouble.kind)
        return "", ""

    def _become(self, kind: str) -> tuple[str, str]:
        ended, self.raised = self.raised, kind
        return ended, kind


class ModemLadder:
    """The steps for the modem's troubles. Those of earlier runs count."""

    def __init__(self, has_power: bool, history: Iterable[StepTaken[ModemStage]] = ()) -> None:
        """`has_power`: there is a relay in the modem's supply."""
        self._stages: Sequence[ModemStage] = MODEM_STAGES if has_power else MODEM_STAGES[:-1]
        self._steps: Steps[ModemStage] = Steps(MODEM_ALLOWANCES, history)

    @property
    def is_exhausted(self) -> bool:
        """Whether a step would be due and none is left."""
        return self._steps.spent

    def next_step(self, utc_ns: int, kind: str) -> ModemStage | None:
        """The step to take now for a raised alarm; with none the next one begins mildly."""
        helpful = [stage for stage in self._stages if kind and stage in MODEM_LIMITS[kind].stages]
        if not helpful:
            self._steps.rest()
            return None
        return self._steps.next(utc_ns, helpful)

    def note(self, stage: ModemStage, utc_ns: int) -> None:
        """Count a step that a person asked for."""
        self._steps.note(stage, utc_ns)
