"""What the console asks of a modem. Until a driver is named in the settings it says so."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Protocol

from anpr_node.config import Settings
from anpr_node.errors import AnprError

DRIVER = "anpr_node.drivers.modem"


class ModemView(Protocol):
    """The modem in lines of text."""

    def status(self) -> Iterator[str]:
        """Signal, operator, registration, address."""
        ...

    def ping(self) -> Iterator[str]:
        """One packet to the sink and back."""
        ...

    def cycle(self) -> Iterator[str]:
        """Power off and on."""
        ...


def open_modem(settings: Settings) -> ModemView:
    """The modem of these settings. Raises AnprError when there is none."""
    try:
        driver = importlib.import_module(DRIVER)
        view: ModemView = driver.console_view(settings)
    except (ImportError, AttributeError):
        raise AnprError("this version drives no modem: nothing to ask") from None
    return view
