"""Evidence packages: whole, signed, and nothing about them can be changed unseen."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from makers import NS_PER_S, evidence, read
from sqlite_utils import Database

from anpr_node import audit
from anpr_node import evidence as packages
from anpr_node.cli import main
from anpr_node.errors import AnprError, ConfigError, EvidenceError, RefusedByPolicy, StoreError
from anpr_node.evidence import Request
from anpr_node.policy import presets
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store.reads import add_read, load_evidence
from anpr_node.store.sealing import Seal, load_seal, open_box

ENTRY = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))
NOW_NS = 1_767_225_600 * NS_PER_S
BE = presets()["BE"]
REQUEST = Request("jan", "r1", "burglary", "LI/1", None, "BOB Waremme")


@pytest.fixture
def folder(store: Database, tmp_path: Path) -> Path:
    add_read(store, read(at_s=NOW_NS / NS_PER_S - 60), encode(evidence()), [Hit("h1", "r1", ENTRY, "exact", 5)])
    return tmp_path / "state"


@pytest.fixture
def package(store: Database, folder: Path) -> bytes:
    return packages.export(store, folder, REQUEST, BE, NOW_NS)


def files_of(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_package_holds_pictures_record_and_audit_and_is_whole(store: Database, folder: Path, package: bytes) -> None:
    verdict = packages.verify(package, packages.fingerprint_of(folder))
    assert verdict.files == ("audit.json", "overview.jpg", "patch.jpg", "record.json")
    files = files_of(package)
    stored = load_evidence(store, "r1", "patch")
    assert stored is not None
    assert files["patch.jpg"] == stored[0]
    record = json.loads(files["record.json"])
    assert (record["vrm"], record["hits"][0]["category"]) == ("1ABC123", "seize")
    extract = json.loads(files["audit.json"])
    assert [(e["entry"]["action"], e["entry"]["recipient"]) for e in extract] == [("evidence export", "BOB Waremme")]
    assert json.loads(files["manifest.json"])["audit_head"] == audit.head(folder)


def resigned(files: dict[str, bytes]) -> dict[str, bytes]:
    """Hashes mended by somebody who has not the key."""
    manifest = json.loads(files["manifest.json"])
    manifest["sha256"] = {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n not in packages.OWN}
    return {**files, "manifest.json": json.dumps(manifest).encode()}


CHANGES: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "a picture": lambda f: {**f, "patch.jpg": f["patch.jpg"][:-1] + b"x"},
    "the record": lambda f: {**f, "record.json": f["record.json"].replace(b"1ABC123", b"1ABC124")},
    "the record and its hash": lambda f: resigned({**f, "record.json": b"{}"}),
    "the manifest": lambda f: {**f, "manifest.json": f["manifest.json"] + b" "},
    "the signature": lambda f: {**f, "signature": b"00" * 64},
    "the signer": lambda f: {**f, "signer": b"11" * 32},
    "a file more": lambda f: {**f, "note.txt": b"x"},
    "a file less": lambda f: {n: c for n, c in f.items() if n != "overview.jpg"},
    "no signature": lambda f: {n: c for n, c in f.items() if n != "signature"},
    "nothing": lambda f: {},
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_package_that_was_changed_is_refused(package: bytes, kind: str) -> None:
    with pytest.raises(EvidenceError):
        packages.verify(zipped(CHANGES[kind](files_of(package))))


def test_whoever_signs_it_anew_is_another_signer(folder: Path, package: bytes, tmp_path: Path) -> None:
    forged = packages.pack({"record.json": b"{}"}, tmp_path / "other", 0)
    assert packages.verify(forged).files == ("record.json",)
    with pytest.raises(EvidenceError, match="not by"):
        packages.verify(forged, packages.fingerprint_of(folder))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"x" * 1000])
def test_what_is_no_package_is_said(content: bytes) -> None:
    with pytest.raises(EvidenceError):
        packages.verify(content)


def test_an_export_needs_a_reason_and_beyond_the_gate_a_decision(store: Database, folder: Path) -> None:
    from dataclasses import replace

    for request, now_ns in ((replace(REQUEST, reason=""), NOW_NS), (REQUEST, NOW_NS + 31 * 86_400 * NS_PER_S)):
        with pytest.raises(RefusedByPolicy):
            packages.export(store, folder, request, BE, now_ns)
        assert list(audit.read(folder))[-1].entry.outcome == "refused"
    decided = replace(REQUEST, decision_ref="PDR/7")
    assert packages.export(store, folder, decided, BE, NOW_NS + 31 * 86_400 * NS_PER_S)
    with pytest.raises(AnprError, match="no read"):
        packages.export(store, folder, replace(REQUEST, read_id="nobody"), BE, NOW_NS)


def test_by_the_command_line(store: Database, tmp_path: Path) -> None:
    add_read(store, read(read_id="r2", at_s=time.time() - 60), encode(evidence()), [])
    config, out = tmp_path / "node.toml", tmp_path / "r2.zip"
    config.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    options = ["--config", str(config), "r2", "--out", str(out), "--reason", "r", "--case", "c"]
    exported = CliRunner().invoke(main, ["evidence", "export", *options])
    assert exported.exit_code == 0, exported.output
    signer = exported.output.split()[-1]
    assert CliRunner().invoke(main, ["evidence", "verify", str(out), "--signer", signer]).exit_code == 0
    out.write_bytes(out.read_bytes().replace(b'"vrm": "1ABC123"', b'"vrm": "1ABC124"'))
    refused = CliRunner().invoke(main, ["evidence", "verify", str(out)])
    assert refused.exit_code == 1
    assert "error:" in refused.output


def test_sealed_reads_open_for_the_back_office_alone(store: Database, tmp_path: Path) -> None:
    private = X25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "office.pem").write_bytes(pem)
    pictures = encode(evidence())
    made = read("7QZX123", flags=("corrected_from:7QZX128",))
    add_read(store, made, pictures, [Hit("h1", "r1", ENTRY, "exact", 5)], load_seal(tmp_path / "office.pem"))
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())
    assert b"7QZX12" not in content
    assert b"\xff\xd8\xff" not in content, "no JPEG either"
    box, seen_ns = store.execute("SELECT sealed, first_seen_ns FROM read").fetchone()
    secret = json.loads(open_box(private, box))
    assert (secret["vrm"], seen_ns) == ("7QZX123", made.first_seen_ns)
    sealed_patch = load_evidence(store, "r1", "patch")
    assert sealed_patch is not None
    patch = open_box(private, sealed_patch[0])
    assert patch == pictures.patch_jpeg
    assert hashlib.sha256(patch).hexdigest() == secret["sha256"]["patch"]
    assert [row[0] for row in store.execute("SELECT kind FROM outbox ORDER BY item_id")] == ["hit", "read"]
    with pytest.raises(StoreError, match="not for this key"):
        open_box(X25519PrivateKey.generate(), box)
    with pytest.raises(StoreError, match="altered"):
        open_box(private, box[:-1] + bytes([box[-1] ^ 1]))
    package = packages.export(store, tmp_path / "state", REQUEST, BE, made.first_seen_ns)
    assert {"patch.sealed", "overview.sealed"} <= set(packages.verify(package).files)


def test_a_seal_for_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sealed_for"):
        load_seal(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="sealed_for"):
        load_seal(tmp_path / "bad.pem")
    assert Seal(X25519PrivateKey.generate().public_key()).close(b"x") != b"x"
