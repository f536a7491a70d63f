"""Turns hits into signals: relay, status LED, or deliberately nothing.

It is called after the commit, never before. A silent entry leaves no trace here: no pin moves, nothing is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from anpr_node.alert.arming import is_calibrated
from anpr_node.alert.restraint import Restraint
from anpr_node.config import Settings
from anpr_node.drivers.gpio import Outputs
from anpr_node.records import Hit

log = logging.getLogger(__name__)


class Signals:
    """Drives the outputs for hits and reads; pulses end by `Outputs.tick`."""

    def __init__(
        self,
        outputs: Outputs,
        relay_pulse_s: float,
        led_pulse_s: float,
        restraint: Restraint | None = None,
        armed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._outputs = outputs
        self._relay_pulse_s = relay_pulse_s
        self._led_pulse_s = led_pulse_s
        self.restraint = restraint or Restraint()
        self._armed = armed

    def read_stored(self) -> None:
        """One flash: the technician sees that a read reached the card."""
        self._outputs.led.flash()

    def raise_hits(self, vrm: str, hits: Sequence[Hit], now_ns: int) -> bool:
        """Signal the hits of one read; says whether the relay is closed for them now.

        One silent entry silences all of them: nobody at the roadside may notice.
        """
        if any(hit.entry.is_silent for hit in hits):
            return False
        for hit in hits:
            log.info("hit hit_id=%s read_id=%s list=%s category=%s match=%s", hit.hit_id, hit.read_id,
                     hit.entry.list_id, hit.entry.category, hit.match)  # fmt: skip
        if not self._armed():
            log.warning("not signalled: this node is not installed yet (anpr-node console, install)")
            return False
        signalled = [hit for hit in hits if hit.held_back is None]
        self.restraint.signalled(vrm, signalled, now_ns)
        actions = {action for hit in signalled for action in hit.entry.actions}
        if "relay" in actions:
            self._outputs.relay.pulse(self._relay_pulse_s)
        if "led" in actions:
            self._outputs.led.flicker(self._led_pulse_s)
        return "relay" in actions and self._outputs.relay.is_on


def signals_of(outputs: Outputs, settings: Settings) -> Signals:
    """The signals of a node, by its settings."""
    section, lists = settings.outputs, settings.hotlists
    restraint = Restraint(lists.repeat_s, lists.relay_per_minute_max)
    armed = (lambda: True) if section.arm == "always" else (lambda: is_calibrated(settings.state_folder))
    return Signals(outputs, section.relay_pulse_s, section.led_pulse_s, restraint, armed)
