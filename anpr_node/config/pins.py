"""Pins in and out, and how long pulses last. Touches none of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from anpr_node.config.section import Section


class OutputsSection(Section):
    """Pins (BCM numbers) and pulses."""

    pins: Literal["simulated", "lgpio"] = Field("simulated", description="lgpio: real ones")
    relay_pin: int = Field(17, ge=2, le=27, description="see hw/README.md")
    led_pin: int = Field(27, ge=2, le=27, description="the status LED")
    illuminator_pin: int = Field(22, ge=2, le=27, description="enables the strobe's driver")
    relay_pulse_s: float = Field(2.0, ge=0.1, le=8, description="the contact is closed for so long at a hit")
    relay_on_s_min: float = Field(0.2, ge=0.05, le=2, description="the contact stays closed for so long at least")
    relay_on_s_max: float = Field(8.0, ge=0.5, le=8, description="however many hits follow each other")
    relay_off_s_min: float = Field(0.3, ge=0.05, le=5, description="and open for so long before it closes again")
    led_pulse_s: float = Field(5.0, ge=0.1, le=60, description="the LED flickers for so long at a hit")
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


class InputsSection(Section):
    """Input pins (BCM numbers) and which of them are wired."""

    fitted: list[Literal["illuminator_fault", "presence", "power_fail"]] = Field(
        ["illuminator_fault", "power_fail"], description="which lines are wired: the others are not looked at"
    )
    illuminator_fault_pin: int = Field(23, ge=2, le=27, description="the strobe driver's fault line")
    presence_pin: int = Field(24, ge=2, le=27, description="a loop, radar or light barrier")
    power_fail_pin: int = Field(25, ge=2, le=27, description="the supply's warning, some seconds before it ends")
    presence_contact: Literal["opens", "closes"] = Field("opens", description="what the detector's contact does")
