"""Downloads from a real HTTPS server: ETag, resume, and everything that must leave the list as it was."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlite_utils import Database

from anpr_node.audit import By
from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.errors import HotlistError
from anpr_node.hotlist import downloads
from anpr_node.hotlist.lists import PART_KEPT_S, show
from anpr_node.hotlist.manifest import describe, public_key_of, sign
from anpr_node.keeper import FIRST_PURGE_S, Keeper


@dataclass
class Publisher:
    """A server of files in memory, with what was asked of it."""

    folder: Path
    key: Path
    ca_file: Path
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Path, Range, status."""
    break_after: int | None = None
    """So many bytes of a list file are sent, then the connection is cut; once."""
    resumes: bool = True
    raw: dict[str, bytes] = field(default_factory=dict)
    """What is said byte by byte for a path, in place of a file."""
    url: str = ""

    def publish(self, revision: int, rows: str, base: int | None = None, **extra: str) -> None:
        name = extra.get("name", "stolen")
        path = self.folder / f"{name}-{revision}.csv"
        path.write_text(rows)
        manifest = describe(path, name, revision, "delta" if base else "replace", base)
        self.files[extra.get("manifest", f"{name}.manifest")] = sign(
            manifest.model_copy(update={"whole": extra.get("whole")}), self.key
        )
        self.files[path.name] = path.read_bytes()


class Handler(BaseHTTPRequestHandler):
    """GET with ETag and Range."""

    publisher: Publisher
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name, publisher = self.path.lstrip("/"), self.publisher
        body = publisher.files.get(name)
        wanted = self.headers.get("Range", "")
        if name in publisher.raw:
            self.close_connection = True
            self.wfile.write(publisher.raw[name])
            return None
        if body is None:
            return self._answer(404, b"", {})
        tag = f'"{hash(body)}"'
        if self.headers.get("If-None-Match") == tag:
            return self._answer(304, b"", {"ETag": tag})
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and publisher.resumes else 0
        headers = {"ETag": tag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self._answer(206 if start else 200, body[start:], headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        publisher = self.publisher
        publisher.asked.append((self.path, self.headers.get("Range", ""), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if publisher.break_after is not None and self.path.endswith(".csv"):
            body, publisher.break_after = body[: publisher.break_after], None
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    certificate, private = make_certificate(tmp_path)
    key = tmp_path / "list-key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "www").mkdir()
    publishing = Publisher(tmp_path / "www", key, certificate)
    handler = type("Bound", (Handler,), {"publisher": publishing})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        publishing.url = f"https://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield publishing
        server.shutdown()
        thread.join()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@pytest.fixture
def node(settings: Settings, publisher: Publisher) -> Settings:
    section = {"url": f"{publisher.url}stolen.manifest", "public_key": public_key_of(publisher.key), "max_age_h": 24.0}
    hotlists = {"ca_file": str(publisher.ca_file), "lists": {"stolen": section}}
    return parse({"store": {"folder": str(settings.state_folder)}, "hotlists": hotlists}, "test")


def update(store: Database, node: Settings) -> list[str]:
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)
    return [outcome.text for outcome in downloads.update(store, node, (), By("timer", "update", now_ns))]


LONG = "vrm\n" + "".join(f"{n % 9 + 1}ABC{n:05}\n" for n in range(30_000))
ROWS = "vrm\n" + "".join(f"1ABC{n:03}\n" for n in range(200))


def test_new_revisions_are_fetched_and_old_ones_are_not_fetched_again(
    store: Database, node: Settings, publisher: Publisher
) -> None:
    publisher.publish(1, ROWS)
    assert update(store, node) == ["revision 1 in force, 200 entries"]
    assert update(store, node) == ["unchanged"]
    assert [status for _, _, status in publisher.asked] == [200, 200, 304]
    publisher.publish(2, "vrm,change\n2DEF456,add\n1ABC000,remove\n", base=1)
    assert update(store, node) == ["revision 2 in force, 200 entries"]
    assert [(s.revision, s.signed) for s in show(store)] == [(2, 1)]


def test_a_broken_connection_is_resumed(store: Database, node: Settings, publisher: Publisher) -> None:
    publisher.publish(1, LONG)
    publisher.break_after = 3 * downloads.CHUNK_BYTES
    assert update(store, node) == ["revision 1 in force, 30000 entries"]
    first, second = [(asked, status) for path, asked, status in publisher.asked if path.endswith(".csv")]
    assert first == ("", 200)
    assert second[1] == 206
    assert int(second[0].removeprefix("bytes=").rstrip("-")) >= 2 * downloads.CHUNK_BYTES


def test_a_server_that_cannot_resume_sends_it_again(store: Database, node: Settings, publisher: Publisher) -> None:
    publisher.publish(1, ROWS)
    publisher.break_after, publisher.resumes = 700, False
    assert update(store, node) == ["revision 1 in force, 200 entries"]


def test_who_missed_a_revision_gets_the_whole_list(store: Database, node: Settings, publisher: Publisher) -> None:
    publisher.publish(1, ROWS)
    update(store, node)
    publisher.publish(5, ROWS + "9ZZZ999\n", manifest="whole.manifest")
    publisher.publish(5, "vrm\n9ZZZ999\n", base=4, whole="whole.manifest")
    publisher.files["stolen-5.csv"] = (ROWS + "9ZZZ999\n").encode()
    assert update(store, node) == ["revision 5 in force, 201 entries"]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda p: p.files.pop("stolen.manifest"), "says 404"),
        (lambda p: p.files.pop("stolen-2.csv"), "says 404"),
        (lambda p: p.files.update({"stolen-2.csv": ROWS.replace("A", "B").encode()}), "not the file that was signed"),
        (lambda p: p.files.update({"stolen-2.csv": b"vrm\n"}), "shorter than its manifest says"),
        (lambda p: p.files.update({"stolen-2.csv": ROWS.encode() * 2}), "not the file that was signed"),
        (lambda p: p.files.update({"stolen.manifest": b"<html>"}), "not a signed manifest"),
        (lambda p: p.ca_file.write_bytes(make_certificate(p.folder)[0].read_bytes()), "SSLError"),
    ],
)
def test_what_goes_wrong_leaves_the_list_in_force(
    store: Database, node: Settings, publisher: Publisher, harm: object, words: str
) -> None:
    publisher.publish(1, ROWS)
    update(store, node)
    publisher.publish(2, ROWS)
    harm(publisher)  # type: ignore[operator]
    (outcome,) = downloads.update(store, node, ("stolen",), By("timer", "update", 0))
    assert outcome.failed
    assert words in outcome.text
    assert [(s.revision, s.entries) for s in show(store)] == [(1, 200)]
    publisher.ca_file.write_bytes((publisher.ca_file.parent / "server.pem").read_bytes())


HEAD = b"HTTP/1.1 200 OK\r\n"
BREAKS = {
    "half": HEAD + b"Content-Length: 1000\r\n\r\nabc",
    "badly packed": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 11\r\n\r\nnot packed!",
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "headers without end": HEAD + b"X: y\r\n" * 500 + b"\r\n",
    "another protocol": b"220 ready\r\n",
    "nothing": b"",
    "elsewhere, which is no place": b"HTTP/1.1 302 x\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
    "elsewhere, which is no text": b"HTTP/1.1 302 x\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "elsewhere, with half a page": b"HTTP/1.1 302 x\r\nLocation: /x\r\nContent-Length: 9\r\n\r\nabc",
}


@pytest.mark.parametrize("path", ["stolen.manifest", "stolen-2.csv"])
@pytest.mark.parametrize("how", BREAKS)
def test_an_answer_that_breaks_off_ends_neither_the_command_nor_the_other_lists(
    store: Database, node: Settings, publisher: Publisher, how: str, path: str
) -> None:
    section = node.hotlists.lists["stolen"]
    other = section.model_copy(update={"url": f"{publisher.url}wanted.manifest"})
    node.hotlists.lists["wanted"] = other
    publisher.publish(1, ROWS)
    update(store, node)
    publisher.publish(2, ROWS)
    publisher.publish(1, ROWS, name="wanted")
    publisher.raw[path] = BREAKS[how]
    outcomes = {each.list_id: each for each in downloads.update(store, node, (), By("timer", "update", 0))}
    assert outcomes["stolen"].failed
    assert outcomes["wanted"].text == "revision 1 in force, 200 entries"
    assert {s.list_id: s.revision for s in show(store)} == {"stolen": 1, "wanted": 1}


def test_a_list_that_does_not_come_any_more_is_an_alarm(store: Database, node: Settings, publisher: Publisher) -> None:
    publisher.publish(1, ROWS)
    update(store, node)
    late_ns = int((datetime.now(UTC) + timedelta(hours=25)).timestamp() * 1e9)
    outcomes = downloads.update(store, node, (), By("timer", "update", late_ns))
    assert [(o.failed, o.text[:12]) for o in outcomes] == [(False, "unchanged"), (True, "ALARM: 25.0 ")]


def test_a_name_without_a_url_is_refused(store: Database, node: Settings) -> None:
    with pytest.raises(HotlistError, match="has no url; there are: stolen"):
        downloads.update(store, node, ("wanted",), By("timer", "update", 0))


def test_nothing_of_a_list_in_clear_is_left_behind(store: Database, node: Settings, publisher: Publisher) -> None:
    publisher.publish(1, ROWS)
    update(store, node)
    left = [path.name for path in node.state_folder.rglob("*.part")]
    assert left == []


def test_a_part_that_nobody_went_on_with_is_deleted(
    store: Database, node: Settings, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list in clear: it goes although no download ever succeeds, one of today stays to be gone on with."""
    run, card = tmp_path / "run", node.state_folder / "lists"
    run.mkdir()
    card.mkdir(exist_ok=True)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(run))
    for folder in (run, card):
        for name, age_s in (("old", PART_KEPT_S + 60), ("ahead", -PART_KEPT_S - 60), ("young", 60)):
            path = folder / f"{name}.part"
            path.write_text("7QZX001")
            os.utime(path, (time.time() - age_s,) * 2)
    assert update(store, node)[0].endswith("says 404 Not Found")
    assert [path.name for folder in (run, card) for path in folder.glob("*.part")] == ["young.part"] * 2


def test_a_download_lies_in_the_memory_of_its_unit(
    store: Database, node: Settings, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    publisher.publish(1, LONG)
    publisher.break_after = 3 * downloads.CHUNK_BYTES
    assert "broken off" in update(store, node)[0]
    assert len(list((tmp_path / "run").glob("*.part"))) == 1
    assert list(node.state_folder.rglob("*.part")) == []
    assert update(store, node) == ["revision 1 in force, 30000 entries"]
    assert list((tmp_path / "run").iterdir()) == []


def test_the_keeper_sweeps_where_no_update_runs_any_more(store: Database, settings: Settings) -> None:
    part = settings.state_folder / "lists" / "old.part"
    part.parent.mkdir(exist_ok=True)
    part.write_text("7QZX001")
    os.utime(part, (time.time() - PART_KEPT_S - 60,) * 2)
    clock = SimulatedClock(time.time_ns())
    keeper = Keeper(store, settings, clock, "boot")
    clock.advance_to(int(FIRST_PURGE_S * 1e9))
    keeper.tick()
    assert not part.exists()
