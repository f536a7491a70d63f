"""Overwrites what SQLite leaves behind between the rows of a page.

secure_delete clears freed cells and freed pages, but a page that was rearranged keeps copies of rows in the gap before
its first one, and that page may live for years. This writes zeros into bytes that belong to no row, and nothing else; a
page that is not what it expects it leaves alone. An encrypted store is not scrubbed: it shows nothing without the key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.store.database import FILE_NAME, count
from anpr_node.store.key import load_key
from anpr_node.store.wal import leave_no_trace, write_back

SLICE_PAGES = 1_000
"""Pages of trees looked at while the store is held; some tens of milliseconds. Each slice costs the card a commit."""
PASSED_BY = 8
"""So many times as many pages at most, with those that hold pictures: nothing of these is read."""
HEADER = 100
FIRST_PAGE = 2
"""The first page holds the schema, and no plate."""
BTREE_KINDS = frozenset({1, 5})
"""In the pointer map: a root page, a page of a tree. The others are free, overflow, or the map itself."""
INTERIOR, LEAF = frozenset({2, 5}), frozenset({10, 13})
PENDING_BYTE = 0x4000_0000
TRIES = 50


class Scrubber:
    """Goes over the file of one store, slice by slice.

    The file stays open until the process ends: closing it would drop the locks that SQLite holds on it.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._wal = folder / f"{FILE_NAME}-wal"
        self._handle = None if load_key(folder) is not None else os.open(folder / FILE_NAME, os.O_RDWR)
        self._next, self._end = FIRST_PAGE, 0
        self._map = (0, b"")
        """The page of the pointer map that was read last, and its number; for one slice, in which nobody writes."""
        self.cleaned = 0
        self.went_on = True
        """Whether the last call did anything: somebody who reads keeps the log from being emptied."""

    def scrub(self, slice_pages: int = SLICE_PAGES) -> bool:
        """Scrub the next slice; True when the whole file has been gone over. A reader in the way: nothing is done.

        Raises:
            sqlite3.Error: the store is held by somebody else, or the card fails.
            StoreError: the card fails under the file itself; the next call begins anew.

        """
        if self._handle is None:
            return True
        self._database.execute("PRAGMA shrink_memory")  # our own copies of pages would bring the old bytes back
        write_back(self._database)
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._database.execute("BEGIN IMMEDIATE")  # from here on nobody writes
        try:
            self.went_on = not (self._wal.exists() and self._wal.stat().st_size)
            if not self.went_on:
                return False
            with self._card_may_fail():
                cleaned = self._scrub_slice(slice_pages)
            if cleaned:
                # a commit makes everybody else read the pages anew
                count(self._database, "scrubbed_pages", cleaned, 0)
                self._database.execute("COMMIT")
        finally:
            self._database.rollback()  # where nothing was cleaned there is nothing to write
        self.cleaned += cleaned
        return self._next < 0

    def _scrub_slice(self, slice_pages: int) -> int:
        assert self._handle is not None
        header = os.pread(self._handle, HEADER, 0)
        size = int.from_bytes(header[16:18], "big")
        size = 65_536 if size == 1 else size
        usable, has_map = size - header[20], any(header[52:56])
        end = os.fstat(self._handle).st_size // size + 1
        # what is added meanwhile has nothing behind it; what a purge by hand gave back is gone
        self._end = end if self._next == FIRST_PAGE else min(self._end, end)
        last = min(self._next + slice_pages * PASSED_BY, self._end)
        looked = cleaned = 0
        if has_map:
            self._map = (0, b"")
            for number in range(self._next, last):
                if self._kind(number, size, usable) in BTREE_KINDS:
                    cleaned += self._scrub_page((number - 1) * size, size)
                    looked += 1
                if looked == slice_pages:
                    last = number + 1
                    break
        self._next = last if last < self._end else -1
        return cleaned

    def _kind(self, number: int, size: int, usable: int) -> int:
        """What the pointer map says of a page; 0 for the map's own pages."""
        assert self._handle is not None
        per_map = usable // 5 + 1
        map_page = (number - 2) // per_map * per_map + 2
        if map_page == PENDING_BYTE // size + 1:
            map_page += 1
        if number <= map_page or number == PENDING_BYTE // size + 1:
            return 0
        if self._map[0] != map_page:
            self._map = (map_page, os.pread(self._handle, size, (map_page - 1) * size))
        return self._map[1][5 * (number - map_page - 1)]

    def _scrub_page(self, at: int, size: int) -> int:
        """Clear the gap between a page's list of rows and its first row; whether there was anything."""
        assert self._handle is not None
        page = os.pread(self._handle, size, at)
        if len(page) < size or page[0] not in INTERIOR | LEAF:
            return 0
        begin = (12 if page[0] in INTERIOR else 8) + 2 * int.from_bytes(page[3:5], "big")
        end = int.from_bytes(page[5:7], "big") or 65_536
        if not begin < end <= size or not any(page[begin:end]):
            return 0
        os.pwrite(self._handle, bytes(end - begin), at + begin)
        return 1

    def finish(self) -> None:
        """Put what was written on the card, and begin anew next time. Raises StoreError."""
        self._next = FIRST_PAGE
        if self._handle is not None:
            with self._card_may_fail():
                os.fdatasync(self._handle)

    @contextmanager
    def _card_may_fail(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._next = FIRST_PAGE
            raise StoreError(
                f"{FILE_NAME} cannot be scrubbed of what deleted reads left in it: {error.strerror}; replace the card"
            ) from error


def scrub_all(database: Database, folder: Path) -> bool:
    """Scrub the whole file and empty the log; False where somebody who reads or writes kept it from that."""
    scrubber, tries = Scrubber(database, folder), TRIES
    while not scrubber.scrub():
        tries -= not scrubber.went_on
        if not tries:
            return False
    scrubber.finish()
    return leave_no_trace(database)
