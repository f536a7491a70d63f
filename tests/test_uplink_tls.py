"""HTTPS to a sink: who is trusted, who we are, what a wrong certificate costs, proxies, and the bytes."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certificates import authority
from hostile import HostileServer, Plan
from sqlite_utils import Database
from stalls import measured
from uplink_kit import Node, add, hit, kept, outbox, running, settings_for, sink

from anpr_node.config import parse
from anpr_node.errors import ConfigError
from anpr_node.sink.server import Tls
from anpr_node.uplink.transport import Transport, Unreachable


def node(tmp_path: Path, url: str, **options: object) -> Node:
    return Node(settings_for(tmp_path / "state", {"name": "zone", "url": url, **options}))


def test_a_pinned_authority_is_trusted_and_no_other(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    add(store, "r0", hit("r0"))
    with sink(tmp_path / "sink", tls=Tls(*ours.issue("sink"))) as url:
        for trusted in ({}, {"ca_file": str(theirs.file)}):
            with node(tmp_path, url, **trusted) as sender:
                sender.run(20)
            assert outbox(store)["read"] == 1
            assert "no secure connection" in caplog.text
            caplog.clear()
        with node(tmp_path, url, ca_file=str(ours.file)) as sender:
            sender.run(20)
    assert kept(tmp_path / "sink", "read") == {"r0": 1}


@pytest.mark.parametrize(("days", "address"), [(-1, "127.0.0.1"), (30, "127.0.0.9")], ids=["over", "another address"])
def test_an_expired_or_another_machines_certificate_is_refused(
    store: Database, tmp_path: Path, days: int, address: str
) -> None:
    ours = authority(tmp_path / "ours")
    add(store, "r0")
    with (
        sink(tmp_path / "sink", tls=Tls(*ours.issue("sink", days, address))) as url,
        node(tmp_path, url, ca_file=str(ours.file)) as sender,
    ):
        sender.run(20)
    assert outbox(store)["read"] == 1


def test_the_environment_changes_nothing(store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither certificates nor proxies of the environment: node.toml says it all."""
    ours = authority(tmp_path / "ours")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.file))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    add(store, "r0")
    with sink(tmp_path / "sink", tls=Tls(*ours.issue("sink"))) as url:
        with node(tmp_path, url) as sender:
            sender.run(20)
        assert outbox(store)["read"] == 1, "not trusted by node.toml"
        with node(tmp_path, url, ca_file=str(ours.file)) as sender:
            sender.run(20)
    assert not outbox(store)


def test_a_node_shows_its_own_certificate_and_picks_up_a_renewed_one(store: Database, tmp_path: Path) -> None:
    ours, old = authority(tmp_path / "ours"), authority(tmp_path / "old")
    certificate, key = old.issue("node")
    mutual = Tls(*ours.issue("sink"), client_ca=ours.file)
    add(store, "r0")
    with sink(tmp_path / "sink", tls=mutual) as url:
        options = {"ca_file": str(ours.file), "cert_file": str(certificate), "key_file": str(key)}
        with node(tmp_path, url, ca_file=str(ours.file)) as stranger:
            stranger.run(20)
        assert outbox(store)["read"] == 1
        with node(tmp_path, url, **options) as sender:
            sender.run(20)
            assert outbox(store)["read"] == 1, "signed by an authority that the sink does not know"
            for fresh, path in zip(ours.issue("node"), (certificate, key), strict=True):
                path.with_suffix(".renewed").write_bytes(fresh.read_bytes())
                path.with_suffix(".renewed").replace(path)
            sender.run(400)
    assert kept(tmp_path / "sink", "read") == {"r0": 1}


def test_a_token_opens_and_another_does_not(store: Database, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("wrong\n")
    add(store, "r0")
    with sink(tmp_path / "sink", token="right") as url, node(tmp_path, url, token_file=str(token)) as sender:
        sender.run(20)
        assert outbox(store)["read"] == 1
        token.write_text("right\n")
        sender.run(400)
    assert not outbox(store)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"s3cret\nin two lines"])
def test_without_a_token_where_one_is_named_nothing_is_sent(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    add(store, "r0")
    token = tmp_path / "token"
    token.write_bytes(content)
    with sink(tmp_path / "sink") as url, node(tmp_path, url, token_file=str(token)) as sender:
        sender.run(20)
    assert outbox(store)["read"] == 1
    assert f"sink zone: {token}" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_missing_certificate_or_token_is_told_and_waited_for(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(store, "r0")
    token = tmp_path / "token"
    with sink(tmp_path / "sink", token="t") as url, node(tmp_path, url, token_file=str(token)) as sender:
        sender.run(20)
        assert f"{token}: No such file" in caplog.text
        token.write_text("t")
        sender.run(400)
    assert not outbox(store)


class Proxy(BaseHTTPRequestHandler):
    """CONNECT, and nothing else."""

    seen: list[str]

    def do_CONNECT(self) -> None:
        self.seen.append(self.path)
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as onward:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(onward, self.connection))
            back.start()
            _pump(self.connection, onward)
            back.join()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(65_536):
            other.sendall(chunk)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def test_a_proxy_is_gone_through(store: Database, tmp_path: Path) -> None:
    ours = authority(tmp_path / "ours")
    add(store, "r0", hit("r0"))
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Proxy,), {"seen": seen}))
    server.daemon_threads = True
    with running(server), sink(tmp_path / "sink", tls=Tls(*ours.issue("sink"))) as url:
        proxy = f"http://127.0.0.1:{server.server_port}"
        with node(tmp_path, url, ca_file=str(ours.file), proxy=proxy) as sender:
            sender.run(20)
    assert not outbox(store)
    assert set(seen) == {url.removeprefix("https://").rstrip("/")}


# the transport itself


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port where somebody accepts and never says anything."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)  # else as large as this machine's settings say
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody listens, and nobody else can begin to."""
    with socket.socket() as kept_free:
        kept_free.bind(("127.0.0.1", 0))
        yield kept_free.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_whole_request_is_over_in_time(deaf: int, scheme: str) -> None:
    """Also the handshake of TLS with somebody who says nothing."""
    transport = _transport(f"{scheme}://127.0.0.1:{deaf}/")

    def post_s() -> float:
        started_s = time.monotonic()
        with pytest.raises(Unreachable):
            transport.post(f"{scheme}://127.0.0.1:{deaf}/", b"x" * 10_000_000, {}, 0.4)
        return time.monotonic() - started_s

    assert measured(post_s, 3) < 3
    transport.close()


def test_abort_ends_what_is_under_way(deaf: int) -> None:
    transport = _transport(f"http://127.0.0.1:{deaf}/")
    threading.Timer(0.2, transport.abort).start()
    started_s = time.monotonic()
    with pytest.raises(Unreachable):
        transport.post(f"http://127.0.0.1:{deaf}/", b"x", {}, 60)
    assert time.monotonic() - started_s < 30
    with pytest.raises(Unreachable, match="the node stops"):
        transport.post(f"http://127.0.0.1:{deaf}/", b"x", {}, 60)


def test_what_the_link_did_not_take_is_not_counted(deaf: int) -> None:
    """Of ten megabytes that nobody reads, what lies in our own buffers is no byte on the link."""
    transport = _transport(f"http://127.0.0.1:{deaf}/")
    with pytest.raises(Unreachable):
        transport.post(f"http://127.0.0.1:{deaf}/", b"x" * 10_000_000, {}, 0.4)
    assert transport.meter.take() < 5_000_000, "as much as the other side's buffers hold"
    assert transport.meter.take() == 0


def test_the_count_is_what_a_sink_sees(tmp_path: Path) -> None:
    plan = Plan(always=500)
    with running(HostileServer(plan)) as server:
        transport = _transport(server.url)
        for size in (0, 1000, 70_000):
            transport.post(server.url, _gzip(size), {"Content-Type": "x"}, 5)
        transport.close()
    body = sum(len(_gzip(size)) for size in (0, 1000, 70_000))
    assert body + 3 * 150 < transport.meter.take() < body + 3 * 600


def _gzip(size: int) -> bytes:
    import random
    import zlib

    return zlib.compress(
        b'{"items": [], "noise": "' + random.Random(1).randbytes(size).hex().encode() + b'"}', wbits=31
    )


def _transport(url: str) -> Transport:
    return Transport(settings_for(Path("/nowhere"), {"name": "x", "url": url}).sinks[0])


@pytest.mark.parametrize(
    ("sink_", "words"),
    [
        ({"url": "http://sink.example/"}, "plain_http"),
        ({"url": "ftp://sink.example/"}, "https://"),
        ({"url": "https://me:secret@sink.example/"}, "token_file"),
        ({"url": "https://sink.example/", "cert_file": "x"}, "come together"),
        ({"url": "https://sink.example/", "categories": ["nonsense"]}, "nonsense"),
        ({"url": "https://sink.example/", "colour": "red"}, "unknown key"),
        ({"url": "https://sink.example/", "user": "me"}, "clickhouse"),
        ({"url": "https://sink.example/", "kinds": []}, "kinds"),
    ],
)
def test_bad_sinks_are_refused_in_words(sink_: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse({"sinks": [{"name": "zone", **sink_}]}, "test")


def test_two_sinks_of_one_name_and_sealed_reads_for_strangers_are_refused() -> None:
    one = {"name": "zone", "url": "https://sink.example/"}
    with pytest.raises(ConfigError, match="two are called zone"):
        parse({"sinks": [one, one]}, "test")
    with pytest.raises(ConfigError, match="sealed"):
        parse({"sinks": [{**one, "format": "openalpr"}], "store": {"sealed_for": "key.pem"}}, "test")


def test_no_secret_is_logged(store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, nobody: int) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    add(store, "r0", hit("r0"))
    with caplog.at_level(logging.DEBUG), node(tmp_path, f"http://127.0.0.1:{nobody}/", token_file=str(token)) as sender:
        sender.run(20)
    assert "no connection" in caplog.text
    assert "s3cret" not in caplog.text
    assert "1ABC123" not in caplog.text
