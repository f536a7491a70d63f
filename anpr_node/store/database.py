"""Opens the one SQLite file of the node: WAL, synchronous=FULL, STRICT tables, migrations from day one.

A commit that has returned survives a power cut; what is deleted is overwritten. Times are UTC nanoseconds. What the
rows mean is in the modules beside this one; the tables are in schema.py.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlite_utils import Database

from anpr_node.errors import StoreDamaged, StoreError, StoreLogLost
from anpr_node.store.key import connect, load_key, note_key
from anpr_node.store.schema import AFTER_CONFIRMATION, migrations

FILE_NAME = "anpr-node.sqlite"
BUSY_TIMEOUT_S = 10.0
"""A command waits so long for another writer; who has something else to do meanwhile says less."""
CHECKPOINT_WAIT_MS = 300
PAGE_BYTES = 2048
"""Of a new store: each read changes a dozen pages whatever their size, and every one of them goes into the log."""
TRIAL = Path("/etc/anpr-trial")
"""There while an update has not been confirmed; see image/boot/init."""
DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
LOG_PAGES_MAX = 8_000
"""Who commits to a log as long as this writes it back; the keeper comes first, and the recorder never does."""
SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    f"PRAGMA wal_autocheckpoint={LOG_PAGES_MAX}",
    "PRAGMA temp_store=MEMORY",  # no plate in a temporary file
)
_logs: WeakKeyDictionary[Database, int] = WeakKeyDictionary()
"""The log that each connection writes to: whoever opens the store after it was deleted makes a new one in its place."""


def open_store(folder: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """Open or make the store of a state folder, migrated to this version.

    Use a connection from the thread that opened it, and close it.

    Raises:
        StoreError: the folder is missing and cannot be made, is read-only or full, or the file is no database.

    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        with _one_at_a_time(folder):
            database = _connect(path)
        database.execute(f"PRAGMA busy_timeout={round(busy_timeout_s * 1000)}")
    except StoreError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise cannot_open(path, error) from error
    return database


def cannot_open(path: Path, error: OSError | sqlite3.Error) -> StoreError:
    """The error to raise for a file of the state folder that does not open, with what helps."""
    if isinstance(error, sqlite3.Error) and is_damage(error):
        return StoreDamaged(f"cannot open {path}: {error}; start the node: it sets the file aside and goes on")
    owner = _foreign_owner(path.parent)
    if owner is not None:
        return StoreError(f"cannot open {path}: it belongs to the account {owner}: sudo -u {owner} anpr-node …")
    return StoreError(f"cannot open {path}: {error}; is the folder writable and the card not full?")


def _foreign_owner(folder: Path) -> str | None:
    """Whose folder it is, where it is another account's and we may not write there."""
    with suppress(OSError):
        uid = folder.stat().st_uid
        if uid != os.geteuid() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            with suppress(KeyError):
                return pwd.getpwuid(uid).pw_name
            return f"#{uid}"
    return None


def store_error(what: str, error: sqlite3.Error) -> StoreError:
    """The error to raise for one of SQLite's: a damaged file is no full card, and trying again does not help it."""
    if is_damage(error):
        return StoreDamaged(f"{what}: {error}; the node sets the file aside when it starts")
    return StoreError(f"{what}: {error}; free space or replace the card")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken. Extended codes carry the primary one in their low byte."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in DAMAGE_CODES


@contextmanager
def use_store(folder: Path) -> Iterator[Database]:
    """The store of a state folder for one command: opened, closed, and damage said in one line. Raises StoreError."""
    with closing(open_store(folder)) as database:
        try:
            yield database
        except sqlite3.Error as error:
            raise StoreError(f"{folder / FILE_NAME} fails: {error}; see: anpr-node check") from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Node and commands may open a new store at once: only one of them may make its tables."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _connect(path: Path) -> Database:
    key = load_key(path.parent)
    database = Database(connect(path, key, BUSY_TIMEOUT_S))
    try:
        if not database.execute("PRAGMA page_count").fetchone()[0]:
            if key is None:
                database.execute(f"PRAGMA page_size={PAGE_BYTES}")  # SQLCipher must be told at every opening; it is not
            database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # later it changes nothing, and waits for who writes
        for setting in SETTINGS:
            database.execute(setting)
        migrate(database)
        if key is not None:
            note_key(path.parent, key)
        _logs[database] = _log_of(path)
    except BaseException:
        database.close()
        raise
    return database


def migrate(database: Database, on_trial: bool | None = None, waiting: Sequence[str] = AFTER_CONFIRMATION) -> None:
    """Bring the tables to this version. On trial nothing is done that the version before could not read.

    If the trial fails, the version before goes on with this store, and with the reads of the trial in it.
    """
    trial = TRIAL.exists() if on_trial is None else on_trial
    old = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'read'").fetchone()
    stop = next((step.name for step in migrations.pending(database) if step.name in waiting), None)
    if trial and old and stop is not None:
        migrations.apply(database, stop_before=stop)
    else:
        migrations.apply(database)


@contextmanager
def writing(database: Database) -> Iterator[None]:
    """A transaction for what reads before it writes: it has the store from its beginning, and waits for it like others.

    One that begins by reading is refused at once where somebody has written meanwhile, as a running node does.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        database.rollback()
        raise


def insert(database: Database, table: str, row: Mapping[str, object]) -> None:
    """Add one row. Use it within `database.atomic()`."""
    columns, holes = ", ".join(row), ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({holes})", list(row.values()))


def note_start(database: Database, row: Mapping[str, object]) -> None:
    """Commit a row of table node_start. Raises StoreError when the card takes no writes."""
    try:
        with database.atomic():
            insert(database, "node_start", row)
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be written: {error}; free space, or replace the card") from error


def keep_log(database: Database) -> None:
    """See to it that nothing is written into a log that somebody has deleted: a power cut would lose all of it.

    Raises:
        StoreLogLost: it is gone; what was in it is in the file now, and who has the store open opens it again.

    """
    path = next(row[2] for row in database.execute("PRAGMA database_list") if row[1] == "main")
    if _log_of(Path(path)) != _logs[database]:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        raise StoreLogLost(
            f"{path}-wal was deleted while the store was in use; it was written back, start the node again"
        )


def _log_of(path: Path) -> int:
    """The inode of a store's log; 0: there is none."""
    with suppress(FileNotFoundError):
        return path.with_name(f"{path.name}-wal").stat().st_ino
    return 0


def count(database: Database, name: str, n: int, now_ns: int) -> None:
    """Add to a figure of the record: what was purged, dropped, salvaged. Use it within `database.atomic()`."""
    database.execute(
        """
        INSERT INTO figure VALUES (:name, :n, :now_ns, :now_ns)
        ON CONFLICT (name) DO UPDATE SET n = n + :n, last_ns = :now_ns
        """,
        {"name": name, "n": n, "now_ns": now_ns},
    )


def figures(database: Database) -> dict[str, int]:
    """What has been purged, dropped and salvaged since the store was made."""
    return dict(database.execute("SELECT name, n FROM figure ORDER BY name").fetchall())


def checkpoint(database: Database) -> None:
    """Move what the log holds into the file itself: the last thing before the supply goes. Raises StoreError."""
    try:
        database.execute(f"PRAGMA busy_timeout={CHECKPOINT_WAIT_MS}")  # nothing is lost by leaving it to the next start
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"the store's log cannot be written back: {error}; it will be at the next start") from error
