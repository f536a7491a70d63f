"""A damaged store: found at the start, set aside under a dated name, and salvaged into a new one by salvage.py.

Reads, lists and what waits to be sent are brought over at once, pictures, which may take hours, while the node runs.
Both go on after an interruption where they were.

The damaged file is never deleted here; retention does that when its oldest read is over age.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anpr_node.errors import StoreError
from anpr_node.policy import Terms
from anpr_node.store.database import FILE_NAME, count, is_damage, open_store, store_error
from anpr_node.store.key import connect, load_key
from anpr_node.store.salvage import Damaged, Oldest, copy_pictures, copy_tables, drop_orphans, oldest_reads
from anpr_node.store.silence import Shown, count_shown, hidden_among
from anpr_node.whole_file import sync_folder, write_whole

log = logging.getLogger(__name__)

CHECK_S = 20.0
"""At the start the file is checked for so long; damage further on shows when it is read, and then leads here too."""
DAMAGE_MARK = "store-damaged"
ASIDE_PREFIX = "damaged-"
FILES = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm")
TODO = "salvage"
"""In a set-aside folder: what is still to be brought over. `tables`, or how far it got with the pictures."""
TABLES = "tables"
HOW_FAR = re.compile(r"-1|[0-9]+")
OLDEST = "oldest"
"""In a set-aside folder: when the oldest reads in it were taken."""
ASIDE_NAME = re.compile(re.escape(ASIDE_PREFIX) + r"\d{8}T\d{6}x*")
STAGING = "set-aside.new"
PICTURES_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Salvage:
    """What came of a damaged store: where it lies now, why, and the rows of each table that were brought over."""

    aside: Path
    problem: str
    rows: dict[str, int]


def make_sound(folder: Path, now_ns: int, terms: Terms, check_s: float = CHECK_S) -> Salvage | None:
    """See to it that the folder's store can be used; None where nothing was wrong.

    Raises:
        StoreError: the key is missing or wrong, or the card takes no writes.

    """
    for aside, _ in _unfinished(folder):
        _take_away(folder, aside)
    problem = find_damage(folder, check_s)
    if problem is not None:
        aside = _set_aside(folder, now_ns)
        log.critical("the store is damaged (%s) and was set aside as %s; what is readable is salvaged", problem, aside)
    todo = [aside for aside, how_far in _unfinished(folder) if how_far == TABLES]
    if not todo:
        return None
    rows: dict[str, int] = {}
    for aside in reversed(todo):  # what both have is as the newer one says
        for table, n in _salvage(aside, folder).items():
            rows[table] = rows.get(table, 0) + n
    shown = _count_salvaged(folder, len(todo), terms, now_ns)
    for aside in todo:
        _note_todo(aside, "-1")
    log.critical("salvaged: %d reads, %d hits", shown.reads, shown.hits)
    return Salvage(todo[-1], problem or "its salvage was interrupted", rows)


def set_aside_folders(folder: Path) -> list[Path]:
    """The damaged stores that were set aside, oldest first; a folder that somebody else named is none of them."""
    return sorted(aside for aside in folder.glob(f"{ASIDE_PREFIX}*") if ASIDE_NAME.fullmatch(aside.name))


def _unfinished(folder: Path) -> list[tuple[Path, str]]:
    """The set-aside folders that are not wholly salvaged, oldest first, and what is to be done about each."""
    found = [(aside, aside / TODO) for aside in set_aside_folders(folder)]
    texts = [(aside, todo.read_text("ascii", errors="replace")) for aside, todo in found if todo.exists()]
    return [(aside, text if HOW_FAR.fullmatch(text) else TABLES) for aside, text in texts]


def _note_todo(aside: Path, text: str) -> None:
    """Write down how far a salvage is. Raises StoreError."""
    _write(aside / TODO, text)


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}; free space or replace the card") from error


def _salvage(aside: Path, folder: Path) -> dict[str, int]:
    with closing(Damaged(aside / FILE_NAME, load_key(folder))) as old, closing(open_store(folder)) as new:
        new.execute("PRAGMA foreign_keys=OFF")
        rows = copy_tables(old, new.conn)
        with new.atomic():
            drop_orphans(new.conn)
    return rows


def _count_salvaged(folder: Path, stores: int, terms: Terms, now_ns: int) -> Shown:
    """Write down how many reads came over, those apart that must not show; they come too."""
    with closing(open_store(folder)) as new, new.atomic():
        shown = count_shown(new, terms.only_hits_before_ns(now_ns))
        count(new, "damaged_stores", stores, now_ns)
        count(new, "salvaged_reads", shown.reads, now_ns)
    return shown


def oldest_inside(folder: Path, aside: Path) -> Oldest:
    """The oldest reads in a damaged store, as far as they can be read; looked for once, then written down beside it.

    Raises:
        StoreError: the file cannot be opened now, or the key is missing, or the card takes no writes.

    """
    noted = aside / OLDEST
    with suppress(OSError, ValueError, TypeError):
        return Oldest(*json.loads(noted.read_bytes()))
    try:
        with closing(Damaged(aside / FILE_NAME, load_key(folder))) as old:
            found = oldest_reads(old)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise store_error(f"{aside} cannot be looked into", error) from error
        found = Oldest(None, None)
    _write(noted, json.dumps([found.plain_ns, found.hit_ns]))
    return found


def is_salvaged(aside: Path) -> bool:
    """Whether everything that can be read was brought over."""
    return not (aside / TODO).exists()


def salvage_pictures(folder: Path, database: Any, terms: Terms, now_ns: int, most: int = PICTURES_AT_ONCE) -> bool:
    """Bring over some of the pictures of a damaged store; True when there is nothing more to do.

    Raises:
        StoreError: the card takes no writes.

    """
    for aside, todo in _unfinished(folder):
        if todo == TABLES:
            continue
        try:
            with closing(Damaged(aside / FILE_NAME, load_key(folder))) as old, database.atomic():
                copied = copy_pictures(old, database, int(todo), most)
                if copied.read_ids:
                    _count_pictures(database, copied.read_ids, terms, now_ns)
        except sqlite3.Error as error:
            raise store_error("pictures not salvaged", error) from error
        if copied.at is not None:
            _note_todo(aside, str(copied.at))
            return False
        (aside / TODO).unlink()
        log.critical("all readable pictures of %s are salvaged", aside)
    return True


def _count_pictures(database: Any, read_ids: Sequence[str], terms: Terms, now_ns: int) -> None:
    hidden = hidden_among(database, sorted(set(read_ids)), terms.only_hits_before_ns(now_ns))
    count(database, "salvaged_pictures", sum(read_id not in hidden for read_id in read_ids), now_ns)


def mark_damaged(folder: Path) -> None:
    """Remember that the file was seen to be broken: a check that runs out of time would not find it again."""
    with suppress(OSError):
        (folder / DAMAGE_MARK).touch()


def find_damage(folder: Path, check_s: float) -> str | None:
    """What is wrong with the store's file; None also where there is none, or time ran out before anything showed."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    if (folder / DAMAGE_MARK).exists():
        return "seen while running"
    try:
        with closing(connect(path, load_key(folder), 10.0)) as connection:
            ends_s = time.monotonic() + check_s
            connection.set_progress_handler(lambda: time.monotonic() > ends_s, 100_000)
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            return None if verdict == "ok" else verdict
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return None
        raise StoreError(f"cannot check {path}: {error}") from error


def _set_aside(folder: Path, now_ns: int) -> Path:
    """Move the damaged files, and the mark that they are, into a folder with a dated name of its own, in one step.

    They lie in both places for a moment: what a power cut leaves here as well, `_take_away` removes at the next start.
    """
    moment = datetime.fromtimestamp(now_ns / 1e9, UTC)
    aside, staging = folder / f"{ASIDE_PREFIX}{moment:%Y%m%dT%H%M%S}", folder / STAGING
    while aside.exists():
        aside = aside.with_name(aside.name + "x")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        _note_todo(staging, TABLES)
        for name in (*FILES, DAMAGE_MARK):
            if (folder / name).exists():
                (staging / name).hardlink_to(folder / name)
        sync_folder(staging)
        staging.rename(aside)
        sync_folder(folder)
        _take_away(folder, aside)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"the damaged store cannot be set aside: {error}; free space or replace the card") from error
    return aside


def _take_away(folder: Path, aside: Path) -> None:
    """Remove from the state folder the very files that were set aside."""
    for name in (*FILES, DAMAGE_MARK):
        here, there = folder / name, aside / name
        if here.exists() and there.exists() and here.samefile(there):
            here.unlink()
    sync_folder(folder)
