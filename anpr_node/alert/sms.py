"""The last channel: a text message for a top hit that the back office has not taken in time.

The message has a reference and the place, never a plate. Silent hits are told only to numbers that are named for them,
and leave no line in any log. It decides, words and keeps account (alert/sms_account.py); a modem's driver sends, and
`send_next` is called from the thread that owns the modem, as sending takes seconds.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlite_utils import Database

from anpr_node.alert import sms_account
from anpr_node.alert.sms_account import Message, not_taken
from anpr_node.config import Settings
from anpr_node.errors import ModemError, ModemRefused
from anpr_node.ids import REFERENCE_LENGTH
from anpr_node.store.database import insert
from anpr_node.units import NS_PER_H, NS_PER_S

log = logging.getLogger(__name__)

TEXT_LENGTH_MAX = 160

# From the few rows of the outbox to their hits, never the other way: there may be a year of hits.
_DUE = f"""
SELECT h.hit_id FROM outbox o CROSS JOIN {{hits}} h ON h.hit_id = o.ref
WHERE {not_taken(":silent")} AND (h.held_back IS NULL OR h.held_back = 'rate') AND h.match <> 'retrospective'
  AND o.queued_ns >= :oldest_ns AND h.raised_at_ns BETWEEN :oldest_ns AND :newest_ns AND h.actions LIKE :action
  AND NOT EXISTS (
      SELECT 1 FROM hit s JOIN sms m ON m.hit_id = s.hit_id WHERE s.read_id = h.read_id AND m.silent = :silent)
ORDER BY h.priority DESC, h.raised_at_ns LIMIT 1
"""


class SmsSender(Protocol):
    """A modem that sends text messages."""

    def send(self, number: str, text: str) -> int:
        """Hand one message to the network; returns the reference of its reports.

        Raises ModemRefused when it was not sent, another ModemError when nobody knows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Circle:
    """Who is told about which hits."""

    numbers: tuple[str, ...]
    hits: str
    action: str
    silent: bool


def circles(settings: Settings) -> tuple[Circle, ...]:
    """Those of the settings that have anybody in them."""
    told = Circle(tuple(dict.fromkeys(settings.sms.numbers)), "shown_hit", '%"sms"%', False)
    quiet = Circle(tuple(dict.fromkeys(settings.sms.silent_numbers)), "hit", '%"silent"%', True)
    return tuple(circle for circle in (told, quiet) if circle.numbers)


def queue_due(database: Database, settings: Settings, now_ns: int) -> int:
    """Queue a message to every number for each hit that waits too long; returns how many messages.

    The rows are on the card before anything is sent.
    """
    queued = 0
    for circle in circles(settings):
        while (hit_id := find_due(database, settings, now_ns, circle)) is not None:
            with database.atomic():
                for number in circle.numbers:
                    insert(database, "sms", _row(hit_id, number, circle, now_ns))
            queued += len(circle.numbers)
    return queued


def _row(hit_id: str, number: str, circle: Circle, now_ns: int) -> dict[str, object]:
    row = {"hit_id": hit_id, "number": number, "silent": int(circle.silent), "state": "waiting"}
    return {**row, "queued_ns": now_ns, "due_ns": now_ns}


def find_due(database: Database, settings: Settings, now_ns: int, circle: Circle) -> str | None:
    """The hit to tell now, if there is one and the hour's messages of this circle are not spent."""
    section = settings.sms
    spent = database.execute(
        "SELECT count(DISTINCT hit_id) FROM sms "
        "WHERE silent = ? AND queued_ns > ? AND state NOT IN ('expired', 'unneeded')",
        [circle.silent, now_ns - NS_PER_H],
    ).fetchone()[0]
    if spent >= section.per_hour_max:
        return None
    row = database.execute(
        _DUE.format(hits=circle.hits),
        {
            "action": circle.action,
            "silent": circle.silent,
            "oldest_ns": now_ns - int(section.until_s * NS_PER_S),
            "newest_ns": now_ns - int(section.after_s * NS_PER_S),
        },
    ).fetchone()
    return row[0] if row else None


def send_next(database: Database, sender: SmsSender, settings: Settings, now_ns: int) -> bool:
    """Send the most important message that is due; whether one was tried.

    What has become needless or too old meanwhile is closed instead. Raises ModemError where nobody knows whether it
    was sent; that is noted first.
    """
    sms_account.close_needless(database, now_ns, int(settings.sms.until_s * NS_PER_S))
    message = sms_account.begin(database, now_ns)
    if message is None:
        return False
    try:
        reference = sender.send(message.number, word(message, settings))
    except ModemError as error:
        sms_account.put_back(database, message, now_ns, known=isinstance(error, ModemRefused))
        if not message.silent:
            log.error("no SMS to …%s, ref %s: %s", message.number[-4:], _reference(message), error)
        if isinstance(error, ModemRefused):
            return True
        raise
    sms_account.sent(database, message, reference, now_ns)
    if not message.silent:
        log.warning("SMS to …%s, ref %s: with the network", message.number[-4:], _reference(message))
    return True


def word(message: Message, settings: Settings) -> str:
    """The message, in plain ASCII."""
    moment = datetime.fromtimestamp(message.raised_at_ns / NS_PER_S, UTC)
    place = settings.sms.place or settings.node.id
    text = (
        f"ANPR {place} lane {message.lane}: {message.category} {moment:%H:%M:%S}Z "
        f"ref {_reference(message)}. Unverified. Link is down."
    )
    return text.encode("ascii", "replace").decode()[:TEXT_LENGTH_MAX]


def _reference(message: Message) -> str:
    return message.hit_id[-REFERENCE_LENGTH:]
