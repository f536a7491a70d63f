"""Finds what was altered, removed, inserted, reordered or cut off in the audit, and names the line. Changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from anpr_node.audit.chain import FILE_NAME, FIRST, HEAD_NAME, chained, head, raw_lines
from anpr_node.audit.entry import dump
from anpr_node.store.key import secret_for


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, and at which line of the file, counted from 1; 0 stands for the file as a whole."""

    line: int
    problem: str


def verify(folder: Path, anchors: tuple[str, ...] = ()) -> tuple[int, list[Flaw]]:
    """How many lines there are, and everything that was altered, removed, inserted, reordered or cut off.

    `anchors` are heads that were kept elsewhere, as `SEQ:HASH`; the one beside the file is always compared.
    """
    secret = secret_for(folder, "audit")
    lines = raw_lines(folder)
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
        canonical = dump(row) == raw
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it is no line of the audit", seq + 1, hashlib.sha256(raw).hexdigest()
    if not canonical:
        problem = "it was rewritten: it is not spelt as the node spells it"
    elif not hmac.compare_digest(chained(secret, body), digest):
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
