"""The webhook of Plate Recognizer Stream: a form with the field `json` and, where there is one, the file `upload`.

Plates are in lower case and scores 0 to 1. It has no words for hits, verdicts or a node's health: reads alone go there,
with their patch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from anpr_node.policy import iso_country
from anpr_node.units import NS_PER_S, NS_PER_US
from anpr_node.uplink.answer import Answer
from anpr_node.uplink.formats import Request, Site, Taken, no_page
from anpr_node.uplink.items import Item


class PlateRecognizer:
    """A camera of Stream; the node's id is the camera's."""

    kinds = frozenset({"read"})
    items_max = 1
    in_flight = 2
    inline = frozenset({"read"})

    def request(self, url: str, items: Sequence[Item], site: Site) -> Request | None:
        """One form a read; nothing where no plate was kept."""
        item = items[0]
        read = json.loads(item.record)
        if not read["vrm"]:
            return None
        content = json.dumps(_content(url, read, site)).encode()
        boundary = sha256(item.id.encode()).hexdigest()[:32]
        parts = [_part(boundary, 'name="json"', b"", content)]
        if item.patch is not None:
            filename = _filename(read, site)
            header = f'name="upload"; filename="{filename.rpartition("/")[2]}"'
            parts.append(_part(boundary, header, b"Content-Type: image/jpeg\r\n", item.patch))
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        return Request(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def heartbeat(self, url: str, beat: Mapping[str, Any], site: Site) -> Request | None:
        """There is none."""
        return None

    def receipt(self, answer: Answer, request: Request) -> Taken:
        """Receivers answer in many ways: any good status counts that is no page for people."""
        no_page(answer)
        return Taken()


def _part(boundary: str, disposition: str, headers: bytes, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n".encode()
    return head + headers + b"\r\n" + content + b"\r\n"


def _filename(read: dict[str, Any], site: Site) -> str:
    return f"{site.node_id}_screenshots/{_moment(read['last_seen_ns']):%y-%m-%d/%H-%M-%S.%f}.jpg"


def _moment(ns: int) -> datetime:
    whole = datetime.fromtimestamp(ns // NS_PER_S, UTC)
    return whole.replace(microsecond=ns % NS_PER_S // NS_PER_US)


def _content(url: str, read: dict[str, Any], site: Site) -> dict[str, Any]:
    moment, filename = _moment(read["last_seen_ns"]), _filename(read, site)
    return {
        "hook": {"target": url, "id": site.node_id, "event": "recognition", "filename": filename},
        "data": {
            "camera_id": site.node_id,
            "filename": filename,
            "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
            "timestamp_local": f"{moment:%Y-%m-%d %H:%M:%S.%f}+00:00",
            "results": [_result(read)],
        },
    }


def _result(read: dict[str, Any]) -> dict[str, Any]:
    xs, ys = [round(x) for x, _ in read["box"]], [round(y) for _, y in read["box"]]
    box = {"xmin": min(xs), "ymin": min(ys), "xmax": max(xs), "ymax": max(ys)}
    others = [(text, score) for text, score in read["candidates"] if text != read["vrm"]]
    named = [(read["vrm"], read["confidence"]), *others]
    region = iso_country(read["country"])
    return {
        "box": box,
        "plate": read["vrm"].lower(),
        "region": {"code": region, "score": 1.0 if region else 0.0},
        "score": round(read["confidence"], 3),
        "dscore": round(read["confidence"], 3),
        "candidates": [{"plate": text.lower(), "score": round(score, 3)} for text, score in named],
        "vehicle": {"score": 0.0, "type": "Unknown", "box": box},
        "model_make": [],
        "color": [],
        "orientation": [],
        "direction": "",
        "source_url": f"anpr-node:{read['read_id']}",
        "position_sec": 0,
        "user_data": "",
    }
