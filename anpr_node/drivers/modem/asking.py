"""Questions to a modem and what they answer: retried, refused, in numbers. A thin layer over the dialogue.

It remembers whether the modem has to be brought up again: one that restarted has forgotten everything.
"""

from __future__ import annotations

import logging
import re

from anpr_node.drivers.modem.dialogue import Dialogue
from anpr_node.drivers.modem.families import Question
from anpr_node.errors import ModemRefused, ModemRestarted

log = logging.getLogger(__name__)

ANSWER_S, SLOW_ANSWER_S, SEND_S = 5.0, 20.0, 90.0
"""A command of the module itself; one that asks card or network; a message until the network has it."""
NUMBER = re.compile(r"(?<![\w.])-?\d{1,9}(?![\w.])")


class Asking:
    """One open port's questions. Every method may raise ModemError."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self.is_up = False
        """Whether the modem was brought up and has not restarted since."""

    def ask(self, command: str, prefix: str = "", timeout_s: float = ANSWER_S) -> list[str]:
        """The lines of the answer that begin with `prefix`, without it."""
        try:
            return self._dialogue.ask(command, timeout_s, prefix)
        except ModemRestarted:
            self.is_up = False
            raise

    def try_(self, command: str, prefix: str = "", timeout_s: float = ANSWER_S) -> list[str]:
        """The same where a refusal is an answer too."""
        try:
            return self.ask(command, prefix, timeout_s)
        except ModemRefused as error:
            log.debug("%s", error)
            return []

    def insist(self, command: str, times: int) -> None:
        """The same for a command that a modem which has just started may refuse at first."""
        for _ in range(times):
            try:
                self.ask(command)
                return
            except ModemRefused as error:
                log.debug("%s", error)
                self.listen(1.0)

    def numbers(self, question: Question) -> list[int]:
        """Every whole number of an answer, without what stands in words."""
        lines = self.try_(question.command, question.prefix)
        return [int(number) for line in lines for number in NUMBER.findall(line)]

    def send(self, command: str, message: str) -> list[str]:
        """A command that asks for a text after `>`."""
        try:
            return self._dialogue.ask_with_message(command, message, SEND_S, "+CMGS:")
        except ModemRestarted:
            self.is_up = False
            raise

    def listen(self, seconds: float) -> None:
        """Wait for what it says unasked."""
        try:
            self._dialogue.listen(seconds)
        except ModemRestarted:
            self.is_up = False
            raise

    def unasked(self) -> list[str]:
        """What it said unasked since the last time."""
        return self._dialogue.unasked()
