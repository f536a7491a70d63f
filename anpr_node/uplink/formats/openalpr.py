"""What Rekor's (OpenALPR's) agents send and several receivers take: `alpr_group`, `alpr_alert`, `heartbeat`.

One JSON object a request. Times are milliseconds, confidence 0 to 100, the camera a number; what this node does not
know of a vehicle is said to be unknown. The receiver knows a repeated one by `best_uuid`, which is our read id.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from anpr_node import __version__
from anpr_node.policy import iso_country
from anpr_node.records import PARKED
from anpr_node.units import NS_PER_MS
from anpr_node.uplink.answer import Answer
from anpr_node.uplink.formats import Request, Site, Taken, no_page
from anpr_node.uplink.items import Item

MB = 1_000_000
UNKNOWN = [{"name": "unknown", "confidence": 0.0}]
LOOKS = ("color", "make", "make_model", "body_type", "year", "orientation")
EUROPE_NOT = frozenset({"us", "br"})


class OpenAlpr:
    """An agent with one camera."""

    kinds = frozenset({"hit", "batch", "read"})
    items_max = 1
    in_flight = 2
    inline = frozenset({"hit", "batch", "read"})

    def request(self, url: str, items: Sequence[Item], site: Site) -> Request | None:
        """A group for a read, an alert for a hit; nothing where no plate was kept."""
        item = items[0]
        read = json.loads(item.read or item.record)
        if not read["vrm"]:
            return None
        group = _group(read, item, site)
        return _post(url, group if item.kind == "read" else _alert(json.loads(item.record), group, site))

    def heartbeat(self, url: str, beat: Mapping[str, Any], site: Site) -> Request | None:
        """The agent's heartbeat, as far as we know what it asks."""
        running = beat.get("running") or {}
        now_ms = site.now_ns // NS_PER_MS
        return _post(
            url,
            {
                "version": 1,
                "data_type": "heartbeat",
                "company_id": site.company_id,
                "site_id": site.place or site.node_id,
                "agent_uid": site.node_id,
                "agent_version": __version__,
                "agent_type": "anpr-node",
                "timestamp": now_ms,
                "system_uptime_seconds": int(beat.get("system_uptime_s", 0)),
                "daemon_uptime_seconds": int(running.get("uptime_s", 0)),
                "disk_drive_free_bytes": int(beat.get("disk_free_mb", 0)) * MB,
                "processing_threads_active": int(bool(running)),
                "processing_threads_configured": 1,
                "beanstalk_queue_size": int(beat.get("outbox", 0)),
                "video_streams": [
                    {
                        "camera_id": site.camera_number,
                        "camera_name": site.place or site.node_id,
                        "is_streaming": bool(running),
                        "gps_latitude": site.latitude or 0.0,
                        "gps_longitude": site.longitude or 0.0,
                        "last_update": now_ms,
                    }
                ],
            },
        )

    def receipt(self, answer: Answer, request: Request) -> Taken:
        """Receivers answer in many ways: any good status counts that is no page for people."""
        no_page(answer)
        return Taken()


def _post(url: str, content: dict[str, Any]) -> Request:
    return Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _group(read: dict[str, Any], item: Item, site: Site) -> dict[str, Any]:
    region = iso_country(read["country"])
    country = region if region in EUROPE_NOT else "eu"
    plate = _plate(read, f"{country}-{region}" if region else country, item)
    best = {"plate": read["vrm"], "confidence": plate["confidence"], "matches_template": plate["matches_template"]}
    return {
        "data_type": "alpr_group",
        "version": 2,
        "epoch_start": read["first_seen_ns"] // NS_PER_MS,
        "epoch_end": read["last_seen_ns"] // NS_PER_MS,
        "frame_start": 0,
        "frame_end": max(0, read["votes"] - 1),
        "company_id": site.company_id,
        "agent_uid": site.node_id,
        "agent_version": __version__,
        "agent_type": "anpr-node",
        "camera_id": site.camera_number,
        "country": country,
        "gps_latitude": site.latitude or 0.0,
        "gps_longitude": site.longitude or 0.0,
        "uuids": [read["read_id"]],
        "plate_indexes": [0],
        "candidates": plate["candidates"],
        "best_plate": plate,
        "best_plate_number": read["vrm"],
        "best_confidence": best["confidence"],
        "best_region": plate["region"],
        "best_region_confidence": plate["region_confidence"],
        "matches_template": bool(best["matches_template"]),
        "best_uuid": read["read_id"],
        "best_uuid_epoch_ms": read["last_seen_ns"] // NS_PER_MS,
        "best_image_width": 1456,
        "best_image_height": 1088,
        "plate_path": [],
        "vehicle_path": [],
        "vehicle_crop_jpeg": "",
        "overview_jpeg": "",
        "travel_direction": _heading(read["direction"], site.heading_deg),
        "direction_of_travel_id": 0,
        "is_parked": PARKED in read["flags"],
        "is_preview": False,
        "vehicle_signature": "",
        "vehicle_detected": False,
        "vehicle": dict.fromkeys(LOOKS, UNKNOWN),
        "web_server_config": {"camera_label": site.place or site.node_id, "agent_label": site.node_id},
        "custom_data": {"lane": read["lane"], "corrects": read["corrects"] or "", "clock": read["clock_source"]},
    }


def _plate(read: dict[str, Any], region: str, item: Item) -> dict[str, Any]:
    fits = int("format_mismatch" not in read["flags"])
    others = [(text, score) for text, score in read["candidates"] if text != read["vrm"]]
    named = [(read["vrm"], read["confidence"]), *others]
    return {
        "plate": read["vrm"],
        "confidence": _percent(read["confidence"]),
        "matches_template": fits,
        "plate_index": 0,
        "region": region,
        "region_confidence": 100 if read["country"] else 0,
        "processing_time_ms": 0.0,
        "requested_topn": len(named),
        "coordinates": [{"x": round(x), "y": round(y)} for x, y in read["box"]],
        "plate_crop_jpeg": b64encode(item.patch).decode() if item.patch is not None else "",
        "vehicle_region": _region(read["box"]),
        "candidates": [
            {"plate": text, "confidence": _percent(score), "matches_template": fits if n == 0 else 0}
            for n, (text, score) in enumerate(named)
        ],
    }


def _region(box: Sequence[Sequence[float]]) -> dict[str, int]:
    xs, ys = [round(x) for x, _ in box], [round(y) for _, y in box]
    left, top = min(xs, default=0), min(ys, default=0)
    return {"x": left, "y": top, "width": max(xs, default=0) - left, "height": max(ys, default=0) - top}


def _percent(share: float) -> float:
    return round(share * 100, 3)


def _heading(direction: str, heading_deg: float | None) -> float:
    """Where the vehicle drives to, in degrees; 0 where it is not known."""
    if heading_deg is None or direction not in {"approaching", "receding"}:
        return 0.0
    return heading_deg if direction == "approaching" else (heading_deg + 180) % 360


def _alert(hit: dict[str, Any], group: dict[str, Any], site: Site) -> dict[str, Any]:
    return {
        "data_type": "alpr_alert",
        "version": 1,
        "epoch_time": hit["raised_at_ns"] // NS_PER_MS,
        "agent_uid": site.node_id,
        "alert_list": hit["list_id"],
        "alert_list_id": 0,
        "site_name": site.place or site.node_id,
        "camera_name": site.place or site.node_id,
        "camera_number": site.camera_number,
        "plate_number": group["best_plate_number"],
        "description": " ".join(part for part in (hit["category"], hit["reason"]) if part),
        "list_type": hit["category"],
        "group": group,
        "custom_data": {"hit_id": hit["hit_id"], "match": hit["match"], "priority": hit["priority"]},
    }
