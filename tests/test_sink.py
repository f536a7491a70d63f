"""The reference receiver: each item once, nothing acknowledged that is not on the disk, and nobody trusted."""

from __future__ import annotations

import gzip
import json
import signal
import sqlite3
import subprocess
import sys
import zlib
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from certificates import authority
from click.testing import CliRunner
from uplink_kit import body_of, kept, sink

from anpr_node.cli import main
from anpr_node.sink import serve, server
from anpr_node.sink.server import Tls

PATIENCE_S = 60

READ = {"kind": "read", "id": "r-1", "rev": 0, "read": {"vrm": "1ABC123"}}


def batch(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"format": "anpr-node/1", "batch": "b-1", "node_id": "node-1", "sent_ns": 1, "items": list(items), **changes}


def post(url: str, content: object, **headers: str) -> requests.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return requests.post(url, data=body, headers=headers, timeout=PATIENCE_S)


def test_an_item_is_kept_once_and_a_larger_revision_replaces_it(tmp_path: Path) -> None:
    with sink(tmp_path) as url:
        first = post(url, batch(READ)).json()
        again = post(url, batch(READ)).json()
        other = post(url, batch(READ, node_id="node-2")).json()
        newer = post(url, batch({**READ, "rev": 1, "read": {"vrm": "1ABC124"}})).json()
        older = post(url, batch(READ)).json()
    assert first == {"batch": "b-1", "accepted": 1, "duplicates": 0, "refused": []}
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert (other["accepted"], newer["accepted"], older["duplicates"]) == (1, 1, 1)
    assert body_of(tmp_path, "read", "r-1")["read"]["vrm"] in {"1ABC123", "1ABC124"}
    with sqlite3.connect(tmp_path / "sink.sqlite") as database:
        rows = database.execute("SELECT node_id, rev FROM item ORDER BY node_id").fetchall()
    database.close()
    assert rows == [("node-1", 1), ("node-2", 0)]


def test_what_it_cannot_keep_is_refused_by_name_and_the_rest_is_kept(tmp_path: Path) -> None:
    jpeg = b"\xff\xd8x\xff\xd9"
    picture = {"kind": "patch", "id": "r-2", "rev": 0, "jpeg": b64encode(jpeg).decode()}
    bad = [
        {"kind": "rumour", "id": "x-1", "rev": 0},
        {"kind": "read", "id": "../../etc/passwd", "rev": 0, "read": {}},
        {"kind": "read", "id": "x-2", "rev": "0", "read": {}},
        {"kind": "read", "id": "x-3", "rev": 0, "read": []},
        {"kind": "hit", "id": "x-4", "rev": 0},
        {**picture, "id": "x-5", "picture": {"sha256": "0" * 64}},
        {**picture, "id": "x-6", "jpeg": "no base64!", "picture": {"sha256": "0" * 64}},
    ]
    good = {**picture, "picture": {"sha256": sha256(jpeg).hexdigest()}}
    with sink(tmp_path) as url:
        answer = post(url, batch(READ, *bad, good)).json()
    assert answer["accepted"] == 2
    assert [each["id"] for each in answer["refused"]] == [item["id"] for item in bad]
    assert all(each["reason"] for each in answer["refused"])
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["r-2.patch.jpg"]
    assert kept(tmp_path, "read") == {"r-1": 1}


def read_with(text: str) -> str:
    return json.dumps({**READ, "id": "x"}).replace('"1ABC123"', text)


@pytest.mark.parametrize(
    "item",
    [
        json.dumps({**READ, "id": "x", "rev": 2**70}),
        json.dumps({**READ, "id": "x", "rev": -1}),
        json.dumps({**READ, "id": "x\ud800"}),
        json.dumps({**READ, "id": ["x"]}),
        json.dumps({**READ, "id": "x", "kind": ["read"]}),
        read_with('"\\ud800"'),
        json.dumps({**READ, "id": "x"}).replace('"x"', "[" * 900 + "]" * 900),
        json.dumps({"kind": "heartbeat", "id": "x", "rev": 0, "heartbeat": {"audit_head": "\ud800"}}),
        json.dumps({"kind": "patch", "id": "x", "rev": 0, "picture": [], "jpeg": "\ud800"}),
        json.dumps({"kind": "hit", "id": "x", "rev": 0, "hit": {}, "patch": 7}),
    ],
)
def test_an_item_that_cannot_be_written_is_refused_and_the_rest_is_kept(tmp_path: Path, item: str) -> None:
    whole = json.dumps(batch(READ)).replace('"items": [', f'"items": [{item}, ').encode()
    with sink(tmp_path) as url:
        answer = post(url, whole)
        assert answer.status_code == 200
        assert answer.json()["accepted"] == 1
        assert len(answer.json()["refused"]) == 1
    assert kept(tmp_path, "read") == {"r-1": 1}


def test_what_is_nested_deep_is_answered_at_every_depth(tmp_path: Path) -> None:
    """There is one at which it can be read and not be written."""
    with sink(tmp_path) as url, requests.Session() as session:
        for depth in range(900, 1000, 2):
            content = json.dumps(batch(READ)).replace('"1ABC123"', "[" * depth + "]" * depth)
            answer = session.post(url, data=content.encode(), timeout=PATIENCE_S)
            assert answer.status_code in {200, 400}, depth


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[" * 200_000, 400),
        (b'{"format": "anpr-node/1", "items": ' + b"[" * 200_000, 400),
        (b"9" * 200_000, 400),
        (b"", 400),
        (b"nothing", 400),
        (b"[]", 400),
        (json.dumps({"format": "anpr-node/2", "batch": "b", "node_id": "n", "items": []}).encode(), 400),
        (json.dumps(batch(node_id="../x")).encode(), 400),
        (json.dumps(batch(batch=None)).encode(), 400),
        (json.dumps({**batch(), "items": {}}).encode(), 400),
        (json.dumps({**batch(), "items": [1]}).encode(), 400),
        (b"\xff\xfe" * 40, 400),
    ],
)
def test_what_is_no_batch_never_will_be(tmp_path: Path, content: bytes, status: int) -> None:
    with sink(tmp_path) as url:
        answer = post(url, content)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_bodies_are_limited_before_and_after_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "UNPACKED_BYTES_MAX", 100_000)
    monkeypatch.setattr(server, "BODY_BYTES_MAX", 50_000)
    with sink(tmp_path) as url:
        assert post(url, gzip.compress(b" " * 1_000_000), **{"Content-Encoding": "gzip"}).status_code == 413
        assert post(url, b"x" * 60_000).status_code == 413
        assert post(url, zlib.compress(b"{}", wbits=31)[:-4], **{"Content-Encoding": "gzip"}).status_code == 400
        assert post(url, b"x", **{"Content-Encoding": "br"}).status_code == 415
        assert post(url, gzip.compress(json.dumps(batch(READ)).encode()), **{"Content-Encoding": "gzip"}).ok


def test_a_token_and_a_certificate_may_be_asked_for(tmp_path: Path) -> None:
    ours = authority(tmp_path / "ca")
    with sink(tmp_path, token="s3cret") as url:
        assert post(url, batch(READ)).status_code == 401
        assert post(url, batch(READ), Authorization="Bearer s3cret").ok
    certificate, key = ours.issue("node")
    with sink(tmp_path / "two", tls=Tls(*ours.issue("sink"), client_ca=ours.file)) as url:
        with pytest.raises(requests.ConnectionError):
            requests.post(url, json=batch(READ), verify=str(ours.file), timeout=PATIENCE_S)
        shown = (str(certificate), str(key))
        assert requests.post(url, json=batch(READ), verify=str(ours.file), cert=shown, timeout=PATIENCE_S).ok


def test_what_cannot_be_kept_now_is_not_acknowledged(tmp_path: Path) -> None:
    with sink(tmp_path) as url, sqlite3.connect(tmp_path / "sink.sqlite", isolation_level=None) as other:
        assert post(url, batch(READ)).ok
        other.execute("DROP TABLE item")
        answer = post(url, batch(READ))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
    other.close()


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "anpr_node", "sink", "--port", "0", "--folder", str(tmp_path / "received")]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            url = next(line for line in process.stderr if "listening" in line).split()[-4].rstrip(",")
            assert post(url, batch(READ)).json()["accepted"] == 1
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert kept(tmp_path / "received", "read") == {"r-1": 1}


def test_a_browser_is_told_what_stands_there(tmp_path: Path) -> None:
    with sink(tmp_path) as url:
        answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "by POST" in answer.json()["error"]
    assert "Python" not in answer.headers["Server"]


def test_what_stands_open_to_others_is_said(tmp_path: Path) -> None:
    tls, with_ca = Tls(tmp_path, tmp_path), Tls(tmp_path, tmp_path, tmp_path)
    assert serve._openings("127.0.0.1", None, None) == serve._openings("::1", None, None) == []
    assert len(serve._openings("0.0.0.0", None, None)) == 2
    assert serve._openings("10.0.0.1", "token", tls) == serve._openings("10.0.0.1", None, with_ca) == []
    assert "--cert" in serve._openings("10.0.0.1", "token", None)[0]
    assert "--token-file" in serve._openings("10.0.0.1", None, tls)[0]


def test_a_port_that_is_taken_is_named_and_the_folder_is_closed_to_others(tmp_path: Path) -> None:
    with sink(tmp_path / "one") as url:
        port, folder = url.rstrip("/").rpartition(":")[2], tmp_path / "two"
        result = CliRunner().invoke(main, ["sink", "--port", port, "--folder", str(folder)])
    assert f"127.0.0.1:{port}: Address already in use" in result.output
    assert folder.stat().st_mode & 0o777 == 0o700


def test_wrong_use_is_said_in_words(tmp_path: Path) -> None:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["sink", "--port", "0", "--folder", str(tmp_path / "x"), *arguments])

    (tmp_path / "x").write_text("a file")
    assert call().exit_code != 0
    (tmp_path / "x").unlink()
    pem = tmp_path / "pem"
    pem.write_text("")
    assert "come together" in call("--cert", str(pem)).output
    assert "is empty: put the token into it" in call("--token-file", str(pem)).output
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert "one line of printable ASCII" in call("--token-file", str(tmp_path / "token")).output
    said = call("--cert", str(pem), "--key", str(pem)).output
    assert "the sink cannot run: --cert, --key or --client-ca" in said
    assert "_ssl.c" not in said
