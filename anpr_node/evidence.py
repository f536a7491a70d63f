"""One read as a package for a case file: pictures, record, audit extract, a manifest of hashes, signed by the node.

A package is a ZIP. `manifest.json` lists every other file with its SHA-256; `signature` is Ed25519 over the manifest.
Nothing is re-encoded: the pictures are the stored bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlite_utils import Database

from anpr_node import __version__, audit
from anpr_node.errors import AnprError, EvidenceError, RefusedByPolicy
from anpr_node.policy import Terms
from anpr_node.store.finding import whole_read
from anpr_node.store.key import secret_for
from anpr_node.store.reads import load_evidence
from anpr_node.store.sealing import open_box
from anpr_node.units import NS_PER_S

MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "signature", "signer"
OWN = frozenset({MANIFEST, SIGNATURE, PUBLIC_KEY})
PICTURES = ("patch", "overview")
LISTS = frozenset({"candidates", "box", "flags", "actions"})
"""What the store keeps as the text of a JSON list."""
MOMENTS = frozenset({"first_seen_ns", "last_seen_ns", "raised_at_ns"})
PACKAGE_BYTES_MAX = 100_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)
"""A package's files carry no time of their own: the record says when."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which read, for whom and why."""

    actor: str
    read_id: str
    reason: str
    case_ref: str
    decision_ref: str | None
    recipient: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A package that is whole: its files, and who signed it."""

    files: tuple[str, ...]
    signer: str
    corrected_by: tuple[str, ...] = ()
    """The reads that were written in its place before it was exported."""


@contextlib.contextmanager
def new_file(path: Path, folder: Path, request: Request, now_ns: int) -> Iterator[IO[bytes]]:
    """A new file for what `export` gives, open before that is audited as done; it goes again if that fails.

    Raises:
        AnprError: there is a file already, or it cannot be written; audited as failed.

    """
    try:
        with path.open("xb") as file, _gone_if_it_fails(path):
            yield file
            file.flush()
            os.fsync(file.fileno())
    except AnprError:
        raise
    except OSError as error:
        there = isinstance(error, FileExistsError)
        problem = "it is there already: move it away, or name another file with --out" if there else error.strerror
        audit.append(folder, _entry(request, "failed", f"{path}: {problem}"), now_ns)
        raise AnprError(f"{path}: {problem}") from error


@contextlib.contextmanager
def _gone_if_it_fails(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink()
        raise


def export(database: Database, folder: Path, request: Request, terms: Terms, now_ns: int) -> bytes:
    """The package of one read; the export itself is audited first and stands in the extract.

    Raises:
        RefusedByPolicy: no reason, no case reference, or beyond the gate without a decision; the refusal is audited.
        AnprError: there is no such read.

    """
    row = whole_read(database, request.read_id, terms.only_hits_before_ns(now_ns))
    problem = _problem(request, row, terms, now_ns)
    if problem:
        audit.append(folder, _entry(request, "refused", problem), now_ns)
        raise RefusedByPolicy(problem)
    if row is None:
        raise AnprError(f"there is no read {request.read_id}; READ_ID is the last column of a search")
    audit.append(folder, _entry(request, "done", ""), now_ns)
    return pack(_files(database, folder, request.read_id, row), folder, now_ns)


def _problem(request: Request, row: dict[str, Any] | None, terms: Terms, now_ns: int) -> str:
    if not request.reason.strip() or not request.case_ref.strip():
        return "an export needs --reason and --case: say why and for which case"
    gate_ns = terms.gate_ns(now_ns, request.decision_ref)
    if row is not None and gate_ns is not None and int(row["first_seen_ns"]) < gate_ns:
        return f"a read older than {terms.gate_days} days is exported on a decision only: --decision"
    return ""


def _entry(request: Request, outcome: str, problem: str) -> audit.Entry:
    return audit.Entry(
        request.actor,
        "evidence export",
        outcome,
        request.reason,
        request.case_ref,
        request.decision_ref or "",
        request.recipient,
        request.read_id,
        int(outcome == "done"),
        {"problem": problem} if problem else {},
    )


def _files(database: Database, folder: Path, read_id: str, row: dict[str, Any]) -> dict[str, bytes]:
    """The package's content by name. A sealed record stays sealed: its recipient opens it, see `unseal`."""
    files = {"record.json": _json(_for_readers(row))}
    sealed = row["sealed"] is not None
    for kind in PICTURES:
        picture = load_evidence(database, read_id, kind)
        if picture is not None:
            files[f"{kind}.sealed" if sealed else f"{kind}.jpg"] = picture[0]
    lines = [asdict(line) for line in audit.read(folder) if line.entry.object_ref == read_id]
    files["audit.json"] = _json(lines)
    return files


def _for_readers(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the store as who has no store reads it: lists as lists, moments also in words, bytes in base64."""
    words = {
        name.removesuffix("_ns"): datetime.fromtimestamp(row[name] / NS_PER_S, UTC).isoformat(" ", "milliseconds")
        for name in MOMENTS
        if name in row
    }
    hits = {"hits": [_for_readers(hit) for hit in row["hits"]]} if "hits" in row else {}
    return {**{name: _plain(name, value) for name, value in row.items()}, **words, **hits}


def _plain(name: str, value: Any) -> Any:
    """One cell. Raises ValueError for a list that is none."""
    if name in LISTS and isinstance(value, str):
        return json.loads(value)
    return b64encode(value).decode() if isinstance(value, bytes) else value


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()


def pack(files: dict[str, bytes], folder: Path, now_ns: int) -> bytes:
    """Files as a signed package."""
    key = _signing_key(folder)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = _json(
        {"made_ns": now_ns, "software_version": __version__, "audit_head": audit.head(folder), "sha256": hashes}
    )
    own = {
        MANIFEST: manifest,
        SIGNATURE: key.sign(manifest).hex().encode(),
        PUBLIC_KEY: key.public_key().public_bytes_raw().hex().encode(),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for name, content in {**files, **own}.items():
            package.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return buffer.getvalue()


def _signing_key(folder: Path) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(secret_for(folder, "evidence"))
    except (InvalidTag, ValueError) as error:
        raise EvidenceError(
            f"{folder / 'evidence.secret'} holds no key that fits: bring back a copy, or take it away for a new signer"
        ) from error


def fingerprint_of(folder: Path) -> str:
    """The fingerprint of the node's signing key, to be written into the site's papers."""
    return _fingerprint(_signing_key(folder).public_key().public_bytes_raw())


def _fingerprint(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()


def verify(content: bytes, signer: str | None = None) -> Verdict:
    """Check a package.

    Raises:
        EvidenceError: it is no package, was altered, or was signed by somebody else.

    """
    files = _unpack(content)
    try:
        manifest, public = files[MANIFEST], bytes.fromhex(files[PUBLIC_KEY].decode("ascii"))
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(files[SIGNATURE].decode("ascii")), manifest)
        hashes = json.loads(manifest)["sha256"]
    except InvalidSignature as error:
        raise EvidenceError("the signature does not fit the manifest: the package was altered") from error
    except (KeyError, ValueError) as error:
        raise EvidenceError(f"no evidence package: {error}") from error
    content_names = sorted(set(files) - OWN)
    if content_names != sorted(hashes):
        raise EvidenceError(f"files were added or left out: {sorted(set(content_names) ^ set(hashes))}")
    for name in content_names:
        if hashlib.sha256(files[name]).hexdigest() != hashes[name]:
            raise EvidenceError(f"{name} was altered: its hash does not fit")
    if signer is not None and signer.lower() != _fingerprint(public):
        raise EvidenceError(f"signed by {_fingerprint(public)}, not by {signer}")
    return Verdict(tuple(content_names), _fingerprint(public), _corrected_by(files.get("record.json", b"{}")))


def _corrected_by(record: bytes) -> tuple[str, ...]:
    """None in a package of an earlier version, and in one that is no read's."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return tuple(json.loads(record).get("corrected_by", ()))
    return ()


def unseal(content: bytes, private: X25519PrivateKey, signer: str | None = None) -> dict[str, bytes]:
    """What is in the boxes of a sealed read's package, by file name: the whole record, and its pictures.

    Raises:
        EvidenceError: as `verify`; it is not sealed, or a picture is not the one that was sealed with the record.
        StoreError: it is sealed for another key.

    """
    verify(content, signer)
    files = _unpack(content)
    try:
        record = dict(json.loads(files.get("record.json", b"{}")))
        if not record.get("sealed"):
            raise EvidenceError("nothing in it is sealed: unzip it")
        secret = dict(json.loads(open_box(private, b64decode(record.pop("sealed")))))
        hashes, secret = dict(secret["sha256"]), {name: _plain(name, value) for name, value in secret.items()}
    except EvidenceError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise EvidenceError("it holds no record of a sealed read") from error
    opened = {"record.json": _json({**record, **secret})}
    for kind in PICTURES:  # whoever makes a package chooses its names, and must not choose where they are written
        if f"{kind}.sealed" in files:
            picture = opened[f"{kind}.jpg"] = open_box(private, files[f"{kind}.sealed"])
            if hashlib.sha256(picture).hexdigest() != hashes.get(kind):
                raise EvidenceError(f"{kind}.sealed is not the picture that was sealed with this record")
    return opened


def _unpack(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            infos = package.infolist()
            if len({info.filename for info in infos}) < len(infos):
                raise EvidenceError("a file is in it twice")
            if sum(info.file_size for info in infos) > PACKAGE_BYTES_MAX:
                raise EvidenceError("it is too large for an evidence package")
            return {info.filename: package.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, EvidenceError):
            raise
        raise EvidenceError(f"no evidence package: {error}") from error
