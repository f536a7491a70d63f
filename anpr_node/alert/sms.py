"""The last channel: a text message for a top hit that the back office has not taken in time.

The message has a reference and the place, never a plate. Silent hits are never told this way. It decides and words; a
modem's driver sends, and `send_due` is called from the thread that owns the modem, as sending takes seconds.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.errors import AnprError
from anpr_node.store.outbox import settle_sms

log = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000
HOUR_NS = 3600 * NS_PER_S
TEXT_LENGTH_MAX = 160
REFERENCE_LENGTH = 8

# The uplink takes this row away when a sink has the hit. While it is there nobody has: the link is down, whatever it
# looks like.
_DUE = """
SELECT h.hit_id, h.read_id, h.category, h.raised_at_ns, r.lane FROM shown_hit h
JOIN read r ON r.read_id = h.read_id
JOIN outbox o ON o.kind = 'sms' AND o.ref = h.hit_id
WHERE h.sms_at_ns IS NULL AND h.held_back IS NULL AND h.match <> 'retrospective'
  AND h.actions LIKE '%"sms"%' AND h.raised_at_ns BETWEEN :oldest_ns AND :newest_ns
  AND NOT EXISTS (SELECT 1 FROM hit s WHERE s.read_id = h.read_id AND s.sms_at_ns IS NOT NULL)
ORDER BY h.priority DESC, h.raised_at_ns LIMIT 1
"""


class SmsSender(Protocol):
    """A modem that sends text messages."""

    def send(self, number: str, text: str) -> None:
        """Send one message and wait until the network has it. Raises AnprError when it was not sent."""
        ...


@dataclass(frozen=True, slots=True)
class DueSms:
    """A hit that must be told by SMS."""

    hit_id: str
    read_id: str
    category: str
    raised_at_ns: int
    lane: str


def send_due(database: Database, sender: SmsSender, settings: Settings, now_ns: int) -> int:
    """Tell the most important hit that waits too long, to every number; returns how many messages went out.

    It counts as told when one number got it; when none did, it is tried again at the next call.
    """
    due = find_due(database, settings, now_ns)
    if due is None:
        return 0
    told = sum(_send(sender, number, word(due, settings)) for number in settings.sms.numbers)
    if told:
        with database.atomic():
            database.execute("UPDATE hit SET sms_at_ns = ? WHERE hit_id = ?", [now_ns, due.hit_id])
            settle_sms(database, [due.hit_id])
    return told


def find_due(database: Database, settings: Settings, now_ns: int) -> DueSms | None:
    """The hit to tell now, if there is one and the hour's messages are not spent."""
    section = settings.sms
    if not section.numbers:
        return None
    spent = database.execute("SELECT count(*) FROM hit WHERE sms_at_ns > ?", [now_ns - HOUR_NS]).fetchone()[0]
    if spent >= section.per_hour_max:
        return None
    oldest_ns, newest_ns = now_ns - int(section.until_s * NS_PER_S), now_ns - int(section.after_s * NS_PER_S)
    row = database.execute(_DUE, {"oldest_ns": oldest_ns, "newest_ns": newest_ns}).fetchone()
    return DueSms(*row) if row else None


def word(due: DueSms, settings: Settings) -> str:
    """The message, in plain ASCII."""
    moment = datetime.fromtimestamp(due.raised_at_ns / NS_PER_S, UTC)
    place = settings.sms.place or settings.node.id
    reference = due.hit_id[-REFERENCE_LENGTH:]
    text = f"ANPR {place} lane {due.lane}: {due.category} {moment:%H:%M:%S}Z ref {reference}. Unverified. Link is down."
    return text.encode("ascii", "replace").decode()[:TEXT_LENGTH_MAX]


def _send(sender: SmsSender, number: str, text: str) -> bool:
    try:
        sender.send(number, text)
    except AnprError as error:
        log.error("no SMS: %s", error)
        return False
    return True
