"""node.toml as typed, range-checked settings. Unknown keys are refused, by name; so is every value out of range.

The defaults are the built-in configuration: the simulated roadside, ready to run from a checkout. Nothing here opens
devices or makes folders.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from anpr_node import policy
from anpr_node.errors import ConfigError
from anpr_node.policy import Terms, presets

DEFAULT_PATH = Path("/etc/anpr-node/node.toml")
SYSTEM_STATE = Path("/var/lib/anpr-node")
RUN_FOLDER = Path("/run/anpr-node")
"""In memory, made by systemd."""
SYSTEM_MODELS = Path("/usr/share/anpr-node/models")
PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
LIST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}")


class Section(BaseModel):
    """One table of node.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NodeSection(Section):
    """Who this node is."""

    id: str = Field("node-1", min_length=1, max_length=40, pattern=r"^[A-Za-z0-9._-]+$")
    lane: str = Field("1", min_length=1, max_length=20)
    board: Literal["pc", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin"] = "pc"


class CameraSection(Section):
    """Where frames come from."""

    kind: Literal["simulated", "replay", "csi", "gstreamer"] = "simulated"
    path: str | None = Field(None, description="the clip or folder of frames that kind = 'replay' plays")
    fps: float = Field(30.0, ge=1, le=120)
    exposure_us: int = Field(300, ge=20, le=20_000)
    light: Literal["day", "night"] = "night"
    seed: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _replay_needs_a_path(self) -> CameraSection:
        if (self.kind == "replay") != (self.path is not None):
            raise ValueError("path is needed with kind = 'replay', and only then")
        return self


class SensorSection(Section):
    """The real camera behind kind = 'csi' (picamera2) and kind = 'gstreamer'."""

    number: int = Field(0, ge=0, le=9, description="which of several cameras")
    width: int = Field(1456, ge=64, le=4608)
    height: int = Field(1088, ge=64, le=4608)
    gain: float = Field(4.0, ge=1, le=64)
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


class ModelsSection(Section):
    """The plate models."""

    folder: str | None = Field(None, description="holds plate_detector/ and plate_recognizer/")
    threads: int = Field(1, ge=1, le=4)


class StoreSection(Section):
    """Where the record is kept."""

    folder: str | None = Field(None, description="the state folder")
    quota_mb: int = Field(24_000, ge=50, le=10_000_000, description="the record grows no larger than this")
    free_mb_min: int = Field(500, ge=10, le=1_000_000, description="nor leaves less than this free on the card")
    sealed_for: str | None = Field(None, description="PEM file: only the holder of this X25519 key can read the reads")


class PolicySection(Section):
    """The law the node lives under; anpr_node/policy/retention.toml has the terms and their sources."""

    preset: Literal["BE", "NL", "FR", "UK", "DE"] = "BE"
    reads_days: int | None = Field(None, ge=0, le=365, description="shorter than the preset's, never longer")
    hits_days: int | None = Field(None, ge=0, le=365, description="the same for reads that are on a list")

    @model_validator(mode="after")
    def _hits_stay_as_long_as_reads(self) -> PolicySection:
        if self.terms.hits_days < self.terms.reads_days:
            raise ValueError(f"hits_days is shorter than reads_days ({self.terms.reads_days}): shorten that one too")
        return self

    @property
    def terms(self) -> Terms:
        """The preset's, shortened where the site wants less."""
        terms = presets()[self.preset]
        shorter = {
            name: min(own, getattr(terms, name))
            for name in ("reads_days", "hits_days")
            if (own := getattr(self, name)) is not None
        }
        return replace(terms, **shorter)


class OutputsSection(Section):
    """Pins (BCM numbers) and pulses."""

    pins: Literal["simulated", "lgpio"] = "simulated"
    relay_pin: int = Field(17, ge=2, le=27)
    led_pin: int = Field(27, ge=2, le=27)
    illuminator_pin: int = Field(22, ge=2, le=27)
    relay_pulse_s: float = Field(2.0, ge=0.1, le=8)
    relay_on_s_min: float = Field(0.2, ge=0.05, le=2, description="the contact stays closed for so long at least")
    relay_on_s_max: float = Field(8.0, ge=0.5, le=8, description="however many hits follow each other")
    relay_off_s_min: float = Field(0.3, ge=0.05, le=5, description="and open for so long before it closes again")
    led_pulse_s: float = Field(5.0, ge=0.1, le=60)
    arm: Literal["always", "calibrated"] = Field(
        "always", description="signal hits at once, or only once a calibration was accepted; a claimed node: calibrated"
    )

    @model_validator(mode="after")
    def _pins_differ(self) -> OutputsSection:
        if len({self.relay_pin, self.led_pin, self.illuminator_pin}) < 3:
            raise ValueError("relay_pin, led_pin and illuminator_pin must be three different pins")
        if not self.relay_on_s_min <= self.relay_pulse_s <= self.relay_on_s_max:
            raise ValueError("relay_pulse_s must lie between relay_on_s_min and relay_on_s_max")
        return self


class TriggerSection(Section):
    """The pulses that open the shutter and fire the strobe."""

    kind: Literal["none", "pwm"] = Field(
        "none", description="none: the sensor runs freely at camera.fps, or is simulated; pwm: pulses expose it"
    )
    pwm_root: str = Field("/sys/class/pwm", min_length=1)
    pwm_device: str | None = Field(None, min_length=3, description="by default the board's own, by its name in sysfs")
    pwm_channel: int = Field(0, ge=0, le=7)
    pwm_pin: int = Field(12, ge=2, le=27, description="where hw/overlay brings the channel out")
    duty_max: float = Field(0.1, gt=0, le=0.1, description="share of the period; the built-in limit is the highest")
    bracket_us: int = Field(0, ge=0, le=2_000, description="every second exposure of the night; 0: all are alike")
    capture: Literal["free", "presence"] = "free"
    idle_fps: float = Field(1.0, ge=0.2, le=10, description="with capture = 'presence', while nobody is there")
    presence_hold_s: float = Field(2.0, ge=0.1, le=60, description="full rate for so long after the line has fallen")


class InputsSection(Section):
    """Input pins (BCM numbers) and which of them are wired."""

    fitted: list[Literal["illuminator_fault", "presence", "power_fail"]] = ["illuminator_fault", "power_fail"]
    illuminator_fault_pin: int = Field(23, ge=2, le=27)
    presence_pin: int = Field(24, ge=2, le=27)
    power_fail_pin: int = Field(25, ge=2, le=27)
    presence_contact: Literal["opens", "closes"] = Field("opens", description="what the detector's contact does")


class DayNightSection(Section):
    """When the node goes over from night to day. Levels are grey values per 100 µs of exposure at gain 1."""

    mode: Literal["fixed", "auto"] = Field("fixed", description="fixed: the night's exposures, always lit")
    night_below: float = Field(2.0, gt=0, le=1000)
    day_above: float = Field(6.0, gt=0, le=1000)
    steady_s: float = Field(30.0, ge=1, le=600, description="the level must stay beyond for so long")
    day_exposure_us: int = Field(200, ge=20, le=2_000)
    day_lit: bool = Field(False, description="the strobe flashes by day too")
    passages_min: int = Field(10, ge=3, le=100, description="so many are judged before reads decide in the twilight")
    success_min: float = Field(0.5, gt=0, lt=1, description="below this share of reads the other light is tried")
    twilight_try_s: float = Field(300.0, ge=10, le=3600, description="for so long at least")

    @model_validator(mode="after")
    def _levels_are_apart(self) -> DayNightSection:
        if self.day_above < 1.5 * self.night_below:
            raise ValueError("day_above must be at least 1.5 times night_below, or the light would flutter")
        return self


class TrackingSection(Section):
    """How long a plate may hide and still be the same one."""

    lost_after_s: float = Field(0.5, ge=0.1, le=5)
    standing_after_s: float = Field(3.0, ge=1, le=60)
    standing_lost_after_s: float = Field(600.0, ge=1, le=86_400)
    repeat_s: float = Field(10.0, ge=0, le=300, description="same text, same direction within this time: same passage")


class ReadingSection(Section):
    """Which frames are read, and when the vote is good enough."""

    plate_width_min_px: float = Field(80.0, ge=20, le=400, description="narrower ones are badges, or too far")
    looks_per_frame_max: int = Field(3, ge=1, le=10)
    readings_max: int = Field(8, ge=2, le=50)
    readings_wanted: int = Field(5, ge=1, le=50, description="a sure plate is read on until it has so many")
    sure_votes_min: int = Field(3, ge=1, le=10)
    sure_confidence: float = Field(0.97, gt=0.5, lt=1)
    publish_confidence: float = Field(0.5, gt=0, lt=1)
    publish_confidence_doubtful: float = Field(
        0.85, gt=0, lt=1, description="the same for a text read only once, or one that its country does not issue"
    )
    plate_width_max_px: float = Field(600.0, ge=100, le=4000)
    country_above: float = Field(0.5, gt=0, lt=1)
    look_again_s: float = Field(
        0.5, ge=0.1, le=10, description="an unsure plate of the same size is looked at again after so long"
    )
    better_width: float = Field(1.15, ge=1, le=3, description="after that it is read again when this much wider")


ListFormat = Literal["csv", "jsonl", "openalpr", "voi", "ncic", "nedap", "columns"]
ListAction = Literal["relay", "led", "uplink", "sms", "batch", "silent"]


class ListSection(Section):
    """One hotlist: how it is matched, what its entries are unless they say so, and where it comes from."""

    near: bool = Field(False, description="also match what the recogniser may have misread; for small, urgent lists")
    wildcard: bool = Field(False, description="entries may be patterns: ? is one character, * any")
    confidence_min: float = Field(0.0, ge=0, lt=1, description="reads below it match nothing here; for large lists")
    category: str = "local"
    priority: int | None = Field(None, ge=0, le=100)
    actions: list[ListAction] | None = None
    country: str | None = Field(None, pattern="^[A-Za-z]{1,3}$")
    issuer: str = Field("", max_length=100)
    max_age_h: float | None = Field(None, gt=0, le=8760, description="older than this raises an alarm")
    look_back_h: float = Field(0.0, ge=0, le=8760, description="new entries are matched against reads so old")
    format: ListFormat = "csv"
    columns: dict[str, str | int] = Field({}, description="for format = 'columns': our column = theirs, or its number")
    delimiter: str = Field(";", min_length=1, max_length=1)
    header: bool = True
    encoding: str = "utf-8-sig"
    dates: str | None = Field(None, description="how the columns' dates are written, e.g. %d.%m.%Y; else ISO 8601")
    url: str | None = Field(None, description="of the signed manifest, https://")
    public_key: str | None = Field(None, description="Ed25519, base64 of 32 bytes; then unsigned files are refused")

    @model_validator(mode="after")
    def _is_whole(self) -> ListSection:
        if (self.format == "columns") != bool(self.columns) or (self.columns and "vrm" not in self.columns):
            raise ValueError("columns is needed with format = 'columns', and only then, and must name vrm")
        if self.url is not None and (self.public_key is None or not self.url.startswith("https://")):
            raise ValueError("url must begin with https:// and comes with a public_key")
        if self.actions and "silent" in self.actions and len(self.actions) > 1:
            raise ValueError("actions: silent stands alone")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> ListSection:
        if self.category not in policy.categories():
            raise ValueError(f"category is none of {', '.join(sorted(policy.categories()))}")
        if any(isinstance(place, int) and not 1 <= place <= 1000 for place in self.columns.values()):
            raise ValueError("columns are numbered from 1")
        if not self.header and any(isinstance(place, str) for place in self.columns.values()):
            raise ValueError("columns are given by number where header = false")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known") from None
        return self


class HotlistsSection(Section):
    """All hotlists. A list that is not described in `lists` has the defaults of ListSection."""

    ca_file: str | None = Field(None, description="certificates that downloads trust, instead of the system's")
    skip: list[str] = Field([], description="texts that never hit: known false friends such as 190 or TAXI")
    repeat_s: float = Field(120.0, ge=0, le=86_400, description="the same vehicle signals once in this time")
    relay_per_minute_max: int = Field(6, ge=1, le=60, description="more hits than this are stored, and not signalled")
    lists: dict[str, ListSection] = {}

    @model_validator(mode="after")
    def _names_are_file_names(self) -> HotlistsSection:
        bad = [name for name in self.lists if not LIST_NAME.fullmatch(name)]
        if bad:
            raise ValueError(f"lists: {bad[0]!r} is no name: 1 to 40 letters, digits, points, - and _")
        return self

    def of(self, list_id: str) -> ListSection:
        """The settings of one list."""
        return self.lists.get(list_id, ListSection())


class SmsSection(Section):
    """The last channel for hits whose actions name `sms`."""

    numbers: list[str] = Field([], description="who is told, as +32470123456; none: nobody")
    place: str = Field("", max_length=40, description="what the message calls this place; the node's id unless set")
    after_s: float = Field(30.0, ge=0, le=3600, description="the back office has so long to take the hit")
    until_s: float = Field(900.0, ge=10, le=86_400, description="older hits are not told any more")
    per_hour_max: int = Field(10, ge=1, le=100)

    @model_validator(mode="after")
    def _numbers_are_international(self) -> SmsSection:
        bad = [number for number in self.numbers if not PHONE_NUMBER.fullmatch(number)]
        if bad:
            raise ValueError(f"numbers: {bad[0]!r} is not written as +32470123456")
        return self


class QueueSection(Section):
    """Between loop and recorder."""

    reads_max: int = Field(64, ge=4, le=10_000)


class Settings(Section):
    """All of node.toml."""

    node: NodeSection = NodeSection()
    camera: CameraSection = CameraSection()
    sensor: SensorSection = SensorSection()
    models: ModelsSection = ModelsSection()
    store: StoreSection = StoreSection()
    policy: PolicySection = PolicySection()
    outputs: OutputsSection = OutputsSection()
    trigger: TriggerSection = TriggerSection()
    inputs: InputsSection = InputsSection()
    daynight: DayNightSection = DayNightSection()
    tracking: TrackingSection = TrackingSection()
    reading: ReadingSection = ReadingSection()
    hotlists: HotlistsSection = HotlistsSection()
    sms: SmsSection = SmsSection()
    queue: QueueSection = QueueSection()

    @model_validator(mode="after")
    def _simulation_is_whole(self) -> Settings:
        if self.camera.kind == "simulated" and self.outputs.pins != "simulated":
            raise ValueError("camera.kind = 'simulated' is wired to simulated pins; set outputs.pins = 'simulated'")
        if self.camera.kind == "simulated" and self.trigger.kind != "none":
            raise ValueError("camera.kind = 'simulated' brings its own trigger; set trigger.kind = 'none'")
        return self

    @model_validator(mode="after")
    def _wiring_is_whole(self) -> Settings:
        outputs, inputs = self.outputs, self.inputs
        used = [outputs.relay_pin, outputs.led_pin, outputs.illuminator_pin]
        used += [getattr(inputs, f"{name}_pin") for name in inputs.fitted]
        used += [self.trigger.pwm_pin] if self.trigger.kind == "pwm" else []
        if len(set(used)) < len(used):
            raise ValueError(f"a pin is used twice among those of outputs, inputs and trigger: {sorted(used)}")
        if self.trigger.capture == "presence" and "presence" not in inputs.fitted:
            raise ValueError("trigger.capture = 'presence' needs 'presence' in inputs.fitted")
        return self

    @property
    def models_folder(self) -> Path:
        """The one that is set, else the checkout's own, else the system's."""
        if self.models.folder is not None:
            return Path(self.models.folder)
        checkout = Path(__file__).resolve().parent.parent / "models"
        return checkout if checkout.is_dir() else SYSTEM_MODELS

    @property
    def state_folder(self) -> Path:
        """The one that is set, else the system's where it exists, else the user's own."""
        if self.store.folder is not None:
            return Path(self.store.folder)
        if SYSTEM_STATE.is_dir():
            return SYSTEM_STATE
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "anpr-node"


def load(path: Path | None) -> Settings:
    """The settings of a file; with None those of /etc/anpr-node/node.toml, or the built-in ones if it is absent.

    Raises:
        ConfigError: names every offending key with what is allowed there.

    """
    if path is None and not DEFAULT_PATH.exists():
        return Settings()
    path = path or DEFAULT_PATH
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return parse(content, str(path))


def parse(content: dict[str, Any], source: str) -> Settings:
    """Settings from parsed TOML. Raises ConfigError."""
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain([str(part) for part in e["loc"]], e["type"], e["msg"]) for e in error.errors())
        raise ConfigError(f"{source}: {problems}") from error


def _explain(where: list[str], kind: str, message: str) -> str:
    """One problem as `section.key: what is wrong (what is allowed)`."""
    key = ".".join(where) or "file"
    if kind == "extra_forbidden":
        return f"{key}: unknown key; known here: {', '.join(_known_keys(where[:-1]))}"
    return f"{key}: {message.removeprefix('Value error, ')}{_allowed(where)}"


def _known_keys(section: list[str]) -> list[str]:
    return sorted(_section(section).model_fields)


def _section(where: list[str]) -> type[BaseModel]:
    if where[:2] == ["hotlists", "lists"] and len(where) > 2:
        return ListSection
    kind = Settings.model_fields[where[0]].annotation if where and where[0] in Settings.model_fields else Settings
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else Settings


def _allowed(where: list[str]) -> str:
    """The range of a numeric key, as ` (allowed: 1 to 120)`."""
    schema = _section(where[:-1]).model_json_schema().get("properties", {}).get(where[-1] if where else "", {})
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return f" (allowed: {low} to {high})" if low is not None and high is not None else ""
