"""Seals entries so that a plate can be looked up and the list cannot be read: what the list files hold.

An entry is found by a keyed hash of its plate, and opened with a key that comes from the node's secret and that plate.
That is another thing than store/sealing.py, which closes reads so that the node itself cannot open them. What this
does not protect against stands in docs/decisions/0060. Nothing here opens a list.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from anpr_node.errors import HotlistError, StoreError
from anpr_node.store.key import secret_for

SECRET_BYTES = 32
TAG_BYTES = 8
KEY_BYTES = 16
NONCE_BYTES = 12


class Sealer:
    """The node's secret at work."""

    def __init__(self, secret: bytes) -> None:
        self._base = blake2b(key=secret, digest_size=TAG_BYTES + KEY_BYTES, person=b"anpr-node list")

    def tag(self, text: str) -> bytes:
        """What a plate is filed under."""
        return self._derive(text)[:TAG_BYTES]

    def seal(self, text: str, content: bytes) -> tuple[bytes, bytes]:
        """The tag of a plate, and its content sealed."""
        derived, nonce = self._derive(text), os.urandom(NONCE_BYTES)
        return derived[:TAG_BYTES], nonce + AESGCM(derived[TAG_BYTES:]).encrypt(nonce, content, None)

    def open(self, text: str, sealed: bytes) -> bytes | None:
        """The content, or None where it was sealed for another plate, with another secret, or is damaged."""
        try:
            return AESGCM(self._derive(text)[TAG_BYTES:]).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            return None

    def _derive(self, text: str) -> bytes:
        derived = self._base.copy()
        derived.update(text.encode())
        return derived.digest()


def open_sealer(state_folder: Path) -> Sealer:
    """The sealer of a node, by the secret for lists of its state folder. Raises HotlistError, StoreError."""
    try:
        secret = secret_for(state_folder, "lists")
    except StoreError:
        raise
    except (OSError, InvalidTag) as error:
        raise HotlistError(
            f"the secret of the lists in {state_folder} cannot be opened: {error or 'damaged'}"
        ) from error
    if len(secret) != SECRET_BYTES:
        raise HotlistError(f"lists.secret: {len(secret)} bytes, {SECRET_BYTES} wanted; delete it and import the lists")
    return Sealer(secret)
