"""Sends one request of a sink's and says in three words what came of it: taken, refused, or again.

    taken     acknowledged; single items may be refused all the same
    refused   the sink will never take this
    doubtful  the sink takes nothing like this now: a wrong token, a wrong url; only a person can mend that
    again     no answer, one that is none of the sink's, or a trouble that passes

It decides by status and receipt alone; the store is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from anpr_node.config import SinkSection, UplinkSection
from anpr_node.uplink.answer import Answer
from anpr_node.uplink.formats import REASON_MAX, Format, NoReceipt, Refused, Request, Site, readable
from anpr_node.uplink.formats.registry import format_of
from anpr_node.uplink.items import Item
from anpr_node.uplink.transport import Transport, Unreachable

DUPLICATE = 409
REFUSALS = frozenset({400, 413, 415, 422})
PASSING = frozenset({408, 421, 425, 429})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request. `wish_s` is the pause that the sink asks for; `took_s` how long an answer took.

    `problem` is in our own words; `reason` has the sink's, and they may name a plate.
    """

    what: Literal["taken", "refused", "doubtful", "again"]
    problem: str = ""
    reason: str = ""
    refused: Sequence[Refused] = ()
    wish_s: float | None = None
    took_s: float = 0.0


class Line:
    """A transport and a format for one sink; use it from one thread."""

    def __init__(self, node_id: str, uplink: UplinkSection, sink: SinkSection) -> None:
        self.format: Format = format_of(sink.format)
        self.transport = Transport(sink)
        self._node_id, self._uplink, self._sink = node_id, uplink, sink

    def pack(self, items: Sequence[Item], now_ns: int) -> Request | None:
        """The request for some items; None where the format has no words for them."""
        return self.format.request(self._sink.url, items, self._site(now_ns))

    def pack_heartbeat(self, beat: Mapping[str, Any], now_ns: int) -> Request | None:
        """The request for a heartbeat."""
        return self.format.heartbeat(self._sink.url, beat, self._site(now_ns))

    def send(self, request: Request, limit_s: float) -> Outcome:
        """Send and judge."""
        try:
            answer = self.transport.post(request.url, request.body, request.headers, limit_s)
        except Unreachable as error:
            return Outcome("again", str(error))
        return self._judge(answer, request)

    def _judge(self, answer: Answer, request: Request) -> Outcome:
        problem, reason = _problem(answer.status), _reason(answer)
        if 200 <= answer.status < 300 or answer.status == DUPLICATE:
            try:
                refused = self.format.receipt(answer, request).refused
                return Outcome("taken", refused=refused, took_s=answer.took_s)
            except NoReceipt as error:
                if answer.status != DUPLICATE:
                    return Outcome("again", str(error))
        if answer.status in REFUSALS:
            return Outcome("refused", problem, reason)
        if answer.status in PASSING or answer.status >= 500:
            return Outcome("again", problem, wish_s=answer.retry_after_s)
        return Outcome("doubtful", problem, reason, wish_s=answer.retry_after_s)

    def _site(self, now_ns: int) -> Site:
        up = self._uplink
        return Site(
            self._node_id, now_ns, up.place, up.latitude, up.longitude, up.heading_deg, up.company_id, up.camera_number
        )


def _problem(status: int) -> str:
    try:
        return f"the sink says {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"the sink says {status}"


def _reason(answer: Answer) -> str:
    return f"{answer.status} {readable(answer.body[:REASON_MAX].decode('utf-8', 'replace'))}".strip()
