"""How the simulated modems speak: what each family answers, as data. No real modem was asked.

The drivers have tables of their own; that both agree is what the tests are for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family. `{}` in an answer is a value of the moment."""

    name: str
    maker: str
    model: str
    revision: str
    imei: str
    information: tuple[str, ...]
    """What ATI answers."""
    greeting: tuple[str, ...]
    """What it says unasked when it has started, with a card that is ready."""
    answers: dict[str, str]
    """Commands of its own, and what they answer."""
    resets: tuple[str, ...]
    boots_s: float


SIM7600 = Dialect(
    name="SIM7600",
    maker="SIMCOM INCORPORATED",
    model="SIMCOM_SIM7600E-H",
    revision="LE20B04SIM7600M22",
    imei="861475030012345",
    information=(
        "Manufacturer: SIMCOM INCORPORATED", "Model: SIMCOM_SIM7600E-H", "Revision: SIM7600M22_V2.0",
        "IMEI: 861475030012345", "+GCAP: +CGSM",
    ),
    greeting=("RDY", "+CPIN: READY", "SMS DONE", "PB DONE"),
    answers={
        "AT+CPMUTEMP": "+CPMUTEMP: {temperature_c}",
        "AT+SPIC": "+SPIC: {pin_tries},10,3,10",
        "AT+CICCID": "+ICCID: {card}",
        "AT+CPSI?": "+CPSI: LTE,Online,206-01,0x1A2B,27447297,238,EUTRAN-BAND20,6300,3,3,-92,-948,-652,14",
    },
    resets=("AT+CRESET", "AT+CFUN=1,1", "AT+CFUN=6"),
    boots_s=12.0,
)  # fmt: skip
EC25 = Dialect(
    name="EC25",
    maker="Quectel",
    model="EC25",
    revision="EC25EFAR06A06M4G",
    imei="866758040012345",
    information=("Quectel", "EC25", "Revision: EC25EFAR06A06M4G"),
    greeting=("RDY", "+CFUN: 1", "+CPIN: READY", "+QUSIM: 1", "+QIND: SMS DONE", "+QIND: PB DONE"),
    answers={
        "AT+QTEMP": "+QTEMP: {temperature_c},30,29",
        'AT+QPINC="SC"': '+QPINC: "SC",{pin_tries},10',
        "AT+QCCID": "+QCCID: {card}",
        'AT+QURCCFG="urcport","usbat"': "",
    },
    resets=("AT+CFUN=1,1",),
    boots_s=10.0,
)
DIALECTS = {dialect.name: dialect for dialect in (SIM7600, EC25)}
