"""`anpr-node hotlist import`, `update`, `list`, `status`, `preview`, `sign`: the lists; hits are in hits.py.

Plates are shown only where somebody gives a reason, and silent entries of lists in force never.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anpr_node.commands.group import main, one_of, with_settings
from anpr_node.commands.guard import acting
from anpr_node.commands.search import moment_of
from anpr_node.config import LIST_NAME, Settings
from anpr_node.errors import HotlistError

if TYPE_CHECKING:
    from anpr_node.audit import By

FILE = click.Path(path_type=Path, dir_okay=False)
TIMER = "timer"


def by_me(reason: str, case_ref: str = "", decision_ref: str | None = None) -> By:
    """Whom the guard let through, now; where a command answers anyone it is the node's timer."""
    from anpr_node.audit import By

    person = acting()
    return By(person.name if person else TIMER, reason, now_ns(), case_ref, decision_ref or "")


def now_ns() -> int:
    """UTC as the node would say it."""
    from anpr_node.drivers.clock import SystemClock

    clock = SystemClock()
    return clock.utc_ns(clock.monotonic_ns())


@main.group()
def hotlist() -> None:
    """Lists of watched vehicles, and their hits."""


@hotlist.command("import")
@with_settings
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--list", "list_id", help="Name of the list. Default: the file's name without its ending.")
@click.option("--manifest", type=FILE, help="The signed manifest that came with the file.")
@click.option("--delta", is_flag=True, help="The rows change the list: add, or what they say.")
@click.option("--remove", is_flag=True, help="The rows are to be taken off the list.")
@click.option("--unsigned", is_flag=True, help="Take an unsigned file for a list that comes signed; with --reason.")
@click.option("--may-shrink", is_flag=True, help="The list may become less than half of what it was.")
@click.option("--reason", default="", help="Why you do it by hand; written down.")
def import_(
    settings: Settings,
    file: Path,
    list_id: str | None,
    manifest: Path | None,
    delta: bool,
    remove: bool,
    unsigned: bool,
    may_shrink: bool,
    reason: str,
) -> None:
    """Put a FILE in force as a list, whole or not at all.

    Bad rows are named with their line and left out; too many of them, and the list in force stays. What was not signed
    is marked so. The formats are described in docs/hotlists.md.

    \b
    anpr-node hotlist import stolen.csv
    anpr-node hotlist import stolen-42.csv --list stolen --manifest stolen.manifest
    """
    from anpr_node.hotlist.imports import Importer
    from anpr_node.hotlist.lists import open_lists
    from anpr_node.store.database import use_store

    operation = one_of("change", delta=delta, remove=remove)
    if manifest is not None and (operation or unsigned or may_shrink):
        raise click.UsageError("with --manifest it says what is done: no --delta, --remove, --unsigned or --may-shrink")
    name = list_id or file.stem
    with use_store(settings.state_folder) as database:
        importer = Importer(
            open_lists(database, settings),
            settings,
            by_me(reason),
            lambda bad: click.echo(f"{file}:{bad.line}: {bad.problem}", err=True),
        )
        if manifest is not None:
            taken = importer.signed(file, importer.manifest(_read(manifest), name))
        else:
            taken = importer.by_hand(file, name, operation or "replace", unsigned=unsigned, may_shrink=may_shrink)
            click.echo(f"warning: list {name} is not signed, and marked so", err=True)
    click.echo(f"list {name}: {taken.built.entries} entries in force, {len(taken.built.bad_rows)} rows left out")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror}") from error


@hotlist.command()
@with_settings
@click.argument("names", nargs=-1)
def update(settings: Settings, names: tuple[str, ...]) -> None:
    """Fetch what is new of lists that have a url, or of those NAMED.

    What a timer runs on a node. Every list is taken by itself: one that fails leaves the others, and exit code 1.
    """
    from anpr_node.hotlist import downloads
    from anpr_node.store.database import use_store

    with use_store(settings.state_folder) as database:
        outcomes = downloads.update(database, settings, names, by_me("update"))
    for outcome in outcomes:
        click.echo(f"{outcome.list_id}: {outcome.text}", err=outcome.failed)
    if any(outcome.failed for outcome in outcomes):
        sys.exit(1)


@hotlist.command("list")
@with_settings
def list_(settings: Settings) -> None:
    """Show the lists in force; their plates are not shown."""
    from anpr_node.hotlist.lists import show
    from anpr_node.store.database import use_store

    with use_store(settings.state_folder) as database:
        in_force = show(database)
    click.echo(f"{'list':<20}{'entries':<10}{'revision':<12}{'age':<10}{'imported (UTC)':<19}from")
    at_ns = now_ns()
    for each in in_force:
        moment = moment_of(each.imported_ns)[:-3]
        revision = str(each.revision) if each.signed else "UNSIGNED"
        age = f"{each.age_h(at_ns):.1f} h"
        click.echo(f"{each.list_id:<20}{each.entries:<10}{revision:<12}{age:<10}{moment}   {each.source}")
    if not in_force:
        click.echo("no list is in force; import one with: anpr-node hotlist import FILE.csv", err=True)


@hotlist.command()
@with_settings
def status(settings: Settings) -> None:
    """Say which lists are too old or missing. Exit code 1 when one is."""
    from anpr_node.hotlist.lists import overdue
    from anpr_node.store.database import use_store

    with use_store(settings.state_folder) as database:
        alarms = overdue(database, settings, now_ns())
    for name, problem in alarms:
        click.echo(f"ALARM list {name}: {problem}")
    if alarms:
        sys.exit(1)
    click.echo("every list with a maximum age is in force and young enough")


@hotlist.command()
@with_settings
@click.argument("list_id", metavar="LIST")
@click.option("--file", type=FILE, help="Try this file as if it were the list; nothing comes in force.")
@click.option("--near/--exact", default=None, help="Try this tolerance in place of the list's own.")
@click.option("--wildcard/--no-wildcard", default=None, help="The same for patterns.")
@click.option("--days", type=click.FloatRange(min=0.01, max=400), default=7, show_default=True, help="So far back.")
@click.option("--reason", default="", help="Why you look; needed, and written down.")
@click.option("--case", "case_ref", default="", help="For which case; needed, and written down.")
@click.option("--decision", "decision_ref", help="The prosecutor's decision, for older reads.")
def preview(
    settings: Settings,
    list_id: str,
    file: Path | None,
    near: bool | None,
    wildcard: bool | None,
    days: float,
    reason: str,
    case_ref: str,
    decision_ref: str | None,
) -> None:
    """Show what LIST would have given on the reads of the past days.

    \b
    anpr-node hotlist preview stolen --near --reason "tolerance" --case ADM/7
    anpr-node hotlist preview wanted --file wanted.csv --reason "new list" --case ADM/8
    """
    from anpr_node.hotlist import preview as previews
    from anpr_node.hotlist.lists import open_lists
    from anpr_node.store.database import use_store

    section = previews.with_tolerance(settings, list_id, near=near, wildcard=wildcard)
    with use_store(settings.state_folder) as database:
        request = previews.Request(list_id, file, section, days * 24)
        by = by_me(reason, case_ref, decision_ref)
        found = previews.preview(open_lists(database, settings), request, settings.policy.terms, by)
    click.echo(f"{'UTC':<21}{'read':<14}{'entry':<14}{'match':<10}{'category':<14}actions")
    for past, match in found:
        entry = match.entry
        click.echo(
            f"{moment_of(past.seen_ns)}  {past.sighting.vrm:<14}{entry.vrm:<14}{match.how:<10}"
            f"{entry.category:<14}{' '.join(entry.actions)}"
        )
    by_how = Counter(match.how for _, match in found)
    click.echo(f"{len(found)} hits in {days:g} days: " + (", ".join(f"{n} {how}" for how, n in by_how.items()) or "-"))


@hotlist.command()
@click.argument("file", type=FILE, required=False)
@click.option("--key", type=FILE, required=True, help="Ed25519 private key, PEM.")
@click.option("--list", "list_id", help="Name of the list on the nodes.")
@click.option("--revision", type=click.IntRange(1), help="Higher than every one before.")
@click.option("--base", type=click.IntRange(1), help="The revision that these changes apply to.")
@click.option("--remove", is_flag=True, help="With --base: the rows are to be taken off the list.")
@click.option("--out", "--to", "manifest", type=FILE, help="Default: LIST.manifest beside the file.")
@click.option("--show-key", is_flag=True, help="Print the public key for the nodes' configuration, and do no more.")
def sign(
    file: Path | None,
    key: Path,
    list_id: str | None,
    revision: int | None,
    base: int | None,
    remove: bool,
    manifest: Path | None,
    show_key: bool,
) -> None:
    """Sign a list FILE, for who publishes lists: writes the manifest.

    \b
    openssl genpkey -algorithm ed25519 -out list-key.pem
    anpr-node hotlist sign --key list-key.pem --show-key
    anpr-node hotlist sign stolen-42.csv --key list-key.pem --list stolen --revision 42
    """
    from anpr_node.hotlist import manifest as manifests

    if show_key:
        click.echo(manifests.public_key_of(key))
        return
    if file is None or list_id is None or revision is None:
        raise click.UsageError("a FILE, --list and --revision are needed")
    if not LIST_NAME.fullmatch(list_id):
        raise click.UsageError(f"--list {list_id[:80]!r} is no name: 1 to 40 letters, digits, points, - and _")
    if remove and base is None:
        raise click.UsageError("--remove takes rows off the revision that --base names: say which")
    operation = "replace" if base is None else "remove" if remove else "delta"
    path = manifest or file.with_name(f"{list_id}.manifest")
    content = manifests.sign(manifests.describe(file, list_id, revision, operation, base), key)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror}") from error
    click.echo(f"{path}: list {list_id}, revision {revision}, {operation}")
