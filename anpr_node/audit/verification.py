"""Finds what was altered, removed, inserted, reordered or cut off in the audit, and names the line. Changes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from anpr_node.audit.chain import GAP, NO_LINE, chained, content, held_still
from anpr_node.audit.end import HEAD_NAME, End, misfit
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
    with held_still(folder):
        return _verify(folder, secret, anchors)


def _verify(folder: Path, secret: bytes, anchors: tuple[str, ...]) -> tuple[int, list[Flaw]]:
    *lines, unfinished = content(folder).split(b"\n")
    flaws: list[Flaw] = []
    hashes: dict[int, str] = {}
    end = End()
    for number, raw in enumerate(lines, 1):
        problem, end = _examine(secret, raw, end)
        if problem:
            flaws.append(Flaw(number, problem))
        hashes[end.seq] = end.hash
    if unfinished:
        flaws.append(Flaw(len(lines) + 1, "the last line is not finished"))
    flaws += _compare_own_head(folder, secret, end)
    heads = [anchor for anchor in anchors if not anchor.startswith("0:")]
    return len(lines), flaws + [flaw for h in heads if (flaw := _compare_head(hashes, h))]


def _compare_own_head(folder: Path, secret: bytes, end: End) -> list[Flaw]:
    try:
        problem = misfit(folder, secret, end)
    except OSError as error:
        problem = f"{HEAD_NAME}: {error.strerror}"
    return [Flaw(0, problem)] if problem else []


def _examine(secret: bytes, raw: bytes, before: End) -> tuple[str, End]:
    """What is wrong with a line, and the end that it makes, which the next line goes on from."""
    try:
        row = json.loads(raw)
        body = {name: value for name, value in row.items() if name != "hash"}
        at, digest = int(row["seq"]), str(row["hash"])
        end = End(at, digest, str(row["prev"]), chained(secret, body) == digest)
        canonical = dump(row) == raw
    except NO_LINE:
        return "it is no line of the audit", End(before.seq + 1, hashlib.sha256(raw).hexdigest(), "", holds=False)
    if not canonical:
        problem = "it was rewritten: it is not spelt as the node spells it"
    elif not end.holds:
        problem = "it was altered: its hash does not fit"
    elif at != before.seq + 1:
        problem = f"it is number {at}, where {before.seq + 1} should be: lines were removed, inserted or reordered"
    elif row["prev"] != before.hash:
        problem = "it does not follow the line before it"
    elif row.get("action") == GAP:
        problem = f"before it the end of the audit was not what the node had written: {row.get('reason')}"
    else:
        problem = ""
    return problem, end


def _compare_head(hashes: dict[int, str], anchor: str) -> Flaw | None:
    seq, _, digest = anchor.partition(":")
    if not seq.isdigit() or int(seq) not in hashes:
        return Flaw(0, f"it should reach line {seq}: lines were cut off the end")
    if hashes[int(seq)] != digest:
        return Flaw(0, f"line {seq} is not the one that was anchored")
    return None
