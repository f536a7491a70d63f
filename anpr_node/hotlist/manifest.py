"""What comes with a signed list: which list and revision it is, the hash of its file, an Ed25519 signature over both.

A manifest is two lines: a JSON object, and `ed25519` with the base64 signature of the first line's bytes. It is one
file, so that statement and signature cannot be of different revisions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from anpr_node.errors import HotlistError, RefusedByPolicy
from anpr_node.units import NS_PER_S

MANIFEST_BYTES_MAX = 16_384
SCHEME = b"ed25519 "
CHUNK_BYTES = 1 << 20


class Manifest(BaseModel):
    """The statement about one file of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    list: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,39}$")
    revision: int = Field(ge=1, lt=2**53)
    operation: Literal["replace", "delta", "remove"]
    base: int | None = Field(None, ge=1, description="the revision that a delta changes")
    issued: AwareDatetime
    whole: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,120}$", description="the manifest of the whole list, beside this"
    )
    file: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,120}$")
    bytes: int = Field(ge=0, le=2_000_000_000)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _a_change_has_a_base(self) -> Manifest:
        if (self.operation == "replace") != (self.base is None):
            raise ValueError("base is needed with operation delta or remove, and only then")
        return self

    @property
    def issued_ns(self) -> int:
        """UTC nanoseconds."""
        return int(self.issued.timestamp()) * NS_PER_S


def read_manifest(content: bytes, public_key: str, list_id: str) -> Manifest:
    """A manifest whose signature is good and that is for this list.

    Raises:
        RefusedByPolicy: the signature is missing or wrong, or it is another list's.
        HotlistError: it is signed, and no manifest of ours.

    """
    statement, _, rest = content.partition(b"\n")
    if len(content) > MANIFEST_BYTES_MAX or not rest.startswith(SCHEME):
        raise RefusedByPolicy(f"list {list_id}: not a signed manifest; see docs/hotlists.md")
    try:
        signature = base64.b64decode(rest.removeprefix(SCHEME).strip(), validate=True)
        _public(public_key).verify(signature, statement)
    except (InvalidSignature, binascii.Error):
        raise RefusedByPolicy(f"list {list_id}: the signature is not that of its public_key") from None
    try:
        manifest = Manifest.model_validate_json(statement)
    except ValidationError as error:
        raise HotlistError(f"list {list_id}: manifest: {_first_problem(error)}") from error
    if manifest.list != list_id:
        raise RefusedByPolicy(f"list {list_id}: the manifest is that of list {manifest.list}")
    return manifest


def check_file(path: Path, manifest: Manifest) -> None:
    """Whether the file is the one that was signed. Raises RefusedByPolicy, HotlistError."""
    if hash_file(path) != manifest.sha256 or path.stat().st_size != manifest.bytes:
        raise RefusedByPolicy(f"list {manifest.list}: {path.name} is not the file that was signed")


def hash_file(path: Path) -> str:
    """SHA-256 in hexadecimal. Raises HotlistError."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def describe(path: Path, list_id: str, revision: int, operation: str, base: int | None) -> Manifest:
    """What there is to say about a file, for who publishes lists. Raises HotlistError."""
    digest = hash_file(path)
    try:
        return Manifest.model_validate(
            {
                "list": list_id,
                "revision": revision,
                "operation": operation,
                "base": base,
                "issued": datetime.now(UTC).replace(microsecond=0),
                "file": path.name,
                "sha256": digest,
                "bytes": path.stat().st_size,
            }
        )
    except ValidationError as error:
        raise HotlistError(f"cannot be signed: {_first_problem(error)}") from error


def sign(manifest: Manifest, private_key: Path) -> bytes:
    """A manifest as it is published. Raises HotlistError."""
    line = manifest.model_dump_json(exclude_none=True).encode()
    return line + b"\n" + SCHEME + base64.b64encode(_private(private_key).sign(line)) + b"\n"


def public_key_of(private_key: Path) -> str:
    """What a node's configuration names: base64 of the 32 bytes. Raises HotlistError."""
    return base64.b64encode(_private(private_key).public_key().public_bytes_raw()).decode()


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg'].removeprefix('Value error, ')}"


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise HotlistError(f"{path}: not a private key in PEM; make one: openssl genpkey -algorithm ed25519") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise HotlistError(f"{path}: not an Ed25519 key; make one: openssl genpkey -algorithm ed25519")
    return key


def _public(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise HotlistError("public_key is not base64 of 32 bytes; see: anpr-node hotlist sign --show-key") from error
