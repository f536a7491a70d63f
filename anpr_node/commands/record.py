"""`anpr-node audit`, `user`, `purge` and `store`: who did what, who may, what goes, and the key of the record."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anpr_node.commands.group import main, with_settings
from anpr_node.commands.guard import acting
from anpr_node.commands.search import MOMENT, NOT_BEFORE, moment_of, ns_of
from anpr_node.config import Settings
from anpr_node.errors import AnprError, RefusedByPolicy

if TYPE_CHECKING:
    from sqlite_utils import Database

    from anpr_node.drivers.clock import Clock

HEAD = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")
SEARCHED = {"from_ns": "from", "to_ns": "before"}
ROLES = ("technician", "officer", "investigator", "auditor", "service")


@main.group()
def audit() -> None:
    """Who searched, exported, changed and purged what, when and why."""


@audit.command("show")
@with_settings
@click.option("--from", "from_", type=MOMENT, metavar="MOMENT", help=NOT_BEFORE)
@click.option("--to", type=MOMENT, metavar="MOMENT", help="Before then.")
@click.option("--actor", help="Only what this person did.")
@click.option("--action", help="Only this, e.g. search.")
@click.option("--case", "case_ref", help="Only what was done for this case.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with every field.")
def audit_show(settings: Settings, from_: object, to: object, as_json: bool, **only: str | None) -> None:
    """Show the audit, oldest first. Looking at it is written down as well.

    \b
    anpr-node audit show --from 2026-11-01 --actor jan
    anpr-node audit show --case LI.17.2026/1234 --to 2026-12-01
    anpr-node audit show --action search --json
    """
    from anpr_node import audit as log
    from anpr_node.search import readable

    folder = settings.state_folder
    after_ns, before_ns = ns_of(from_) or 0, ns_of(to)
    lines = [
        replace(line, entry=replace(line.entry, detail=readable(folder, line.entry.detail)))
        for line in log.read(folder)
        if line.at_ns >= after_ns
        and (before_ns is None or line.at_ns < before_ns)
        and all(wanted in {None, getattr(line.entry, name)} for name, wanted in only.items())
    ]
    log.append(folder, log.Entry(acting().name, "audit show", rows=len(lines)))
    for line in lines:
        click.echo(json.dumps(asdict(line)) if as_json else _as_text(line))


def _as_text(line: object) -> str:
    from anpr_node.audit import Line

    assert isinstance(line, Line)
    entry = line.entry
    said = {
        "reason": entry.reason,
        "case": entry.case_ref,
        "decision": entry.decision_ref,
        "to": entry.recipient,
        "of": entry.object_ref,
        **dict(_for_a_person(name, value) for name, value in entry.detail.items()),
    }
    more = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in said.items() if value)
    return (
        f"{line.seq:>6} {moment_of(line.at_ns)} {entry.actor:<14}{entry.action:<16}{entry.outcome:<9}"
        f"{entry.rows:>5} {more}".rstrip()
    )


def _for_a_person(name: str, value: object) -> tuple[str, object]:
    """A moment of a search as `search` takes it; anything else as it is."""
    if name in SEARCHED and isinstance(value, int):
        return SEARCHED[name], f"{moment_of(value)}Z"
    return name, value


def _heads(given: tuple[str, ...]) -> tuple[str, ...]:
    for head in given:
        if not HEAD.fullmatch(head):
            raise click.BadParameter(f"{head[:80]!r} is no SEQ:HASH, as the last word of audit verify is")
    return given


@audit.command("verify")
@with_settings
@click.option("--anchor", "anchors", multiple=True, callback=lambda _ctx, _param, given: _heads(given),
              help="A head kept elsewhere, SEQ:HASH; may be given several times.")  # fmt: skip
def audit_verify(settings: Settings, anchors: tuple[str, ...]) -> None:
    """Check that no line was altered, taken out, put in or cut off.

    Exit code 1 when one was, and which. The last word printed is the head: kept elsewhere, it proves later that nothing
    before it was changed. Every heartbeat carries it to the sinks.

    \b
    anpr-node audit verify
    anpr-node audit verify --anchor SEQ:HASH
    """
    from anpr_node import audit as log

    lines, flaws = log.verify(settings.state_folder, anchors)
    for flaw in flaws:
        click.echo(f"line {flaw.line}: {flaw.problem}" if flaw.line else flaw.problem)
    click.echo(f"{lines} lines, {len(flaws)} flaws, head {log.head(settings.state_folder)}")
    if flaws:
        sys.exit(1)


@main.group()
def user() -> None:
    """The people who may use the node, each with one role."""


@user.command("add")
@with_settings
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do: policy/roles.toml.")
@click.option("--login", help="Their account of the operating system, which sshd lets in by key.")
@click.option("--password", is_flag=True, help="Ask for a password, for the serial console and for shared accounts.")
def user_add(settings: Settings, name: str, role: str, login: str | None, password: bool) -> None:
    """Name a person. The first one has the role service, and is named by the account that owns the state folder.

    \b
    anpr-node user add eva --role service --login eva
    anpr-node user add jan --role investigator --login jan
    """
    from anpr_node import access
    from anpr_node import audit as log
    from anpr_node.drivers.clock import SystemClock
    from anpr_node.store.database import use_store, writing

    chosen = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True) if password else None
    clock, folder = SystemClock(), settings.state_folder
    with _refusals_noted(folder, "user add", name), use_store(folder) as database, writing(database):
        access.name_person(database, access.Person(name, role), login, chosen, clock.utc_ns(clock.monotonic_ns()))
        log.append(folder, log.Entry(acting().name, "user add", object_ref=name, detail={"role": role, "login": login}))
    click.echo(f"{name} is {role}")


@contextmanager
def _refusals_noted(folder: Path, action: str, object_ref: str) -> Iterator[None]:
    """What the law or the roles refuse after the guard let somebody through stands in the audit as well."""
    from anpr_node import audit as log

    try:
        yield
    except RefusedByPolicy as error:
        detail = {"problem": str(error)}
        log.append(folder, log.Entry(acting().name, action, "refused", object_ref=object_ref, detail=detail))
        raise


@user.command("list")
@with_settings
def user_list(settings: Settings) -> None:
    """Show who is named, with which role, and how they are known."""
    from anpr_node import access
    from anpr_node.store.database import use_store

    with use_store(settings.state_folder) as database:
        named = access.people(database)
    for name, role, login, has_password in named:
        ways = [f"account {login}"] * (login is not None) + ["password"] * has_password
        click.echo(f"{name:<20}{role:<14}{', '.join(ways)}")
    if not named:
        click.echo("nobody is named yet; the first: anpr-node user add NAME --role service --login ACCOUNT", err=True)


@user.command("remove")
@with_settings
@click.argument("name")
def user_remove(settings: Settings, name: str) -> None:
    """Let a person in no more. What they did stays in the audit."""
    from anpr_node import access
    from anpr_node import audit as log
    from anpr_node.store.database import use_store, writing

    folder = settings.state_folder
    with _refusals_noted(folder, "user remove", name), use_store(folder) as database, writing(database):
        if not access.remove(database, name):
            raise AnprError(f"nobody is named {name}; see: anpr-node user list")
        log.append(folder, log.Entry(acting().name, "user remove", object_ref=name))
    click.echo(f"{name} is let in no more")


@main.command()
@with_settings
@click.option("--believe-clock", is_flag=True, help="The date is right, although no time source vouches for it.")
def purge(settings: Settings, believe_clock: bool) -> None:
    """Delete what is over age, and overwrite it. The running node does it every ten minutes.

    The store's log is emptied as well. A clock that runs free and is days ahead of the record deletes nothing (exit
    code 3): look at the date first, and say --believe-clock where it is right.
    """
    from anpr_node import audit as log
    from anpr_node.drivers.clock import SystemClock
    from anpr_node.keeper import delete_beside
    from anpr_node.store import retention, wal
    from anpr_node.store.database import use_store
    from anpr_node.store.scrub import scrub_all

    clock, folder, terms = SystemClock(), settings.state_folder, settings.policy.terms
    now_ns = clock.utc_ns(clock.monotonic_ns())
    with use_store(folder) as database:
        with _refusals_noted(folder, "purge", ""):
            leap_days = _leap_days(database, clock, believe_clock)
        purged = retention.purge(database, terms, now_ns)
        wal.shrink(database)
        clean = scrub_all(database, folder)
    aside = delete_beside(folder, terms, now_ns)
    detail = {"believed_clock_days_ahead": leap_days} if leap_days else {}
    log.append(folder, log.Entry(acting().name, "purge", rows=purged, detail=detail))
    click.echo(
        f"{purged} reads over age deleted ({settings.policy.preset}: {terms.reads_days} d, hits {terms.hits_days} d)"
    )
    if aside:
        click.echo(f"{aside} damaged stores deleted")
    if not clean:
        click.echo("somebody reads the store: the log is emptied by the next purge", err=True)


def _leap_days(database: Database, clock: Clock, believe_clock: bool) -> int:
    """By how many days a date that nobody vouches for leaps; 0 where all is well. Raises RefusedByPolicy."""
    from anpr_node.keeper import leap_s

    days = round(leap_s(database, clock) / 86_400)
    if days and not believe_clock:
        raise RefusedByPolicy(
            f"the clock runs free and is {days} days ahead of the record: nothing is deleted; set the clock right, or "
            "say --believe-clock where the date is right"
        )
    return days


@main.group()
def store() -> None:
    """The files of the record: encryption."""


@store.command("encrypt")
@with_settings
@click.option("--key", "key_path", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="Where the key is, or is to be made: not on the card.")  # fmt: skip
def store_encrypt(settings: Settings, key_path: Path) -> None:
    """Encrypt the record with the key of a file. Stop the node first.

    The key is made if it is not there. The state folder gets a link to the key. Without the key nobody reads the record
    again: keep a copy in a safe.

    \b
    anpr-node store encrypt --key /media/key/store.key
    """
    from anpr_node import audit as log
    from anpr_node.store.encrypting import encrypt

    encrypt(settings.state_folder, key_path.absolute())
    log.append(settings.state_folder, log.Entry(acting().name, "store encrypt"))
    click.echo(f"encrypted; the key is {key_path}: keep a copy where the card is not")
