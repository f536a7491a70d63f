"""A small file is the old one or the new one: after a crash, on a full disk, with two writers, for whoever reads it."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from full_card import files_no_larger_than

from anpr_node.whole_file import write_whole

NOBODY = 65_534
CRASH = """
import os, sys
from pathlib import Path
from anpr_node.whole_file import write_whole

Path.replace = lambda fresh, path: os._exit(9)
write_whole(Path(sys.argv[1]), "new")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text("old")
    return path


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("content", ["é", "é".encode(), "", b"\0" * 100_000])
def test_the_file_is_replaced_and_nothing_lies_beside_it(path: Path, content: str | bytes, durable: bool) -> None:
    write_whole(path, content, durable=durable)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(path) == [path.name]


def test_a_file_that_was_not_there_is_made(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", "{}")
    assert (tmp_path / "a.json").read_text() == "{}"


def test_whoever_has_the_old_one_open_goes_on_reading_it(path: Path) -> None:
    with path.open() as old:
        write_whole(path, "new")
        assert old.read() == "old"


def test_a_crash_between_writing_and_replacing_leaves_the_old_one_and_the_next_write_clears_up(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False).returncode == 9
    assert (path.read_text(), names(path)) == ("old", [path.name, f"{path.name}.new"])
    write_whole(path, "x")
    assert (path.read_text(), names(path)) == ("x", [path.name])


@pytest.mark.parametrize(("mode", "mask", "expected"), [(None, 0o027, 0o640), (0o600, 0, 0o600), (0o644, 0o077, 0o644)])
def test_the_mode_is_the_one_asked_for_or_what_the_umask_leaves(
    path: Path, mode: int | None, mask: int, expected: int
) -> None:
    with umask(mask):
        write_whole(path, "new", mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == expected


def test_the_mode_holds_before_there_is_any_content_and_whatever_lay_there(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch()
    fresh.chmod(0o666)
    with fresh.open() as seen:
        with files_no_larger_than(0), pytest.raises(OSError, match="too large"):  # the first byte is refused
            write_whole(path, "secret", mode=0o600)
        assert stat.S_IMODE(os.fstat(seen.fileno()).st_mode) == 0o600


@pytest.mark.parametrize("room", [0, 1, 5])
def test_a_full_disk_is_an_error_with_the_files_name_and_leaves_the_old_one_alone(path: Path, room: int) -> None:
    with files_no_larger_than(room), pytest.raises(OSError, match=r"settings\.toml'$"):
        write_whole(path, "too much")
    assert (path.read_text(), names(path)) == ("old", [path.name])


def test_a_folder_that_is_not_there_is_an_error_with_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/a'$"):
        write_whole(tmp_path / "nowhere" / "a", "")


def test_a_link_that_somebody_left_beside_is_not_followed(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("other")
    path.with_name(f"{path.name}.new").symlink_to(other)
    with pytest.raises(OSError, match=r"settings\.toml'$"):
        write_whole(path, "new")
    assert (path.read_text(), other.read_text()) == ("old", "other")


def as_another_account(path: Path) -> int:
    """Write the file as an account that owns its folder, and is not root, to whom nothing is forbidden."""
    if os.getuid():
        write_whole(path, "new")
        return 0
    os.chown(path.parent, NOBODY, NOBODY)
    writer = os.fork()
    if writer == 0:  # pragma: no cover
        try:
            os.chdir(path.parent)  # the folders above are closed to it
            os.setuid(NOBODY)
            write_whole(Path(path.name), "new")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1])


def test_what_another_account_left_beside_hinders_nobody_who_owns_the_folder(path: Path) -> None:
    """As after a power cut under root's command."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text("root's, or whose it may be")
    fresh.chmod(0o444)
    assert as_another_account(path) == 0
    assert (path.read_text(), names(path)) == ("new", [path.name])


def write_often(path: Path, letter: str) -> None:
    for _ in range(200):
        write_whole(path, letter * 10_000, durable=False)


def test_two_writers_and_a_reader_at_once_never_meet_half_a_file(path: Path) -> None:
    path.write_text("a" * 10_000)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in {"a" * 10_000, "b" * 10_000}
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert names(path) == [path.name]
