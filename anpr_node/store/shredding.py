"""Closes every overview with a key of its own, which lies in the row of its read: to erase 32 bytes is to erase it all.

Overwriting a picture would write as many bytes as it has, twice, for nothing but zeros; on a full card that is what
most writing would be for. Against who holds card and store it hides nothing: encryption of the store does that.
Damage is not noticed here but by the hash beside the picture, as ever.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from sqlite_utils import Database

from anpr_node.store.database import TRIAL

KEY_BYTES = 32
NONCE = bytes(16)
"""Every picture has a key of its own, so one nonce serves all of them."""


def new_picture_key() -> bytes | None:
    """A key for one overview; None while an update is on trial: the version before could not open it."""
    return None if TRIAL.exists() else os.urandom(KEY_BYTES)


def turn(key: bytes | None, picture: bytes) -> bytes:
    """Close a picture, or open it again: both are the same. Without a key it stays as it is."""
    if key is None:
        return picture
    return Cipher(algorithms.ChaCha20(bytes(key), NONCE), mode=None).encryptor().update(picture)


def shred_overviews(database: Database, read_ids: Sequence[str]) -> None:
    """Erase the keys of these reads' overviews and give up their pages as they are; their rows stay, empty.

    What has no key is left to be overwritten. Use it within `database.atomic()`.
    """
    holes = ", ".join("?" * len(read_ids))
    keyed = f"SELECT read_id FROM read WHERE read_id IN ({holes}) AND overview_key IS NOT NULL"
    _set_overwriting(database, "FAST")
    try:  # no page of the tree is given up by this: what lies beside the overview in it is never left behind
        database.execute(f"UPDATE evidence SET jpeg = x'' WHERE kind = 'overview' AND read_id IN ({keyed})", read_ids)
    finally:
        _set_overwriting(database, "ON")
    database.execute(f"UPDATE read SET overview_key = NULL WHERE read_id IN ({keyed})", [*read_ids])


def _set_overwriting(database: Database, how: str) -> None:
    """ON: what is deleted is overwritten; FAST: only where that costs no further page."""
    database.execute(f"PRAGMA secure_delete={how}").fetchone()
