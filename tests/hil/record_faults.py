"""Inside User-Mode Linux: a real card that is full, read-only or fails while reads are written; no test of its own.

Prints one JSON object: for each fault what writing said, and what was there afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from makers import read
from sqlite_utils import Database

from anpr_node.errors import AnprError
from anpr_node.policy import presets
from anpr_node.store import recovery
from anpr_node.store.database import open_store
from anpr_node.store.reads import EncodedEvidence, add_read

MOUNT, DEVICE, SECTORS = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
STATE = MOUNT / "state"
DURING = 60
"""More than the log, which is as long as it has ever been, takes without growing."""
LINEAR = f"0 {SECTORS} linear /dev/ubda 0"


def table(line: str) -> None:
    """Make the card behave differently, between two of its operations."""
    for command in (["suspend", "--noflush", "card"], ["reload", "card", "--table", line], ["resume", "card"]):
        subprocess.run(["/usr/sbin/dmsetup", *command], check=True, capture_output=True)


def remount(how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(MOUNT)], check=False, capture_output=True)


def mount_anew() -> None:
    subprocess.run(["umount", "-l", str(MOUNT)], check=False, capture_output=True)
    subprocess.run(["/usr/sbin/e2fsck", "-fy", DEVICE], check=False, capture_output=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "noatime", DEVICE, str(MOUNT)], check=True)


def add(store: Database, read_id: str, acknowledged: list[str]) -> str:
    """One read; what went wrong, or nothing."""
    try:
        if read_id.startswith("during read-only"):
            store = open_store(STATE)
        add_read(store, read(read_id=read_id), EncodedEvidence(os.urandom(4000), os.urandom(60_000)), [])
    except AnprError as error:
        return str(error)
    acknowledged.append(read_id)
    return ""


def fill_card() -> None:
    with (MOUNT / "ballast").open("wb") as file:
        try:
            while True:
                file.write(bytes(65_536))
                file.flush()
        except OSError:
            pass


FAULTS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "full": (fill_card, (MOUNT / "ballast").unlink),
    "read-only": (lambda: remount("ro"), lambda: remount("rw")),
    "write errors": (
        lambda: table(f"0 {SECTORS} flakey /dev/ubda 0 0 1000 1 error_writes"),
        lambda: (table(LINEAR), mount_anew()),
    ),
    "all errors": (lambda: table(f"0 {SECTORS} error"), lambda: (table(LINEAR), mount_anew())),
}


def main() -> None:
    seen: dict[str, object] = {}
    acknowledged: list[str] = []
    for name, (begin, end) in FAULTS.items():
        store = open_store(STATE)
        before = [add(store, f"before {name} {n}", acknowledged) for n in range(20)]
        if name == "read-only":
            store.close()  # nobody can make a card read-only while a file on it is open for writing
        begin()
        said = [add(store, f"during {name} {n}", acknowledged) for n in range(DURING)]
        if name == "full":
            end()
            before += [add(store, f"soon after {name}", acknowledged)]  # the very connection goes on
        with contextlib.suppress(sqlite3.Error):
            store.close()
        if name != "full":
            end()
        seen[name] = {"before": [text for text in before if text], **refusals(said), **afterwards(name, acknowledged)}
    sys.stdout.write(f"SEEN {json.dumps(seen)}\n")
    sys.stdout.flush()


def refusals(said: list[str]) -> dict[str, object]:
    return {"refused": sum(map(bool, said)), "said": sorted({text.partition(": ")[2][:60] for text in said if text})}


def afterwards(name: str, acknowledged: list[str]) -> dict[str, object]:
    repaired = recovery.make_sound(STATE, 1, presets()["BE"])
    with closing(open_store(STATE)) as store:
        after = [add(store, f"after {name} {n}", acknowledged) for n in range(5)]
        there = {row[0] for row in store.execute("SELECT read_id FROM read")}
        whole = {row[0] for row in store.execute("SELECT count(*) FROM evidence GROUP BY read_id")}
        return {
            "after": [text for text in after if text],
            "lost": sorted(set(acknowledged) - there),
            "integrity": store.execute("PRAGMA integrity_check").fetchone()[0],
            "whole": sorted(whole),
            "repaired": repaired is not None,
        }


main()
