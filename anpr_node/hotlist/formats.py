"""Reads the list formats that exist, line by line, into cells with our own column names.

One function per format, and a table of them at the end. It says nothing about whether a row is good: `rows` does.
"""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from anpr_node import policy
from anpr_node.config import ListSection
from anpr_node.errors import HotlistError
from anpr_node.hotlist.rows import COLUMNS, RawRow

LINE_LENGTH_MAX = 100_000
FILE_BYTES_MAX = 2_000_000_000
VOI_COLUMNS = 16

Parser = Callable[[TextIO, ListSection], Iterator[RawRow]]


def read_list(path: Path, settings: ListSection) -> Iterator[RawRow]:
    """The rows of a file; a ZIP file is read through when it holds one file.

    Raises:
        HotlistError: the file cannot be read, breaks off, or is not of the list's format.

    """
    try:
        with _open_text(path, settings.encoding) as file:
            yield from PARSERS[settings.format](file, settings)
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise HotlistError(f"{path}: not {error.encoding} text (byte {error.start})") from error
    except csv.Error as error:
        raise HotlistError(f"{path}: not CSV ({error})") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise HotlistError(f"{path}: not a ZIP file that can be read ({error})") from error
    except HotlistError as error:
        raise HotlistError(f"{path}: {error}") from error


@contextmanager
def _open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    if not zipfile.is_zipfile(path):
        with path.open(encoding=encoding, newline="") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].file_size > FILE_BYTES_MAX:
            raise HotlistError(f"a ZIP file with {len(members)} files; one list at a time, 2 GB at most")
        with archive.open(members[0]) as raw, TextIOWrapper(raw, encoding=encoding, newline="") as file:
            yield file


def _csv(file: TextIO, _: ListSection) -> Iterator[RawRow]:
    """Our own CSV: the first line names the columns."""
    rows = _rows(file)
    header = [name.strip().lower() for name in next(rows, (0, [""]))[1]]
    if "vrm" not in header or set(header) - set(COLUMNS) or len(set(header)) < len(header):
        raise HotlistError(
            f"the first line must name columns among {', '.join(COLUMNS)}, each once (vrm is needed), with commas "
            "between; other names or separators: format = 'columns' of the list, see docs/hotlists.md"
        )
    return _named(rows, header)


def _rows(file: TextIO, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a delimited file with the number of their last line; empty ones are passed over."""
    reader = csv.reader(_bounded(file), strict=True, delimiter=delimiter)
    for row in reader:
        if row:
            yield reader.line_num, row


def _named(rows: Iterator[tuple[int, list[str]]], header: list[str]) -> Iterator[RawRow]:
    for line, row in rows:
        if len(row) == len(header):
            yield line, dict(zip(header, row, strict=True))
        else:
            yield line, _wrong_width(row, len(header))


def _wrong_width(row: list[str], width: int) -> str:
    return f"wrong number of columns: {len(row)}, {width} wanted"


def _jsonl(file: TextIO, _: ListSection) -> Iterator[RawRow]:
    """Our own JSON lines: one object a line, with the names of our columns."""
    for number, line in _lines(file):
        try:
            yield number, _object(line)
        except (ValueError, RecursionError) as error:
            yield number, f"not an object of ours ({error})"


def _object(line: str) -> dict[str, str]:
    cells: dict[str, str] = {}
    content = json.loads(line, object_pairs_hook=list, parse_constant=_refuse_constant)
    if not isinstance(content, list) or not all(isinstance(pair, tuple) for pair in content):
        raise ValueError("a JSON object is wanted")
    for name, value in content:
        if name not in COLUMNS or name in cells:
            raise ValueError(f"{name!r} is twice there, or none of {', '.join(COLUMNS)}")
        cells[name] = _cell(value)
    return cells


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise ValueError("values are texts, whole numbers, or lists of texts")


def _openalpr(file: TextIO, _: ListSection) -> Iterator[RawRow]:
    """`Plate Number,Description,Match Strategy`."""
    rows = _rows(file)
    header = [name.strip().lower() for name in next(rows, (0, [""]))[1]]
    if header != ["plate number", "description", "match strategy"]:
        raise HotlistError("the first line must be: Plate Number,Description,Match Strategy")
    for line, cells in _named(rows, ["vrm", "reason", "strategy"]):
        yield line, cells if isinstance(cells, str) else _openalpr_cells(dict(cells))


def _openalpr_cells(cells: dict[str, str]) -> dict[str, str] | str:
    strategy = cells.pop("strategy").strip().lower()
    if strategy not in {"exact", "lenient"}:
        return f"match strategy {strategy[:40]!r} is neither exact nor lenient"
    return cells | {"match": "exact" if strategy == "exact" else "near"}


def _voi(file: TextIO, _: ListSection) -> Iterator[RawRow]:
    """The UK's list of vehicles of interest: 16 columns, with or without a first line that names them."""
    for number, (line, row) in enumerate(_rows(file)):
        if number == 0 and row[0].strip().upper() == "VRM":
            continue
        yield line, _voi_cells([cell.strip() for cell in row])


def _voi_cells(row: list[str]) -> dict[str, str] | str:
    if len(row) != VOI_COLUMNS:
        return _wrong_width(row, VOI_COLUMNS)
    plate, make, model, colour, action, markers, reason = row[:7]
    if action.upper() not in {"STOP", "SILENT"}:
        return f"action {action[:40]!r} is neither STOP nor SILENT"
    words = (reason, " ".join(filter(None, (colour, make, model))), markers, row[8])
    cells = {"vrm": plate, "country": "GB", "reason": "; ".join(filter(None, words)), "issuer": row[9]}
    if action.upper() == "SILENT":
        cells["category"] = "discreet"
    if not row[10]:
        return cells
    weeded = _weed_date(row[10])
    return cells | {"valid_to": weeded} if weeded else f"weed date {row[10][:40]!r} is not a date such as 31/12/2026"


def _weed_date(text: str) -> str | None:
    """The day after the weed date: the entry is good to the end of its day."""
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return (datetime.strptime(text, form) + timedelta(days=1)).isoformat()
        except (ValueError, OverflowError):
            continue
    return None


def _ncic(file: TextIO, _: ListSection) -> Iterator[RawRow]:
    """A US NCIC extract: fixed width, the first line is a header."""
    for number, line in _lines(file):
        if number > 1:
            yield number, _ncic_cells(line)


def _ncic_cells(line: str) -> dict[str, str] | str:
    known = policy.ncic_codes().get(line[0])
    if known is None:
        return f"code {line[0]!r} is none of {' '.join(policy.ncic_codes())}"
    state, date = line[37:39].strip(), line[19:27].strip()
    if len(line) < 39 or not (state.isalpha() and state.isascii()) or not (date.isascii() and date.isdigit()):
        return "no date in columns 20 to 27, or no state in 38 and 39: not a line of an NCIC extract"
    words, category = known
    vehicle = " ".join(filter(None, (part.strip() for part in (line[58:], line[45:49], line[49:53], line[53:58]))))
    reason = f"{words} {date} {state}; {vehicle}".rstrip("; ")
    return {"vrm": line[27:37].strip(), "country": "US", "category": category, "reason": reason}


def _nedap(file: TextIO, _: ListSection) -> Iterator[RawRow]:
    """`PLATE;CCC;comment`, no header; country and comment may be missing."""
    for number, line in _lines(file):
        plate, _sep, rest = line.partition(";")
        country, _sep, comment = rest.partition(";")
        yield number, {"vrm": plate.strip(), "country": country.strip(), "reason": comment.strip()}


def _columns(file: TextIO, settings: ListSection) -> Iterator[RawRow]:
    """Any delimited file, by the column map of the configuration: our name = their name, or their number from 1."""
    rows = _rows(file, settings.delimiter)
    header = [name.strip() for name in next(rows, (0, [""]))[1]] if settings.header else []
    places = {ours: _place(theirs, header) for ours, theirs in settings.columns.items()}
    width = len(header) or max(places.values()) + 1
    for line, row in rows:
        if len(row) == width or (not header and len(row) > width):
            yield line, _dated({ours: row[place] for ours, place in places.items()}, settings.dates)
        else:
            yield line, _wrong_width(row, width)


def _place(theirs: str | int, header: list[str]) -> int:
    if isinstance(theirs, int):
        return theirs - 1
    if theirs not in header:
        raise HotlistError(f"no column {theirs!r} in the first line; there are: {', '.join(header)[:200]}")
    return header.index(theirs)


def _dated(cells: dict[str, str], form: str | None) -> dict[str, str] | str:
    for name in ("valid_from", "valid_to") if form else ():
        if cells.get(name, "").strip():
            try:
                cells[name] = datetime.strptime(cells[name].strip(), form or "").isoformat()
            except ValueError:
                return f"{name} {cells[name][:40]!r} is not of the form {form}"
    return cells


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Lines with their number, without ends; empty ones are passed over."""
    for number, line in enumerate(_bounded(file), 1):
        if line.strip():
            yield number, line.rstrip("\r\n")


def _bounded(file: TextIO) -> Iterator[str]:
    """The file's lines: one without end must not fill the memory."""
    while line := file.readline(LINE_LENGTH_MAX):
        if len(line) == LINE_LENGTH_MAX:
            raise HotlistError(f"a line is longer than {LINE_LENGTH_MAX} characters")
        yield line


PARSERS: dict[str, Parser] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "openalpr": _openalpr,
    "voi": _voi,
    "ncic": _ncic,
    "nedap": _nedap,
    "columns": _columns,
}
