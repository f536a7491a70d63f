"""How frames come about: camera, sensor, trigger, day and night. Opens no device."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from anpr_node.config.section import Section


class CameraSection(Section):
    """Where frames come from."""

    kind: Literal["simulated", "replay", "csi", "gstreamer"] = Field(
        "simulated", description="csi: picamera2; gstreamer: everything else; replay: a recording"
    )
    path: str | None = Field(None, description="the clip or folder of frames that kind = 'replay' plays")
    fps: float = Field(30.0, ge=1, le=120, description="frames a second, and pulses where there is a trigger")
    exposure_us: int = Field(300, ge=20, le=20_000, description="of the night: how long shutter and strobe are open")
    light: Literal["day", "night"] = Field("night", description="simulated: which it is on the simulated road")
    seed: int = Field(1, ge=0, description="simulated: another seed, other traffic")

    @model_validator(mode="after")
    def _replay_needs_a_path(self) -> CameraSection:
        if (self.kind == "replay") != (self.path is not None):
            raise ValueError("path is needed with kind = 'replay', and only then")
        return self


class SensorSection(Section):
    """The real camera behind kind = 'csi' (picamera2) and kind = 'gstreamer'."""

    number: int = Field(0, ge=0, le=9, description="which of several cameras")
    width: int = Field(1456, ge=64, le=4608, description="columns of the full plane")
    height: int = Field(1088, ge=64, le=4608, description="rows of the full plane")
    gain: float = Field(4.0, ge=1, le=64, description="analogue; 1 is none")
    region: tuple[float, float, float, float] = Field(
        (0.0, 0.0, 1.0, 1.0),
        strict=False,
        description="csi: the part x1, y1, x2, y2 of the sensor that is used, 0 to 1",
    )
    tuning: str | None = Field(None, description="csi: tuning file; by default the sensor's own one without IR filter")
    lens_dioptres: float | None = Field(None, ge=0, le=20, description="csi: fixed focus of a lens that has a motor")
    buffers: int = Field(6, ge=4, le=16, description="csi: frame buffers; the loop holds one of them")
    source: str | None = Field(None, description="gstreamer: elements that give raw video, instead of the board's own")

    @model_validator(mode="after")
    def _region_is_one(self) -> SensorSection:
        x1, y1, x2, y2 = self.region
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            raise ValueError("region must be x1, y1, x2, y2 with 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1")
        return self


class TriggerSection(Section):
    """The pulses that open the shutter and fire the strobe."""

    kind: Literal["none", "pwm"] = Field(
        "none", description="none: the sensor runs freely at camera.fps, or is simulated; pwm: pulses expose it"
    )
    pwm_root: str = Field("/sys/class/pwm", min_length=1, description="where the kernel shows its PWM")
    pwm_device: str | None = Field(None, min_length=3, description="by default the board's own, by its name in sysfs")
    pwm_channel: int = Field(0, ge=0, le=7, description="of pwm_device")
    pwm_pin: int = Field(12, ge=2, le=27, description="where hw/overlay brings the channel out")
    duty_max: float = Field(0.1, gt=0, le=0.1, description="share of the period; the built-in limit is the highest")
    bracket_us: int = Field(0, ge=0, le=2_000, description="every second exposure of the night; 0: all are alike")
    capture: Literal["free", "presence"] = Field(
        "free", description="presence: few frames while no vehicle is reported"
    )
    idle_fps: float = Field(1.0, ge=0.2, le=10, description="with capture = 'presence', while nobody is there")
    presence_hold_s: float = Field(2.0, ge=0.1, le=60, description="full rate for so long after the line has fallen")


class DayNightSection(Section):
    """When the node goes over from night to day. Levels are grey values per 100 µs of exposure at gain 1."""

    mode: Literal["fixed", "auto"] = Field("fixed", description="fixed: the night's exposures, always lit")
    night_below: float = Field(2.0, gt=0, le=1000, description="plain night below this level")
    day_above: float = Field(6.0, gt=0, le=1000, description="plain day above this level; between the two reads decide")
    steady_s: float = Field(30.0, ge=1, le=600, description="the level must stay beyond for so long")
    day_exposure_us: int = Field(200, ge=20, le=2_000, description="the exposure by day")
    day_lit: bool = Field(False, description="the strobe flashes by day too")
    passages_min: int = Field(10, ge=3, le=100, description="so many are judged before reads decide in the twilight")
    success_min: float = Field(0.5, gt=0, lt=1, description="below this share of reads the other light is tried")
    twilight_try_s: float = Field(300.0, ge=10, le=3600, description="for so long at least")

    @model_validator(mode="after")
    def _levels_are_apart(self) -> DayNightSection:
        if self.day_above < 1.5 * self.night_below:
            raise ValueError("day_above must be at least 1.5 times night_below, or the light would flutter")
        return self
