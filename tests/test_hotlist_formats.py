"""Every list format that exists, by a small file of each: what it becomes, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from anpr_node.config import ListSection
from anpr_node.errors import ConfigError, HotlistError
from anpr_node.hotlist.formats import read_list
from anpr_node.hotlist.rows import BadRow, GoodRow, to_rows

VOI = "AB12CDE,FORD,FOCUS,BLUE,{},FI,STOLEN,B21,STOP AND ARREST,KENT 46,{},1,OFFICIAL,CAD1,,\n"
NCIC = "V123456789LA057020020190509AB123456  CA2009MC2009YAMACYLMCBLK"
MAP = {"columns": {"vrm": "Kennzeichen", "reason": "Grund", "valid_to": "bis"}, "dates": "%d.%m.%Y"}


def parse(tmp_path: Path, content: str | bytes, form: str = "csv", **section: Any) -> list[GoodRow | BadRow]:
    path = tmp_path / "list"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = ListSection(format=form, **section)  # type: ignore[arg-type]
    return list(to_rows(read_list(path, settings), "l", settings))


def entries(rows: list[GoodRow | BadRow]) -> list[Any]:
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert not bad
    return [row.entry for row in rows if isinstance(row, GoodRow)]


def test_our_csv(tmp_path: Path) -> None:
    rows = parse(tmp_path, "\ufeffVRM,Country,category,reason\n1-ABC-123,B,seize,stolen\n\nwob de 77,D,discreet,\n")
    assert [(row.line, row.entry.vrm) for row in rows] == [(2, "1ABC123"), (4, "WOBDE77")]  # type: ignore[union-attr]


def test_bad_rows_are_named_by_line_and_the_rest_is_kept(tmp_path: Path) -> None:
    rows = parse(tmp_path, "vrm,category\n1ABC123,seize\n---,seize\n1ABC124\n1ABC125,nonsense\n1ABC126,local\n")
    assert [row.line for row in rows if isinstance(row, BadRow)] == [3, 4, 5]
    assert [row.entry.vrm for row in rows if isinstance(row, GoodRow)] == ["1ABC123", "1ABC126"]


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        ("csv", "plate\n1ABC123\n", "must name columns"),
        ("csv", "", "must name columns"),
        ("csv", "vrm,colour\n1ABC123,red\n", "must name columns"),
        ("csv", "vrm,vrm\n1ABC123,2\n", "must name columns"),
        ("csv", b"vrm\n\xff\xfe\xfa\n", "not utf-8"),
        ("csv", 'vrm,reason\n1ABC123,"stolen car\n2DEF456,x\n', "not CSV"),
        ("csv", b"vrm\n" + b"x" * 200_000, "longer than"),
        ("openalpr", "vrm,reason\n1ABC123,x\n", "first line must be"),
        ("nedap", b"x" * 200_000, "longer than"),
        ("csv", b"PK\x05\x06" + b"\x00" * 18, "0 files"),
    ],
)
def test_an_unusable_file_is_refused_whole(tmp_path: Path, form: str, content: str | bytes, words: str) -> None:
    with pytest.raises(HotlistError, match=words):
        parse(tmp_path, content, form)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HotlistError, match="No such file"):
        list(read_list(tmp_path / "none", ListSection()))


def test_our_json_lines(tmp_path: Path) -> None:
    good = '{"vrm": "1ABC123", "priority": 5, "actions": ["relay", "led"], "valid_to": null}\n'
    (entry,) = entries(parse(tmp_path, good, "jsonl"))
    assert (entry.vrm, entry.priority, entry.actions, entry.valid_to_ns) == ("1ABC123", 5, ("relay", "led"), None)


@pytest.mark.parametrize(
    "line",
    [
        '["1ABC123"]',
        '{"vrm": NaN}',
        '{"vrm": {}}',
        '{"vrm": "A", "vrm": "B"}',
        '{"plate": "A"}',
        "{",
        "[" * 9000,
        '{"vrm": true}',
        "7",
        '[["vrm", "1ABC123"]]',
    ],
)
def test_json_that_is_no_row_of_ours(tmp_path: Path, line: str) -> None:
    (row,) = parse(tmp_path, line, "jsonl")
    assert isinstance(row, BadRow)
    assert row.line == 1


def test_openalpr(tmp_path: Path) -> None:
    text = "Plate Number,Description,Match Strategy\n1ABC123,stolen,exact\n2DEF456,x,lenient\n"
    exact, lenient = entries(parse(tmp_path, text, "openalpr"))
    assert (exact.vrm, exact.reason, exact.exact_only) == ("1ABC123", "stolen", True)
    assert not lenient.exact_only
    (bad,) = parse(tmp_path, text.splitlines()[0] + "\n1ABC123,stolen,fuzzy\n", "openalpr")
    assert isinstance(bad, BadRow)


def test_uk_vehicles_of_interest(tmp_path: Path) -> None:
    header = "VRM," + ",".join(f"c{n}" for n in range(15)) + "\n"
    text = header + VOI.format("STOP", "31/12/2026") + VOI.format("SILENT", "").replace("AB12", "CD34")
    stop, silent = entries(parse(tmp_path, text, "voi", category="seize"))
    assert (stop.vrm, stop.country, stop.category, stop.issuer) == ("AB12CDE", "GB", "seize", "KENT 46")
    assert stop.reason == "STOLEN; BLUE FORD FOCUS; FI; STOP AND ARREST"
    assert stop.valid_to_ns == 1_798_761_600 * 10**9, "good to the end of its weed date"
    assert (silent.category, silent.actions) == ("discreet", ("silent",))
    for wrong in (VOI.format("WAVE", ""), VOI.format("STOP", "32/12/2026"), "AB12CDE,FORD\n"):
        assert isinstance(parse(tmp_path, wrong, "voi")[0], BadRow)


def test_a_voi_list_in_its_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "list", "w") as archive:
        archive.writestr("SRC_STOLEN_R.dat", VOI.format("STOP", ""))
    settings = ListSection(format="voi")
    rows = list(to_rows(read_list(tmp_path / "list", settings), "l", settings))
    assert [entry.vrm for entry in entries(rows)] == ["AB12CDE"]
    with zipfile.ZipFile(tmp_path / "list", "a") as archive:
        archive.writestr("another", "x")
    with pytest.raises(HotlistError, match="2 files"):
        list(read_list(tmp_path / "list", settings))


def test_ncic(tmp_path: Path) -> None:
    (entry,) = entries(parse(tmp_path, f"HEADER\n{NCIC}\n", "ncic"))
    assert (entry.vrm, entry.country, entry.category) == ("AB123456", "US", "seize")
    assert entry.reason == "stolen vehicle 20190509 CA; BLK 2009 YAMA CYLMC"
    for wrong in ("Z" + NCIC[1:], NCIC[:30], NCIC[:37] + "12" + NCIC[39:]):
        assert isinstance(parse(tmp_path, f"HEADER\n{wrong}\n", "ncic")[0], BadRow)


def test_nedap(tmp_path: Path) -> None:
    full, bare = entries(parse(tmp_path, "1ABC123;BEL;yellow van; rusty\r\n2DEF456\r\n", "nedap"))
    assert (full.vrm, full.country, full.reason) == ("1ABC123", "B", "yellow van; rusty")
    assert (bare.vrm, bare.country, bare.reason) == ("2DEF456", None, "")


def test_any_delimited_file_through_a_column_map(tmp_path: Path) -> None:
    text = "Nr;Kennzeichen;bis;Grund\n1;B-AB 12;31.12.2026;gestohlen\n2;B-AB 13;;Köln\n"
    first, second = entries(parse(tmp_path, text.encode("latin-1"), "columns", encoding="latin-1", **MAP))
    assert (first.vrm, first.reason, first.valid_to_ns) == ("BAB12", "gestohlen", 1_798_675_200 * 10**9)
    assert second.reason == "Köln"
    numbered = parse(tmp_path, "x|1ABC123|y\n", "columns", header=False, delimiter="|", columns={"vrm": 2})
    assert [entry.vrm for entry in entries(numbered)] == ["1ABC123"]
    (bad,) = parse(tmp_path, "Kennzeichen;bis;Grund\nB-AB 12;2026-12-31;x\n", "columns", **MAP)
    assert isinstance(bad, BadRow)
    with pytest.raises(HotlistError, match="no column 'bis'"):
        parse(tmp_path, "Kennzeichen;Grund\n", "columns", **MAP)


def test_a_list_section_that_makes_no_sense_is_refused() -> None:
    from anpr_node.config import parse as settings

    for section, words in (
        ({"format": "columns"}, "columns is needed"),
        ({"columns": {"vrm": 1}}, "columns is needed"),
        ({"format": "columns", "columns": {"vrm": "x"}, "header": False}, "by number"),
        ({"category": "nonsense"}, "category is none of"),
        ({"url": "http://x/y", "public_key": "k"}, "https"),
        ({"url": "https://x/y"}, "public_key"),
        ({"encoding": "base64"}, "not known"),
        ({"actions": ["silent", "relay"]}, "stands alone"),
        ({"colour": 1}, "unknown key; known here: actions"),
        ({"confidence_min": 2.0}, r"allowed: 0 to 1"),
    ):
        with pytest.raises(ConfigError, match=words):
            settings({"hotlists": {"lists": {"a": section}}}, "test")
    with pytest.raises(ConfigError, match="no name"):
        settings({"hotlists": {"lists": {"../a": {}}}}, "test")
