"""A folder that gets a key: what cannot be a key changes nothing, and the locks of an encrypted store hold."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from makers import evidence, read

from anpr_node.errors import StoreError
from anpr_node.recorder import encode
from anpr_node.store import encrypting
from anpr_node.store.database import FILE_NAME, open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.key import new_key
from anpr_node.store.reads import add_read


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_on_the_image_a_key_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypting, "SLOT", tmp_path)
    monkeypatch.setattr(encrypting, "FORGETFUL", (tmp_path,))
    with pytest.raises(StoreError, match=r"gone at the next start.*ANPR-KEY"):
        encrypt(tmp_path / "state", tmp_path / "store.key")
    assert not (tmp_path / "store.key").exists()


def test_the_plain_store_is_overwritten_however_often_that_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut leaves: the encrypted store in its place, the plain one under its other name."""
    state, key = tmp_path / "state", tmp_path / "key"
    with closing(open_store(state)) as store:
        add_read(store, read(), encode(evidence()), [])

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(encrypting, "_overwrite", power_cut)
        with pytest.raises(KeyboardInterrupt):
            encrypt(state, key)
    with (state / f"{FILE_NAME}.plain").open("rb") as still_open:
        encrypt(state, key)
        assert b"1ABC123" not in still_open.read(), "its blocks are free now, and hold nothing"
    assert not (state / f"{FILE_NAME}.plain").exists()
    with closing(open_store(state)) as store:
        assert store.execute("SELECT vrm FROM read").fetchall() == [("1ABC123",)]


def test_a_key_is_made_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")  # what FAT answers

    monkeypatch.setattr(Path, "hardlink_to", without_links)
    key = tmp_path / "store.key"
    new_key(key)
    made = key.read_bytes()
    with pytest.raises(StoreError, match="exists"):
        new_key(key)
    assert key.read_bytes() == made
    assert [path.name for path in tmp_path.iterdir()] == ["store.key"]


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_file_of_another_length_is_refused_and_nothing_is_changed(tmp_path: Path, length: int) -> None:
    state, key = tmp_path / "state", tmp_path / "key"
    with closing(open_store(state)) as store:
        add_read(store, read(), encode(evidence()), [])
    key.write_bytes(os.urandom(length))
    before = contents(state)
    with pytest.raises(StoreError, match=f"has {length} bytes"):
        encrypt(state, key)
    assert contents(state) == before
    with closing(open_store(state)) as store:
        assert store.execute("SELECT vrm FROM read").fetchall() == [("1ABC123",)]
    key.unlink()
    encrypt(state, key)
    with closing(open_store(state)) as store:
        assert store.execute("SELECT vrm FROM read").fetchall() == [("1ABC123",)]


def locks_on(path: Path) -> int:
    """Locks that this process holds on a file, as the kernel tells."""
    inode = f":{path.stat().st_ino}"
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return sum(str(os.getpid()) in line and any(field.endswith(inode) for field in line) for line in lines)


@pytest.mark.parametrize("encrypted", [False, True])
def test_opening_a_store_twice_leaves_the_locks_of_the_first(tmp_path: Path, encrypted: bool) -> None:
    state = tmp_path / "state"
    if encrypted:
        encrypt(state, tmp_path / "key")
    with closing(open_store(state)) as first:
        first.execute("SELECT count(*) FROM read").fetchone()
        assert locks_on(state / FILE_NAME)
        with closing(open_store(state)):
            assert locks_on(state / FILE_NAME)
        assert locks_on(state / FILE_NAME)
