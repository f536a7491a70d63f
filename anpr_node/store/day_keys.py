"""Closes texts that the audit must hold and the law lets nobody keep for ever: with a key of their day, erased in time.

    closed = close(folder, "1ABC*", now_ns)     # "20261129:…", for a line that is never changed
    reopen(folder, closed)                      # "1ABC*", and None once the key of the day is gone

The line keeps its hash, and the chain holds. The keys lie in the state folder beside the audit; only erasing closes the
texts for good, and what a flash card has put elsewhere no program can overwrite.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from anpr_node.errors import StoreError
from anpr_node.store.key import KEY_BYTES, new_key
from anpr_node.units import NS_PER_DAY
from anpr_node.whole_file import sync_folder

FOLDER = "audit-keys"
ENDING = ".key"
NONCE_BYTES = 12
DAY = re.compile(r"\d{8}")


def close(folder: Path, text: str, at_ns: int) -> str:
    """The text closed with the key of its day, which is made where there is none.

    Raises:
        StoreError: the key cannot be made or read.

    """
    day = f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y%m%d}"
    path = folder / FOLDER / f"{day}{ENDING}"
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(StoreError):  # another process may have been faster; what else it was, reading shows
                new_key(path)
            sync_folder(path.parent)
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(f"no key for the audit in {path.parent}: {error.strerror}; is the card writable?") from error
    nonce = os.urandom(NONCE_BYTES)
    box = ChaCha20Poly1305(key).encrypt(nonce, text.encode(), day.encode())
    return f"{day}:{b64encode(nonce + box).decode()}"


def reopen(folder: Path, closed: str) -> str | None:
    """The text; None where the key of its day was erased, or is not for our eyes."""
    day, _, content = closed.partition(":")
    if not DAY.fullmatch(day):
        return None
    try:
        key, box = (folder / FOLDER / f"{day}{ENDING}").read_bytes(), b64decode(content, validate=True)
        return ChaCha20Poly1305(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], day.encode()).decode()
    except (OSError, NotBase64, InvalidTag, ValueError):
        return None


def erase(folder: Path, days: int, now_ns: int) -> int:
    """Erase the keys of days that ended so many days ago, and those that a mistaken clock put into the future.

    Returns how many. Raises StoreError.
    """
    erased = 0
    for path in sorted((folder / FOLDER).glob(f"*{ENDING}")):
        if not DAY.fullmatch(path.stem):
            continue
        try:
            begun_ns = int(datetime.strptime(path.stem, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 1_000_000_000
        except ValueError:
            continue
        if now_ns >= begun_ns + (days + 1) * NS_PER_DAY or begun_ns > now_ns + NS_PER_DAY:
            _erase(path)
            erased += 1
    return erased


def _erase(path: Path) -> None:
    try:
        with path.open("r+b") as file:
            file.write(bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be erased: {error.strerror}; what it closes stays readable") from error
