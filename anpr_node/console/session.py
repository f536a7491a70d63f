"""One session at a port: greet, log in, take commands until the person leaves, is silent too long, or the line breaks.

Whatever is typed, the worst that comes of it is one line of complaint. It changes nothing by itself.
"""

from __future__ import annotations

import logging

from anpr_node import __version__
from anpr_node.access import Person
from anpr_node.config import Settings
from anpr_node.console import commands  # noqa: F401  the commands add themselves
from anpr_node.console.context import Context
from anpr_node.console.line import Cancelled, EndOfInput
from anpr_node.console.login import Refusals, by_account, claim, is_unclaimed, log_in
from anpr_node.console.port import Disconnected
from anpr_node.console.registry import Command, completions, find
from anpr_node.console.session_commands import LoggedOut
from anpr_node.console.terminal import IdleTooLong, Terminal
from anpr_node.errors import AnprError, RefusedByPolicy

log = logging.getLogger(__name__)

SECONDS_A_MINUTE = 60


class Session:
    """`run` it once per person; it returns when the line is free for the next one."""

    def __init__(self, terminal: Terminal, settings: Settings, local: bool, refusals: Refusals | None = None) -> None:
        """`local`: a serial port, whose user stands at the cabinet; else a terminal that an account came in by."""
        self._terminal, self._settings, self._local = terminal, settings, local
        self._refusals = refusals or Refusals(settings.state_folder)

    def run(self) -> None:
        """Raises Disconnected, and StoreError when the record cannot say who may come in."""
        node = self._settings.node
        self._terminal.say()
        self._terminal.say(f"anpr-node {__version__} console, node {node.id}, lane {node.lane}")
        try:
            person = self._person()
            if person is not None:
                self._serve(Context(self._terminal, person, self._settings))
        except (Cancelled, EndOfInput, IdleTooLong):
            self._terminal.say("bye")

    def _person(self) -> Person | None:
        if not self._local:
            person = by_account(self._settings)
            if person is not None:
                return person
        if is_unclaimed(self._settings):
            return claim(self._terminal, self._settings, self._local, self._refusals)
        return log_in(self._terminal, self._settings, self._refusals)

    def _serve(self, context: Context) -> None:
        context.terminal.say(f"hello {context.person.name} ({context.person.role}); help lists the commands")
        context.terminal.idle_s = self._settings.console.idle_minutes * SECONDS_A_MINUTE
        try:
            while True:
                line = self._next_line(context)
                if line:
                    self._obey(context, line)
        except LoggedOut:
            context.note("logout")
            context.terminal.say("bye")
        except (IdleTooLong, EndOfInput) as ended:
            why = "idle" if isinstance(ended, IdleTooLong) else "end of input"
            context.note("logout", reason=why)
            context.terminal.say("logged out: no key was pressed for long" if why == "idle" else "bye")

    def _next_line(self, context: Context) -> str:
        waiting = "*" if context.pending else ""
        try:
            line = context.terminal.ask(
                f"{self._settings.node.id}{waiting}> ", context.history, lambda head: completions(context, head)
            )
        except Cancelled:
            return ""
        context.history.add(line)
        return line

    def _obey(self, context: Context, line: str) -> None:
        """Run one line; its errors are said in a line."""
        try:
            context.reread()
            asked, words = find({"quit": "logout", "exit": "logout", "?": "help"}.get(line.lower(), line))
            self._check_right(context, asked)
            asked.run(context, words)
        except Disconnected:
            raise
        except Cancelled:
            context.terminal.say("given up")
        except RefusedByPolicy as error:
            context.terminal.say(f"refused: {error}")
        except AnprError as error:
            context.terminal.say(f"error: {error}")
        except OSError as error:
            context.terminal.say(f"error: {error.strerror or error}")

    @staticmethod
    def _check_right(context: Context, asked: Command) -> None:
        if asked.right is None or context.person.may(asked.right):
            return
        problem = f"{asked.name} does not answer the role {context.person.role}"
        context.note(asked.name, "refused", problem=problem)
        raise RefusedByPolicy(problem)
