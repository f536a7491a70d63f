"""The account of text messages: what waits, what the modem has, what the network has, what was delivered.

Each step is on the card before the next is taken, so that a message is never lost. One whose fate a crash or a silent
modem has hidden is sent again: rather told twice than not at all (docs/decisions/0076).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.store.database import count
from anpr_node.store.outbox import settle_sms
from anpr_node.units import NS_PER_DAY, NS_PER_H, NS_PER_S

TRIES_MAX = 4
AGAIN_AFTER_S = (10.0, 30.0, 120.0)
"""After the first try that failed, the second, and every other."""
REPORT_WITHIN_NS = 2 * NS_PER_DAY
FAILURE_SHOWN_NS = NS_PER_H


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is being sent."""

    sms_id: int
    hit_id: str
    number: str
    silent: bool
    tries: int
    category: str
    raised_at_ns: int
    lane: str


@dataclass(frozen=True, slots=True)
class Account:
    """What may be shown: silent messages are in none of the figures."""

    waiting: int = 0
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    failed_in_an_hour: int = 0


def not_taken(silent: str) -> str:
    """The condition on row `o` of the outbox that nobody has its hit; `silent` is SQL for whether the hit is silent.

    The uplink takes the row `sms` away when a sink has the hit: while it is there the link is down, whatever it looks
    like. Silent hits have no such row; nobody has one while no sink has passed it.
    """
    return f"""
        o.kind = CASE WHEN {silent} THEN 'hit' ELSE 'sms' END
        AND NOT ({silent} AND EXISTS (SELECT 1 FROM sink_passed p WHERE p.item_id = o.item_id))
    """


def after_start(database: Database, now_ns: int) -> None:
    """Messages that the modem had when the node ended: nobody knows whether they are out, so they are due again."""
    with database.atomic():
        _note_unknown(database, "state = 'sending'", [], now_ns)
        database.execute("UPDATE sms SET state = 'waiting', due_ns = ? WHERE state = 'sending'", [now_ns])


def _note_unknown(database: Database, where: str, values: list[object], now_ns: int) -> None:
    doubtful = database.execute(f"SELECT count(*) FROM sms WHERE {where} AND silent = 0", values).fetchone()[0]
    if doubtful:
        count(database, "sms_repeated", doubtful, now_ns)


def close_needless(database: Database, now_ns: int, until_ns: int) -> None:
    """Close what waits and is too old, what the back office has taken meanwhile, and what was tried often enough."""
    closing: tuple[tuple[str, str, list[int]], ...] = (
        ("unneeded", f"NOT EXISTS (SELECT 1 FROM outbox o WHERE o.ref = sms.hit_id AND {not_taken('sms.silent')})", []),
        ("failed", "tries >= ?", [TRIES_MAX]),
        ("expired", "(SELECT raised_at_ns FROM hit WHERE hit.hit_id = sms.hit_id) < ?", [now_ns - until_ns]),
    )
    if not database.execute("SELECT 1 FROM sms WHERE state = 'waiting' LIMIT 1").fetchone():
        return
    with database.atomic():
        for state, where, values in closing:
            database.execute(
                f"UPDATE sms SET state = ?, closed_ns = ? WHERE state = 'waiting' AND {where}", [state, now_ns, *values]
            )
        _settle(database)


def _settle(database: Database) -> None:
    """The outbox's rows of hits for which no message is open any more go."""
    done = database.execute(
        "SELECT o.ref FROM outbox o WHERE o.kind = 'sms' AND EXISTS (SELECT 1 FROM sms WHERE sms.hit_id = o.ref) "
        "AND NOT EXISTS (SELECT 1 FROM sms WHERE sms.hit_id = o.ref AND sms.state IN ('waiting', 'sending'))"
    ).fetchall()
    settle_sms(database, [hit_id for (hit_id,) in done])


def begin(database: Database, now_ns: int) -> Message | None:
    """The most important message that is due, noted as being sent."""
    row = database.execute(
        """
        SELECT m.sms_id, m.hit_id, m.number, m.silent, m.tries, h.category, h.raised_at_ns, r.lane
        FROM sms m JOIN hit h ON h.hit_id = m.hit_id JOIN read r ON r.read_id = h.read_id
        WHERE m.state = 'waiting' AND m.due_ns <= ?
        ORDER BY h.priority DESC, h.raised_at_ns, m.sms_id LIMIT 1
        """,
        [now_ns],
    ).fetchone()
    if row is None:
        return None
    with database.atomic():
        database.execute("UPDATE sms SET state = 'sending', tries = tries + 1 WHERE sms_id = ?", [row[0]])
    sms_id, hit_id, number, silent, tries, *told = row
    return Message(sms_id, hit_id, number, bool(silent), tries + 1, *told)


def sent(database: Database, message: Message, reference: int, now_ns: int) -> None:
    """The network has it."""
    with database.atomic():
        database.execute(
            "UPDATE sms SET state = 'sent', reference = ?, sent_ns = ? WHERE sms_id = ?",
            [reference, now_ns, message.sms_id],
        )
        database.execute("UPDATE hit SET sms_at_ns = coalesce(sms_at_ns, ?) WHERE hit_id = ?", [now_ns, message.hit_id])
        _settle(database)


def put_back(database: Database, message: Message, now_ns: int, *, known: bool) -> None:
    """It was not sent, or nobody knows (`known` is false): it is due again after a while, as often as is allowed."""
    after_s = AGAIN_AFTER_S[min(message.tries, len(AGAIN_AFTER_S)) - 1]
    spent = message.tries >= TRIES_MAX
    with database.atomic():
        if not known and not spent:
            _note_unknown(database, "sms_id = ?", [message.sms_id], now_ns)
        database.execute(
            "UPDATE sms SET state = ?, due_ns = ?, closed_ns = ? WHERE sms_id = ?",
            [
                "failed" if spent else "waiting",
                now_ns + int(after_s * NS_PER_S),
                now_ns if spent else None,
                message.sms_id,
            ],
        )
        _settle(database)


def reported(database: Database, reference: int, number_ending: str, *, delivered: bool, now_ns: int) -> None:
    """A delivery report with a last word. References begin anew after 255: the newest message with it is meant."""
    with database.atomic():
        database.execute(
            """
            UPDATE sms SET state = ?, closed_ns = ? WHERE sms_id = (
                SELECT sms_id FROM sms WHERE state = 'sent' AND reference = ? AND number LIKE ? AND sent_ns > ?
                ORDER BY sent_ns DESC LIMIT 1)
            """,
            [
                "delivered" if delivered else "failed",
                now_ns,
                reference,
                f"%{number_ending}",
                now_ns - REPORT_WITHIN_NS,
            ],
        )


def account(database: Database, now_ns: int) -> Account:
    """What became of all messages that may be shown."""
    row = database.execute(
        """
        SELECT count(*) FILTER (WHERE state IN ('waiting', 'sending')), count(*) FILTER (WHERE state = 'sent'),
               count(*) FILTER (WHERE state = 'delivered'), count(*) FILTER (WHERE state = 'failed'),
               count(*) FILTER (WHERE state = 'failed' AND closed_ns > ?)
        FROM sms WHERE silent = 0
        """,
        [now_ns - FAILURE_SHOWN_NS],
    ).fetchone()
    return Account(*row)
