"""The record in the running node: German terms, a store that is damaged or loses its log, sealing, encryption."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from makers import evidence, put_list, read

from anpr_node import audit
from anpr_node.config import Settings, parse
from anpr_node.drivers.platform import open_platform
from anpr_node.errors import StoreDamaged, StoreLogLost
from anpr_node.node import Node
from anpr_node.pipeline import Ripe
from anpr_node.recorder import encode
from anpr_node.store.database import FILE_NAME, PAGE_BYTES, figures, open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.reads import add_read

pytestmark = pytest.mark.system

PAGE = PAGE_BYTES
PATIENCE_S = 180.0


def wait_until(done: Callable[[], bool]) -> None:
    """Poll for some minutes at most."""
    ends_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < ends_s, "it did not come about"
        time.sleep(0.05)


def settings_of(folder: Path, **sections: dict[str, object]) -> Settings:
    return parse({"store": {"folder": str(folder), **sections.pop("store", {})}, **sections}, "test")


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(open_store(folder)) as store:
        return store.execute(query).fetchall()  # type: ignore[no-any-return]


def test_under_german_terms_who_is_on_no_list_leaves_nothing_on_the_card(tmp_path: Path) -> None:
    """The node as a process on the simulated road, its log included; every second of the vehicles is on a list."""
    folder, config, log = tmp_path / "state", tmp_path / "node.toml", tmp_path / "node.log"
    config.write_text(f'[store]\nfolder = "{folder}"\n[policy]\npreset = "DE"\n')
    seen = {text for text in rows_of_a_run(tmp_path / "other") if text}
    assert len(seen) >= 4
    wanted = set(sorted(seen)[::2])  # a slow machine may miss any one of them
    with closing(open_store(folder)) as store:
        put_list(store, settings_of(folder), "vrm,category\n" + "".join(f"{vrm},seize\n" for vrm in wanted))
    with log.open("w") as file:
        run_for(config, file, lambda: bool(rows(folder, "SELECT 1 FROM hit")), more_s=3)
    kept = {str(row[0]) for row in rows(folder, "SELECT vrm FROM read")}
    assert kept & wanted
    assert kept <= wanted | {""}
    content = b"".join(file.read_bytes() for file in [log, *folder.rglob("*")] if file.is_file())
    assert all(text.encode() in content for text in kept)
    assert not {text for text in seen - wanted if text.encode() in content}


def rows_of_a_run(folder: Path) -> list[str]:
    """The plates that the simulated road shows to a node that stores them all."""
    settings = settings_of(folder)
    with Node(settings, open_platform(settings, realtime=False)) as node:
        wait_until(lambda: node.snapshot().reads >= 8)
    return [str(row[0]) for row in rows(folder, "SELECT vrm FROM read")]


def run_for(config: Path, log: object, done: Callable[[], bool], more_s: float) -> None:
    command = [sys.executable, "-m", "anpr_node", "-v", "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=log) as node:  # type: ignore[call-overload]
        try:
            wait_until(done)
            time.sleep(more_s)
        finally:
            node.terminate()
            node.wait(PATIENCE_S)


def fill(folder: Path, reads: int) -> None:
    with closing(open_store(folder)) as store:
        for n in range(reads):
            add_read(store, read(f"1AB{n:04}", f"r{n}", time.time()), encode(evidence()), [])


def damage(folder: Path) -> None:
    """Overwrite the root of the index by plate: the next read that is written meets it."""
    root = rows(folder, "SELECT rootpage FROM sqlite_master WHERE name = 'read_by_vrm'")[0][0]
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek((int(str(root)) - 1) * PAGE)
        file.write(b"\xa5" * PAGE)


def test_a_store_damaged_before_the_start_is_salvaged_and_the_node_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, 50)
    damage(tmp_path)
    settings = settings_of(tmp_path)
    with Node(settings, open_platform(settings, realtime=False)) as node:
        wait_until(lambda: node.snapshot().reads >= 1)
    assert node.failure is None
    assert int(str(rows(tmp_path, "SELECT count(*) FROM read")[0][0])) > 50
    assert len(list(tmp_path.glob("damaged-*"))) == 1


def test_a_store_damaged_while_running_is_replaced_and_nothing_that_waits_is_lost(tmp_path: Path) -> None:
    fill(tmp_path, 50)
    settings = settings_of(tmp_path)
    node = Node(settings, open_platform(settings, realtime=False))
    damage(tmp_path)
    node.desk.hand_over([Ripe(read("1ZZZ999", f"late{n}", time.time()), evidence()) for n in range(5)])
    with node:
        assert node.ended.wait(PATIENCE_S)
    assert isinstance(node.failure, StoreDamaged)
    assert rows(tmp_path, "SELECT count(*) FROM read WHERE read_id LIKE 'late%'") == [(5,)]
    assert rows(tmp_path, "SELECT count(*) FROM read WHERE read_id LIKE 'r%' AND vrm LIKE '1AB%'") == [(50,)]
    with closing(open_store(tmp_path)) as store:
        assert figures(store)["damaged_stores"] == 1


def test_a_log_deleted_under_the_node_ends_it_with_everything_in_the_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with Node(settings, open_platform(settings, realtime=False)) as node:
        wait_until(lambda: node.snapshot().reads >= 2)
        (tmp_path / f"{FILE_NAME}-wal").unlink()
        assert node.ended.wait(PATIENCE_S)
    assert isinstance(node.failure, StoreLogLost)
    assert rows(tmp_path, "SELECT count(*) FROM read WHERE corrects IS NULL") == [(node.snapshot().reads,)]
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def test_an_encrypted_and_sealed_node_stores_what_only_the_office_reads(tmp_path: Path) -> None:
    folder, private = tmp_path / "state", X25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "office.pem").write_bytes(pem)
    encrypt(folder, tmp_path / "key")
    settings = settings_of(folder, store={"sealed_for": str(tmp_path / "office.pem")})
    with Node(settings, open_platform(settings, realtime=False)) as node:
        wait_until(lambda: node.snapshot().reads >= 3)
    assert rows(folder, "SELECT DISTINCT vrm, sealed IS NOT NULL FROM read") == [("", 1)]
    assert audit.verify(folder)[1] == []
    content = b"".join(file.read_bytes() for file in folder.iterdir() if not file.is_symlink())
    assert b"approaching" not in content
    assert b"SQLite format" not in content
