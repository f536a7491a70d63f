"""Adds lines to the audit's file and reads them: each carries the hash of the one before. Nothing here changes a line.

The hash is keyed, so that nobody without the folder's secret can make a chain that holds. Where the file does not end
as its head says, a line that tells so is written before all others: lines that were cut off stay missed.
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

from anpr_node.audit.end import HEAD_NAME, End, misfit, note_head
from anpr_node.audit.entry import Entry, dump, limited
from anpr_node.errors import StoreError
from anpr_node.store.key import derive, load_key, secret_for

FILE_NAME = "audit.jsonl"
GAP = "audit_gap"
"""The action of a line before which others are missing."""
NO_LINE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What reading bytes that are none of the node's lines may raise."""
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
        folder.mkdir(0o700, parents=True, exist_ok=True)
        secret, key = secret_for(folder, "audit"), load_key(folder)
        with _locked(folder) as handle:
            _mend(handle)
            book = _Book(folder, handle, secret, key, time.time_ns() if at_ns is None else at_ns)
            last = _last(handle, secret)
            if last == End() and not (folder / HEAD_NAME).exists():
                note_head(folder, secret, last.seq, last.hash)  # from now on a file without one is none of ours
            if problem := misfit(folder, secret, last):
                last = _add(book, last, Entry("node", GAP, "found", reason=problem))
            last = _add(book, last, entry)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"the audit cannot be written: {error.strerror}; free space or replace the card") from error
    return Line(last.seq, book.at_ns, entry, last.hash)


@dataclass(frozen=True, slots=True)
class _Book:
    """The open file, what a line of it is made with, and when."""

    folder: Path
    handle: int
    secret: bytes
    key: bytes | None
    at_ns: int


def _add(book: _Book, last: End, entry: Entry) -> End:
    body = {"seq": last.seq + 1, "at_ns": book.at_ns, **limited(entry), "prev": last.hash}
    if book.key is not None and entry.detail:
        body["detail"] = _close(book.key, body["detail"], body["seq"])
    digest = chained(book.secret, body)
    with _whole_or_not_at_all(book.handle):
        _write_all(book.handle, dump({**body, "hash": digest}) + b"\n")
        os.fsync(book.handle)
        note_head(book.folder, book.secret, body["seq"], digest)
    return End(body["seq"], digest, last.hash)


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


def _last(handle: int, secret: bytes) -> End:
    lines = _tail(handle).splitlines()
    if not lines:
        return End()
    try:
        last = json.loads(lines[-1])
        body = {name: value for name, value in last.items() if name != "hash"}
        digest = str(last["hash"])
        return End(int(last["seq"]), digest, str(last["prev"]), chained(secret, body) == digest)
    except NO_LINE:  # verify shows where the chain was broken; writing goes on
        return End(0, hashlib.sha256(lines[-1]).hexdigest(), "", holds=False)


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


def read(folder: Path) -> Iterator[Line]:
    """The lines that can be read, oldest first; whether they are true is what `verify` says."""
    key = load_key(folder)
    for raw in content(folder).split(b"\n")[:-1]:
        try:
            row = json.loads(raw)
            fields = {name: row[name] for name in Entry.__dataclass_fields__ if name != "detail"}
            yield Line(
                row["seq"], row["at_ns"], Entry(**fields, detail=_open(key, row["detail"], row["seq"])), row["hash"]
            )
        except NO_LINE:
            continue


@contextmanager
def held_still(folder: Path) -> Iterator[None]:
    """Nobody adds a line meanwhile: file and head belong together."""
    try:
        handle = os.open(folder / FILE_NAME, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def content(folder: Path) -> bytes:
    """The file as it stands, a line that was not finished included; empty where there is none."""
    try:
        return (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return b""
