"""How the simulated roadside is mounted: what a technician would turn by hand on a real pole.

It lies in a file of the state folder, so that a mount stays as it was left when the node starts again. Nothing here
draws; it is read whenever the simulated camera is opened.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from anpr_node.drivers.simulated.geometry import Mounting, View
from anpr_node.errors import ConfigError
from anpr_node.whole_file import write_whole

FILE_NAME = "bench.json"
RANGES: dict[str, tuple[float, float]] = {
    "lens_mm": (4.0, 75.0),
    "roll_deg": (-45.0, 45.0),
    "pan_deg": (-30.0, 30.0),
    "pitch_deg": (-20.0, 20.0),
    "focus": (-5.0, 5.0),
    "strobe": (0.0, 1.0),
}
"""What can be turned, and how far."""
DEFOCUS_PX_PER_TURN = 2.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Turned by hand. `focus` is the ring's way from the sharpest place, in turns; `strobe` 0 is a dead one."""

    lens_mm: float = 18.0
    roll_deg: float = 1.2
    pan_deg: float = 0.0
    pitch_deg: float = 0.0
    focus: float = 0.0
    strobe: float = 1.0

    @property
    def defocus_px(self) -> float:
        """Blur of the whole picture on top of the lens's own, as a standard deviation."""
        return abs(self.focus) * DEFOCUS_PX_PER_TURN

    def view(self) -> View:
        """Where the camera looks from here."""
        usual = Mounting()
        reach = usual.aim_y_m
        return View(
            replace(
                usual,
                focal_mm=self.lens_mm,
                roll_deg=self.roll_deg,
                aim_x_m=usual.aim_x_m + reach * self.pan_deg / 57.3,
                aim_z_m=usual.aim_z_m + reach * self.pitch_deg / 57.3,
            )
        )


def read_bench(folder: Path) -> Bench:
    """The mount as it was left. Raises ConfigError when the file says nonsense."""
    path = folder / FILE_NAME
    try:
        return turned(Bench(), json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return Bench()
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; delete it for the usual mount") from error


def turned(bench: Bench, changes: dict[str, float]) -> Bench:
    """The mount after some turns. Raises ConfigError for what cannot be turned, or not so far."""
    for name, value in changes.items():
        if name not in RANGES:
            raise ConfigError(f"the bench has no {name}; there are: {', '.join(RANGES)}")
        low, high = RANGES[name]
        if not low <= value <= high:
            raise ConfigError(f"{name} goes from {low:g} to {high:g}")
    return replace(bench, **changes)


def write_bench(folder: Path, bench: Bench) -> None:
    """Leave the mount so."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FILE_NAME, json.dumps(asdict(bench)), durable=False)
