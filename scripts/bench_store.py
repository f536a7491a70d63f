"""Fills a store with made-up reads and measures searches, the writing of a read, and what a read takes on the card.

A search is asked five times, each on a connection of its own: wall clock (least, median, most) and median CPU time,
which a busy machine changes least.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from makers import read
from sqlite_utils import Database

from anpr_node.ids import Ids
from anpr_node.search import near_texts
from anpr_node.store import recovery
from anpr_node.store.database import FILE_NAME, open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.finding import Criteria, find_reads
from anpr_node.store.reads import EncodedEvidence, add_read, read_row
from anpr_node.store.sealing import Seal

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
START_S = 1_767_225_600
GAP_S = 2.88
"""30,000 reads a day."""
PATCH_BYTES, OVERVIEW_BYTES = 4_000, 100_000
"""As the simulated road gives them; its patches are 2.7 kB."""
READS_A_DAY, CAPACITY_READS = 30_000, 3_000
KNOWN = "1QRS407"


def main() -> None:
    """Fill, measure, plain and encrypted."""
    parser = argparse.ArgumentParser(
        "scripts/bench-store", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reads", type=int, default=5_000_000, help="how many reads (default 5 million)")
    parser.add_argument("--folder", type=Path, help="where the stores are made; they stay")
    parser.add_argument("--kinds", nargs="+", default=["plain", "encrypted"], help="plain, encrypted (default: both)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bench-store-"))
    for kind in options.kinds:
        state = folder / kind
        if not (state / FILE_NAME).exists():
            if kind == "encrypted":
                encrypt(state, folder / "key")
            fill(state, options.reads)
        print(f"{kind}: {options.reads} reads, {(state / FILE_NAME).stat().st_size / 1e6:.0f} MB")
        bench_searches(state)
        bench_writes(state)
        bench_check(state)
    bench_capacity(folder / "capacity")
    if options.folder is None:
        shutil.rmtree(folder)


def fill(state: Path, reads: int) -> None:
    """Made-up reads, one every 2.88 s; without pictures, because no search looks at them."""
    with closing(open_store(state)) as store:
        store.execute("PRAGMA synchronous=OFF")
        store.execute("PRAGMA cache_size=-400000")
        columns = list(read_row(read()))
        holes = ", ".join("?" * len(columns))
        with store.atomic():
            store.conn.executemany(f"INSERT INTO read ({', '.join(columns)}) VALUES ({holes})", rows(reads))
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def rows(reads: int) -> Iterator[list[object]]:
    rng, template = random.Random(1), read_row(read())
    for n in range(reads):
        vrm = (
            KNOWN
            if n % 250_000 == 77
            else f"{rng.randrange(1, 10)}{''.join(rng.choices(LETTERS, k=3))}{rng.randrange(1000):03}"
        )
        first_ns = int((START_S + n * GAP_S) * 1e9)
        milliseconds = first_ns // 1_000_000
        read_id = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{rng.getrandbits(12):03x}-8000-{n:012x}"
        changes = {"read_id": read_id, "vrm": vrm, "first_seen_ns": first_ns, "last_seen_ns": first_ns + 200_000_000}
        yield list({**template, **changes, "candidates": f'[["{vrm}", 0.99]]'}.values())


def bench_searches(state: Path) -> None:
    asked = {
        "exact": Criteria(KNOWN),
        "exact, not there": Criteria("0ZZZ000"),
        "prefix 1QRS*": Criteria("1QRS*"),
        "prefix 1Q*": Criteria("1Q*"),
        "prefix 1*": Criteria("1*"),
        "near miss": Criteria(KNOWN, near=near_texts(KNOWN)),
        "one wild 1QR?407": Criteria("1QR?407"),
        "one wild ?QRS407": Criteria("?QRS407"),
        "ending *S407": Criteria("*S407"),
        "middle *QRS*": Criteria("*QRS*"),
        "nothing fits *0000*": Criteria("*0000*"),
        "all of one day": Criteria("*", from_ns=int((START_S + 864_000) * 1e9), to_ns=int((START_S + 950_400) * 1e9)),
        "all of a hit category": Criteria("*", category="seize"),
    }
    for name, wanted in asked.items():
        wall, cpu = [], []
        for _ in range(5):
            with closing(open_store(state)) as store:
                began_s, began_cpu_s = time.perf_counter(), time.process_time()
                found = find_reads(store, wanted)
                wall.append((time.perf_counter() - began_s) * 1e3)
                cpu.append((time.process_time() - began_cpu_s) * 1e3)
        walls = f"{min(wall):>8.1f}{statistics.median(wall):>8.1f}{max(wall):>8.1f}"
        print(f"  {name:<24}{len(found):>6} found{walls} ms{statistics.median(cpu):>9.1f} ms CPU")


def bench_writes(state: Path) -> None:
    """Reads with pictures of usual size, each committed to the card, into the filled store; open and sealed."""
    seal = Seal(X25519PrivateKey.generate().public_key())
    for name, used in (("writing a read", None), ("the same, sealed", seal)):
        wall, cpu = [], []
        with closing(open_store(state)) as store:
            for n in range(500):
                evidence = EncodedEvidence(os.urandom(PATCH_BYTES), os.urandom(OVERVIEW_BYTES))
                made = read("".join(random.choices(LETTERS, k=7)), f"bench-{os.getpid()}-{n}")
                began_s, began_cpu_s = time.perf_counter(), time.process_time()
                add_read(store, made, evidence, [], used)
                wall.append((time.perf_counter() - began_s) * 1e3)
                cpu.append((time.process_time() - began_cpu_s) * 1e3)
                if n % 20 == 19:
                    store.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # the keeper's part
            forget(store)
        walls = f"{statistics.median(wall):.2f} ms median, {statistics.quantiles(wall, n=100)[98]:.2f} p99"
        print(f"  {name:<24}{walls}, {statistics.median(cpu):.2f} ms CPU")


def bench_capacity(state: Path) -> None:
    """What 15 days of a busy road take with patches alone, and what an overview adds."""
    sizes = []
    for overview in (None, os.urandom(OVERVIEW_BYTES)):
        with closing(open_store(state)) as store:
            store.execute("PRAGMA synchronous=OFF")
            ids, before, page_bytes = (
                Ids(),
                *(store.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")),
            )
            for n in range(CAPACITY_READS):
                made = read(f"1ABC{n % 1000:03}", ids.make(START_S * 10**9 + n))
                add_read(store, made, EncodedEvidence(os.urandom(PATCH_BYTES), overview), [])
            sizes.append((store.execute("PRAGMA page_count").fetchone()[0] - before) * page_bytes / CAPACITY_READS)
    days = sizes[0] * READS_A_DAY * 15 / 1e9
    print(f"a read with its patch takes {sizes[0]:.0f} bytes on the card: 15 days {days:.1f} GB")
    print(f"an overview of {OVERVIEW_BYTES} bytes adds {sizes[1] - sizes[0]:.0f}")


def forget(store: Database) -> None:
    with store.atomic():
        store.execute("DELETE FROM outbox")
        store.execute("DELETE FROM read WHERE read_id LIKE 'bench-%'")


def bench_check(state: Path) -> None:
    began_s = time.perf_counter()
    problem = recovery.find_damage(state, 600.0)
    print(f"  checking the whole file {time.perf_counter() - began_s:.1f} s: {problem or 'sound'}")


main()
