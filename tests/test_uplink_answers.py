"""Whatever a sink answers, the couriers live on and nothing is lost."""

from __future__ import annotations

import json
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlite_utils import Database
from uplink_kit import Node, add, hit, outbox, running, settings_for

from anpr_node.uplink.answer import Answer
from anpr_node.uplink.backoff import WISH_MAX_S
from anpr_node.uplink.transport import ANSWER_BYTES_MAX, Transport

FORMATS = ["json", "openalpr", "platerecognizer", "clickhouse"]
BATCH = b"@batch@"
"""Stands in an answer for the batch's own id."""
PLAIN = b"HTTP/1.1 200 OK\r\nX-ClickHouse-Summary: {}\r\n"


class Mouth(BaseHTTPRequestHandler):
    """Says what it was told to, byte by byte, and hangs up."""

    server: Sayer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        token = b""
        if self.headers["Content-Encoding"] == "gzip" and (body := zlib.decompress(body, 31)).startswith(b'{"format'):
            token = json.loads(body)["batch"].encode()
        self.wfile.write(self.server.said.replace(BATCH, token))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Sayer(ThreadingHTTPServer):
    """A sink that answers everything in the same way."""

    daemon_threads = True
    good = PLAIN + b'\r\n{"batch": "' + BATCH + b'"}'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Mouth)
        self.said, self.asked = self.good, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_: object) -> None:
        """Who asked may hang up first."""


def wait(wish: str, status: int = 429) -> bytes:
    return f"HTTP/1.1 {status} x\r\nRetry-After: {wish}\r\n\r\n".encode("latin-1")


def refusing(reason: str) -> bytes:
    each = ", ".join(f'{{"id": "{id_}", "reason": {reason}}}' for id_ in ("r0", "h-r0-seize"))
    return PLAIN + b'\r\n{"batch": "' + BATCH + b'", "refused": [' + each.encode() + b"]}"


ANSWERS = {
    "a year far away": wait("Sun, 06 Nov 99999 08:49:37 GMT", 503),
    "a day that is none": wait("Sun, 99 Nov 2026 99:99:99 GMT"),
    "half a date": wait("06 Nov"),
    "a digit that is no number": wait("²"),
    "too many nines": wait("9" * 400),
    "a wish of a doubtful answer": wait("9" * 400, 404),
    "nested without end": PLAIN + b"\r\n" + b"[" * 200_000,
    "nested in the receipt": PLAIN + b'\r\n{"batch": "' + BATCH + b'", "refused": ' + b"[" * 200_000,
    "a number without end": PLAIN + b"\r\n" + b"9" * 200_000,
    "a reason that is no text": refusing('"\\ud800 \\u0000 \\u202e"'),
    "a reason without end": refusing('"' + "x" * 500_000 + '"'),
    "a reason of another kind": refusing('[{"why": null}]'),
    "refused is none": PLAIN + b'\r\n{"batch": "' + BATCH + b'", "refused": null}',
    "a body that is no text": b"HTTP/1.1 400 x\r\n\r\n\xed\xa0\x80\x00\xff",
    "no status": b"HTTP/1.1 \xff\xff\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 9999 x\r\n\r\n",
    "a status that is unknown": b"HTTP/1.1 799 x\r\n\r\n",
    "another protocol": b"220 mail.example ESMTP\r\n",
    "nothing": b"",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    "a length that is none": PLAIN + "Content-Length: ²\r\n\r\n".encode("latin-1"),
    "shorter than it says": PLAIN + b"Content-Length: 1000\r\n\r\nabc",
    "chunks that are none": PLAIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "packed, it says": PLAIN + b"Content-Encoding: gzip\r\n\r\nnot at all",
    "a place that is none": b"HTTP/1.1 302 x\r\nLocation: http://[\r\n\r\n",
    "a place that is no text": b"HTTP/1.1 302 x\r\nLocation: \xff\xfe\r\n\r\n",
    "a place with a packed page": b"HTTP/1.1 302 x\r\nLocation: /x\r\nContent-Encoding: gzip\r\n\r\nnot at all",
}


def node_of_all_formats(tmp_path: Path, url: str) -> Node:
    sinks = [{"name": name, "format": name, "kinds": ["hits", "reads"], "url": url} for name in FORMATS]
    return Node(settings_for(tmp_path / "state", *sinks))


def forgive(node: Node) -> None:
    """Let nobody wait any longer for what went wrong before."""
    for courier in node.couriers:
        courier.succeeded()


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_ends_the_couriers(store: Database, tmp_path: Path, answer: str) -> None:
    """And when the sink is itself again, everything goes that was not taken or refused."""
    add(store, "r0", hit("r0"))
    with running(Sayer()) as server, node_of_all_formats(tmp_path, server.url) as node:
        server.said = ANSWERS[answer]
        node.run(6)
        assert server.asked >= len(FORMATS)
        server.said = server.good
        forgive(node)
        node.run(10)
    assert not set(outbox(store)) - {"sms"}
    reasons = [reason for (reason,) in store.execute("SELECT reason FROM refused")]
    assert all(reason.isprintable() and len(reason) < 300 for reason in reasons)


def test_of_a_page_that_says_to_look_elsewhere_no_more_is_read_than_of_others(tmp_path: Path) -> None:
    with running(Sayer()) as server:
        server.said = b"HTTP/1.1 302 x\r\nLocation: /x\r\n\r\n" + b"x" * (ANSWER_BYTES_MAX + 1000)
        transport = Transport(settings_for(tmp_path, {"name": "zone", "url": server.url}).sinks[0])
        assert len(transport.post(server.url, b"", {}, 10).body) == ANSWER_BYTES_MAX
        transport.close()


@pytest.mark.parametrize("body", [b"<html>conflict</html>", b'{"error": "again"}', b""])
def test_that_something_is_there_already_needs_a_receipt(store: Database, tmp_path: Path, body: bytes) -> None:
    """Where the format has one: a page of something in between must not end the waiting."""
    for number in range(18):
        add(store, f"r{number}", *[hit(f"r{number}")] * (number < 3))
    sink = {"name": "json", "kinds": ["hits", "reads"]}
    with running(Sayer()) as server, Node(settings_for(tmp_path / "state", {**sink, "url": server.url})) as node:
        server.said = b"HTTP/1.1 409 Conflict\r\n\r\n" + body
        node.run(60)
        assert (outbox(store)["read"], outbox(store)["hit"]) == (18, 3)
        server.said = server.good.replace(b"200", b"409")
        forgive(node)
        node.run(10)
    assert not set(outbox(store)) - {"sms"}
    assert store.execute("SELECT count(*) FROM refused").fetchone()[0] == 0


STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 404, 409, 413, 418, 429, 500, 503]) | st.integers(100, 999)
WORDS = st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=40)
WISHES = WORDS | st.integers().map(str) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,6} Nov \d{1,9} \d\d:\d\d:\d\d \w{1,5}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "reason", "x"]), inner),
    max_leaves=12,
)
RECEIPTS = st.fixed_dictionaries({"batch": st.just(BATCH.decode()) | JSON}, optional={"refused": JSON})
BODIES = st.binary(max_size=300) | (JSON | RECEIPTS).map(lambda content: json.dumps(content).encode())
NAMES = st.sampled_from(
    ["Retry-After", "Location", "Content-Encoding", "Content-Length", "X-ClickHouse-X", "Set-Cookie"]
)


@st.composite
def garbage(draw: st.DrawFn) -> bytes:
    headers = {"Retry-After": draw(WISHES), **draw(st.dictionaries(NAMES, WISHES | st.just("gzip"), max_size=3))}
    lines = [f"HTTP/1.1 {draw(STATUSES)} {draw(WORDS)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + draw(BODIES)


def test_nor_does_garbage(store: Database, tmp_path: Path) -> None:
    with running(Sayer()) as server, node_of_all_formats(tmp_path, server.url) as node:
        node.line_limits(2)

        @limits(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(garbage() | st.binary(max_size=200))
        def say(answer: bytes) -> None:
            server.said, asked = answer, server.asked
            add(store, f"r{asked}", hit(f"r{asked}"))
            forgive(node)
            node.run(0.3)
            assert server.asked > asked

        say()


@pytest.mark.parametrize(
    ("wish", "least_s", "most_s"),
    [
        ("7", 7, 7),
        ("9" * 400, WISH_MAX_S, WISH_MAX_S),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
        ("Wed, 06 Nov 2999 08:49:37 GMT", WISH_MAX_S, WISH_MAX_S),
    ],
)
def test_a_wish_is_understood_up_to_an_hour(wish: str, least_s: float, most_s: float) -> None:
    wished_s = Answer(429, {"Retry-After": wish}, b"").retry_after_s
    assert wished_s is not None
    assert least_s <= wished_s <= most_s


@pytest.mark.parametrize("wish", ["", "soon", "²", "-5", "Sun, 06 Nov 99999 08:49:37 GMT", "1e400", "inf"])
def test_a_wish_that_is_none_is_none(wish: str) -> None:
    assert Answer(429, {"Retry-After": wish}, b"").retry_after_s is None
