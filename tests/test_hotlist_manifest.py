"""Signed lists: what is taken, and everything that must be refused; openssl as the independent signer."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from makers import importer
from sqlite_utils import Database

from anpr_node.cli import main
from anpr_node.config import Settings, parse
from anpr_node.errors import HotlistError, RefusedByPolicy
from anpr_node.hotlist.imports import Importer
from anpr_node.hotlist.lists import show
from anpr_node.hotlist.manifest import describe, public_key_of, read_manifest, sign

ROWS = "vrm\n1ABC123\n2DEF456\n"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    private = Ed25519PrivateKey.generate()
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def signed(store: Database, settings: Settings, key: Path) -> Importer:
    content = {
        "store": {"folder": str(settings.state_folder)},
        "hotlists": {"lists": {"stolen": {"public_key": public_key_of(key)}}},
    }
    return importer(store, parse(content, "test"))


def publish(tmp_path: Path, key: Path, revision: int, rows: str = ROWS, base: int | None = None) -> tuple[Path, bytes]:
    file = tmp_path / f"stolen-{revision}.csv"
    file.write_text(rows)
    return file, sign(describe(file, "stolen", revision, "delta" if base else "replace", base), key)


def take(importing: Importer, published: tuple[Path, bytes]) -> None:
    file, content = published
    importing.signed(file, importing.manifest(content, "stolen"))


def test_a_signed_list_comes_in_force_with_its_revision_and_age(signed: Importer, tmp_path: Path, key: Path) -> None:
    published = publish(tmp_path, key, 41)
    take(signed, published)
    (status,) = show(signed.lists.database)
    assert (status.signed, status.revision, status.entries, status.source) == (1, 41, 2, "stolen-41.csv")
    assert status.issued_ns == signed.manifest(published[1], "stolen").issued_ns, "its age is that of its issue"


def test_a_delta_fits_its_base_alone(signed: Importer, tmp_path: Path, key: Path) -> None:
    take(signed, publish(tmp_path, key, 41))
    delta = publish(tmp_path, key, 43, "vrm,change\n3GHI789,add\n1ABC123,remove\n", base=42)
    with pytest.raises(HotlistError, match="a change of revision 42, but revision 41 is in force"):
        take(signed, delta)
    take(signed, publish(tmp_path, key, 42))
    take(signed, delta)
    assert [(s.revision, s.entries) for s in show(signed.lists.database)] == [(43, 2)]


def test_an_old_revision_never_comes_back_not_even_beneath_an_unsigned_import(
    signed: Importer, tmp_path: Path, key: Path
) -> None:
    old, new = publish(tmp_path, key, 41), publish(tmp_path, key, 42)
    take(signed, new)
    signed.by_hand(old[0], "stolen", "replace", unsigned=True)
    assert [(s.signed, s.revision) for s in show(signed.lists.database)] == [(0, 42)]
    for stale in (old, new):
        with pytest.raises(HotlistError, match="not newer than 42"):
            take(signed, stale)
    with pytest.raises(HotlistError, match="an unsigned import is in force"):
        take(signed, publish(tmp_path, key, 43, base=42))
    take(signed, publish(tmp_path, key, 44))
    assert [(s.signed, s.revision) for s in show(signed.lists.database)] == [(1, 44)]


def test_whatever_is_changed_after_signing_is_refused(signed: Importer, tmp_path: Path, key: Path) -> None:
    file, content = publish(tmp_path, key, 41)
    for at in range(0, len(content) - 1, 7):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises((RefusedByPolicy, HotlistError)):
            signed.manifest(changed, "stolen")
    file.write_text(ROWS.replace("1ABC123", "1ABC124"))
    with pytest.raises(RefusedByPolicy, match="not the file that was signed"):
        take(signed, (file, content))
    assert show(signed.lists.database) == []


def test_other_keys_other_lists_and_no_signature_are_refused(signed: Importer, tmp_path: Path, key: Path) -> None:
    _, content = publish(tmp_path, key, 41)
    stranger = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    for public, name, words in (
        (stranger, "stolen", "signature is not"),
        (public_key_of(key), "wanted", "is that of list stolen"),
    ):
        with pytest.raises(RefusedByPolicy, match=words):
            read_manifest(content, public, name)
    for unsigned in (content.splitlines()[0], b"", b"\n", b"x" * 20_000):
        with pytest.raises(RefusedByPolicy, match="not a signed manifest"):
            signed.manifest(unsigned, "stolen")
    with pytest.raises(RefusedByPolicy, match="no public_key"):
        signed.manifest(content, "other")
    with pytest.raises(HotlistError, match="base64 of 32 bytes"):
        read_manifest(content, "nonsense", "stolen")


def test_a_signed_statement_that_is_none_of_ours_is_refused(signed: Importer, key: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(key.read_bytes(), None)
    for statement in (b"{}", b"[]", b"nonsense", b'{"list": "../x"}'):
        signature = base64.b64encode(private.sign(statement))  # type: ignore[union-attr, call-arg]
        with pytest.raises(HotlistError, match="manifest"):
            signed.manifest(statement + b"\ned25519 " + signature, "stolen")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_signs_what_the_node_takes(signed: Importer, tmp_path: Path, key: Path) -> None:
    file, content = publish(tmp_path, key, 41)
    line = tmp_path / "line"
    line.write_bytes(content.splitlines()[0])
    command = ["openssl", "pkeyutl", "-sign", "-inkey", str(key), "-rawin", "-in", str(line)]
    signature = base64.b64encode(subprocess.run(command, check=True, capture_output=True).stdout)
    take(signed, (file, line.read_bytes() + b"\ned25519 " + signature + b"\n"))


def test_the_commands_of_a_publisher(tmp_path: Path, key: Path) -> None:
    run = lambda *a: CliRunner().invoke(main, ["hotlist", "sign", "--key", str(key), *map(str, a)])  # noqa: E731
    assert run("--show-key").stdout.strip() == public_key_of(key)
    (tmp_path / "s.csv").write_text(ROWS)
    result = run(tmp_path / "s.csv", "--list", "stolen", "--revision", 7)
    assert result.exit_code == 0, result.output
    manifest = (tmp_path / "stolen.manifest").read_bytes()
    assert json.loads(manifest.splitlines()[0])["revision"] == 7
    assert read_manifest(manifest, public_key_of(key), "stolen").operation == "replace"
    assert run(tmp_path / "s.csv").exit_code == 2
    assert "is no name" in run(tmp_path / "s.csv", "--list", "a b", "--revision", 7).stderr
    (tmp_path / "stolen.manifest").unlink()
    assert run(tmp_path / "s.csv", "--list", "stolen", "--revision", 8, "--remove").exit_code == 2
    assert not (tmp_path / "stolen.manifest").exists(), "rows to take off must not become the list"
    assert run(tmp_path / "s.csv", "--list", "stolen", "--revision", 8, "--remove", "--base", 7).exit_code == 0
    key.write_text("nonsense")
    assert "not a private key" in run("--show-key").stderr


def test_import_by_command_needs_the_manifest(tmp_path: Path, key: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(
        f'[store]\nfolder = "{tmp_path / "state"}"\n[hotlists.lists.stolen]\npublic_key = "{public_key_of(key)}"\n'
    )
    file, content = publish(tmp_path, key, 41)
    (tmp_path / "m").write_bytes(content)
    run = lambda *a: CliRunner().invoke(main, ["hotlist", *map(str, a), "--config", str(config)])  # noqa: E731
    refused = run("import", file, "--list", "stolen")
    assert refused.exit_code == 3
    assert "refused: list stolen comes signed" in refused.stderr
    for option in ("--delta", "--remove", "--unsigned", "--may-shrink"):
        ignored = run("import", file, "--list", "stolen", "--manifest", tmp_path / "m", option, "--reason", "why")
        assert ignored.exit_code == 2, option
        assert "--manifest it says" in ignored.stderr
    assert run("import", file, "--list", "stolen", "--manifest", tmp_path / "m").exit_code == 0
    assert " 41 " in run("list").stdout
    assert run("import", file, "--list", "stolen", "--unsigned", "--reason", "link down").exit_code == 0
    assert "UNSIGNED" in run("list").stdout
