"""node.toml as typed, range-checked settings. Unknown keys are refused, by name; so is every value out of range.

The defaults are the built-in configuration: the simulated roadside, ready to run from a checkout. One file here holds
the sections of one area. Nothing here opens devices or makes folders.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from anpr_node.config import layers
from anpr_node.config.capture import CameraSection, DayNightSection, SensorSection, TriggerSection
from anpr_node.config.console import ConsoleSection
from anpr_node.config.hotlists import LIST_NAME, HotlistsSection, ListSection, SmsSection
from anpr_node.config.modem import ModemSection
from anpr_node.config.pins import InputsSection, OutputsSection
from anpr_node.config.reading import ModelsSection, QueueSection, ReadingSection, TrackingSection
from anpr_node.config.record import PolicySection, StoreSection
from anpr_node.config.section import Section
from anpr_node.config.site import NodeSection, SiteSection
from anpr_node.config.uplink import SinkSection, UplinkSection, check_sinks
from anpr_node.errors import ConfigError

__all__ = [
    "LIST_NAME",
    "CameraSection",
    "ConsoleSection",
    "DayNightSection",
    "HotlistsSection",
    "InputsSection",
    "ListSection",
    "ModelsSection",
    "ModemSection",
    "NodeSection",
    "OutputsSection",
    "PolicySection",
    "QueueSection",
    "ReadingSection",
    "Section",
    "SensorSection",
    "Settings",
    "SinkSection",
    "SiteSection",
    "SmsSection",
    "StoreSection",
    "TrackingSection",
    "TriggerSection",
    "UplinkSection",
    "load",
    "parse",
]

DEFAULT_PATH = Path("/etc/anpr-node/node.toml")
SYSTEM_STATE = Path("/var/lib/anpr-node")
RUN_FOLDER = Path("/run/anpr-node")
"""In memory, made by systemd."""
SYSTEM_MODELS = Path("/usr/share/anpr-node/models")


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
    modem: ModemSection = ModemSection()
    queue: QueueSection = QueueSection()
    site: SiteSection = SiteSection()
    console: ConsoleSection = ConsoleSection()
    uplink: UplinkSection = UplinkSection()
    sinks: list[SinkSection] = Field([], max_length=8)
    _source: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _sinks_are_whole(self) -> Settings:
        check_sinks(self.sinks, self.store.sealed_for is not None)
        return self

    @model_validator(mode="after")
    def _simulation_is_whole(self) -> Settings:
        if self.camera.kind == "simulated" and self.outputs.pins != "simulated":
            raise ValueError("camera.kind = 'simulated' is wired to simulated pins; set outputs.pins = 'simulated'")
        if self.camera.kind == "simulated" and self.trigger.kind != "none":
            raise ValueError("camera.kind = 'simulated' brings its own trigger; set trigger.kind = 'none'")
        if self.modem.kind == "simulated" and self.modem.power_fitted and self.outputs.pins != "simulated":
            raise ValueError("modem.kind = 'simulated' hangs on simulated pins; set outputs.pins = 'simulated'")
        return self

    @model_validator(mode="after")
    def _wiring_is_whole(self) -> Settings:
        outputs, inputs = self.outputs, self.inputs
        used = [outputs.relay_pin, outputs.led_pin, outputs.illuminator_pin]
        used += [getattr(inputs, f"{name}_pin") for name in inputs.fitted]
        used += [self.trigger.pwm_pin] if self.trigger.kind == "pwm" else []
        used += [self.modem.power_pin] if self.modem.power_fitted else []
        if len(set(used)) < len(used):
            raise ValueError(f"a pin is used twice among those of outputs, inputs, trigger and modem: {sorted(used)}")
        if self.trigger.capture == "presence" and "presence" not in inputs.fitted:
            raise ValueError("trigger.capture = 'presence' needs 'presence' in inputs.fitted")
        return self

    @property
    def source(self) -> Path | None:
        """The node.toml they were read from; None for the built-in ones."""
        return self._source

    @property
    def models_folder(self) -> Path:
        """The one that is set, else the checkout's own, else the system's."""
        if self.models.folder is not None:
            return Path(self.models.folder)
        checkout = Path(__file__).resolve().parents[2] / "models"
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

    What the console saved beside the file, or has on trial, stands over it: see layers.py.

    Raises:
        ConfigError: names every offending key with what is allowed there.

    """
    if path is None and not DEFAULT_PATH.exists():
        return Settings()
    path = path or DEFAULT_PATH
    settings = parse(layers.over(path, read_own(path)), str(path))
    settings._source = path
    return settings


def read_own(path: Path) -> dict[str, Any]:
    """What people wrote into a node.toml, unchecked. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


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
    limits = _range(_schema(where))
    return f"{key}: {message.removeprefix('Value error, ')}{f' (allowed: {limits})' if limits else ''}"


def _known_keys(section: list[str]) -> list[str]:
    return sorted(_section(section).model_fields)


def _section(where: list[str]) -> type[BaseModel]:
    if where[:2] == ["hotlists", "lists"] and len(where) > 2:
        return ListSection
    if where[:1] == ["sinks"] and len(where) > 1:
        return SinkSection
    kind = Settings.model_fields[where[0]].annotation if where and where[0] in Settings.model_fields else Settings
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else Settings


def may_be(where: list[str]) -> str:
    """What a key may be: `1 to 120`, `day, night`; empty where there is no end of it."""
    schema = _schema(where)
    if schema.get("type") == "boolean":
        return "true, false"
    choices = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    return ", ".join(str(each) for each in choices) or _range(schema)


def _schema(where: list[str]) -> dict[str, Any]:
    """A key as JSON schema has it; of one that may be left out, what it is else."""
    properties = _section(where[:-1]).model_json_schema().get("properties", {})
    schema: dict[str, Any] = properties.get(where[-1] if where else "", {})
    return {**schema, **next(iter(schema.get("anyOf", ())), {})}


def _range(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return f"{low} to {high}" if low is not None and high is not None else ""
