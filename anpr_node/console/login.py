"""Who is at the port: by the account that came in, by name and password, or the first one who claims a new node.

No name is known beforehand and no password is built in. Every refusal is in the audit, as often as a person can type:
what a noisy cable types is counted, and written down once an hour.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from pathlib import Path

from anpr_node import access, audit
from anpr_node.access import Person
from anpr_node.config import Settings, layers
from anpr_node.console.terminal import Terminal
from anpr_node.errors import RefusedByPolicy
from anpr_node.store.database import use_store, writing

NAME = access.NAME
FIRST_ROLE = "service"
CLAIM_CODE = "claim-code"
REFUSALS_PER_HOUR_MAX = 30
TRIES_MAX = 3
HOUR_S = 3600.0


@dataclass
class Refusals:
    """The refusals of one port in the audit: each one up to a number an hour, beyond that only how many there were."""

    folder: Path
    _since_s: float = 0.0
    _written: int = 0
    _more: int = 0
    _names: set[str] = field(default_factory=set)

    def note(self, name: str, action: str, problem: str) -> None:
        """One more."""
        now_s = time.monotonic()
        if now_s - self._since_s > HOUR_S or not self._since_s:
            if self._more:
                self._write("-", action, f"{self._more} more refusals in the hour before")
            self._since_s, self._written, self._more = now_s, 0, 0
        if self._written >= REFUSALS_PER_HOUR_MAX:
            self._more += 1
            return
        self._written += 1
        self._write(name, action, problem)

    def _write(self, name: str, action: str, problem: str) -> None:
        audit.append(self.folder, audit.Entry(name, action, "refused", detail={"problem": problem}))


def by_account(settings: Settings) -> Person | None:
    """The person whom the operating system let in, where their account is named here."""
    return access.by_account(settings)


def is_unclaimed(settings: Settings) -> bool:
    """Whether nobody is named yet."""
    with use_store(settings.state_folder) as database:
        return not access.people(database)


def log_in(terminal: Terminal, settings: Settings, refusals: Refusals) -> Person | None:
    """Name and password, a few times; None when it was given up. Raises what Terminal.ask does."""
    for _ in range(TRIES_MAX):
        name = terminal.ask("login: ")
        if not NAME.fullmatch(name):
            if name:
                terminal.say("a name has letters, digits, points, - and _")
            continue
        password = terminal.ask("password: ", secret=True)
        try:
            with use_store(settings.state_folder) as database:
                person = access.check_password(database, name, password)
        except RefusedByPolicy as error:
            refusals.note(name, "console login", str(error))
            terminal.say(str(error))
            continue
        if person is not None:
            audit.append(settings.state_folder, audit.Entry(person.name, "console login"))
            return person
        refusals.note(name, "console login", "no such person, or not this password")
        terminal.say("no such person, or not this password")
    return None


def claim(terminal: Terminal, settings: Settings, local: bool, refusals: Refusals) -> Person | None:
    """Name the first person of a node that nobody has claimed; None when it may not be, or was given up.

    On a serial port the person stands at the open cabinet; a claim code, where the node came with one, proves that they
    have its papers too. Without one the port must be used within some time after power-up. Over the network only the
    account that owns the record may claim.
    """
    code_path = settings.state_folder / CLAIM_CODE
    code = code_path.read_text("utf-8").strip() if code_path.exists() else ""
    limit_s = settings.console.claim_minutes * 60
    if not local and not access.owns(settings.state_folder):
        terminal.say("nobody is named yet. The owner of the node begins: anpr-node user add NAME --role service")
        return None
    if local and not code and layers.boot_s() > limit_s:
        terminal.say(
            "This node has no people yet, and the time for claiming it is over: switch its power off and on, "
            f"and claim it within {settings.console.claim_minutes:g} minutes."
        )
        terminal.ask("Enter to look again ")
        return None
    terminal.say("This node has no people yet. Who names the first one answers for it, and names the others.")
    if code and not hmac.compare_digest(terminal.ask("claim code (on its papers): ").encode(), code.encode()):
        refusals.note("-", "console claim", "wrong claim code")
        terminal.say("that is not the code")
        return None
    return _name_the_first(terminal, settings, code_path)


def _name_the_first(terminal: Terminal, settings: Settings, code_path: Path) -> Person | None:
    name = terminal.ask("your name: ")
    if not NAME.fullmatch(name):
        terminal.say("a name has letters, digits, points, - and _")
        return None
    password = terminal.ask(f"password, {access.PASSWORD_LENGTH_MIN} characters or more: ", secret=True)
    if len(password) < access.PASSWORD_LENGTH_MIN or terminal.ask("once more: ", secret=True) != password:
        terminal.say("too short, or the two differ: nobody was named")
        return None
    person = Person(name, FIRST_ROLE)
    with use_store(settings.state_folder) as database:
        if access.people(database):
            terminal.say("somebody else was faster: this node is claimed")
            return None
        with writing(database):
            access.name_person(database, person, None, password, time.time_ns())
            audit.append(settings.state_folder, audit.Entry(name, "console claim", detail={"role": FIRST_ROLE}))
    code_path.unlink(missing_ok=True)
    terminal.say(f"{name} is {FIRST_ROLE} now. Technicians are named with: user add NAME technician")
    return person
