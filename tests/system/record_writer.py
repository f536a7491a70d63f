"""Writes reads as fast as it can and says what is on the card, to be killed in the middle of it; no test of its own.

    ACK id patch overview    the read is committed; hashes of its pictures
    TAKE ref / GONE ref      its outbox row is about to be deleted / is deleted

As a program: record_writer.py write|check|repair FOLDER [MODE]. `check` prints what is there as one JSON line.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from makers import read
from sqlite_utils import Database

from anpr_node.policy import presets
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store import recovery, wal
from anpr_node.store.database import open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.key import load_key
from anpr_node.store.reads import EncodedEvidence, add_read, load_evidence

ENTRY = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))
OVERVIEW_BYTES_MAX = 60_000


def write(folder: Path, say: Callable[[str], None], mode: str = "FULL") -> None:
    """Write, deliver and write the log back until killed. Modes: FULL, ENCRYPTED (and FULL), NORMAL."""
    rng = random.Random(os.urandom(8))
    if mode == "ENCRYPTED" and load_key(folder) is None:
        encrypt(folder, folder.parent / "key")
    with closing(open_store(folder)) as database:
        if mode == "NORMAL":
            database.execute("PRAGMA synchronous=NORMAL")
        while True:
            _add(database, rng, say)
            if rng.random() < 0.4:
                _deliver(database, say)
            if rng.random() < 0.05 and mode != "NORMAL":
                wal.leave_no_trace(database)


def _add(database: Database, rng: random.Random, say: Callable[[str], None]) -> None:
    read_id = f"{rng.getrandbits(96):024x}"
    patch, overview = (os.urandom(rng.randrange(1000, most)) for most in (6_000, OVERVIEW_BYTES_MAX))
    hits = [Hit(f"h-{read_id}", read_id, ENTRY, "exact", 5)] if rng.random() < 0.2 else []
    add_read(database, read(read_id=read_id), EncodedEvidence(patch, overview), hits)
    say(f"ACK {read_id} {hashlib.sha256(patch).hexdigest()} {hashlib.sha256(overview).hexdigest()}")


def _deliver(database: Database, say: Callable[[str], None]) -> None:
    row = database.execute("SELECT item_id, ref FROM outbox WHERE kind = 'read' ORDER BY item_id LIMIT 1").fetchone()
    if row:
        say(f"TAKE {row[1]}")
        with database.atomic():
            database.execute("DELETE FROM outbox WHERE item_id = ?", [row[0]])
        say(f"GONE {row[1]}")


@dataclass
class Said:
    """What a writer said before it was killed, over all its lives."""

    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def hear(self, lines: Iterator[str]) -> int:
        """Take note of its lines, an unfinished one left out; returns how many reads were acknowledged."""
        before = len(self.acknowledged)
        for line in lines:
            match line.split():
                case ["ACK", read_id, patch, overview] if len(overview) == 64:
                    self.acknowledged[read_id] = (patch, overview)
                case ["TAKE", ref] if len(ref) == 24:
                    self.taken.add(ref)
                case ["GONE", ref] if len(ref) == 24:
                    self.gone.add(ref)
        return len(self.acknowledged) - before


def look(folder: Path) -> dict[str, object]:
    """What is in the store after a cut: hashes of the pictures as they are, and what waits to be sent."""
    damage = recovery.find_damage(folder, 60.0)
    with closing(open_store(folder)) as database:
        pictures: dict[str, list[str]] = {}
        query = "SELECT read_id, kind FROM evidence ORDER BY read_id, kind DESC"
        for read_id, kind in database.execute(query).fetchall():
            jpeg, sha256 = load_evidence(database, read_id, kind) or (b"", "")
            digest = hashlib.sha256(jpeg).hexdigest()
            pictures.setdefault(read_id, []).append(digest if digest == sha256 else "does not fit its row")
        return {
            "damage": damage,
            "integrity": database.execute("PRAGMA integrity_check").fetchone()[0],
            "orphans": len(database.execute("PRAGMA foreign_key_check").fetchall()),
            "reads": [row[0] for row in database.execute("SELECT read_id FROM read")],
            "pictures": pictures,
            "outbox": database.execute("SELECT kind, ref FROM outbox").fetchall(),
            "hits": [row[0] for row in database.execute("SELECT hit_id FROM hit")],
        }


def problems(said: Said, found: dict[str, object]) -> list[str]:
    """Everything that is not as it must be after a cut; empty when nothing was lost or doubled."""
    reads, pictures, hits = set(found["reads"]), found["pictures"], set(found["hits"])  # type: ignore[call-overload]
    outbox = [tuple(row) for row in found["outbox"]]  # type: ignore[attr-defined]
    waiting = {ref for kind, ref in outbox if kind == "read"}
    wrong = [f"{name}: {found[name]}" for name, good in GOOD.items() if found[name] != good]
    for read_id, hashes in said.acknowledged.items():
        if read_id not in reads:
            wrong.append(f"read {read_id} was acknowledged and is lost")
        elif tuple(pictures.get(read_id, ())) != hashes:  # type: ignore[attr-defined]
            wrong.append(f"read {read_id} has not the pictures it had")
        if read_id not in said.taken and read_id not in waiting:
            wrong.append(f"outbox row of {read_id} is lost")
    wrong += [f"outbox row of {ref} came back" for ref in said.gone & waiting]
    wrong += [f"read {read_id} is there by half" for read_id in reads if len(pictures.get(read_id, ())) != 2]  # type: ignore[attr-defined]
    wrong += [f"outbox row of {ref} without its read" for ref in waiting - reads]
    wrong += ["an outbox row is doubled"] * (len(set(outbox)) < len(outbox))
    wrong += ["hits and their outbox rows differ"] * (hits != {ref for kind, ref in outbox if kind == "hit"})
    return wrong


GOOD = {"damage": None, "integrity": "ok", "orphans": 0}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), _say, *sys.argv[3:])
    else:
        if sys.argv[1] == "repair":
            recovery.make_sound(Path(sys.argv[2]), 0, presets()["BE"])
        _say("FOUND " + json.dumps(look(Path(sys.argv[2]))))
