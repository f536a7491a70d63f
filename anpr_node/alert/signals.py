"""Turns hits into signals: relay, status LED, or deliberately nothing.

It is called after the commit, never before. A silent entry leaves no trace here: no pin moves, nothing is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from anpr_node.drivers.gpio import Outputs
from anpr_node.records import Hit

log = logging.getLogger(__name__)

READ_BLINK_S = 0.05


class Signals:
    """Drives the outputs for hits and reads; pulses end by `Outputs.tick`."""

    def __init__(self, outputs: Outputs, relay_pulse_s: float, led_pulse_s: float) -> None:
        self._outputs = outputs
        self._relay_pulse_s = relay_pulse_s
        self._led_pulse_s = led_pulse_s

    def read_stored(self) -> None:
        """One short blink: the technician sees that a read reached the card."""
        if not self._outputs.led.is_on:
            self._outputs.led.pulse(READ_BLINK_S)

    def raise_hits(self, hits: Sequence[Hit]) -> None:
        """Signal the hits of one read. One silent entry silences all of them: nobody at the roadside may notice."""
        actions = {action for hit in hits for action in hit.entry.actions}
        if "silent" in actions:
            return
        for hit in hits:
            log.info("hit hit_id=%s read_id=%s list=%s category=%s", hit.hit_id, hit.read_id, hit.entry.list_id,
                     hit.entry.category)  # fmt: skip
        if "relay" in actions:
            self._outputs.relay.pulse(self._relay_pulse_s)
        if "led" in actions:
            self._outputs.led.pulse(self._led_pulse_s)
