"""Keeps a second node off a state folder: two would write one record and drive one set of pins.

Commands beside the node do not ask here. The lock dies with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anpr_node.errors import StoreError
from anpr_node.store.database import cannot_open

LOCK_NAME = "node.lock"


@contextmanager
def only_node(folder: Path) -> Iterator[None]:
    """Hold a state folder for one node. Raises StoreError: another one runs on it, or it cannot be written."""
    path = folder / LOCK_NAME
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as error:
        raise cannot_open(path, error) from error
    try:
        _lock(handle, folder)
        with suppress(OSError):  # a full card is not for the lock to complain of
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise StoreError(
            f"a node runs here already (pid {pid}): stop it, or give this one another store.folder than {folder}"
        ) from error
