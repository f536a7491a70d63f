"""Adds lines to the audit's file and reads them: each carries the hash of the one before. Nothing here changes a line.

The hash is keyed, so that nobody without the folder's secret can make a chain that holds. `head` is for the uplink: a
head that is known elsewhere shows when lines are cut off the end.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from anpr_node.audit.entry import Entry, dump, limited
from anpr_node.errors import StoreError
from anpr_node.store.key import derive, load_key, secret_for

FILE_NAME = "audit.jsonl"
HEAD_NAME = "audit.head"
FIRST = "0" * 64
NONCE_BYTES = 12
TAIL_BYTES = 65_536
"""Longer than any line that is written here: the last one is found by reading so much of the end, or twice that …"""


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, why, when (UTC nanoseconds) and for which case; what they do is written down with `note`."""

    actor: str
    reason: str
    at_ns: int
    case_ref: str = ""
    decision_ref: str = ""

    def note(
        self, folder: Path, action: str, object_ref: str, outcome: str = "done", rows: int = 0, **detail: Any
    ) -> Line:
        """Write down what is done or refused. Raises StoreError, as `append`."""
        entry = Entry(
            self.actor, action, outcome, self.reason, self.case_ref, self.decision_ref, "", object_ref, rows, detail
        )
        return append(folder, entry, self.at_ns)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it was written: its number, its moment and the hash that the next line carries."""

    seq: int
    at_ns: int
    entry: Entry
    hash: str


def append(folder: Path, entry: Entry, at_ns: int | None = None) -> Line:
    """Write an entry down; when this returns it is on the card.

    Raises:
        StoreError: it could not be written: what is to be audited must not happen then.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        secret, key = secret_for(folder, "audit"), load_key(folder)
        with _locked(folder) as handle:
            _mend(handle)
            last = _last(handle)
            moment_ns = time.time_ns() if at_ns is None else at_ns
            body = {"seq": last[0] + 1, "at_ns": moment_ns, **limited(entry), "prev": last[1]}
            if key is not None and entry.detail:
                body["detail"] = _close(key, body["detail"], body["seq"])
            digest = chained(secret, body)
            with _whole_or_not_at_all(handle):
                _write_all(handle, dump({**body, "hash": digest}) + b"\n")
                os.fsync(handle)
                _note_head(folder, body["seq"], digest)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"the audit cannot be written: {error.strerror}; free space or replace the card") from error
    return Line(body["seq"], moment_ns, entry, digest)


@contextmanager
def _whole_or_not_at_all(handle: int) -> Iterator[None]:
    """Cut off what was written of a line that fails: it is not acknowledged."""
    size = os.fstat(handle).st_size
    try:
        yield
    except OSError:
        os.ftruncate(handle, size)
        raise


def _write_all(handle: int, line: bytes) -> None:
    """A card that is nearly full takes a part, and says so by the number of bytes only."""
    while line:
        line = line[os.write(handle, line) :]


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The file, for one process at a time."""
    handle = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _tail(handle: int) -> bytes:
    """The end of the file with its last line whole; one that somebody else made may be of any length."""
    size, reach = os.fstat(handle).st_size, TAIL_BYTES
    while True:
        tail = os.pread(handle, reach, max(0, size - reach))
        if reach >= size or tail.count(b"\n") > 1:
            return tail
        reach *= 2


def _mend(handle: int) -> None:
    """Cut off a last line that a power cut left unfinished: it was never acknowledged."""
    tail = _tail(handle)
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        os.ftruncate(handle, os.fstat(handle).st_size - torn)


def _last(handle: int) -> tuple[int, str]:
    lines = _tail(handle).splitlines()
    if not lines:
        return 0, FIRST
    try:
        last = json.loads(lines[-1])
        return int(last["seq"]), str(last["hash"])
    except (ValueError, KeyError, TypeError):
        return 0, hashlib.sha256(lines[-1]).hexdigest()  # verify shows where the chain was broken; writing goes on


def chained(secret: bytes, body: dict[str, Any]) -> str:
    """The hash of a line, which the next one carries."""
    return hmac.new(secret, dump(body), hashlib.sha256).hexdigest()


def _close(key: bytes, detail: dict[str, Any], seq: int) -> str:
    nonce = os.urandom(NONCE_BYTES)
    box = ChaCha20Poly1305(derive(key, "audit detail")).encrypt(nonce, dump(detail), str(seq).encode())
    return b64encode(nonce + box).decode()


def _open(key: bytes | None, detail: Any, seq: int) -> dict[str, Any]:
    if not isinstance(detail, str):
        return dict(detail or {})
    if key is None:
        return {"encrypted": True}
    box = b64decode(detail)
    try:
        cipher = ChaCha20Poly1305(derive(key, "audit detail"))
        return dict(json.loads(cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], str(seq).encode())))
    except InvalidTag:
        return {"encrypted": True}


def _note_head(folder: Path, seq: int, digest: str) -> None:
    """Keep the head beside the file as well; a power cut between the two leaves it one line behind, which is right."""
    replace(folder / HEAD_NAME, f"{seq}:{digest}\n".encode("ascii"))


def replace(path: Path, content: bytes) -> None:
    """Write a small file, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def head(folder: Path) -> str:
    """The last line's number and hash as `SEQ:HASH`, for whoever keeps it elsewhere; `0:000…` before the first."""
    try:
        return (folder / HEAD_NAME).read_text("ascii").strip()
    except FileNotFoundError:
        return f"0:{FIRST}"


def read(folder: Path) -> Iterator[Line]:
    """The lines that can be read, oldest first; whether they are true is what `verify` says."""
    key = load_key(folder)
    for raw in raw_lines(folder):
        try:
            row = json.loads(raw)
            fields = {name: row[name] for name in Entry.__dataclass_fields__ if name != "detail"}
            yield Line(
                row["seq"], row["at_ns"], Entry(**fields, detail=_open(key, row["detail"], row["seq"])), row["hash"]
            )
        except (ValueError, KeyError, TypeError):
            continue


def raw_lines(folder: Path) -> list[bytes]:
    """The finished lines as they stand in the file, without their ends."""
    try:
        return (folder / FILE_NAME).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
