"""The formats that sinks speak, one small file each, behind one seam.

A format turns items into one request and says what an answer means for them. It reads no store and opens no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from anpr_node.uplink.answer import Answer
from anpr_node.uplink.items import Item

PAGE_HEAD_BYTES = 2_000
REASON_MAX = 200


@dataclass(frozen=True, slots=True)
class Site:
    """What every message says about where it comes from. `now_ns` is when it is made, UTC."""

    node_id: str
    now_ns: int
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None
    heading_deg: float | None = None
    company_id: str = ""
    camera_number: int = 1


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. `token` is the same for the same items: a sink may know a repeated request by it."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The sink will never take an item, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer that acknowledges everything but what it names."""

    refused: Sequence[Refused] = field(default_factory=tuple)


class NoReceipt(Exception):
    """The answer looks well and is none of the sink's: a captive portal, a proxy's page."""


def readable(said: str) -> str:
    """What a sink says of a reason, in one short line that can be stored and shown."""
    return "".join(char for char in " ".join(said[:REASON_MAX].split()) if char.isprintable())


def no_page(answer: Answer) -> None:
    """A page for people is no acknowledgement. Raises NoReceipt."""
    if b"<html" in answer.body[:PAGE_HEAD_BYTES].lower():
        raise NoReceipt("the answer is a page for people: is something in between?")


class Format(Protocol):
    """One way to speak to a sink."""

    kinds: frozenset[str]
    """Kinds of the outbox that it can carry."""
    items_max: int
    """So many in one request."""
    in_flight: int
    """So many requests at once."""
    inline: frozenset[str]
    """Kinds that bring the read's patch along."""

    def request(self, url: str, items: Sequence[Item], site: Site) -> Request | None:
        """The request for some items of one kind; None where they mean nothing in this format."""
        ...

    def heartbeat(self, url: str, beat: Mapping[str, Any], site: Site) -> Request | None:
        """The request for a heartbeat, None where the format knows none."""
        ...

    def receipt(self, answer: Answer, request: Request) -> Taken:
        """What a good status (2xx) means. Raises NoReceipt."""
        ...
