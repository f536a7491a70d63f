"""help, passwords, people, leaving."""

from __future__ import annotations

import time
from contextlib import suppress

from anpr_node import access
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.line import Cancelled, EndOfInput
from anpr_node.console.registry import COMMANDS, TASKS, Command, command
from anpr_node.errors import RefusedByPolicy
from anpr_node.policy import roles
from anpr_node.store.database import use_store, writing


class LoggedOut(Exception):
    """The person leaves."""


@command("help", "session", None, "help [COMMAND | TASK]", "this list, or more about one command or task",
         lambda _, __: [*TASKS, *COMMANDS])  # fmt: skip
def help_(context: Context, words: list[str]) -> None:
    """Without a word: all commands by task. With a task (look, install, settings, test, repair, session): its commands.
    With a command: how it is typed and what it does. Tab completes, arrow keys bring earlier lines back, Ctrl-C leaves
    a line or a live view.
    """
    topic = " ".join(words).lower()
    if topic in COMMANDS:
        _explain(context, COMMANDS[topic])
    elif topic in TASKS:
        _list(context, topic)
    elif topic:
        near = [name for name in COMMANDS if name.startswith(words[0].lower())]
        if not near:
            raise NotUnderstood(f"nothing is known about {topic!r}; type help")
        for name in near:
            _explain(context, COMMANDS[name])
    else:
        for task in TASKS:
            _list(context, task)


def _explain(context: Context, about: Command) -> None:
    context.terminal.say(about.usage)
    context.terminal.say(f"  {about.more}")
    if about.right is not None and not context.person.may(about.right):
        context.terminal.say(f"  (not for the role {context.person.role})")


def _list(context: Context, task: str) -> None:
    context.terminal.say(f"{task}: {TASKS[task]}")
    for each in COMMANDS.values():
        if each.task == task:
            context.terminal.say(f"  {each.name:<18} {each.summary}", indent=21)


@command("logout", "session", None, "logout", "leave")
def logout(_: Context, __: list[str]) -> None:
    """Ends the session; quit and exit do the same. What was set and neither tried nor saved is forgotten."""
    raise LoggedOut


@command("whoami", "session", None, "whoami", "who is logged in, and what this role may do")
def whoami(context: Context, _: list[str]) -> None:
    """Shows the name, the role, and the rights that the role has on this console."""
    person = context.person
    context.terminal.say(f"{person.name}, role {person.role}")
    mine = sorted({each.right for each in COMMANDS.values() if each.right and person.may(each.right)})
    context.terminal.say(f"may: {', '.join(right.removeprefix('console ') for right in mine) or 'look at the help'}")
    context.terminal.say("sees plates in clear" if context.sees_plates else "sees no plates in clear")


@command("password", "session", None, "password", "change your own password")
def password(context: Context, _: list[str]) -> None:
    """Asks for the old password and twice for the new one, of 12 characters at least. People who come in by an
    account of the operating system have none here.
    """
    old = context.terminal.ask("old password: ", secret=True)
    with use_store(context.folder) as database:
        if access.check_password(database, context.person.name, old) is None:
            context.note("password", "refused", problem="wrong password")
            raise RefusedByPolicy("that is not your password")
        secret = ask_new_password(context)
        with database.atomic():
            access.set_password(database, context.person.name, secret)
            context.note("password")
    context.terminal.say("changed")


def ask_new_password(context: Context) -> str:
    """The same password twice. Raises RefusedByPolicy."""
    first = context.terminal.ask("new password: ", secret=True)
    if len(first) < access.PASSWORD_LENGTH_MIN:
        raise RefusedByPolicy(f"a password has {access.PASSWORD_LENGTH_MIN} characters at least")
    if context.terminal.ask("once more: ", secret=True) != first:
        raise RefusedByPolicy("the two differ; nothing was changed")
    return first


@command("user list", "session", "console people", "user list", "who is named, with which role")
def user_list(context: Context, _: list[str]) -> None:
    """Shows everybody who may use the node: name, role, account of the operating system, password or not."""
    with use_store(context.folder) as database:
        named = access.people(database)
    for name, role, login, has_password in named:
        ways = [f"account {login}"] * (login is not None) + ["password"] * has_password
        context.terminal.say(f"{name:<20}{role:<14}{', '.join(ways)}")
    if not named:
        context.terminal.say("nobody is named yet; the first: user add NAME service")


@command("user add", "session", "console people", "user add NAME ROLE", "name a person",
         lambda _, rest: list(roles().commands) if rest else [])  # fmt: skip
def user_add(context: Context, words: list[str]) -> None:
    """Names a person with a role (technician, officer, investigator, auditor, service) and asks for their first
    password. They change it with `password`.
    """
    if len(words) != 2:
        raise NotUnderstood("user add NAME ROLE")
    secret = ask_new_password(context)
    with use_store(context.folder) as database, writing(database):
        access.name_person(database, access.Person(words[0], words[1]), None, secret, time.time_ns())
        context.note("user add", name=words[0], role=words[1])
    context.terminal.say(f"{words[0]} is {words[1]}")


@command("user remove", "session", "console people", "user remove NAME", "let a person in no more")
def user_remove(context: Context, words: list[str]) -> None:
    """Forgets a person; what they did stays in the audit."""
    if len(words) != 1:
        raise NotUnderstood("user remove NAME")
    with use_store(context.folder) as database, writing(database):
        if not access.remove(database, words[0]):
            raise NotUnderstood(f"nobody is named {words[0]}; see: user list")
        context.note("user remove", name=words[0])
    context.terminal.say(f"{words[0]} is let in no more")


def asked(context: Context, question: str) -> bool:
    """Yes or no; leaving the question is no."""
    with suppress(Cancelled, EndOfInput):
        return context.terminal.confirm(question)
    return False
