"""The audit: who did what, when, why, for which case; one line each, chained by hash, only ever added to.

    audit.append(folder, Entry("jan", "search", reason="burglary", case_ref="LI/1", detail={"pattern": "1ABC*"}))

A line names no plate, save in `detail`, which is encrypted where the folder has a key. Each line carries the hash of
the one before; the hash is keyed, so that nobody without the folder's secret can make a chain that holds. `head` is for
the uplink: a head that is known elsewhere shows when lines are cut off the end. Nothing here changes a line.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from anpr_node.errors import StoreError
from anpr_node.store.key import derive, load_key, secret_for

FILE_NAME = "audit.jsonl"
HEAD_NAME = "audit.head"
CONFIGURATION_NAME = "configuration.json"
FIRST = "0" * 64
NONCE_BYTES = 12
TAIL_BYTES = 65_536
"""Longer than any line that is written here: the last one is found by reading so much of the end, or twice that …"""
TEXT_BYTES_MAX = 2_000
"""Each text is cut to so much, as it is spelt in the file."""
DETAIL_BYTES_MAX = 16_000
"""What is longer is there by its hash."""
LONG_VALUES_MAX = 8
ESCAPED_BYTES = 6
"""No character takes more in JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done or refused. `object_ref` is an id, never a plate; `detail` may name one."""

    actor: str
    action: str
    outcome: str = "done"
    reason: str = ""
    case_ref: str = ""
    decision_ref: str = ""
    recipient: str = ""
    object_ref: str = ""
    rows: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, and at which line of the file, counted from 1; 0 stands for the file as a whole."""

    line: int
    problem: str


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
            body = {"seq": last[0] + 1, "at_ns": moment_ns, **_limited(entry), "prev": last[1]}
            if key is not None and entry.detail:
                body["detail"] = _close(key, body["detail"], body["seq"])
            digest = _hash(secret, body)
            with _whole_or_not_at_all(handle):
                _write_all(handle, _dump({**body, "hash": digest}) + b"\n")
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


def _limited(entry: Entry) -> dict[str, Any]:
    """The entry's fields, cut to a bearable length."""
    fields = {k: _cut(v) if isinstance(v, str) else v for k, v in asdict(entry).items()}
    return {**fields, "detail": _limited_detail(entry.detail)}


def _limited_detail(detail: dict[str, Any]) -> dict[str, Any]:
    """Texts cut; where that is too long still, the longest values by their hash."""
    kept = {_cut(name): _cut_texts(value) for name, value in detail.items()}
    too_long = len(_dump(kept)) > DETAIL_BYTES_MAX
    for name in sorted(kept, key=lambda each: -len(_dump(kept[each])))[: LONG_VALUES_MAX if too_long else 0]:
        kept[name] = _by_hash(kept[name])
        if len(_dump(kept)) <= DETAIL_BYTES_MAX:
            return kept
    return _by_hash(detail) if too_long else kept


def _by_hash(value: Any) -> dict[str, Any]:
    content = json.dumps(value, sort_keys=True).encode()
    return {"too_long_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _cut_texts(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, dict):
        return {_cut(str(name)): _cut_texts(each) for name, each in value.items()}
    return [_cut_texts(each) for each in value] if isinstance(value, list | tuple) else value


def _cut(text: str) -> str:
    """A text that takes no more than it may in the file; bytes that are no text are spelt out."""
    text = text[:TEXT_BYTES_MAX].encode("utf-8", "backslashreplace").decode()
    while (over := len(_dump(text)) - 2 - TEXT_BYTES_MAX) > 0:
        text = text[: -max(1, over // ESCAPED_BYTES)]
    return text


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


def _dump(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _hash(secret: bytes, body: dict[str, Any]) -> str:
    return hmac.new(secret, _dump(body), hashlib.sha256).hexdigest()


def _close(key: bytes, detail: dict[str, Any], seq: int) -> str:
    nonce = os.urandom(NONCE_BYTES)
    box = ChaCha20Poly1305(derive(key, "audit detail")).encrypt(nonce, _dump(detail), str(seq).encode())
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
    _replace(folder / HEAD_NAME, f"{seq}:{digest}\n".encode("ascii"))


def _replace(path: Path, content: bytes) -> None:
    """Write a small file, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def note_configuration(folder: Path, actor: str, settings: dict[str, Any], at_ns: int) -> bool:
    """Write down which settings differ from those of the last start, with their new values; whether any do.

    Raises:
        StoreError: it could not be written.

    """
    path = folder / CONFIGURATION_NAME
    flat = {f"{section}.{key}": value for section, keys in settings.items() for key, value in _named(keys).items()}
    try:
        before = json.loads(path.read_bytes())
    except (OSError, ValueError):
        before = {}
    changed = {key: flat.get(key) for key in sorted(flat.keys() | before.keys()) if flat.get(key) != before.get(key)}
    if changed:
        append(folder, Entry(actor, "configuration", rows=len(changed), detail=changed if before else {}), at_ns)
        _replace(path, _dump(flat))
    return bool(changed)


def _named(section: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """A table of the settings, or the tables of a list by their names."""
    return section if isinstance(section, dict) else {str(each["name"]): each for each in section}


def head(folder: Path) -> str:
    """The last line's number and hash as `SEQ:HASH`, for whoever keeps it elsewhere; `0:000…` before the first."""
    try:
        return (folder / HEAD_NAME).read_text("ascii").strip()
    except FileNotFoundError:
        return f"0:{FIRST}"


def read(folder: Path) -> Iterator[Line]:
    """The lines that can be read, oldest first; whether they are true is what `verify` says."""
    key = load_key(folder)
    for raw in _raw_lines(folder):
        try:
            row = json.loads(raw)
            fields = {name: row[name] for name in Entry.__dataclass_fields__ if name != "detail"}
            yield Line(
                row["seq"], row["at_ns"], Entry(**fields, detail=_open(key, row["detail"], row["seq"])), row["hash"]
            )
        except (ValueError, KeyError, TypeError):
            continue


def _raw_lines(folder: Path) -> list[bytes]:
    try:
        return (folder / FILE_NAME).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def verify(folder: Path, anchors: tuple[str, ...] = ()) -> tuple[int, list[Flaw]]:
    """How many lines there are, and everything that was altered, removed, inserted, reordered or cut off.

    `anchors` are heads that were kept elsewhere, as `SEQ:HASH`; the one beside the file is always compared.
    """
    secret = secret_for(folder, "audit")
    lines = _raw_lines(folder)
    flaws: list[Flaw] = []
    hashes: dict[int, str] = {}
    seq, previous = 0, FIRST
    for number, raw in enumerate(lines, 1):
        problem, at, digest = _examine(secret, raw, seq, previous)
        if problem:
            flaws.append(Flaw(number, problem))
        seq, previous = at, digest
        hashes[seq] = digest
    if _unfinished(folder):
        flaws.append(Flaw(len(lines) + 1, "the last line is not finished"))
    heads = [h for h in (head(folder), *anchors) if not h.startswith("0:")]
    if lines and not (folder / HEAD_NAME).exists():
        flaws.append(Flaw(0, f"{HEAD_NAME} beside the file is missing"))
    return len(lines), flaws + [flaw for h in heads if (flaw := _compare_head(hashes, h))]


def _unfinished(folder: Path) -> bool:
    try:
        content = (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return False
    return bool(content) and not content.endswith(b"\n")


def _examine(secret: bytes, raw: bytes, seq: int, previous: str) -> tuple[str, int, str]:
    """What is wrong with a line, and its number and hash, which the next line goes on from."""
    try:
        row = json.loads(raw)
        body = {name: value for name, value in row.items() if name != "hash"}
        at, digest = int(row["seq"]), str(row["hash"])
        canonical = _dump(row) == raw
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it is no line of the audit", seq + 1, hashlib.sha256(raw).hexdigest()
    if not canonical:
        problem = "it was rewritten: it is not spelt as the node spells it"
    elif not hmac.compare_digest(_hash(secret, body), digest):
        problem = "it was altered: its hash does not fit"
    elif at != seq + 1:
        problem = f"it is number {at}, where {seq + 1} should be: lines were removed, inserted or reordered"
    elif row["prev"] != previous:
        problem = "it does not follow the line before it"
    else:
        problem = ""
    return problem, at, digest


def _compare_head(hashes: dict[int, str], anchor: str) -> Flaw | None:
    seq, _, digest = anchor.partition(":")
    if not seq.isdigit() or int(seq) not in hashes:
        return Flaw(0, f"it should reach line {seq}: lines were cut off the end")
    if hashes[int(seq)] != digest:
        return Flaw(0, f"line {seq} is not the one that was anchored")
    return None
