"""Mock pins with something at the other end of the wire: an input shows what holds its line, not its own pull-up.

At rest every line is held low: contacts closed, supply good, nobody there. Outputs behave as MockPin's do.
"""

from __future__ import annotations

from collections.abc import Callable

from gpiozero.pins.mock import MockFactory, MockPin


class WiredPin(MockPin):  # type: ignore[misc]
    """A pin whose line is held by a contact to ground; an open contact leaves it to the pull-up."""

    _held_high = False

    def __init__(self, factory: MockFactory, info: object) -> None:
        super().__init__(factory, info)
        self.followers: list[Callable[[bool], None]] = []
        """What hangs on the line and moves with its level."""

    def _set_state(self, value: bool) -> None:
        super()._set_state(value)
        for follow in self.followers:
            follow(bool(value))

    def hold(self, *, high: bool) -> None:
        """Change the far end; an input sees it at once, an output never does."""
        self._held_high = high
        if self.function == "input":
            self._follow()

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self._follow()

    def _follow(self) -> None:
        if self._held_high:
            self.drive_high()
        else:
            self.drive_low()


def wired_factory() -> MockFactory:
    """Simulated pins of a board at rest."""
    return MockFactory(pin_class=WiredPin)
