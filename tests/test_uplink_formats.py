"""What is sent, byte by byte: golden files, our own schema, and receivers' parsers as their authors documented them.

After a change that is meant: ANPR_UPDATE_GOLDEN=1 scripts/test -k golden
"""

from __future__ import annotations

import json
import os
import zlib
from base64 import b64decode
from dataclasses import dataclass, fields
from datetime import datetime
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
from conftest import ROOT
from makers import NS_PER_S, box, plate, read
from sqlite_utils import Database
from test_pipeline import play
from uplink_kit import settings_for

from anpr_node.audit import By
from anpr_node.config import Settings
from anpr_node.hotlist import verdicts
from anpr_node.policy import presets
from anpr_node.records import PARKED, Candidate, ClockState, Hit, HotlistEntry
from anpr_node.store.outbox import Waiting
from anpr_node.store.reads import EncodedEvidence, add_read
from anpr_node.uplink.answer import Answer
from anpr_node.uplink.formats import NoReceipt, Request, Site, openalpr
from anpr_node.uplink.formats.clickhouse import schema
from anpr_node.uplink.formats.registry import format_of
from anpr_node.uplink.items import Item, Loader

GOLDEN = ROOT / "tests" / "golden" / "uplink"
AT_S = 1_795_000_000
SITE = Site("node-7", AT_S * NS_PER_S + 5, "N69 km 12", 50.672, 5.083, 182.4, "zone-5293", 3)
URL = "https://sink.example/hook"
PATCH, OVERVIEW = b"\xff\xd8patch\xff\xd9", b"\xff\xd8overview\xff\xd9"
KINDS = {"read": "r-1", "hit": "h-1", "batch": "h-2", "verdict": "h-1", "patch": "r-1", "overview": "r-1"}
FORMATS = ("json", "openalpr", "platerecognizer", "clickhouse")
BEAT = {
    "node_id": "node-7", "running": {"uptime_s": 600}, "outbox": 12, "disk_free_mb": 9000, "system_uptime_s": 86_400,
    "audit_head": "7:ab",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new release changes no golden file."""
    monkeypatch.setattr(openalpr, "__version__", "1.2.3")


@pytest.fixture
def loader(store: Database, tmp_path: Path) -> Loader:
    """A store with a read, two hits, a verdict."""
    made = read(
        "1ABC123", "r-1", at_s=AT_S + 0.123456, node_id="node-7", confidence=0.931, votes=5,
        candidates=(Candidate("1ABC123", 0.931), Candidate("1A8C123", 0.051)), clock=ClockState("ntp", 1.5, 12.0),
        box=box(600.4, 702, 183, 44), flags=(PARKED,), lane="2", direction="receding",
    )  # fmt: skip
    seize = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen 1/11", "zone", None, None, ("relay", "uplink"))
    insured = HotlistEntry("ins", "1ABC123", "B", "insurance", 10, "", "", None, None, ("batch",))
    hits = [
        Hit("h-1", "r-1", seize, "exact", (AT_S + 1) * NS_PER_S),
        Hit("h-2", "r-1", insured, "exact", (AT_S + 1) * NS_PER_S),
    ]
    add_read(store, made, EncodedEvidence(PATCH, OVERVIEW), hits)
    verdicts.verify(store, tmp_path / "state", "h-1", "confirmed", By("jan", "compared", (AT_S + 9) * NS_PER_S))
    return Loader(store, _settings(tmp_path, "json").sinks[0], 0)


def _settings(tmp_path: Path, format_: str) -> Settings:
    return settings_for(tmp_path / "state", {"name": "zone", "url": URL, "format": format_})


def items(loader: Loader, kind: str, format_: str) -> list[Item]:
    inline = kind in format_of(format_).inline
    return list(loader.load(kind, [Waiting(1, KINDS[kind])], inline=inline))


def _made(loader: Loader, format_: str, kind: str) -> Request | None:
    speaker = format_of(format_)
    if kind == "heartbeat":
        return speaker.heartbeat(URL, BEAT, SITE)
    return speaker.request(URL, items(loader, kind, format_), SITE)


def spoken(request: Request) -> dict[str, Any]:
    """A request in words: where to, which headers, and its content unpacked."""
    body = request.body
    if request.headers.get("Content-Encoding") == "gzip":
        body = zlib.decompress(body, 31)
    parts = urlsplit(request.url)
    url = {"url": f"{parts.scheme}://{parts.netloc}{parts.path}", "query": parse_qs(parts.query)}
    if "multipart" in request.headers.get("Content-Type", ""):
        return {**url, "headers": dict(request.headers), "form": form_of(request)}
    lines = [json.loads(line) for line in body.decode().splitlines()]
    return {**url, "headers": dict(request.headers), "rows": lines}


def form_of(request: Request) -> dict[str, Any]:
    """A form as the standard library's own parser reads it."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + request.body)
    assert message.is_multipart()
    form: dict[str, Any] = {}
    for part in message.get_payload():
        name = part.get_param("name", header="Content-Disposition")  # type: ignore[union-attr]
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        form[name] = json.loads(content) if name == "json" else [part.get_filename(), repr(content)]  # type: ignore[union-attr]
    return form


@pytest.mark.parametrize(
    ("format_", "kind"),
    [
        (name, kind)
        for name in FORMATS
        for kind in (*KINDS, "heartbeat")
        if kind in {*format_of(name).kinds, "heartbeat"}
    ],
)
def test_golden(loader: Loader, format_: str, kind: str) -> None:
    request = _made(loader, format_, kind)
    path = GOLDEN / f"{format_}-{kind}.json"
    if request is None:
        assert not path.exists()
        return
    said = json.dumps(spoken(request), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("ANPR_UPDATE_GOLDEN"):
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [*KINDS, "heartbeat"])
def test_our_batches_fit_our_schema(loader: Loader, kind: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "uplink-batch.schema.json").read_text()))
    request = _made(loader, "json", kind)
    assert request is not None
    batch = spoken(request)["rows"][0]
    assert not list(validator.iter_errors(batch))
    for key in ("format", "batch", "node_id", "items"):
        assert list(validator.iter_errors({name: value for name, value in batch.items() if name != key}))
    assert list(validator.iter_errors({**batch, "items": [{**batch["items"][0], "kind": "rumour"}]}))


def test_the_token_is_the_same_for_the_same_items_and_for_no_others(loader: Loader) -> None:
    one, two = items(loader, "read", "json"), items(loader, "hit", "json")
    for name in ("json", "clickhouse"):
        speaker = format_of(name)
        tokens = [speaker.request(URL, chosen, SITE) for chosen in (one, one, two)]
        assert tokens[0] is not None
        assert tokens[0].token == tokens[1].token != tokens[2].token  # type: ignore[union-attr]
        assert len(tokens[0].token) == 32


@pytest.mark.parametrize("format_", ["openalpr", "platerecognizer"])
def test_a_read_without_its_text_is_nothing_to_others(store: Database, tmp_path: Path, format_: str) -> None:
    """Where the law lets no text be kept, a correction says that a read was none; they have no words for that."""
    add_read(store, read("", "r-9"), EncodedEvidence(None, None), [])
    loader = Loader(store, _settings(tmp_path, format_).sinks[0], 0)
    found = list(loader.load("read", [Waiting(1, "r-9")], inline=True))
    assert format_of(format_).request(URL, found, SITE) is None


@pytest.mark.parametrize(
    ("format_", "answer"),
    [
        ("json", Answer(200, {}, b"ok")),
        ("json", Answer(200, {}, b'{"batch": "another"}')),
        ("json", Answer(200, {}, b"[]")),
        ("openalpr", Answer(200, {}, b"<!DOCTYPE html>\n<HTML>pay here")),
        ("platerecognizer", Answer(200, {}, b"<html>pay here")),
        ("clickhouse", Answer(200, {}, b"")),
        ("clickhouse", Answer(200, {"X-ClickHouse-Summary": "{}"}, b"Code: 241. DB::Exception: memory")),
    ],
)
def test_what_is_no_receipt(loader: Loader, format_: str, answer: Answer) -> None:
    request = format_of(format_).request(URL, items(loader, "read", format_), SITE)
    assert request is not None
    with pytest.raises(NoReceipt):
        format_of(format_).receipt(answer, request)


# OpenALPR, as mlapaglia/OpenAlprWebhookProcessor declares what it parses: the types are those of its classes


@dataclass
class Group:
    data_type: str
    version: int
    epoch_start: int
    epoch_end: int
    frame_start: int
    frame_end: int
    company_id: str
    agent_uid: str
    agent_version: str
    agent_type: str
    camera_id: int
    gps_latitude: float
    gps_longitude: float
    country: str
    uuids: list
    plate_indexes: list
    candidates: list
    vehicle_crop_jpeg: str
    best_plate: dict
    plate_path: list
    best_confidence: float
    best_uuid: str
    best_plate_number: str
    best_region: str
    best_region_confidence: float
    matches_template: bool
    best_image_width: int
    best_image_height: int
    travel_direction: float
    is_parked: bool
    is_preview: bool
    vehicle: dict
    vehicle_signature: str
    web_server_config: dict
    direction_of_travel_id: int
    vehicle_detected: bool


@dataclass
class Alert:
    data_type: str
    version: int
    epoch_time: int
    agent_uid: str
    alert_list: str
    site_name: str
    camera_name: str
    camera_number: int
    plate_number: str
    description: str
    list_type: str
    group: dict


def assert_declared(content: dict[str, Any], declared: type) -> None:
    """Every declared field is there with a value of its type; .NET takes no float for an int and no null for either."""
    types = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}
    for field in fields(declared):
        value = content[field.name]
        assert isinstance(value, types[str(field.type)]), field.name  # type: ignore[arg-type]
        assert not (isinstance(value, bool) and field.type != "bool"), field.name


def test_openalpr_receivers_read_our_groups_and_alerts(loader: Loader) -> None:
    speaker = format_of("openalpr")
    group = json.loads(speaker.request(URL, items(loader, "read", "openalpr"), SITE).body)  # type: ignore[union-attr]
    alert = json.loads(speaker.request(URL, items(loader, "hit", "openalpr"), SITE).body)  # type: ignore[union-attr]
    assert_declared(group, Group)
    assert_declared(alert, Alert)
    assert_declared(alert["group"], Group)
    # what mibs510/OpenALPR-Webhook looks up in its records, without asking whether it is there
    for look in ("color", "year", "make", "make_model", "body_type"):
        assert group["vehicle"][look][0]["name"] == "unknown"
        assert group["vehicle"][look][0]["confidence"] == 0
    assert group["web_server_config"] == {"agent_label": "node-7", "camera_label": "N69 km 12"}
    assert b64decode(group["best_plate"]["plate_crop_jpeg"]) == PATCH
    # how the agent's documentation writes it
    assert group["epoch_start"] == AT_S * 1000 + 123
    assert group["best_confidence"] == 93.1
    assert [c["matches_template"] for c in group["candidates"]] == [1, 0]
    assert group["best_region"] == "eu-be"
    assert group["travel_direction"] == pytest.approx(2.4), "receding: the other way"
    assert group["is_parked"] is True
    assert len(group["best_plate"]["coordinates"]) == 4


def test_a_parked_vehicle_is_parked_to_openalpr(store: Database, tmp_path: Path) -> None:
    """From what the pipeline writes, not from what a test thinks it does."""
    parked = play({n: [(box(600 + n % 2, 500), plate("1ABC123"))] for n in range(300)}, 300)[0].read
    add_read(store, parked, EncodedEvidence(None, None), ())
    [item] = Loader(store, _settings(tmp_path, "openalpr").sinks[0], 0).load(
        "read", [Waiting(1, parked.read_id)], inline=False
    )
    request = format_of("openalpr").request(URL, [item], SITE)
    assert request is not None
    assert json.loads(request.body)["is_parked"] is True


def test_openalprs_heartbeat_has_the_documented_fields() -> None:
    request = format_of("openalpr").heartbeat(URL, BEAT, SITE)
    assert request is not None
    beat = json.loads(request.body)
    documented = {
        "version": int, "data_type": str, "company_id": str, "site_id": str, "timestamp": int,
        "system_uptime_seconds": int, "daemon_uptime_seconds": int, "processing_threads_active": int,
        "processing_threads_configured": int, "beanstalk_queue_size": int, "video_streams": list,
    }  # fmt: skip
    assert {name: type(beat[name]) for name in documented} == documented
    assert {"camera_id", "is_streaming", "last_update"} <= set(beat["video_streams"][0])


# Plate Recognizer, as the middleware of parkpow/deep-license-plate-recognition reads it


def test_plate_recognizers_middleware_reads_our_form(loader: Loader) -> None:
    request = format_of("platerecognizer").request(URL, items(loader, "read", "platerecognizer"), SITE)
    assert request is not None
    form = form_of(request)
    data = form["json"]["data"]
    moment = datetime.strptime(data["timestamp_local"], "%Y-%m-%d %H:%M:%S.%f%z")  # its NX and SFTP protocols
    assert moment.timestamp() == AT_S + 0.323456
    assert datetime.fromisoformat(data["timestamp"]) == moment
    result = data["results"][0]
    assert isinstance(result.get("plate"), str), "the older form, which every one of its protocols still takes"
    assert result["plate"] == "1abc123"
    assert {"xmin", "ymin", "xmax", "ymax"} == set(result["box"]) == set(result["vehicle"]["box"])
    assert result["region"] == {"code": "be", "score": 1.0}
    assert 0 <= result["score"] <= 1
    assert result["candidates"][1] == {"plate": "1a8c123", "score": 0.051}
    documented = {"box", "plate", "region", "score", "candidates", "dscore", "vehicle", "direction", "source_url"}
    assert documented | {"position_sec"} <= set(result)
    assert set(form["json"]["hook"]) == {"target", "id", "event", "filename"}
    assert form["upload"][0].endswith(".jpg")
    assert form["upload"][1] == repr(PATCH)


# ClickHouse itself, where chdb is installed: it is over 300 MB, so CI leaves it out


def test_clickhouse_takes_a_batch_twice_and_has_each_read_once(loader: Loader, tmp_path: Path) -> None:
    session = pytest.importorskip("chdb.session", reason="chdb, the ClickHouse engine, is not installed")
    speaker = format_of("clickhouse")
    now = session.Session(str(tmp_path / "clickhouse"))
    for statement in schema(presets()["BE"]).split(";\n"):
        if statement.strip():
            now.query(statement)

    def insert(kind: str, corrected: str = "") -> None:
        request = speaker.request(URL, items(loader, kind, "clickhouse"), SITE)
        assert request is not None
        query = parse_qs(urlsplit(request.url).query)
        settings = ", ".join(f"{k} = '{v[0]}'" for k, v in query.items() if k != "query")
        sql, _, format_ = query["query"][0].partition(" FORMAT ")
        rows = zlib.decompress(request.body, 31).decode()
        now.query(f"{sql} SETTINGS {settings} FORMAT {format_} {corrected or rows}")

    def count(table: str) -> int:
        return int(str(now.query(f"SELECT count() FROM {table}", "CSV")).strip())

    for kind in ("read", "hit", "batch", "verdict"):
        insert(kind)
        insert(kind)
    assert (count("anpr_read"), count("anpr_hit"), count("anpr_verdict")) == (1, 2, 1)
    columns = "vrm, country, confidence, candidates, toUnixTimestamp64Nano(first_seen) AS at"
    row = str(now.query(f"SELECT {columns} FROM anpr_reads", "JSONCompactEachRow"))
    assert json.loads(row)[0] == "1ABC123"
    assert json.loads(row)[1] == "B"
    assert json.loads(row)[3][0][0] == "1ABC123"
    assert int(json.loads(row)[4]) == AT_S * NS_PER_S + 123_456_000
    loader.database.execute("UPDATE read SET clock_corrected_ns = 5, first_seen_ns = first_seen_ns + 5")
    insert("read")
    assert count("anpr_reads") == 1, "another batch, another time: the last revision stands for it"
    assert '"rev"' not in row
    shown = str(now.query("SELECT hit_id, verdict FROM anpr_hits ORDER BY hit_id", "CSV"))
    assert shown == '"h-1","confirmed"\n"h-2",""\n'
    now.cleanup()
