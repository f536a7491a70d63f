"""Where the audit ended: its *head*, kept beside the file with a keyed hash, and whether file and head fit.

Nobody without the folder's secret can make a head, so that a shorter file does not become a whole one by another head.
Nothing here reads or writes the audit's lines.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from anpr_node.whole_file import write_whole

HEAD_NAME = "audit.head"
FIRST = "0" * 64
UNREADABLE = "unreadable"
_HEAD = re.compile(rb"([0-9]{1,18}):([0-9a-f]{64}):([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class End:
    """The last line of the file; `holds` where its hash is that of the node, and it can be gone on from."""

    seq: int = 0
    hash: str = FIRST
    prev: str = ""
    holds: bool = True


def note_head(folder: Path, secret: bytes, seq: int, digest: str) -> None:
    """Keep the head beside the file; a power cut between the two leaves it one line behind, which is right."""
    write_whole(folder / HEAD_NAME, f"{seq}:{digest}:{_closed(secret, seq, digest)}\n")


def head(folder: Path) -> str:
    """The last line's number and hash as `SEQ:HASH`, for whoever keeps it elsewhere; `0:000…` before the first.

    A damaged one is `unreadable`: `verify` says so, and nothing else stops for it.
    """
    try:
        found = _HEAD.fullmatch((folder / HEAD_NAME).read_bytes())
    except FileNotFoundError:
        return f"0:{FIRST}"
    except OSError:
        return UNREADABLE
    return f"{int(found[1])}:{found[2].decode()}" if found else UNREADABLE


def misfit(folder: Path, secret: bytes, end: End) -> str:
    """Why the file does not end where its head says, in words; empty where it does, or lies that one line behind."""
    try:
        found = _HEAD.fullmatch((folder / HEAD_NAME).read_bytes())
    except FileNotFoundError:
        return "" if end == End() else f"{HEAD_NAME} is missing, and the file ends with line {end.seq}"
    seq, digest = (int(found[1]), found[2].decode()) if found else (0, "")
    if found is None or not hmac.compare_digest(_closed(secret, seq, digest).encode(), found[3]):
        return f"{HEAD_NAME} is not one that the node wrote, and the file ends with line {end.seq}"
    one_behind = end.holds and (end.seq, end.prev) == (seq + 1, digest)
    if (end.seq, end.hash) == (seq, digest) or one_behind:
        return ""
    if end.seq < seq:
        return f"it should reach line {seq} and ends with line {end.seq}: lines were cut off the end"
    return f"line {seq} should be the last and line {end.seq} is: the end, or {HEAD_NAME}, was put in by somebody else"


def _closed(secret: bytes, seq: int, digest: str) -> str:
    return hmac.new(secret, f"head {seq}:{digest}".encode(), hashlib.sha256).hexdigest()
