"""Who stands behind a command, and which commands answer whom: named people with one role each, no default account.

A person is known by the account of the operating system that sshd let in, or by a password (argon2id). Every refusal is
written into the audit. policy/roles.toml says what a role may do. As long as anybody is named, somebody is who can name
others: the first person has the role service, and the last one of that role stays.
"""

from __future__ import annotations

import os
import pwd
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlite_utils import Database

from anpr_node import audit
from anpr_node.config import Settings
from anpr_node.errors import AnprError, RefusedByPolicy
from anpr_node.policy import roles
from anpr_node.store.database import insert, store_error, use_store
from anpr_node.units import NS_PER_S

PASSWORD_LENGTH_MIN = 12
LOCK_AFTER = 5
LOCK_S_MAX = 900
OWNER = "owner"
"""The role of the account that owns the state folder, while there are no people and the roadside is simulated."""
FIRST = "first"
"""The role of that account while there are no people at a real roadside: it names the first person, and no more."""
NAMING = "user add"
SERVICE = "service"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}")
ACCOUNT = re.compile(r"[!-~]{1,100}")


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts. `name` is what the audit shows."""

    name: str
    role: str

    def may(self, command: str) -> bool:
        """Whether a command answers this person."""
        if self.role == FIRST:
            return command == NAMING
        return self.role == OWNER or command in roles().commands.get(self.role, frozenset())


def authorise(settings: Settings, command: str, name: str | None, ask: Callable[[], str]) -> Person:
    """The person behind a command that is not for anyone. `ask` asks for the password where one is needed.

    Raises:
        RefusedByPolicy: unknown, wrong password, or not for this role; the refusal is in the audit.

    """
    folder = settings.state_folder
    with use_store(folder) as database:
        person, problem = _identify(settings, database, name, ask)
        if person is None and name is None and command == NAMING and is_unclaimed(database) and owns(folder):
            person = Person(login_name(folder), FIRST)
    if person is not None and person.may(command):
        return person
    who = person.name if person else name or login_name(folder)
    problem = problem or f"{command} does not answer the role {person.role if person else '-'}"
    audit.append(folder, audit.Entry(who, command, "refused", detail={"problem": problem}))
    raise RefusedByPolicy(problem)


def _identify(
    settings: Settings, database: Database, name: str | None, ask: Callable[[], str]
) -> tuple[Person | None, str]:
    if name is not None:
        try:
            person = check_password(database, name, ask())
        except RefusedByPolicy as error:
            return None, str(error)
        return person, "" if person else f"no such person, or not this password: {name}"
    login = login_name(settings.state_folder)
    row = database.execute("SELECT name, role FROM person WHERE login = ?", [login]).fetchone()
    if row:
        return Person(*row), ""
    nobody = is_unclaimed(database)
    if nobody and owns(settings.state_folder) and _is_simulated(settings):
        return Person(login, OWNER), ""
    return None, (
        f"nobody is named yet; the owner of {settings.state_folder} begins with: "
        "anpr-node user add NAME --role service --login ACCOUNT"
        if nobody
        else f"the account {login} is nobody here; say who you are: anpr-node --user NAME …"
    )


def by_account(settings: Settings) -> Person | None:
    """The person behind the account that the operating system let in; None where it is nobody's."""
    with use_store(settings.state_folder) as database:
        return _identify(settings, database, None, str)[0]


def is_unclaimed(database: Database) -> bool:
    """Whether nobody is named yet."""
    return not database.execute("SELECT 1 FROM person LIMIT 1").fetchone()


def is_the_nodes(folder: Path) -> bool:
    """Whether the account is the one the node runs as, or root, come in by itself and not behind sudo."""
    return owns(folder) and "SUDO_USER" not in os.environ


def _is_simulated(settings: Settings) -> bool:
    """Whether no real vehicle can be in the record: then a checkout can be tried without naming people first."""
    return settings.camera.kind in {"simulated", "replay"}


def login_name(folder: Path) -> str:
    """The account that the operating system let in: behind sudo it is the one that called sudo.

    Sudo's word is taken from a process that owns the folder only; others could have set the variable themselves.
    """
    behind = os.environ.get("SUDO_USER")
    if behind and owns(folder):
        return behind
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def owns(folder: Path) -> bool:
    """Whether this process runs as root or as the owner of the record."""
    return os.geteuid() in {0, folder.stat().st_uid}


def name_person(database: Database, person: Person, login: str | None, password: str | None, now_ns: int) -> None:
    """Name a person, the one of the role service first: without them nobody could name the others.

    Raises:
        RefusedByPolicy: there is nobody of the role service yet; or as `add`.
        AnprError: as `add`.

    """
    if person.role != SERVICE and not _of_service(database):
        raise RefusedByPolicy(
            "the first person has the role service, because nobody else can name others: "
            "anpr-node user add NAME --role service --login ACCOUNT"
        )
    add(database, person, login, password, now_ns)


def _of_service(database: Database) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM person WHERE role = ?", [SERVICE])]


def add(database: Database, person: Person, login: str | None, password: str | None, now_ns: int) -> None:
    """Name a person, known by an account of the operating system, a password, or either.

    Raises:
        RefusedByPolicy: no such role, no name, neither account nor password, or a password that is too short.
        AnprError: the name or the account is taken.

    """
    if not NAME.fullmatch(person.name):
        raise RefusedByPolicy(f"{person.name[:40]!r} is no name: 1 to 40 letters, digits, points, - and _")
    if login is not None and not ACCOUNT.fullmatch(login):
        raise RefusedByPolicy(f"{login[:40]!r} is no account: see the names in /etc/passwd")
    if person.role not in roles().commands:
        raise RefusedByPolicy(f"no role {person.role}; there are: {', '.join(roles().commands)}")
    if login is None and password is None:
        raise RefusedByPolicy("a person needs an account (--login) or a password")
    if password is not None and len(password) < PASSWORD_LENGTH_MIN:
        raise RefusedByPolicy(f"a password has {PASSWORD_LENGTH_MIN} characters at least")
    row = {
        "name": person.name,
        "role": person.role,
        "login": login,
        "password_hash": None if password is None else PasswordHasher().hash(password),
        "created_ns": now_ns,
    }
    try:
        with database.atomic():
            insert(database, "person", row)
    except sqlite3.IntegrityError as error:
        raise AnprError(f"{person.name}, or the account {login}, is named already; see: anpr-node user list") from error
    except sqlite3.Error as error:
        raise store_error(f"{person.name} not added", error) from error


def set_password(database: Database, name: str, password: str) -> None:
    """Give a person another password. Raises RefusedByPolicy when it is too short."""
    if len(password) < PASSWORD_LENGTH_MIN:
        raise RefusedByPolicy(f"a password has {PASSWORD_LENGTH_MIN} characters at least")
    with database.atomic():
        database.execute(
            "UPDATE person SET password_hash = ?, failures = 0 WHERE name = ?", [PasswordHasher().hash(password), name]
        )


def remove(database: Database, name: str) -> bool:
    """Forget a person; whether there was one. What they did stays in the audit.

    Raises:
        RefusedByPolicy: the last one who can name others stays.

    """
    with database.atomic():
        if _of_service(database) == [name]:
            raise RefusedByPolicy(f"{name} is the last one of the role service: name another one first, then remove")
        found = database.execute("DELETE FROM person WHERE name = ?", [name]).rowcount
    return bool(found)


def people(database: Database) -> list[tuple[str, str, str | None, bool]]:
    """Name, role, account, and whether there is a password, by name."""
    query = "SELECT name, role, login, password_hash IS NOT NULL FROM person ORDER BY name"
    return [(name, role, login, bool(has)) for name, role, login, has in database.execute(query)]


def check_password(database: Database, name: str, password: str, now_ns: int | None = None) -> Person | None:
    """The person, or None. After some failures each further one costs twice the waiting, up to a quarter of an hour.

    Raises:
        RefusedByPolicy: too many failures; the password was not looked at.

    """
    moment_ns = time.time_ns() if now_ns is None else now_ns
    row = database.execute(
        "SELECT role, password_hash, failures, failed_ns FROM person WHERE name = ?", [name]
    ).fetchone()
    role, stored, failures, failed_ns = row or (None, None, 0, 0)
    wait_s = min(2 ** max(failures - LOCK_AFTER, 0), LOCK_S_MAX) if failures >= LOCK_AFTER else 0
    if 0 <= moment_ns - failed_ns < wait_s * NS_PER_S:
        raise RefusedByPolicy(f"too many wrong passwords for {name}: wait {wait_s} s")
    good = _fits(stored, password)
    if row:
        with database.atomic():
            database.execute(
                "UPDATE person SET failures = ?, failed_ns = ? WHERE name = ?",
                [0, 0, name] if good else [failures + 1, moment_ns, name],
            )
    return Person(name, str(role)) if good else None


def _fits(stored: str | None, password: str) -> bool:
    """Takes as long for somebody unknown as for a wrong password."""
    hasher = PasswordHasher()
    if stored is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(stored, password)
    except Argon2Error:
        return False
