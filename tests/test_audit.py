"""The audit: every kind of tampering is found, and said where."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from full_card import files_no_larger_than
from sqlite_utils import Database

from anpr_node import audit, status
from anpr_node.audit import FILE_NAME, HEAD_NAME, Entry
from anpr_node.audit.entry import dump
from anpr_node.cli import main
from anpr_node.config import Settings
from anpr_node.errors import StoreError
from anpr_node.store.key import KEY_NAME, new_key

LINES = 12


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    for n in range(LINES):
        entry = Entry("jan", "search", reason=f"burglary {n}", case_ref="LI/1", rows=n, detail={"pattern": "1ABC*"})
        audit.append(folder, entry, 1_000_000_000 * n)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path, dirs_exist_ok=True))


def lines_of(folder: Path) -> list[bytes]:
    return (folder / FILE_NAME).read_bytes().splitlines()


def write(folder: Path, lines: list[bytes]) -> None:
    (folder / FILE_NAME).write_bytes(b"".join(line + b"\n" for line in lines))


def test_what_was_written_is_whole_and_reads_back(folder: Path) -> None:
    assert audit.verify(folder) == (LINES, [])
    assert [line.seq for line in audit.read(folder)] == list(range(1, LINES + 1))
    last = list(audit.read(folder))[-1]
    assert (last.entry.actor, last.entry.rows, last.entry.detail) == ("jan", 11, {"pattern": "1ABC*"})
    assert audit.head(folder) == f"{LINES}:{last.hash}"


def changed(line: bytes, **fields: object) -> bytes:
    """A line rewritten as the node spells it, its hash left as it was."""
    return dump({**json.loads(line), **fields})


def without(line: bytes, name: str) -> bytes:
    return dump({k: v for k, v in json.loads(line).items() if k != name})


def rehashed(line: bytes, **fields: object) -> bytes:
    """A line rewritten with a hash that somebody without the secret can make."""
    body = {k: v for k, v in {**json.loads(line), **fields}.items() if k != "hash"}
    return dump({**body, "hash": hashlib.sha256(dump(body)).hexdigest()})


def flip(line: bytes, at: int) -> bytes:
    return line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]


def rechain(lines: list[bytes]) -> list[bytes]:
    """Number and chain the lines anew, with unkeyed hashes."""
    chained, previous = [], audit.FIRST
    for n, line in enumerate(lines, 1):
        chained.append(rehashed(line, seq=n, prev=previous))
        previous = json.loads(chained[-1])["hash"]
    return chained


TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int | None]] = {
    "another actor": (lambda x: [*x[:4], changed(x[4], actor="piet"), *x[5:]], 5),
    "another action": (lambda x: [*x[:4], changed(x[4], action="status"), *x[5:]], 5),
    "another outcome": (lambda x: [*x[:4], changed(x[4], outcome="refused"), *x[5:]], 5),
    "another reason": (lambda x: [*x[:4], changed(x[4], reason="none"), *x[5:]], 5),
    "another case": (lambda x: [*x[:4], changed(x[4], case_ref="LI/2"), *x[5:]], 5),
    "another decision": (lambda x: [*x[:4], changed(x[4], decision_ref="P/1"), *x[5:]], 5),
    "another recipient": (lambda x: [*x[:4], changed(x[4], recipient="press"), *x[5:]], 5),
    "another object": (lambda x: [*x[:4], changed(x[4], object_ref="r9"), *x[5:]], 5),
    "another number of rows": (lambda x: [*x[:4], changed(x[4], rows=0), *x[5:]], 5),
    "another moment": (lambda x: [*x[:4], changed(x[4], at_ns=5), *x[5:]], 5),
    "another detail": (lambda x: [*x[:4], changed(x[4], detail={"pattern": "2XYZ*"}), *x[5:]], 5),
    "another number": (lambda x: [*x[:4], changed(x[4], seq=50), *x[5:]], 5),
    "another predecessor": (lambda x: [*x[:4], changed(x[4], prev="0" * 64), *x[5:]], 5),
    "another hash": (lambda x: [*x[:4], changed(x[4], hash="0" * 64), *x[5:]], 5),
    "a field more": (lambda x: [*x[:4], changed(x[4], note="x"), *x[5:]], 5),
    "a field less": (lambda x: [*x[:4], without(x[4], "rows"), *x[5:]], 5),
    "a bit in the text": (lambda x: [*x[:4], flip(x[4], 30), *x[5:]], 5),
    "a bit in the hash": (lambda x: [*x[:4], flip(x[4], x[4].index(b'"hash":"') + 20), *x[5:]], 5),
    "spaces only": (lambda x: [*x[:4], x[4].replace(b":", b": ", 1), *x[5:]], 5),
    "a hash without the secret": (lambda x: [*x[:4], rehashed(x[4], actor="piet"), *x[5:]], 5),
    "first line removed": (lambda x: x[1:], 1),
    "line removed": (lambda x: [*x[:4], *x[5:]], 5),
    "several lines removed": (lambda x: [*x[:4], *x[8:]], 5),
    "line removed, numbers mended": (lambda x: [*x[:4], *(changed(y, seq=n) for n, y in enumerate(x[5:], 5))], 5),
    "line inserted": (lambda x: [*x[:4], rehashed(x[4], reason="made up"), *x[4:]], 5),
    "line doubled": (lambda x: [*x[:5], *x[4:]], 6),
    "line copied to the end": (lambda x: [*x, x[4]], LINES + 1),
    "two lines swapped": (lambda x: [*x[:4], x[5], x[4], *x[6:]], 5),
    "all reversed": (lambda x: x[::-1], 1),
    "line emptied": (lambda x: [*x[:4], b"", *x[5:]], 5),
    "line overwritten": (lambda x: [*x[:4], b"\x00" * len(x[4]), *x[5:]], 5),
    "line is other JSON": (lambda x: [*x[:4], b"[]", *x[5:]], 5),
    "last line cut off": (lambda x: x[:-1], 0),
    "tail cut off": (lambda x: x[:3], 0),
    "all cut off": (lambda x: [], 0),
    "all made anew without the secret": (rechain, 1),
    "chained anew without one line": (lambda x: rechain([*x[:4], *x[5:]]), 1),
}


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_tampering_is_found_and_said_where(folder: Path, kind: str) -> None:
    tamper, where = TAMPERINGS[kind]
    write(folder, tamper(lines_of(folder)))
    _, flaws = audit.verify(folder)
    assert flaws, kind
    assert flaws[0].line == where, flaws


def test_a_file_that_ends_in_half_a_line_is_said(folder: Path) -> None:
    os.truncate(folder / FILE_NAME, (folder / FILE_NAME).stat().st_size - 7)
    assert [flaw.line for flaw in audit.verify(folder)[1]] == [LINES, 0]


def test_the_file_gone_or_the_head_gone_shows(folder: Path) -> None:
    (folder / HEAD_NAME).rename(folder / "kept")
    assert "missing" in audit.verify(folder)[1][0].problem
    (folder / "kept").rename(folder / HEAD_NAME)
    (folder / FILE_NAME).unlink()
    assert "cut off" in audit.verify(folder)[1][0].problem


def test_a_tail_cut_off_with_its_head_shows_by_an_anchor_kept_elsewhere(folder: Path, tmp_path: Path) -> None:
    """The one way that is left without the secret: somebody kept the head that went with the shorter file."""
    kept, old = lines_of(folder), (folder / HEAD_NAME).read_bytes()
    for n in range(7):
        audit.append(folder, Entry("jan", "status", rows=n))
    anchor = audit.head(folder)
    write(folder, kept)
    (folder / HEAD_NAME).write_bytes(old)
    assert audit.verify(folder)[1] == []
    assert "cut off" in audit.verify(folder, (anchor,))[1][0].problem
    for n in range(9):
        audit.append(folder, Entry("jan", "status", rows=n))
    assert "anchored" in audit.verify(folder, (anchor,))[1][0].problem


def test_another_folders_secret_makes_no_true_line(folder: Path, tmp_path: Path) -> None:
    (folder / "audit.secret").write_bytes(os.urandom(32))
    assert len(audit.verify(folder)[1]) == LINES + 1, "each line, and the head"


def test_what_a_power_cut_left_half_written_is_mended_by_the_next_line(folder: Path) -> None:
    with (folder / FILE_NAME).open("ab") as file:
        file.write(b'{"seq":13,"at')
    audit.append(folder, Entry("jan", "search"))
    assert audit.verify(folder) == (LINES + 1, [])


def forged_head(folder: Path, line: bytes) -> None:
    """As like a head of that line as somebody without the secret can make it."""
    row, old = json.loads(line), (folder / HEAD_NAME).read_bytes()
    (folder / HEAD_NAME).write_bytes(f"{row['seq']}:{row['hash']}:".encode() + old.rpartition(b":")[2])


def cut(folder: Path, n: int) -> None:
    write(folder, lines_of(folder)[:-n])


def as_if_one_behind(folder: Path) -> None:
    """Lines gone, and a made-up one that follows the head."""
    lines = lines_of(folder)
    seq, digest = audit.head(folder).split(":")
    write(folder, [*lines[:-8], rehashed(lines[-1], seq=int(seq) + 1, prev=digest)])


HIDINGS: dict[str, Callable[[Path], object]] = {
    "eight lines": lambda folder: cut(folder, 8),
    "one line": lambda folder: cut(folder, 1),
    "every line": lambda folder: (folder / FILE_NAME).unlink(),
    "every line, the file left": lambda folder: write(folder, []),
    "half a line more": lambda folder: os.truncate(folder / FILE_NAME, (folder / FILE_NAME).stat().st_size // 2),
    "the head": lambda folder: (folder / HEAD_NAME).unlink(),
    "lines and head": lambda folder: (cut(folder, 8), (folder / HEAD_NAME).unlink()),
    "all but the first, and the head": lambda folder: (cut(folder, LINES - 1), (folder / HEAD_NAME).unlink()),
    "lines, and a head made up": lambda folder: (cut(folder, 8), forged_head(folder, lines_of(folder)[-1])),
    "lines, and a head without its seal": lambda folder: (
        cut(folder, 8),
        (folder / HEAD_NAME).write_text(f"{LINES - 8}:{json.loads(lines_of(folder)[-1])['hash']}\n"),
    ),
    "lines, and a head of none": lambda folder: (
        (folder / FILE_NAME).unlink(),
        (folder / HEAD_NAME).write_text(f"0:{audit.FIRST}:{audit.FIRST}\n"),
    ),
    "lines, and one made up behind the head": as_if_one_behind,
    "a head that is no text": lambda folder: (folder / HEAD_NAME).write_bytes(b"\xff\xfe"),
    "an empty head": lambda folder: (folder / HEAD_NAME).write_bytes(b""),
}


@pytest.mark.parametrize("how", HIDINGS)
def test_what_was_cut_off_does_not_heal(folder: Path, how: str) -> None:
    """Neither by what is written afterwards, nor by cutting off what tells of it."""
    HIDINGS[how](folder)
    assert audit.verify(folder)[1], "before anything else is written"
    for _ in range(3):
        audit.append(folder, Entry("jan", "search"))
        assert audit.verify(folder)[1]
        cut(folder, 1)
    gaps = [line for line in audit.read(folder) if line.entry.action == audit.GAP]
    assert gaps
    assert gaps[0].entry.reason
    cut(folder, len(lines_of(folder)) - gaps[0].seq + 1)
    audit.append(folder, Entry("jan", "search"))
    assert audit.verify(folder)[1]


def test_a_gap_says_what_was_expected_and_what_was_found(folder: Path) -> None:
    cut(folder, 8)
    audit.append(folder, Entry("jan", "search"))
    _, flaws = audit.verify(folder)
    assert [flaw.line for flaw in flaws] == [LINES - 7]
    assert "should reach line 12 and ends with line 4" in flaws[0].problem


def test_a_head_that_a_power_cut_left_one_line_behind_is_right(folder: Path, tmp_path: Path) -> None:
    head = (folder / HEAD_NAME).read_bytes()
    audit.append(folder, Entry("jan", "search"))
    (folder / HEAD_NAME).write_bytes(head)
    assert audit.verify(folder) == (LINES + 1, [])
    audit.append(folder, Entry("jan", "search"))
    assert audit.verify(folder) == (LINES + 2, [])


def test_the_very_first_line_may_be_the_one_that_the_head_lacks(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with files_no_larger_than(200), pytest.raises(StoreError):  # room for the head, and not for a line
        audit.append(tmp_path / "x", Entry("jan", "search", reason="r" * 500))
    head = (tmp_path / "x" / HEAD_NAME).read_bytes()
    audit.append(tmp_path / "x", Entry("jan", "search"))
    (tmp_path / "x" / HEAD_NAME).write_bytes(head)
    assert audit.verify(tmp_path / "x") == (1, [])
    audit.append(tmp_path / "x", Entry("jan", "search"))
    assert audit.verify(tmp_path / "x") == (2, [])


def test_a_damaged_head_is_a_flaw_and_stops_nothing(settings: Settings, store: Database, tmp_path: Path) -> None:
    folder, config = settings.state_folder, tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{folder}"\n')
    audit.append(folder, Entry("jan", "search"))
    (folder / HEAD_NAME).write_bytes(b"\xff\xfe")
    assert audit.head(folder) == audit.UNREADABLE
    assert status.collect(settings)["audit_head"] == audit.UNREADABLE
    verified = CliRunner().invoke(main, ["audit", "verify", "--config", str(config)])
    assert isinstance(verified.exception, SystemExit)
    assert "1 flaws" in verified.stdout
    audit.append(folder, Entry("jan", "search"))
    assert audit.head(folder).startswith("3:")


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"seq": Infinity, "hash": "", "prev": ""}', b'{"hash":"\xc3\xa9"}'])
def test_no_line_of_somebody_else_ends_the_audit(folder: Path, line: bytes) -> None:
    write(folder, [*lines_of(folder), line])
    assert audit.verify(folder)[1]
    assert len(list(audit.read(folder))) == LINES
    audit.append(folder, Entry("jan", "search"))
    assert audit.verify(folder)[1]


def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    ready = threading.Barrier(6)

    def work(n: int) -> None:
        ready.wait()
        for _ in range(10):
            audit.append(tmp_path, Entry(f"p{n}", "search"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert audit.verify(tmp_path) == (60, [])


def test_with_a_key_the_pattern_is_not_on_the_card(tmp_path: Path) -> None:
    new_key(tmp_path / "elsewhere")
    state = tmp_path / "state"
    state.mkdir()
    (state / KEY_NAME).symlink_to(tmp_path / "elsewhere")
    audit.append(state, Entry("jan", "search", detail={"pattern": "1ABC123"}))
    assert b"1ABC123" not in (state / FILE_NAME).read_bytes()
    assert next(iter(audit.read(state))).entry.detail == {"pattern": "1ABC123"}
    assert audit.verify(state) == (1, [])


def test_what_cannot_be_written_down_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="audit cannot be written"):
        audit.append(tmp_path, Entry("jan", "search"))


def test_long_texts_are_cut_and_never_break_the_chain(tmp_path: Path) -> None:
    for _ in range(3):
        audit.append(tmp_path, Entry("jan", "search", reason="x" * 100_000))
    assert audit.verify(tmp_path) == (3, [])


@pytest.mark.parametrize("room", [0, 1, 40, 200])
def test_a_line_that_does_not_fit_on_the_card_is_not_acknowledged_and_leaves_nothing(folder: Path, room: int) -> None:
    before = (folder / FILE_NAME).read_bytes()
    with files_no_larger_than(len(before) + room), pytest.raises(StoreError, match="cannot be written"):
        audit.append(folder, Entry("jan", "search"))
    assert (folder / FILE_NAME).read_bytes() == before
    assert audit.verify(folder) == (LINES, [])
    audit.append(folder, Entry("jan", "search"))
    assert audit.verify(folder) == (LINES + 1, [])


def test_a_line_whose_head_cannot_be_kept_is_not_acknowledged_and_leaves_nothing(folder: Path) -> None:
    (folder / f"{HEAD_NAME}.new").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        audit.append(folder, Entry("jan", "search"))
    assert audit.verify(folder) == (LINES, [])


MONSTERS = {
    "name": Entry("x" * 100_000, "search"),
    "pattern": Entry("jan", "search", detail={"pattern": "A" * 100_000}),
    "signs of six bytes": Entry(*["\x01" * 100_000] * 8, detail={"\x01" * 9_000: "\x01" * 100_000}),
    "signs of four bytes": Entry(*["\U0001f697" * 100_000] * 8, detail={"a": ["\U0001f697" * 100_000] * 50}),
    "many small things": Entry("jan", "search", detail={str(n): n for n in range(5_000)}),
    "depths": Entry("jan", "search", detail={"a": {"b": ["x" * 100_000, {"c": "y" * 100_000}]}}),
    "bytes that are no text": Entry("\udcff" * 100_000, "search", detail={"pattern": "\udcff"}),
}


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("what", MONSTERS)
def test_nothing_that_is_said_breaks_the_chain(tmp_path: Path, what: str, encrypted: bool) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if encrypted:
        new_key(state / KEY_NAME)
    for _ in range(3):
        audit.append(state, MONSTERS[what])
    assert audit.verify(state) == (3, [])
    assert max(len(line) for line in lines_of(state)) < audit.chain.TAIL_BYTES
    assert len(list(audit.read(state))) == 3


def test_a_detail_that_is_too_long_is_there_by_its_hash_beside_what_fits(tmp_path: Path) -> None:
    audit.append(tmp_path, Entry("node", "configuration", detail={"a": list(range(9_000)), "b": 1}))
    detail = next(iter(audit.read(tmp_path))).entry.detail
    assert detail["b"] == 1
    assert set(detail["a"]) == {"too_long_bytes", "sha256"}


def test_the_chain_goes_on_after_a_line_of_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before_the_limits:
        before_the_limits.setattr(audit.entry, "TEXT_BYTES_MAX", 300_000)
        before_the_limits.setattr(audit.entry, "DETAIL_BYTES_MAX", 300_000)
        audit.append(tmp_path, Entry("jan", "search", detail={"pattern": "A" * 200_000}))
    audit.append(tmp_path, Entry("jan", "search"))
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b"x" * 200_000)
    audit.append(tmp_path, Entry("jan", "search"))
    assert audit.verify(tmp_path) == (3, [])


def test_changed_settings_are_written_down(tmp_path: Path) -> None:
    settings = {"node": {"id": "a", "lane": "1"}, "store": {"quota_mb": 5}}
    assert audit.note_configuration(tmp_path, "node", settings, 0)
    assert not audit.note_configuration(tmp_path, "node", settings, 0)
    assert audit.note_configuration(tmp_path, "node", {**settings, "store": {"quota_mb": 6}}, 0)
    entries = [line.entry for line in audit.read(tmp_path)]
    assert [(e.action, e.rows, e.detail) for e in entries] == [
        ("configuration", 3, {}),
        ("configuration", 1, {"store.quota_mb": 6}),
    ]


def test_a_line_that_is_added_meanwhile_is_no_flaw(tmp_path: Path) -> None:
    """The verifier sees a file and its head that belong together, however fast another process adds lines."""
    for _ in range(300):
        audit.append(tmp_path, Entry("jan", "status"))
    write = (
        "import sys, pathlib; from anpr_node import audit\n"
        "while True: audit.append(pathlib.Path(sys.argv[1]), audit.Entry('eva', 'status'))"
    )
    with subprocess.Popen([sys.executable, "-c", write, tmp_path]) as writer:
        try:
            found = [audit.verify(tmp_path) for _ in range(100)]
            while found[-1][0] == 300:
                found.append(audit.verify(tmp_path))
        finally:
            writer.kill()
    assert [flaws for _, flaws in found if flaws] == []
