"""Our own format: many items in one gzip-packed JSON object, as docs/uplink-batch.schema.json describes it.

The sink answers with the batch's own id, so that a page that somebody puts in between is no acknowledgement.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anpr_node.uplink.answer import Answer
from anpr_node.uplink.formats import NoReceipt, Refused, Request, Site, Taken, readable
from anpr_node.uplink.items import Item

VERSION = "anpr-node/1"
GZIP = 31
LEVEL = 6


class JsonBatch:
    """`anpr-node sink` speaks it."""

    kinds = frozenset({"hit", "verdict", "batch", "read", "patch", "overview", "night"})
    items_max = 4_000
    in_flight = 2
    inline = frozenset({"hit"})

    def request(self, url: str, items: Sequence[Item], site: Site) -> Request | None:
        """All items in one batch."""
        token = token_of(site.node_id, items)
        return self._post(url, token, site, (_item(item) for item in items))

    def heartbeat(self, url: str, beat: Mapping[str, Any], site: Site) -> Request | None:
        """A batch with nothing but the heartbeat."""
        item = {"kind": "heartbeat", "id": site.node_id, "rev": site.now_ns, "heartbeat": beat}
        return self._post(url, f"heartbeat-{site.now_ns}", site, [json.dumps(item)])

    def receipt(self, answer: Answer, request: Request) -> Taken:
        """The batch's id, and what of it was refused."""
        try:
            said = json.loads(answer.body)
            if said["batch"] != request.token:
                raise NoReceipt("the answer is to another batch")
            return Taken([Refused(str(each["id"]), readable(str(each["reason"]))) for each in said.get("refused", [])])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise NoReceipt("the answer is no receipt: is the url that of a sink?") from error

    @staticmethod
    def _post(url: str, token: str, site: Site, items: Iterable[str]) -> Request:
        head = {
            "format": VERSION,
            "batch": token,
            "node_id": site.node_id,
            "sent_ns": site.now_ns,
            "place": site.place,
            "latitude": site.latitude,
            "longitude": site.longitude,
            "heading_deg": site.heading_deg,
        }
        packer = zlib.compressobj(LEVEL, wbits=GZIP)
        parts = [packer.compress(json.dumps(head)[:-1].encode() + b', "items": [')]
        for number, item in enumerate(items):
            parts.append(packer.compress((f",{item}" if number else item).encode()))
        parts += [packer.compress(b"]}"), packer.flush()]
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return Request(url, b"".join(parts), headers, token)


def token_of(node_id: str, items: Sequence[Item]) -> str:
    """The same for the same items."""
    digest = hashlib.sha256(node_id.encode())
    for item in items:
        digest.update(f"\n{item.kind} {item.id} {item.rev}".encode())
    return digest.hexdigest()[:32]


def _item(item: Item) -> str:
    """The records are JSON already."""
    head = f'{{"kind":"{item.kind}","id":{json.dumps(item.id)},"rev":{item.rev}'
    if item.kind == "hit":
        patch = "" if item.patch is None else f',"patch":"{b64encode(item.patch).decode()}"'
        urgent = "true" if item.urgent else "false"
        return f'{head},"urgent":{urgent},"hit":{item.record},"read":{item.read}{patch}}}'
    if item.jpeg is not None:
        return f'{head},"picture":{item.record},"jpeg":"{b64encode(item.jpeg).decode()}"}}'
    return f'{head},"{item.kind}":{item.record}}}'
