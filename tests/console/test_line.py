"""The line editor on the dumbest terminal: what is seen is what is in the line, whatever is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr_node.console.line import LINE_MAX, Cancelled, EndOfInput, History, LineEditor


class Screen:
    """One line of a terminal that knows printable characters, backspace, return and bell."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.at = 0
        self.bells = 0

    def show(self, text: str) -> None:
        for char in text:
            if char == "\b":
                self.at -= 1
                assert self.at >= 0
            elif char == "\a":
                self.bells += 1
            elif char == "\n":
                self.cells, self.at = [], 0
            elif char != "\r":
                self.cells[self.at : self.at + 1] = [char]
                self.at += 1

    @property
    def text(self) -> str:
        return "".join(self.cells)


def typed(keys: bytes, history: History | None = None, **more: object) -> tuple[LineEditor, Screen, str | None]:
    screen = Screen()
    editor = LineEditor("> ", screen.show, history, **more)  # type: ignore[arg-type]
    editor.begin()
    line = None
    for byte in keys:
        line = editor.feed(byte)
    return editor, screen, line


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (b"show", "show"),
        (b"shoq\x08w", "show"),
        (b"how\x01s", "show"),
        (b"sow\x1b[D\x1b[Dh", "show"),
        (b"sxhow\x1b[H\x1b[C\x1b[3~", "show"),
        (b"try this\x17that", "try that"),
        (b"rubbish\x15show", "show"),
        (b"showrubbish\x01\x06\x06\x06\x06\x0b", "show"),
        (b"sh\x1bOD\x1bOCow", "show"),
        (b"sh\x00\x80\xffow\x1c", "show"),
        (b"sh\x1b[99;99Zow", "show"),
    ],
)
def test_keys_of_a_shell(keys: bytes, text: str) -> None:
    editor, screen, _ = typed(keys)
    assert editor.text == text
    assert screen.text.rstrip() == f"> {text}"


@given(st.binary(max_size=300).map(lambda data: bytes(b for b in data if b not in b"\r\n\x03\x04\t\x0c")))
def test_the_screen_shows_the_line_whatever_is_typed(keys: bytes) -> None:
    editor, screen, _ = typed(keys)
    assert screen.text.rstrip() == f"> {editor.text}".rstrip()
    assert len(editor.text) <= LINE_MAX


@given(st.binary(max_size=2000))
def test_any_bytes_only_ever_give_printable_lines(keys: bytes) -> None:
    editor, line = LineEditor("> ", lambda _: None), None
    for byte in keys:
        try:
            line = editor.feed(byte)
        except (Cancelled, EndOfInput):
            line = ""
        if line is not None:
            assert line.isprintable()
            assert len(line) <= LINE_MAX
            editor = LineEditor("> ", lambda _: None)


def test_a_line_of_a_megabyte_is_cut_and_the_bell_rings() -> None:
    _, screen, line = typed(b"x" * 1_000_000 + b"\r")
    assert line == "x" * LINE_MAX
    assert screen.bells == 1


def test_history_comes_back_and_the_line_begun_with_it() -> None:
    history = History()
    for line in ("one", "two", "two"):
        history.add(line)
    assert typed(b"begun\x1b[A", history)[0].text == "two"
    assert typed(b"begun\x1b[A\x1b[A", history)[0].text == "one"
    assert typed(b"begun\x1b[A\x1b[A\x1b[B\x1b[B", history)[0].text == "begun"


def test_a_secret_is_not_shown() -> None:
    _, screen, line = typed(b"hunter2\x1b[D\x7f\r", secret=True)
    assert line == "hunte2"
    assert "h" not in screen.text


def test_tab_completes_what_is_common_and_lists_the_rest() -> None:
    words = ["relay", "report", "reads"]
    assert typed(b"rel\t", complete=lambda _: words)[0].text == "relay "
    editor, screen, _ = typed(b"re\t", complete=lambda _: words)
    assert editor.text == "re"
    assert screen.text == "> re"
    assert typed(b"xyz\t", complete=lambda _: words)[1].bells == 1


def test_control_c_and_d() -> None:
    with pytest.raises(Cancelled):
        typed(b"abc\x03")
    with pytest.raises(EndOfInput):
        typed(b"\x04")
    assert typed(b"abc\x04")[0].text == "abc"


@pytest.mark.parametrize("escape", [b"\x1b", b"\x1b[", b"\x1b[9"])
def test_a_sequence_that_noise_began_swallows_no_enter(escape: bytes) -> None:
    assert typed(b"show" + escape + b"\r")[2] == "show"
