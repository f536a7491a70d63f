"""Pictures for terminals that can draw them: sixel and kitty's protocol, each only where the terminal says it can.

A terminal that does not know the question costs half a second and loses nothing, not even a key typed meanwhile.
"""

from __future__ import annotations

import io
import re
import time
from base64 import b64encode

import numpy as np

from anpr_node import pictures
from anpr_node.console.terminal import Terminal
from anpr_node.records import Plane

SIXEL_GREYS = 16
ANSWER_S = 0.6
CAME_BYTES_MAX = 4096
KITTY_CHUNK = 4096
SIXEL_ATTRIBUTE = b"4"
ANSWERED = re.compile(rb"\033\[\?[0-9;]*c")
"""Every terminal that answers at all answers the question for its attributes; it is asked last."""
ANSWER = re.compile(rb"\033\[\?[0-9;]*c|\033_G[^\033]*\033\\")


def says_sixel(terminal: Terminal) -> bool:
    """Whether the terminal answers the question for its attributes with sixel among them."""
    answer = _asked(terminal, b"\033[c")
    return SIXEL_ATTRIBUTE in answer.partition(b"\033[?")[2].rstrip(b"c").split(b";")


def says_kitty(terminal: Terminal) -> bool:
    """Whether the terminal answers kitty's question for graphics."""
    return b"_Gi=31;OK" in _asked(terminal, b"\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[c")


def _asked(terminal: Terminal, question: bytes) -> bytes:
    """What comes back within a moment; what was typed meanwhile is no answer, and is kept."""
    terminal.port.write(question)
    came = terminal.take_typed()
    ends_s = time.monotonic() + ANSWER_S
    while not ANSWERED.search(came) and (left_s := ends_s - time.monotonic()) > 0 and len(came) < CAME_BYTES_MAX:
        came += terminal.port.read(left_s)
    terminal.give_back(ANSWER.sub(b"", came))
    return b"".join(found[0] for found in ANSWER.finditer(came))


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
