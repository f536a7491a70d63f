"""Sealed mode: what a read says is closed with the back office's public key, and the node cannot open it again.

X25519 with a fresh key for every box, HKDF-SHA256, ChaCha20-Poly1305. Times, lane and direction stay readable, because
retention and order need them; so does which list a hit is on, because the outbox sends hits first.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from anpr_node.errors import ConfigError, StoreError

PUBLIC_BYTES = 32
NONCE = bytes(12)
"""Every box has a key of its own, so one nonce serves all of them."""
OPEN_COLUMNS = frozenset(
    [
        "read_id",
        "node_id",
        "first_seen_ns",
        "last_seen_ns",
        "clock_source",
        "clock_offset_ms",
        "clock_age_s",
        "lane",
        "direction",
        "model_id",
        "software_version",
        "corrects",
    ]
)
BLANKS: dict[str, object] = {
    "vrm": "",
    "country": None,
    "confidence": 0.0,
    "candidates": "[]",
    "votes": 0,
    "box": "[]",
    "plate_width_px": 0,
    "exposure_us": 0,
    "flags": '["sealed"]',
}


class Seal:
    """Closes boxes for one recipient."""

    def __init__(self, recipient: X25519PublicKey) -> None:
        self._recipient = recipient

    def close(self, content: bytes) -> bytes:
        """A box: 32 bytes of public key, then the ciphertext."""
        once = X25519PrivateKey.generate()
        public = once.public_key().public_bytes_raw()
        key = _key_of(once.exchange(self._recipient), public, self._recipient.public_bytes_raw())
        return public + ChaCha20Poly1305(key).encrypt(NONCE, content, None)


def _key_of(shared: bytes, public: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"anpr-node sealed" + public + recipient).derive(shared)


def open_box(private: X25519PrivateKey, box: bytes) -> bytes:
    """What the back office does with a box. Raises StoreError where it is not for this key or was altered."""
    public = box[:PUBLIC_BYTES]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(public))
        key = _key_of(shared, public, private.public_key().public_bytes_raw())
        return ChaCha20Poly1305(key).decrypt(NONCE, box[PUBLIC_BYTES:], None)
    except (InvalidTag, ValueError) as error:
        raise StoreError("the sealed box is not for this key, or was altered") from error


def load_private(path: Path) -> X25519PrivateKey:
    """The back office's own key, a PEM file. Raises ConfigError."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except TypeError as error:
        raise ConfigError(f"{path} is closed with a passphrase: openssl pkey -in {path} -out open.pem") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no private key in PEM") from error
    if not isinstance(key, X25519PrivateKey):
        raise ConfigError(f"{path} is no X25519 private key (openssl genpkey -algorithm x25519)")
    return key


def load_seal(path: Path) -> Seal:
    """The seal of a PEM file with an X25519 public key. Raises ConfigError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"store.sealed_for: {path}: {error}") from error
    if not isinstance(key, X25519PublicKey):
        raise ConfigError(f"store.sealed_for: {path} is no X25519 public key (openssl genpkey -algorithm x25519)")
    return Seal(key)


def seal_row(seal: Seal, row: dict[str, object], pictures: dict[str, bytes]) -> dict[str, object]:
    """The row with everything that tells the vehicle in a box, with the hashes of its pictures."""
    hashes = {kind: hashlib.sha256(jpeg).hexdigest() for kind, jpeg in pictures.items()}
    secret = {name: value for name, value in row.items() if name not in OPEN_COLUMNS}
    box = seal.close(json.dumps({**secret, "sha256": hashes}).encode())
    return {**row, **BLANKS, "sealed": box}
