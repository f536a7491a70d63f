"""The driver against ofono-phonesim, a modem of the second generation that others wrote: see scripts/test-modem.

It knows no bare AT, no AT+CMEE and no AT+CEREG, answers late about its card, and takes messages as PDUs only.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.modem import AtModem, Wishes
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.drivers.modem.port import SerialPort

DEVICE = os.environ.get("ANPR_PHONESIM", "")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not DEVICE, reason="no ofono-phonesim in ANPR_PHONESIM; see scripts/test-modem"),
]


def test_a_modem_that_knows_little_is_brought_up_and_sends(tmp_path: Path) -> None:
    modem = AtModem(lambda: SerialPort(DEVICE), SystemClock(), PinMemory(tmp_path, b"x" * 32), Wishes(), Patience())
    with closing(modem):
        modem.start()
        state = modem.look()
        assert (state.family, state.sim, state.registration, state.operator) == ("other", "ready", "home", "T-MeeGo")
        assert state.signal_dbm is not None
        assert modem.send("+32470123456", "ANPR N69 km 12 lane 1: seize 10:00:00Z ref hit00001.") >= 0
