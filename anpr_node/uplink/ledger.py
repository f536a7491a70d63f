"""A sink's connection to the store: opened late, opened anew when the file was replaced, and never waited for long.

A store that cannot be used now is tried again later; the camera's loop and the recorder never wait for this connection.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.errors import AnprError
from anpr_node.store import outbox
from anpr_node.store.database import FILE_NAME, open_store

log = logging.getLogger(__name__)

BUSY_S = 0.2
STORE_PAUSE_S = 5.0
BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
T = TypeVar("T")


class Ledger:
    """Use it from one thread."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.state_folder / FILE_NAME
        self._database: Database | None = None
        self._inode = 0
        self._version = -1
        self._said = ""

    def use(self, work: Callable[[Database], T], otherwise: T) -> T:
        """Do something with the store; where it cannot be used now, say so once and return `otherwise`."""
        try:
            done = work(self._open())
        except (AnprError, sqlite3.Error, OSError) as error:
            if not _is_busy(error):
                self.close()
            if str(error) != self._said:
                self._said = str(error)
                log.warning("the uplink cannot use the store now: %s", error)
            return otherwise
        self._said = ""
        return done

    @property
    def is_well(self) -> bool:
        """Whether the store could be used the last time."""
        return self._database is not None

    def has_changed(self) -> bool:
        """Whether anybody else has written since the last call, as far as that is known; costs next to nothing."""
        if self._database is None or self._inode_now() != self._inode:
            return True
        try:
            version = int(self._database.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return True
        changed, self._version = version != self._version, version
        return changed

    def close(self) -> None:
        """Give the connection back."""
        if self._database is not None:
            self._database.close()
        self._database, self._version = None, -1

    def _open(self) -> Database:
        inode = self._inode_now()
        if self._database is not None and inode != self._inode:
            self.close()
        if self._database is None:
            opened = open_store(self._path.parent, BUSY_S)
            try:
                outbox.believe_cursors(opened)
            except sqlite3.Error:
                opened.close()
                raise
            self._database, self._inode = opened, self._inode_now()
        return self._database

    def _inode_now(self) -> int:
        try:
            return self._path.stat().st_ino
        except OSError:
            return 0


def _is_busy(error: Exception) -> bool:
    """Whether another one is writing: the connection is as good as it was."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY_CODES
