"""Pictures for terminals that can draw them: decoded again, and never sent to one that does not say so."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from anpr_node.console.graphics import SIXEL_GREYS, kitty, says_kitty, says_sixel, sixel
from anpr_node.console.terminal import Terminal
from anpr_node.records import Plane

STEP = 256 / SIXEL_GREYS


def picture() -> Plane:
    """A ramp with a bright plate in it, of a height that is no multiple of six."""
    plane = np.tile(np.linspace(0, 200, 97).astype(np.uint8), (44, 1))
    plane[13:27, 30:71] = 250
    plane[17:23, 35:66:4] = 20
    return plane


def decoded(data: bytes) -> Plane:
    """What a terminal draws of sixels."""
    head = re.match(rb'\033Pq"1;1;(\d+);(\d+)', data)
    assert head is not None
    assert data.endswith(b"\033\\")
    width, height = int(head[1]), int(head[2])
    colours, plane, at_x, top, colour = {}, np.zeros((height + 6, width), np.uint8), 0, 0, 0
    for token in re.finditer(rb"#(\d+);2;(\d+);\d+;\d+|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])", data[head.end() : -2]):
        defined, level, chosen, count, repeated, single, move = token.groups()
        if defined:
            colours[int(defined)] = round(int(level) * 255 / 100)
        elif chosen:
            colour = int(chosen)
        elif move:
            at_x, top = 0, top + (6 if move == b"-" else 0)
        else:
            bits = (repeated or single)[0] - 63
            run = int(count or 1)
            for row in range(6):
                if bits >> row & 1:
                    plane[top + row, at_x : at_x + run] = colours[colour]
            at_x += run
    return plane[:height]


class Answering:
    """A terminal that answers what it is asked for, in parts; a dumb one answers nothing."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.asked = answer, b""

    def read(self, wait_s: float) -> bytes:
        part, self.answer = self.answer[:5], self.answer[5:]
        return part

    def write(self, data: bytes) -> None:
        self.asked += data

    def fds(self) -> tuple[int, int]:
        raise OSError


def test_sixels_show_the_picture() -> None:
    shown = decoded(sixel(picture())).astype(int)
    assert np.abs(shown - picture().astype(int)).max() <= STEP
    assert len(sixel(picture())) < picture().size  # runs are packed


def test_kitty_gets_the_picture_itself() -> None:
    plane = np.random.default_rng(1).integers(0, 256, (80, 120)).astype(np.uint8)
    chunks = re.findall(rb"\033_G([^;]*);([^\033]*)\033\\", kitty(plane))
    assert len(chunks) > 1
    assert [b"m=1" in head for head, _ in chunks] == [True] * (len(chunks) - 1) + [False]
    assert all(len(text) <= 4096 for _, text in chunks)
    with Image.open(io.BytesIO(b64decode(b"".join(text for _, text in chunks)))) as image:
        assert np.array_equal(np.asarray(image), plane)


@pytest.mark.parametrize(
    ("answer", "can_sixel", "can_kitty"),
    [
        (b"\033[?62;4;6;22c", True, False),
        (b"\033[?4c", True, False),
        (b"\033[?62;14;44c", False, False),
        (b"\033_Gi=31;OK\033\\\033[?62;c", False, True),
        (b"\033_Gi=31;ENOTSUPPORTED\033\\\033[?62;4c", True, False),
        (b"", False, False),
    ],
)
def test_only_a_terminal_that_says_so_gets_pictures(answer: bytes, can_sixel: bool, can_kitty: bool) -> None:
    assert says_sixel(Terminal(Answering(answer))) is can_sixel
    assert says_kitty(Terminal(Answering(answer))) is can_kitty


@pytest.mark.parametrize("answer", [b"", b"\033[?62;4c"])
def test_what_is_typed_while_the_terminal_is_asked_is_not_lost(answer: bytes) -> None:
    terminal = Terminal(Answering(b"sta" + answer + b"tus\r" if answer else b"status\r"))
    terminal.give_back(b"x")
    says_sixel(terminal)
    typed = terminal.take_typed() + terminal.port.read(0) + terminal.port.read(0)
    assert typed == b"xstatus\r"
