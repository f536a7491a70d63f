"""Fault, presence and supply lines on gpiozero's mock pins: steady levels count, and a torn-off wire is never quiet."""

from __future__ import annotations

import itertools
import logging

import pytest
from gpiozero.pins.mock import MockFactory

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import SwitchedOutput
from anpr_node.drivers.illuminator import PAUSE_MAX_S, PAUSE_MIN_S, Illuminator
from anpr_node.drivers.inputs import InputPins, Inputs, WatchedLine
from anpr_node.drivers.simulated.wires import wired_factory
from anpr_node.errors import WiringError

MS = 1_000_000
S = 1_000_000_000
FAULT, ENABLE = 23, 22


class Wire:
    """One line on a board of its own, with its clock."""

    def __init__(self, *, closes: bool = False) -> None:
        self.clock, self.factory = SimulatedClock(), wired_factory()
        self.line = WatchedLine(FAULT, self.factory, self.clock, 100, raised_when_closed=closes)

    def after(self, milliseconds: float, *, high: bool) -> bool:
        self.factory.pin(FAULT).hold(high=high)
        self.line.tick()
        self.clock.advance_to(self.clock.monotonic_ns() + int(milliseconds * MS))
        self.line.tick()
        return self.line.raised


def test_a_line_is_raised_when_its_contact_stays_open() -> None:
    wire = Wire()
    assert not wire.line.raised
    assert not wire.after(99, high=True)
    assert wire.after(1, high=True)
    assert wire.after(50, high=False)
    assert not wire.after(50, high=False)


def test_a_bouncing_contact_counts_for_nothing() -> None:
    wire = Wire()
    assert not any(wire.after(60, high=bool(n % 2)) for n in range(20))


def test_a_contact_that_closes_with_a_vehicle() -> None:
    wire = Wire(closes=True)
    assert wire.line.raised
    assert not wire.after(100, high=True)


def test_a_torn_off_wire_is_raised() -> None:
    line = WatchedLine(FAULT, MockFactory(), SimulatedClock(), 100)  # nothing at the other end but the pull-up
    assert line.raised
    line.close()
    line.close()
    assert line.raised


def test_only_what_is_fitted_is_claimed() -> None:
    factory = wired_factory()
    inputs = Inputs(InputPins(presence=24), factory, SimulatedClock())
    assert (inputs.illuminator_fault, inputs.power_fail) == (None, None)
    SwitchedOutput(FAULT, factory).close()
    with pytest.raises(WiringError, match=r"24.*hw/README\.md"):
        Inputs(InputPins(power_fail=25, presence=24), factory, SimulatedClock())
    SwitchedOutput(25, factory).close()  # what was claimed before it failed is given back
    inputs.close()


class Lamp:
    """An illuminator with its fault line and clock; half a second between looks."""

    def __init__(self) -> None:
        self.clock, self.factory = SimulatedClock(), wired_factory()
        self.enable = SwitchedOutput(ENABLE, self.factory)
        self.fault = WatchedLine(FAULT, self.factory, self.clock, 100)
        self.lamp = Illuminator(self.enable, self.fault, self.clock)

    def run(self, seconds: float, *, faulty: bool) -> list[bool]:
        self.factory.pin(FAULT).hold(high=faulty)
        levels = []
        for _ in range(int(seconds * 10)):
            self.clock.advance_to(self.clock.monotonic_ns() + S // 10)
            self.fault.tick()
            self.lamp.tick()
            levels.append(self.enable.is_on)
        return levels


def test_a_fault_switches_the_illuminator_off_and_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = Lamp()
    bench.lamp.on()
    assert all(bench.run(2, faulty=False))
    with caplog.at_level(logging.WARNING):
        levels = bench.run(9, faulty=True)
    assert not any(levels[2:])
    assert (bench.lamp.faults, bench.lamp.is_lit) == (1, False)
    assert "tried again in 10 s" in caplog.text
    assert bench.run(2, faulty=False)[-1]
    assert bench.lamp.is_lit


def test_a_lasting_fault_is_tried_ever_more_rarely() -> None:
    bench = Lamp()
    bench.lamp.on()
    levels = bench.run(3600, faulty=True)
    tries = sum(now and not before for before, now in itertools.pairwise(levels))
    assert 8 <= tries <= 11  # after 10, 20, 40 ... 320 s, then every 600 s
    assert sum(levels) < 0.01 * len(levels)
    bench.run(PAUSE_MAX_S + 1, faulty=False)
    assert bench.enable.is_on
    bench.run(PAUSE_MAX_S + 1, faulty=False)
    faults = bench.lamp.faults
    bench.run(PAUSE_MIN_S + 3, faulty=True)  # well for ten minutes: the first pause is short again
    assert bench.lamp.faults == faults + 2


def test_off_is_off_whatever_the_fault_line_does() -> None:
    bench = Lamp()
    bench.lamp.on()
    bench.lamp.off()
    assert not any(bench.run(30, faulty=True) + bench.run(30, faulty=False))
    assert bench.lamp.faults == 0


def test_without_a_fault_line_it_is_a_pin() -> None:
    clock, factory = SimulatedClock(), wired_factory()
    lamp = Illuminator(SwitchedOutput(ENABLE, factory), None, clock)
    lamp.on()
    clock.advance_to(S)
    lamp.tick()
    assert lamp.is_lit
