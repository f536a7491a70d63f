"""A grey picture in characters for any terminal; a picture for those that can more. Sends nothing."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence

import numpy as np

from anpr_node import pictures
from anpr_node.console.terminal import Terminal
from anpr_node.records import Plane, PlateBox

RAMP = " .:-=+*#%@"
CELL_ASPECT = 2.0
"""A character is twice as high as wide."""
SIXEL_GREYS = 16
ANSWER_S = 0.6
KITTY_CHUNK = 4096
SIXEL_ATTRIBUTE = b"4"


def in_characters(plane: Plane, boxes: Sequence[PlateBox], scale: float, columns_max: int, rows_max: int) -> list[str]:
    """Lines of characters, dark to light, with a frame around each box; `scale`: boxes' pixels to the plane's."""
    height, width = plane.shape
    columns = min(columns_max, max(1, int(rows_max * CELL_ASPECT * width / height)))
    rows = max(1, round(columns * height / width / CELL_ASPECT))
    small = pictures.resize(plane, columns, rows).astype(np.float64)
    low, high = np.percentile(small, [1, 99.5])
    levels = np.clip((small - low) / max(high - low, 1.0), 0, 1) ** 0.7 * (len(RAMP) - 1)
    cells = [[RAMP[int(level)] for level in row] for row in np.rint(levels)]
    for box in boxes:
        _frame(cells, box, scale * columns / width, scale * rows / height)
    return ["".join(row).rstrip() for row in cells]


def _frame(cells: list[list[str]], box: PlateBox, scale_x: float, scale_y: float) -> None:
    x1, y1, x2, y2 = box.bounds
    left, right = int(x1 * scale_x) - 1, int(x2 * scale_x) + 1
    top, bottom = int(y1 * scale_y) - 1, int(y2 * scale_y) + 1
    for x in range(left, right + 1):
        for y in range(top, bottom + 1):
            on_x, on_y = x in {left, right}, y in {top, bottom}
            if (on_x or on_y) and 0 <= y < len(cells) and 0 <= x < len(cells[0]):
                cells[y][x] = "+" if on_x and on_y else "|" if on_x else "-"


def says_sixel(terminal: Terminal) -> bool:
    """Whether the terminal answers the question for its attributes with sixel among them."""
    answer = _asked(terminal, b"\033[c", b"c")
    return SIXEL_ATTRIBUTE in answer.partition(b"\033[?")[2].rstrip(b"c").split(b";")


def says_kitty(terminal: Terminal) -> bool:
    """Whether the terminal answers kitty's question for graphics."""
    return b"_Gi=31;OK" in _asked(terminal, b"\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[c", b"c")


def _asked(terminal: Terminal, question: bytes, last: bytes) -> bytes:
    """What comes back within a moment. A terminal that does not know the question says nothing."""
    terminal.drop_typed()
    terminal.port.write(question)
    answer = b""
    while len(answer) < 200:
        part = terminal.port.read(ANSWER_S)
        answer += part
        if not part or answer.endswith(last):
            break
    return answer


def sixel(plane: Plane) -> bytes:
    """The picture as sixels in 16 greys: six rows at a time, one pass for each grey."""
    height, width = plane.shape
    greys = (plane.astype(np.uint16) * SIXEL_GREYS // 256).astype(np.uint8)
    out = [f'\033Pq"1;1;{width};{height}'.encode()]
    for grey in range(SIXEL_GREYS):
        level = round(100 * grey / (SIXEL_GREYS - 1))
        out.append(f"#{grey};2;{level};{level};{level}".encode())
    for top in range(0, height, 6):
        band = greys[top : top + 6]
        weights = (1 << np.arange(len(band), dtype=np.uint8))[:, None]
        for grey in np.unique(band):
            codes = ((band == grey) * weights).sum(axis=0).astype(np.uint8) + 63
            out.append(f"#{grey}".encode() + _packed(codes) + b"$")
        out.append(b"-")
    out.append(b"\033\\")
    return b"".join(out)


def _packed(codes: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bytes:
    """Runs of the same code as `!N` and the code."""
    ends = np.flatnonzero(np.diff(codes)) + 1
    parts = []
    for run in np.split(codes, ends):
        parts.append(f"!{len(run)}".encode() + bytes([run[0]]) if len(run) > 3 else run.tobytes())
    return b"".join(parts)


def kitty(plane: Plane) -> bytes:
    """The picture as a PNG in kitty's escape sequences, in chunks."""
    buffer = io.BytesIO()
    pictures.as_image(plane).save(buffer, "PNG")
    text = b64encode(buffer.getvalue())
    chunks = [text[at : at + KITTY_CHUNK] for at in range(0, len(text), KITTY_CHUNK)]
    out = []
    for number, chunk in enumerate(chunks):
        more = int(number < len(chunks) - 1)
        head = f"a=T,f=100,m={more}" if number == 0 else f"m={more}"
        out.append(b"\033_G" + head.encode() + b";" + chunk + b"\033\\")
    return b"".join(out)
