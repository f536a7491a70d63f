"""Feeds mutated list files to every importer: no crash, no hang, and no row that is neither taken nor named.

Each mutant is parsed as on a node; what is taken must be a well-formed entry, what is not must be named with a line and
a reason, and every row of the file must be one or the other.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from anpr_node import policy
from anpr_node.config import ListSection
from anpr_node.errors import HotlistError
from anpr_node.hotlist.formats import read_list
from anpr_node.hotlist.rows import ACTIONS, BadRow, to_rows
from anpr_node.records import HotlistEntry

SLOW_S = 2.0
VOI = "AB12CDE,FORD,FOCUS,BLUE,STOP,FI,STOLEN,B21,STOP,KENT 46,31/12/2026,1,OFFICIAL,CAD1,,\n"
SEEDS: dict[str, tuple[str, ListSection]] = {
    "csv": (
        "vrm,country,category,priority,reason,issuer,valid_from,valid_to,actions,match,change\n"
        '1-ABC-123,BEL,seize,80,"stolen, red",zone,2026-01-01,2026-12-31T23:00:00+01:00,relay led,near,add\n'
        "WOB DE 77,D,discreet,,,,,,,,\n1AB?12*,B,local,5,x,y,,,batch,exact,remove\n",
        ListSection(wildcard=True),
    ),
    "jsonl": (
        '{"vrm": "1ABC123", "country": "B", "priority": 5, "actions": ["relay", "led"], "valid_to": "2026-12-31"}\n'
        '{"vrm": "WOBDE77", "category": "discreet", "reason": "caf\\u00e9"}\n',
        ListSection(format="jsonl"),
    ),
    "openalpr": (
        'Plate Number,Description,Match Strategy\n1ABC123,stolen,exact\n2DEF456,"a, b",lenient\n',
        ListSection(format="openalpr"),
    ),
    "voi": (VOI + VOI.replace("STOP,FI", "SILENT,FI").replace("AB12", "CD34"), ListSection(format="voi")),
    "ncic": (
        "HEADER\nV123456789LA057020020190509AB123456  CA2009MC2009YAMACYLMCBLK\n"
        "M123456789LA057020020190509XY987     TX2009PC2011FORDF15  WHI\n",
        ListSection(format="ncic"),
    ),
    "nedap": ("1ABC123;BEL;yellow van\n2DEF456;NLD;\n3GHI789\n", ListSection(format="nedap")),
    "columns": (
        "Nr;Kennzeichen;bis;Grund\n1;B-AB 12;31.12.2026;gestohlen\n2;B-AB 13;;x\n",
        ListSection(
            format="columns",
            columns={"vrm": "Kennzeichen", "reason": "Grund", "valid_to": "bis"},
            dates="%d.%m.%Y",
            encoding="latin-1",
        ),
    ),
}
NASTY = (
    *(b"\x00", b"\xff\xfe", b"\r", b"\n\n", b'"', b",", b";", b"?", b"*", b"\\", b"\xd0\x90", b"\xe2\x80\xae"),
    *(b"1" * 300, b"\xc2\xb2", b"{", b"[" * 50, b"PK\x03\x04", b"9999-12-31", b"-1", b"\x1b[2J", b"\xef\xbb\xbf"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        "scripts/fuzz-hotlists", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=100_000, help="over all formats (default 100000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other mutants")
    arguments = parser.parse_args()
    started_s = time.perf_counter()
    outcomes = run(arguments.mutants, arguments.seed)
    print(f"{arguments.mutants} mutants in {time.perf_counter() - started_s:.0f} s")
    for (form, outcome), number in sorted(outcomes.items()):
        print(f"  {form:<10}{outcome:<28}{number}")


def run(mutants: int, seed: int) -> Counter[tuple[str, str]]:
    """So many mutants, the formats in turn; raises AssertionError with the bytes that broke a promise."""
    rng, outcomes = random.Random(seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        path = Path(folder) / "list"
        for number in range(mutants):
            form = [*SEEDS][number % len(SEEDS)]
            seed_text, section = SEEDS[form]
            content = mutate(seed_text.encode("latin-1" if form == "columns" else "utf-8"), rng)
            if form == "voi" and number % 3 == 0:
                content = mutate(_zipped(content), rng)
            path.write_bytes(content)
            started_s = time.process_time()
            try:
                outcomes.update((form, outcome) for outcome in judge(path, section))
            except Exception as error:
                raise AssertionError(f"{form}: {error!r} for {content!r}") from error
            assert time.process_time() - started_s < SLOW_S, f"{form}: hangs on {content!r}"
    return outcomes


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _zipped(content: bytes) -> bytes:
    with tempfile.SpooledTemporaryFile() as buffer:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("SRC_STOLEN_R.dat", content)
        buffer.seek(0)
        return buffer.read()


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to five changes: bytes flipped, cut, doubled, moved, nasty ones put in."""
    for _ in range(rng.randint(1, 5)):
        if not content:
            break
        at, length = rng.randrange(len(content)), rng.randint(1, 12)
        content = rng.choice(CHANGES)(content, at, length, rng)
    return content


Change = Callable[[bytes, int, int, random.Random], bytes]
CHANGES: tuple[Change, ...] = (
    lambda c, at, _n, rng: c[:at] + bytes([rng.randrange(256)]) + c[at + 1 :],
    lambda c, at, n, _rng: c[:at] + c[at + n :],
    lambda c, at, n, _rng: c[:at] + c[at : at + n] * 2 + c[at + n :],
    lambda c, at, _n, rng: c[:at] + rng.choice(NASTY) + c[at:],
    lambda c, at, n, rng: c[:at] + bytes(rng.sample(c[at : at + n], len(c[at : at + n]))) + c[at + n :],
    lambda c, at, _n, _rng: c[:at],
    lambda c, at, _n, _rng: c + c[at:],
)


def judge(path: Path, section: ListSection) -> list[str]:
    """What became of each row of a file; asserts that each is well-formed or named."""
    outcomes = []
    raw = []

    def counted():  # type: ignore[no-untyped-def]
        for row in read_list(path, section):
            raw.append(row)
            yield row

    try:
        for row in to_rows(counted(), "l", section):
            if isinstance(row, BadRow):
                assert row.line >= 1
                assert row.problem
                assert row.problem.isprintable(), "a terminal must survive it"
                outcomes.append("rows named as bad")
            else:
                check(row.entry)
                assert row.change in {"add", "remove"}
                outcomes.append("rows taken")
    except HotlistError as error:
        return [*outcomes, "files refused whole" if str(error).strip() else "REFUSED WITHOUT A WORD"]
    assert len(outcomes) == len(raw), "a row disappeared"
    if section.format in {"jsonl", "ncic", "nedap"}:
        with path.open(encoding=section.encoding, newline="") as file:
            lines = re.split("\r\n|\r|\n", file.read())
        wanted = [line for line in lines[section.format == "ncic" :] if line.strip()]
        assert len(outcomes) == len(wanted), "a line disappeared"
    return outcomes


PLATE = re.compile(r"[A-Z0-9]{1,12}")
PATTERN = re.compile(r"[A-Z0-9?*]+")


def check(entry: HotlistEntry) -> None:
    """Whatever is taken is an entry that could be written down by hand."""
    assert PATTERN.fullmatch(entry.vrm) if entry.is_wildcard else PLATE.fullmatch(entry.vrm)
    assert not entry.is_wildcard or sum(char not in "?*" for char in entry.vrm) >= 4
    assert entry.country is None or (entry.country.isascii() and entry.country.isalpha() and len(entry.country) <= 3)
    assert entry.category in policy.categories()
    assert 0 <= entry.priority <= 100
    assert entry.reason.isprintable()
    assert entry.issuer.isprintable()
    assert entry.actions
    assert set(entry.actions) <= ACTIONS
    assert entry.category != "discreet" or entry.actions == ("silent",)
    if entry.valid_from_ns is not None and entry.valid_to_ns is not None:
        assert entry.valid_from_ns < entry.valid_to_ns


if __name__ == "__main__":
    sys.exit(main())
