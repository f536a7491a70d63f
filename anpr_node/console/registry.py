"""The commands by name, task and right, and their help. The commands themselves are in the modules of this folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anpr_node.console.context import Context, NotUnderstood

Run = Callable[[Context, list[str]], None]
Words = Callable[[Context, str], Sequence[str]]

TASKS = {
    "look": "see how the node stands and what it sees",
    "install": "aim, focus and check a new installation, step by step",
    "settings": "change how the node works, try it, keep it, take it back",
    "test": "try the parts one by one",
    "repair": "logs, support, updates",
    "session": "who is here, and leaving",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `right` is what policy/roles.toml calls it; None: for whoever is logged in."""

    name: str
    task: str
    right: str | None
    usage: str
    summary: str
    more: str
    run: Run
    words: Words | None = None


COMMANDS: dict[str, Command] = {}


def command(  # noqa: PLR0913, PLR0917
    name: str, task: str, right: str | None, usage: str, summary: str, words: Words | None = None
) -> Callable[[Run], Run]:
    """Add a command; its docstring is its help."""

    def add(run: Run) -> Run:
        assert task in TASKS
        more = " ".join((run.__doc__ or "").split())
        COMMANDS[name] = Command(name, task, right, usage, summary, more, run, words)
        return run

    return add


def find(line: str) -> tuple[Command, list[str]]:
    """The command that a line begins with, and what follows. Raises NotUnderstood."""
    words = line.split()
    for count in (2, 1):
        name = " ".join(words[:count]).lower()
        if len(words) >= count and name in COMMANDS:
            return COMMANDS[name], words[count:]
    near = [name for name in COMMANDS if name.split()[0].startswith(words[0].lower())] if words else []
    also = f"; did you mean: {', '.join(near[:6])}?" if near else "; type help"
    raise NotUnderstood(f"no command {words[0] if words else ''!r}{also}")


def completions(context: Context, head: str) -> list[str]:
    """Whole words that may stand where `head` ends."""
    done = head.split(" ")[:-1]
    names = [name.split() for name in COMMANDS]
    if not done:
        return [words[0] for words in names]
    second = [words[1] for words in names if len(words) > 1 and words[0] == done[0].lower()]
    if len(done) == 1 and second:
        return second
    try:
        found, rest = find(" ".join(done))
    except NotUnderstood:
        return []
    return list(found.words(context, " ".join(rest))) if found.words else []
