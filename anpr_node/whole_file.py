"""Writes a small file whole or not at all: whoever reads it, whatever the supply does, finds the old one or the new.

    write_whole(folder / "audit.head", line)                     # on the card when it returns
    write_whole(RUN_FOLDER / "status.json", text, durable=False)    # a snapshot that a power cut may take

The content goes into `NAME.new` beside the file, which is then renamed. Large files, and files that may only be made
where there is none, are not this module's business.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

CLEARED_MAX = 3
"""So often what another account left beside is cleared away; then it is an error."""


def write_whole(path: Path, content: str | bytes, *, mode: int | None = None, durable: bool = True) -> None:
    """Put `content` (a str as UTF-8) in the place of the file, or make it.

    It has `mode`, or what the process's umask leaves, before there is anything in it. `durable=False` spares the card
    the syncs: after a power cut the file may be empty. Writers of one file, of whichever process, take turns; what a
    power cut left of `NAME.new`, also under another account, does not hinder the next.

    Raises:
        OSError: with the file's name; the old file stands, and nothing lies beside it.

    """
    data = content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f"{path.name}.new")
    try:
        handle = _open_alone(fresh, 0o666 if mode is None else mode)
        try:
            _fill(handle, data, mode, durable)
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_folder(folder: Path) -> None:
    """See to it that what was made, renamed or deleted in a folder stays so after a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open_alone(fresh: Path, mode: int) -> int:
    """The file beside, empty, and locked until it is closed: the next writer waits, then finds the name gone."""
    cleared = 0
    while True:
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, mode)
        except PermissionError:
            if cleared == CLEARED_MAX:
                raise
            cleared += 1
            _clear_away(fresh)
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_named(handle, fresh):
                os.ftruncate(handle, 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _clear_away(fresh: Path) -> None:
    """Delete what another account left, as a power cut under root's command does; what it still writes is waited for.

    Raises PermissionError where that may not be done.
    """
    with suppress(FileNotFoundError):  # its writer was done meanwhile, or it is the folder that takes no file
        handle = os.open(fresh, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_named(handle, fresh):
                fresh.unlink()
        finally:
            os.close(handle)


def _is_named(handle: int, fresh: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(fresh))
    except FileNotFoundError:
        return False


def _fill(handle: int, data: bytes, mode: int | None, durable: bool) -> None:
    if mode is not None:
        os.fchmod(handle, mode)
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(handle)
