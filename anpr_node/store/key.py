"""The key of a state folder: finds it, checks that it is the right one, derives what the record needs from it.

A folder whose `store.key` exists is encrypted; usually that is a link to where the board or a systemd credential keeps
it, so that the card alone holds none. This module never writes the key into the folder by itself.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from anpr_node.errors import StoreError
from anpr_node.whole_file import write_whole

KEY_NAME = "store.key"
KEY_ID_NAME = "store.key-id"
KEY_BYTES = 32
PLAIN_MAGIC = b"SQLite format 3"
SECRET_ENDING = ".secret"

_known_encrypted: set[tuple[int, int]] = set()
"""Files (device, inode) that this process has open, or had: they are not looked into again, see `_check_encrypted`."""
_looking = threading.Lock()


def load_key(folder: Path) -> bytes | None:
    """The folder's key, or None where the folder is not encrypted.

    Raises:
        StoreError: the folder is encrypted and its key is not there, or is another one.

    """
    link, key_id = folder / KEY_NAME, folder / KEY_ID_NAME
    if not link.is_symlink() and not link.exists():
        if key_id.exists():
            raise StoreError(f"{link} is missing and the store is encrypted: bring the key back, nothing is lost")
        return None
    try:
        key = link.read_bytes()
    except OSError as error:
        raise StoreError(
            f"the store's key {link} cannot be read: {error.strerror}; plug in the stick that it is on, nothing is lost"
        ) from error
    if len(key) != KEY_BYTES:
        raise StoreError(f"the store's key {link} has {len(key)} bytes, {KEY_BYTES} are needed")
    if key_id.exists() and not hmac.compare_digest(key_id.read_text("ascii").strip(), name_of(key)):
        raise StoreError(f"{link} is not the key that this store was made with; nothing was changed")
    return key


def name_of(key: bytes) -> str:
    """What tells one key from another and says nothing about it."""
    return derive(key, "name").hex()[:32]


def new_key(path: Path) -> None:
    """Make a key file that only its owner can read, whole or not at all. Raises StoreError, also where there is one."""
    fresh = path.with_name(f"{path.name}.{os.urandom(8).hex()}.new")  # not write_whole: a key that is there stays
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        _name_once(fresh, path)
    except OSError as error:
        raise StoreError(f"no key made at {path}: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _name_once(fresh: Path, path: Path) -> None:
    """Give a file its name if nothing has it. FAT, which USB sticks have, knows no links: there one looks first."""
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP}:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        fresh.rename(path)


def derive(key: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose; one tells nothing about the others."""
    return HKDF(SHA256(), 32, None, f"anpr-node {purpose}".encode()).derive(key)


def secret_for(folder: Path, purpose: str) -> bytes:
    """The secret of a purpose: derived from the key where there is one, else of a file that only we can read.

    A folder that was encrypted later keeps the secrets it had, closed with the key.
    """
    key, path = load_key(folder), folder / f"{purpose}{SECRET_ENDING}"
    if key is not None and not path.exists():
        return derive(key, purpose)
    if not path.exists():
        folder.mkdir(0o700, parents=True, exist_ok=True)
        with contextlib.suppress(StoreError):  # another process may have been faster; what else it was, reading shows
            new_key(path)
    content = path.read_bytes()
    return content if key is None else _cipher(key).decrypt(content[:12], content[12:], purpose.encode())


def seal_secrets(folder: Path, key: bytes) -> None:
    """Close the secrets that a folder had before it got a key; what is closed already stays as it is."""
    for path in folder.glob(f"*{SECRET_ENDING}"):
        content = path.read_bytes()
        if len(content) == KEY_BYTES:
            nonce, purpose = os.urandom(12), path.name.removesuffix(SECRET_ENDING)
            closed = nonce + _cipher(key).encrypt(nonce, content, purpose.encode())
            write_whole(path, closed, mode=0o600)


def _cipher(key: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(derive(key, "secrets"))


def connect(path: Path, key: bytes | None, timeout_s: float) -> Any:
    """A connection to a database file: SQLCipher's with a key, Python's own without."""
    if key is None:
        return sqlite3.connect(path, timeout=timeout_s)
    dbapi2 = _sqlcipher()
    with _looking:
        _check_encrypted(path)
        connection = dbapi2.connect(path, timeout=timeout_s)  # makes the file where there was none
        _known_encrypted.add(_identity(path))
    connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to stderr what is raised anyway
    connection.execute(f"PRAGMA key = \"x'{derive(key, 'store').hex()}'\"")
    return connection


def _check_encrypted(path: Path) -> None:
    """Refuse a plain file, before its first connection in this process and never again.

    The end of any open file drops every lock that the process has on it, and so those of a connection that is there
    already: another process would then take the log away under it.
    """
    if path.exists() and _identity(path) in _known_encrypted:
        return
    if is_plain(path):
        raise StoreError(f"{path} is not encrypted and there is a key: take {KEY_NAME} away and call store encrypt")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def is_plain(path: Path) -> bool:
    """Whether a database file can be read without a key; one that is not there cannot.

    For a file that no connection of this process has open: closing it again drops their locks.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(PLAIN_MAGIC)) == PLAIN_MAGIC
    except FileNotFoundError:
        return False


def note_key(folder: Path, key: bytes) -> None:
    """Remember which key a folder was made with: another one is then told from a damaged store."""
    path = folder / KEY_ID_NAME
    if not path.exists():
        write_whole(path, name_of(key) + "\n")


def _sqlcipher() -> Any:
    """SQLCipher's module, its errors made Python's own as well: `except sqlite3.Error` catches both."""
    try:
        from sqlcipher3 import dbapi2
    except ImportError as error:
        raise StoreError("the store is encrypted and sqlcipher3 is missing: pip install sqlcipher3") from error
    for name in ("DatabaseError", "OperationalError", "IntegrityError", "InterfaceError", "ProgrammingError"):
        ours, own = getattr(dbapi2, name), getattr(sqlite3, name)
        if not issubclass(ours, own):
            ours.__bases__ = (*ours.__bases__, own)
    return dbapi2
