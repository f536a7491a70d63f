"""Evidence packages: whole, signed, and nothing about them can be changed unseen."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from full_card import files_no_larger_than
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
from anpr_node.store.database import open_store
from anpr_node.store.reads import add_read, load_evidence
from anpr_node.store.sealing import Seal, load_private, load_seal, open_box

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
    assert record["candidates"][0][0] == "1ABC123"
    assert record["hits"][0]["actions"] == ["relay"]
    seen = datetime.fromisoformat(record["first_seen"])
    assert seen.timestamp() == pytest.approx(record["first_seen_ns"] / NS_PER_S, abs=0.001)
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
    for jpeg in (pictures.patch_jpeg, pictures.overview_jpeg):
        assert jpeg is not None
        assert len(jpeg) > 1000
        assert not [at for at in range(0, len(jpeg), 16) if jpeg[at : at + 16] in content], "no part of a JPEG either"
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


@pytest.fixture
def config(store: Database, tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    add_read(store, read(read_id="r2", at_s=time.time() - 60), encode(evidence()), [])
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evidence", *map(str, arguments)])


def export(config: Path, out: Path, read_id: str = "r2") -> Result:
    return call("export", "--config", config, read_id, "--out", out, "--reason", "r", "--case", "c")


def outcomes(config: Path) -> list[str]:
    return [line.entry.outcome for line in audit.read(config.parent / "state")]


def test_a_file_that_is_there_is_left_alone(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "r2.zip"
    out.write_bytes(b"precious")
    refused = export(config, out)
    assert refused.exit_code == 1
    assert "it is there already: move it away, or name another file with --out" in refused.output
    assert out.read_bytes() == b"precious"
    assert outcomes(config) == ["failed"]


def test_an_export_that_cannot_be_written_is_not_done(config: Path, tmp_path: Path) -> None:
    refused = export(config, tmp_path / "none" / "r2.zip")
    assert refused.exit_code == 1
    assert "No such file" in refused.output
    assert outcomes(config) == ["failed"]


def test_a_full_card_under_the_package_is_a_failure_in_the_audit(config: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for it: the audit's lines go in, the package does not."""
    out = tmp_path / "r2.zip"
    export(config, tmp_path / "whole.zip")
    room = 4096 * 4
    assert (tmp_path / "whole.zip").stat().st_size > room > (tmp_path / "state" / audit.FILE_NAME).stat().st_size * 4
    with closing(open_store(tmp_path / "state")) as database:
        request = Request("jan", "r2", "r", "c", None, "")
        content = packages.export(database, tmp_path / "state", request, BE, time.time_ns())
        with (
            files_no_larger_than(room),
            pytest.raises(AnprError, match="File too large"),
            packages.new_file(out, tmp_path / "state", request, time.time_ns()) as file,
        ):
            file.write(content)
    assert not out.exists()
    assert outcomes(config)[-1] == "failed"


def test_a_refused_export_leaves_no_file(config: Path, tmp_path: Path) -> None:
    assert export(config, tmp_path / "none.zip", "nobody").exit_code == 1
    assert call("export", "--config", config, "r2", "--out", tmp_path / "none.zip").exit_code == 3
    assert not (tmp_path / "none.zip").exists()


def test_a_package_says_that_its_read_was_corrected_later(store: Database, config: Path, tmp_path: Path) -> None:
    export(config, tmp_path / "before.zip")
    add_read(store, read("1ABC128", "r3", time.time() - 59, corrects="r2"), encode(evidence()), [])
    assert export(config, tmp_path / "after.zip").exit_code == 0
    record = json.loads(files_of((tmp_path / "after.zip").read_bytes())["record.json"])
    assert (record["corrected_by"], record["corrects"]) == (["r3"], None)
    assert "CORRECTED" not in call("verify", tmp_path / "before.zip").output
    assert "CORRECTED: the node read it again as r3" in call("verify", tmp_path / "after.zip").output


def test_the_back_office_opens_a_sealed_package(store: Database, config: Path, tmp_path: Path) -> None:
    """With keys as openssl makes them, from the read to the pictures on the office's disk."""
    private, public, out = tmp_path / "office-private.pem", tmp_path / "office.pem", tmp_path / "opened"
    make_keys(private, public)
    pictures = encode(evidence())
    add_read(store, read("7QZX123", "r3", time.time() - 9), pictures, [], load_seal(public))
    package = tmp_path / "r3.zip"
    signer = export(config, package, "r3").output.split()[-1]
    opened = call("open", package, "--key", private, "--out", out, "--signer", signer)
    assert opened.exit_code == 0, opened.output
    assert sorted(path.name for path in out.iterdir()) == ["overview.jpg", "patch.jpg", "record.json"]
    assert (out / "patch.jpg").read_bytes() == pictures.patch_jpeg
    assert (out / "overview.jpg").read_bytes() == pictures.overview_jpeg
    record = json.loads((out / "record.json").read_text())
    assert (record["vrm"], record["country"], record["read_id"]) == ("7QZX123", "B", "r3")
    assert "sealed" not in record
    assert record["candidates"][0][0] == "7QZX123"
    assert record["flags"] == []
    again = call("open", package, "--key", private, "--out", out)
    assert (again.exit_code, "File exists" in again.output) == (1, True)


def make_keys(private: Path, public: Path) -> None:
    key = X25519PrivateKey.generate()
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_what_does_not_open_says_why(store: Database, config: Path, tmp_path: Path) -> None:
    private, public, other = (tmp_path / name for name in ("private.pem", "public.pem", "other.pem"))
    make_keys(private, public)
    make_keys(other, tmp_path / "other-public.pem")
    closed = X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "closed.pem").write_bytes(closed)
    pictures = encode(evidence())
    for read_id in ("r3", "r4"):
        add_read(store, read("7QZX123", read_id, time.time() - 9), pictures, [], load_seal(public))
        export(config, tmp_path / f"{read_id}.zip", read_id)
    export(config, tmp_path / "r2.zip")
    for package, key, words in (
        ("r3.zip", other, "not for this key"),
        ("r3.zip", public, "no private key"),
        ("r3.zip", tmp_path / "none.pem", "none.pem: No such file"),
        ("r3.zip", tmp_path / "closed.pem", "passphrase"),
        ("r2.zip", private, "nothing in it is sealed"),
    ):
        result = call("open", tmp_path / package, "--key", key, "--out", tmp_path / "out")
        assert result.exit_code == 1, result.output
        assert words in result.output, (words, result.output)
    swapped = {**files_of((tmp_path / "r3.zip").read_bytes())}
    swapped["patch.sealed"] = load_seal(public).close(b"another picture")
    content = {name: data for name, data in swapped.items() if name not in packages.OWN}
    with pytest.raises(EvidenceError, match="not the picture"):
        packages.unseal(packages.pack(content, tmp_path / "state", 0), load_private(private))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "record", [b"[]", b"7", b'"x"', b'{"sealed": "AAAA"}', b'{"sealed": 7}', b'{"corrected_by": 7}']
)
def test_a_package_of_anybodys_making_is_said_to_be_none(tmp_path: Path, record: bytes) -> None:
    package = packages.pack({"record.json": record}, tmp_path / "other", 0)
    with pytest.raises((EvidenceError, StoreError)):
        packages.unseal(package, X25519PrivateKey.generate())
    packages.verify(package)


def test_a_package_does_not_choose_where_its_files_are_written(tmp_path: Path) -> None:
    private = X25519PrivateKey.generate()
    seal = Seal(private.public_key())
    name, jpeg = "../../evil", b"x"
    secret = {"vrm": "1ABC123", "sha256": {name: hashlib.sha256(jpeg).hexdigest()}}
    record = {"sealed": b64encode(seal.close(json.dumps(secret).encode())).decode()}
    files = {"record.json": json.dumps(record).encode(), f"{name}.sealed": seal.close(jpeg)}
    opened = packages.unseal(packages.pack(files, tmp_path / "other", 0), private)
    assert list(opened) == ["record.json"]


@pytest.mark.parametrize("candidates", ["no list", "[" * 100_000])
def test_a_sealed_record_of_anybodys_making_is_said_to_be_none(tmp_path: Path, candidates: str) -> None:
    private = X25519PrivateKey.generate()
    box = Seal(private.public_key()).close(json.dumps({"candidates": candidates, "sha256": {}}).encode())
    record = json.dumps({"sealed": b64encode(box).decode()}).encode()
    with pytest.raises(EvidenceError, match="no record of a sealed read"):
        packages.unseal(packages.pack({"record.json": record}, tmp_path / "other", 0), private)
