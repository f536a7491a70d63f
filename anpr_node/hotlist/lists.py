"""The lists in force: a new generation of one is built beside the old one and takes its place in one transaction.

A read is matched against the old list or the new one, never against half of each. What fails leaves the old list.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from anpr_node.audit import By
from anpr_node.config import LIST_NAME, Settings
from anpr_node.errors import HotlistError, StoreError
from anpr_node.hotlist.files import Built, ListFile, build
from anpr_node.hotlist.rows import BadRow, GoodRow
from anpr_node.hotlist.sealing import Sealer, open_sealer
from anpr_node.ids import uuid7
from anpr_node.store.database import insert
from anpr_node.units import NS_PER_H

FOLDER = "lists"
ENDING = ".list"
PART = ".part"
PART_KEPT_S = 86_400
"""A broken-off download is in clear: it waits so long to be gone on with, and no longer."""
BAD_ROWS_TOLERATED = 10
BAD_SHARE_MAX = 0.05
SHRUNK_FROM = 100
SHRUNK_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ListStatus:
    """One list in force. `revision` is the newest signed one ever taken, even where an unsigned one followed."""

    list_id: str
    source: str
    imported_ns: int
    issued_ns: int
    entries: int
    file: str
    signed: int
    revision: int | None
    etag: str | None

    def age_h(self, now_ns: int) -> float:
        """Hours since it was issued."""
        return (now_ns - self.issued_ns) / NS_PER_H


@dataclass(frozen=True, slots=True)
class Delivery:
    """A list as it came. `operation` is replace, delta (rows say add or remove), or remove (all rows do).

    Without `revision` nobody signed it. `base` is the revision that a delta changes.
    """

    list_id: str
    source: str
    operation: str
    issued_ns: int
    revision: int | None = None
    base: int | None = None
    etag: str | None = None
    may_shrink: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A list that came in force; `before` is the file of the one it replaced, until `sweep`."""

    built: Built
    path: Path
    before: Path | None


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of one node."""

    database: Database
    folder: Path
    sealer: Sealer

    @property
    def state_folder(self) -> Path:
        """Where the store and the audit are."""
        return self.folder.parent

    @contextmanager
    def one_import_at_a_time(self) -> Iterator[None]:
        """Imports wait for each other; matching waits for nobody. Raises StoreError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StoreError(f"{self.folder}: {error.strerror}; is the card writable?") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def take(
        self,
        delivery: Delivery,
        rows: Iterable[GoodRow | BadRow],
        by: By,
        on_bad: Callable[[BadRow], None],
    ) -> Taken:
        """Build the new generation and put it in force. Use it within the lock.

        Raises:
            HotlistError: it does not fit what is in force, or is not to be trusted; the list in force stays.
            StoreError: the store cannot be written; the list in force stays.

        """
        before = self.find(delivery.list_id)
        _check_order(delivery, before)
        base = None if delivery.operation == "replace" or before is None else self.folder / before.file
        if base is not None:
            # changing a list that cannot be read would hide that it is lost
            self.open(base, delivery.list_id).close()
        path = self.folder / f"{delivery.list_id}.{uuid7(by.at_ns)}{ENDING}"
        built = self.build(path, delivery.list_id, rows, base)
        try:
            for bad in built.bad_rows:
                on_bad(bad)
            _judge(delivery, built, before)
            self._put_in_force(delivery, before, built, path, by)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Taken(built, path, self.folder / before.file if before else None)

    def _put_in_force(self, delivery: Delivery, before: ListStatus | None, built: Built, path: Path, by: By) -> None:
        signed = delivery.revision is not None
        row = {
            "list_id": delivery.list_id,
            "source": delivery.source,
            "imported_ns": by.at_ns,
            "issued_ns": delivery.issued_ns,
            "entries": built.entries,
            "file": path.name,
            "signed": int(signed),
            "revision": delivery.revision if signed else before and before.revision,
            "etag": delivery.etag,
        }
        what = {"revision": delivery.revision} if signed else {"unsigned": True}
        left_out = len(built.bad_rows)
        by.note(
            self.state_folder,
            f"hotlist {delivery.operation}",
            delivery.list_id,
            rows=built.entries,
            source=delivery.source,
            left_out=left_out,
            **what,
        )
        try:
            with self.database.atomic():
                self.database.execute("DELETE FROM hotlist WHERE list_id = ?", [delivery.list_id])
                insert(self.database, "hotlist", row)
        except sqlite3.Error as error:
            raise StoreError(f"list {delivery.list_id} not imported, the one in force stays: {error}") from error

    def find(self, list_id: str) -> ListStatus | None:
        """One list in force."""
        return next((status for status in show(self.database) if status.list_id == list_id), None)

    def build(self, path: Path, list_id: str, rows: Iterable[GoodRow | BadRow], before: Path | None = None) -> Built:
        """Write a list file that is not in force. Raises HotlistError."""
        return build(path, rows, self.sealer, _pattern_key(list_id), before)

    def open(self, path: Path, list_id: str) -> ListFile:
        """A list file for reading. Raises HotlistError, OSError, sqlite3.Error."""
        return ListFile(path, list_id, self.sealer, _pattern_key(list_id))

    def sweep(self) -> None:
        """Delete the files that are not in force any more, or never came to be. Use it within the lock."""
        sweep_parts(self.folder)
        kept = {status.file for status in show(self.database)}
        for path in self.folder.glob(f"*{ENDING}"):
            if path.name not in kept:
                path.unlink(missing_ok=True)


def sweep_parts(folder: Path) -> None:
    """Delete broken-off downloads that nobody went on with, also those that a mistaken clock put into the future."""
    for path in folder.glob(f"*{PART}"):
        with suppress(OSError):  # another process may have been faster
            if abs(time.time() - path.stat().st_mtime) > PART_KEPT_S:
                path.unlink()


def show(database: Database) -> list[ListStatus]:
    """The lists in force, by name."""
    rows = database.execute(
        "SELECT list_id, source, imported_ns, issued_ns, entries, file, signed, revision, etag"
        " FROM hotlist ORDER BY list_id"
    ).fetchall()
    return [ListStatus(*row) for row in rows]


def open_lists(database: Database, settings: Settings) -> Lists:
    """The lists of a node, by its settings. Raises HotlistError when their key cannot be had."""
    return Lists(database, settings.state_folder / FOLDER, open_sealer(settings.state_folder))


def overdue(database: Database, settings: Settings, now_ns: int) -> list[tuple[str, str]]:
    """Lists that are older than they may be, or were never delivered, with what is wrong: each is an alarm."""
    in_force = {row[0]: row[1] for row in database.execute("SELECT list_id, issued_ns FROM hotlist")}
    alarms = []
    for name, section in settings.hotlists.lists.items():
        if section.max_age_h is None:
            continue
        if name not in in_force:
            alarms.append((name, "no list is in force"))
        elif (age_h := (now_ns - in_force[name]) / NS_PER_H) > section.max_age_h:
            alarms.append((name, f"{age_h:.1f} h old, {section.max_age_h:g} h allowed"))
    return alarms


def _pattern_key(list_id: str) -> str:
    return f"patterns of {list_id}"


def _check_order(delivery: Delivery, before: ListStatus | None) -> None:
    """Revisions only go up, and a change needs the very list that it was made for."""
    name = delivery.list_id
    if not LIST_NAME.fullmatch(name):
        raise HotlistError(f"{name!r} is no name of a list: 1 to 40 letters, digits, points, - and _; see --list")
    known = before.revision if before else None
    if delivery.revision is not None and known is not None and delivery.revision <= known:
        raise HotlistError(f"list {name}: revision {delivery.revision} is not newer than {known}, the list stays")
    if delivery.operation == "replace":
        return
    if before is None:
        raise HotlistError(f"list {name}: a change of a list that is not here; import the whole list first")
    if delivery.revision is not None and (not before.signed or delivery.base != before.revision):
        stands = f"revision {before.revision}" if before.signed else "an unsigned import"
        raise HotlistError(
            f"list {name}: a change of revision {delivery.base}, but {stands} is in force; get the whole list"
        )


def _judge(delivery: Delivery, built: Built, before: ListStatus | None) -> None:
    """A file that is mostly rubbish, or mostly gone, is no new list."""
    bad, name = len(built.bad_rows), delivery.list_id
    stays = "the list in force stays" if before else "nothing is put in force"
    if bad > BAD_ROWS_TOLERATED and bad > BAD_SHARE_MAX * (built.entries + bad):
        raise HotlistError(f"list {name}: {bad} bad rows beside {built.entries} entries; {stays}")
    if not built.entries and delivery.operation == "replace" and not delivery.may_shrink:
        raise HotlistError(f"list {name}: no good row, {bad} bad; {stays}")
    had = before.entries if before else 0
    if had >= SHRUNK_FROM and built.entries < SHRUNK_SHARE * had and not delivery.may_shrink:
        raise HotlistError(f"list {name}: {built.entries} entries where {had} were; if that is right: --may-shrink")
