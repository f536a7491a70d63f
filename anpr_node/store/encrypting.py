"""Turns a plain state folder into an encrypted one: the database is written anew, the plain one overwritten.

What is interrupted is finished by calling it again. What a flash card has put elsewhere meanwhile no program can
overwrite: encrypt before the first read.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from anpr_node.errors import StoreError
from anpr_node.store.database import FILE_NAME, open_store
from anpr_node.store.key import (
    KEY_BYTES,
    KEY_ID_NAME,
    KEY_NAME,
    connect,
    is_plain,
    name_of,
    new_key,
    note_key,
    seal_secrets,
)
from anpr_node.whole_file import sync_folder

BLOCK = bytes(1 << 20)
SLOT = Path("/etc/anpr-slot")
"""On the SD image, whose root is in memory and forgets."""
FORGETFUL = (Path("/"), Path("/run"), Path("/tmp"))


def encrypt(folder: Path, key_path: Path) -> None:
    """Encrypt the store of a folder and leave a link to the key there; the key is made where it is not there yet.

    Raises:
        StoreError: it is encrypted already, the key is none or another one than at an interrupted attempt, it would be
            gone at the next start, or there is no room. A key that would not be taken later is refused before anything
            is changed.

    """
    link, key_id, path = folder / KEY_NAME, folder / KEY_ID_NAME, folder / FILE_NAME
    if link.is_symlink() or link.exists():
        raise StoreError(f"{folder} is encrypted already")
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        _refuse_memory(key_path)
        if not key_path.exists():
            new_key(key_path)
            sync_folder(key_path.parent)  # before anything is closed with it
        key = _whole_key(key_path)
        if key_id.exists() and key_id.read_text("ascii").strip() != name_of(key):
            raise StoreError(f"{key_path} is not the key that this folder's encryption was begun with")
        if not key_id.exists():
            open_store(folder).close()  # made, migrated, and its log written back
            note_key(folder, key)  # from here on nobody takes the folder for a plain one
        if is_plain(path):
            _replace_by_encrypted(path, key)
        _overwrite(_plain_of(path))
        seal_secrets(folder, key)
        link.symlink_to(key_path)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{folder} could not be encrypted: {error}; call it again when that is mended") from error


def _refuse_memory(key_path: Path) -> None:
    """On the SD image a stick that is not plugged in is a folder in memory."""
    if SLOT.exists() and key_path.parent.stat().st_dev in {place.stat().st_dev for place in FORGETFUL}:
        raise StoreError(
            f"{key_path.parent} is in this board's memory: a key there is gone at the next start, and the record with"
            " it; plug in a stick with a FAT file system named ANPR-KEY, and name /media/key/store.key"
        )


def _whole_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"{path} has {len(key)} bytes and a key has {KEY_BYTES}; nothing was changed: name a file that is not there"
            " yet, and a key is made"
        )
    return key


def _replace_by_encrypted(path: Path, key: bytes) -> None:
    fresh = path.with_name(f"{path.name}.encrypted")
    fresh.unlink(missing_ok=True)
    with closing(connect(path, None, 0.0)) as plain:
        plain.execute("PRAGMA journal_mode=DELETE")  # fails where another process has it open
    with closing(connect(fresh, key, 0.0)) as encrypted:
        encrypted.execute("PRAGMA auto_vacuum=INCREMENTAL")
        encrypted.execute("ATTACH DATABASE ? AS plain KEY ''", [str(path)])
        encrypted.execute("SELECT sqlcipher_export('main', 'plain')").fetchall()
        encrypted.commit()
        encrypted.execute("DETACH DATABASE plain")
    with fresh.open("rb") as new:
        os.fsync(new.fileno())
    left = _plain_of(path)
    left.unlink(missing_ok=True)
    left.hardlink_to(path)  # a name that it keeps until it is overwritten, whatever comes between
    fresh.replace(path)
    sync_folder(path.parent)  # for good, before the plain one is written over


def _plain_of(path: Path) -> Path:
    """Where the plain store lies between its replacement and its overwriting."""
    return path.with_name(f"{path.name}.plain")


def _overwrite(path: Path) -> None:
    """Write zeros over a file, then delete it; nothing where there is none."""
    if not path.exists():
        return
    with path.open("r+b") as old:
        for _ in range(0, os.fstat(old.fileno()).st_size, len(BLOCK)):
            old.write(BLOCK)
        old.flush()
        os.fsync(old.fileno())
    path.unlink()
