"""Every fault that the supervision must find, as it is made in the simulated circuit; no test of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from miniature import EXPOSURE_US, Rig
from numpy.random import Generator

from anpr_node.drivers.simulated import faults
from anpr_node.drivers.simulated.traffic import TrafficPlan
from anpr_node.drivers.thermal import Heat

FAST_FPS = 10.0

Inject = Callable[[Rig, Generator], None]


@dataclass(frozen=True)
class Case:
    """One way to fail: the alarm it must raise, when the clock starts, in which light."""

    name: str
    kind: str
    inject: Inject
    light: str
    fps: float = 2.0

    @property
    def plan(self) -> TrafficPlan:
        """Where every frame counts and not what it shows, the road is empty: that is ten times as fast."""
        return TrafficPlan(gap_s_mean=25.0 if self.fps < FAST_FPS else 4000.0)


def _trigger(factor: Callable[[Generator], float]) -> Inject:
    return lambda rig, rng: rig.circuit.trigger.start(round(rig.period_us * factor(rng)), EXPOSURE_US)


def _stop(rig: Rig, _: Generator) -> None:
    rig.circuit.trigger.stop()


def _cut_strobe(rig: Rig, _: Generator) -> None:
    rig.circuit.strobe_cut = True


def _exposure(low_us: int, high_us: int) -> Inject:
    return lambda rig, rng: rig.circuit.trigger.start(rig.period_us, int(rng.integers(low_us, high_us)))


def _lens(make: Callable[[Generator], faults.Filter]) -> Inject:
    def inject(rig: Rig, rng: Generator) -> None:
        rig.faulty.lens = make(rng)

    return inject


def _stream(make: Callable[[Generator], faults.Stream]) -> Inject:
    def inject(rig: Rig, rng: Generator) -> None:
        rig.faulty.stream = make(rng)

    return inject


def _heat(make: Callable[[Generator], Heat]) -> Inject:
    def inject(rig: Rig, rng: Generator) -> None:
        rig.heat = make(rng)

    return inject


def _sign(rng: Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _in_both_lights(name: str, kind: str, inject: Inject) -> list[Case]:
    return [Case(f"{name}, {light}", kind, inject, light) for light in ("night", "day")]


CASES = [
    Case("trigger stopped", "camera_stalled", _stop, "night", FAST_FPS),
    Case("trigger at half rate", "trigger_lost", _trigger(lambda _: 2.0), "night", FAST_FPS),
    Case("every tenth pulse lost", "trigger_lost", _trigger(lambda rng: rng.uniform(1.09, 1.15)), "night", FAST_FPS),
    Case("trigger doubled", "trigger_doubled", _trigger(lambda _: 0.5), "night", FAST_FPS),
    Case("frames out of order", "frames_disordered", _stream(lambda rng: faults.disordered(int(rng.integers(4, 12)))),
         "night", FAST_FPS),
    Case("timestamps jump now and then", "timestamps_jump",
         _stream(lambda rng: faults.jumping(_sign(rng) * rng.uniform(0.6, 100), int(rng.integers(2, 12)))),
         "night", FAST_FPS),
    Case("timestamps off for good", "timestamps_jump",
         _stream(lambda rng: faults.jumping(_sign(rng) * rng.uniform(0.6, 4000), 1)), "night", FAST_FPS),
    *_in_both_lights("the same buffers", "same_buffer", _stream(lambda rng: faults.repeating(int(rng.integers(1, 5))))),
    Case("strobe dies at night", "strobe_dead", _cut_strobe, "night"),
    *_in_both_lights("lens covered in 10 s", "lens_covered", _lens(lambda _: faults.covered(10))),
    Case("lens covered at once, day", "lens_covered", _lens(lambda _: faults.covered(0)), "day"),
    *_in_both_lights("glare", "lens_glaring",
                     _lens(lambda rng: faults.glaring(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.6),
                                                      rng.uniform(0.17, 0.3)))),
    Case("too dark, night", "picture_dark", _exposure(55, 95), "night"),
    Case("too dark, day", "picture_dark", _exposure(10, 20), "day"),
    *_in_both_lights("blur", "lens_blurred", _lens(lambda rng: faults.blurred(rng.uniform(0.004, 0.012)))),
    *_in_both_lights("mount turned", "mount_moved",
                     _lens(lambda rng: faults.moved(_sign(rng) * rng.uniform(0.02, 0.15),
                                                    _sign(rng) * rng.uniform(0.0, 0.1)))),
    *_in_both_lights("mount shaking", "mount_moved",
                     _lens(lambda rng: faults.shaken(rng.uniform(0.02, 0.06),
                                                     (rng.uniform(0.7, 3.0), rng.uniform(0.7, 3.0))))),
    Case("overheating", "overheating", _heat(lambda rng: Heat(rng.uniform(80.1, 95))), "night"),
    Case("throttled", "throttled", _heat(lambda _: Heat(70.0, throttled=True)), "night"),
    Case("undervoltage", "undervoltage", _heat(lambda _: Heat(50.0, undervoltage=True)), "night"),
]  # fmt: skip


def repair(rig: Rig) -> None:
    """All is well again."""
    rig.faulty.repair()
    rig.circuit.strobe_cut = False
    rig.heat = Heat(50.0)
    rig.circuit.trigger.start(rig.period_us, EXPOSURE_US)


@dataclass(frozen=True)
class Result:
    """What one run showed: every alarm raised, and how long finding and clearing took."""

    raised: tuple[str, ...]
    found_s: float | None
    cleared_s: float | None


def play(rig: Rig, case: Case, seed: int, patience_s: float) -> Result:
    """Healthy for a while, then the fault, then repaired; goes on after each alarm to see that no second one comes."""
    rng = np.random.default_rng((seed, 17))
    rig.heat = Heat(50.0)
    rig.run(float(rng.uniform(7, 13)))
    began_s = rig.now_s
    case.inject(rig, rng)
    rig.run(patience_s, until=lambda: bool(rig.changes))
    rig.run(6)
    ended_s = rig.now_s
    repair(rig)
    rig.run(patience_s, until=lambda: not rig.supervisor.alarms)
    rig.run(4)
    found = next((at_s - began_s for at_s, alarm in rig.changes if alarm.kind == case.kind), None)
    cleared = [at_s - ended_s for at_s, alarm in rig.changes if alarm.cleared_ns is not None]
    return Result(tuple(rig.kinds()), found, max(cleared, default=None))
