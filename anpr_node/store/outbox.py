"""What waits to be sent, how far each sink is, and what a sink refused for good.

A row leaves the outbox when every sink that takes its kind has acknowledged it, and never before; the acknowledgement,
the bytes it cost and the pictures that follow a read are one transaction. Nothing here knows of a network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlite_utils import Database

from anpr_node.policy import categories
from anpr_node.records import HotlistEntry
from anpr_node.store.database import count, insert
from anpr_node.store.silence import HIDDEN_READ

HIT = "hit"
IN_ORDER = ("verdict", "batch", "read", "patch", "overview", "night")
"""The kinds that go oldest first, the more urgent kind first. `overview` was asked for, `night` waits for the night."""
REFUSED_MAX = 10_000
DELETE_AT_ONCE = 500
CHUNK = 500
MINUTE_NS = 60_000_000_000
BELONGS = "(only IS NULL OR only = :sink)"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of the outbox."""

    item_id: int
    ref: str


def lane_of(entry: HotlistEntry) -> str:
    """`batch` for hits that go with the reads of the hour, by their own actions or their category's; else `hit`."""
    category = categories().get(entry.category)
    by_category = category is not None and "batch" in category.actions and "uplink" not in entry.actions
    return "batch" if "batch" in entry.actions or by_category else HIT


def queue(database: Database, kind: str, ref: str, queued_ns: int, only: str | None = None) -> None:
    """Let something wait for every sink, or for one. Use it within `database.atomic()`."""
    insert(database, "outbox", {"kind": kind, "ref": ref, "queued_ns": queued_ns, "only": only})


def requeue(database: Database, kind: str, ref: str, queued_ns: int) -> None:
    """What has changed is sent anew, also to who has it already. Use it within `database.atomic()`."""
    database.execute("DELETE FROM outbox WHERE kind = ? AND ref = ?", [kind, ref])
    queue(database, kind, ref, queued_ns)


def settle_sms(database: Database, hit_ids: Sequence[str]) -> None:
    """These hits need no text message any more. Use it within `database.atomic()`."""
    refs = json.dumps(list(hit_ids))
    database.execute("DELETE FROM outbox WHERE kind = 'sms' AND ref IN (SELECT value FROM json_each(?))", [refs])


def believe_cursors(database: Database) -> None:
    """Forget how far the sinks are where the outbox was begun anew since: better twice than never."""
    seq = database.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'").fetchone()[0]
    with database.atomic():
        database.execute("DELETE FROM sink_cursor WHERE item_id > ?", [seq])


def cursor_of(database: Database, sink: str, kind: str) -> tuple[int, int | None]:
    """The last row that a sink has of a kind, and the last one of the batch that was on its way when we stopped."""
    row = database.execute(
        "SELECT item_id, sending_to FROM sink_cursor WHERE sink = ? AND kind = ?", [sink, kind]
    ).fetchone()
    return (row[0], row[1]) if row else (0, None)


def waiting_within(database: Database, sink: str, kind: str, span: tuple[int, int | None], most: int) -> list[Waiting]:
    """The next rows for a sink, oldest first: those behind the first of `span`, up to the second where there is one."""
    after, to = span
    rows = database.execute(
        f"SELECT item_id, ref FROM outbox WHERE kind = :kind AND item_id > :after AND item_id <= :to AND {BELONGS} "
        "ORDER BY item_id LIMIT :most",
        {"sink": sink, "kind": kind, "after": after, "to": 1 << 62 if to is None else to, "most": most},
    )
    return [Waiting(*row) for row in rows.fetchall()]


def waiting_hits(database: Database, sink: str, most: int) -> list[Waiting]:
    """The hits that a sink does not have, newest first."""
    rows = database.execute(
        f"SELECT item_id, ref FROM outbox o WHERE kind = 'hit' AND {BELONGS} "
        "AND NOT EXISTS (SELECT 1 FROM sink_passed p WHERE p.item_id = o.item_id AND p.sink = :sink) "
        "ORDER BY item_id DESC LIMIT :most",
        {"sink": sink, "most": most},
    )
    return [Waiting(*row) for row in rows.fetchall()]


def note_sending(database: Database, sink: str, kind: str, to: int) -> None:
    """Write down where the batch on its way ends: sent again after a crash it is the same one."""
    with database.atomic():
        database.execute(
            "INSERT INTO sink_cursor VALUES (:sink, :kind, 0, :to) "
            "ON CONFLICT (sink, kind) DO UPDATE SET sending_to = :to",
            {"sink": sink, "kind": kind, "to": to},
        )


def move_cursor(database: Database, sink: str, kind: str, to: int) -> None:
    """A sink has all of a kind up to `to`. Use it within `database.atomic()`."""
    database.execute(
        "INSERT INTO sink_cursor VALUES (:sink, :kind, :to, NULL) "
        "ON CONFLICT (sink, kind) DO UPDATE SET item_id = max(item_id, :to), sending_to = NULL",
        {"sink": sink, "kind": kind, "to": to},
    )


def delete_taken(database: Database, kind: str, takers: Sequence[str]) -> int:
    """Delete rows that all takers have passed, or the one that they were for; returns how many, a slice a call.

    Slices, because a row too many for one transaction is a hit that the recorder cannot write meanwhile.
    """
    cursors = {taker: cursor_of(database, taker, kind)[0] for taker in takers}
    with database.atomic():
        deleted = _delete_up_to(database, kind, min(cursors.values()), None)
        for taker, cursor in cursors.items():
            if deleted < DELETE_AT_ONCE:
                deleted += _delete_up_to(database, kind, cursor, taker)
    return deleted


def _delete_up_to(database: Database, kind: str, item_id: int, only: str | None) -> int:
    return database.execute(
        "DELETE FROM outbox WHERE item_id IN (SELECT item_id FROM outbox WHERE kind = ? AND item_id <= ? "
        "AND only IS ? ORDER BY item_id LIMIT ?)",
        [kind, item_id, only, DELETE_AT_ONCE],
    ).rowcount


def pass_hits(database: Database, sink: str, item_ids: Sequence[int], takers: Sequence[str]) -> None:
    """A sink has these hits, or does not want them. Use it within `database.atomic()`."""
    for item_id in item_ids:
        database.execute(
            "INSERT OR IGNORE INTO sink_passed SELECT item_id, ? FROM outbox WHERE item_id = ?", [sink, item_id]
        )
    database.execute(
        """
        DELETE FROM outbox WHERE item_id IN (SELECT value FROM json_each(:ids)) AND (only = :sink OR NOT EXISTS (
            SELECT 1 FROM json_each(:takers) t WHERE NOT EXISTS (
                SELECT 1 FROM sink_passed p WHERE p.item_id = outbox.item_id AND p.sink = t.value)))
        """,
        {"ids": json.dumps(list(item_ids)), "sink": sink, "takers": json.dumps(list(takers))},
    )


def queue_pictures(database: Database, sink: str, read_ids: Sequence[str], kind: str, queued_ns: int) -> None:
    """Pictures follow the reads that a sink has taken: `patch`, or `night`. Use it within `database.atomic()`."""
    database.execute(
        """
        INSERT INTO outbox (kind, ref, queued_ns, only)
        SELECT :kind, e.read_id, :queued_ns, :sink FROM json_each(:ids) i JOIN evidence e ON e.read_id = i.value
        WHERE e.kind = CASE :kind WHEN 'patch' THEN 'patch' ELSE 'overview' END ORDER BY i.key
        """,
        {"kind": kind, "queued_ns": queued_ns, "sink": sink, "ids": json.dumps(list(read_ids))},
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that a sink will never take. `reason` names no plate."""

    sink: str
    kind: str
    ref: str
    reason: str


def refuse(database: Database, refusal: Refusal, now_ns: int) -> None:
    """Set something aside. Use it within `database.atomic()`."""
    sink = refusal.sink
    database.execute(
        "INSERT OR REPLACE INTO refused SELECT :sink, :kind, :ref, coalesce(min(queued_ns), :now), :now, :reason "
        "FROM outbox WHERE kind = :kind AND ref = :ref",
        {**asdict(refusal), "now": now_ns},
    )
    over = database.execute(
        "DELETE FROM refused WHERE sink = :sink AND rowid IN (SELECT rowid FROM refused WHERE sink = :sink "
        "ORDER BY refused_ns DESC, rowid DESC LIMIT -1 OFFSET :most)",
        {"sink": sink, "most": REFUSED_MAX},
    ).rowcount
    if over:
        count(database, "refused_forgotten", over, now_ns)


def retry(database: Database, sink: str | None, ref: str | None, only_hits_before_ns: int) -> int:
    """Let what was refused wait again, for the sink that refused it; returns how many, silent ones not counted."""
    chosen = "WHERE coalesce(:sink, sink) = sink AND coalesce(:ref, ref) = ref"
    values = {"sink": sink, "ref": ref}
    with database.atomic():
        shown = database.execute(
            f"WITH hidden AS MATERIALIZED (SELECT r.read_id FROM read r WHERE {HIDDEN_READ}) "
            f"SELECT count(*) FROM refused {chosen} AND {SHOWN} AND ref NOT IN (SELECT read_id FROM hidden)",
            {**values, "only_hits_before_ns": only_hits_before_ns},
        ).fetchone()[0]
        database.execute(
            f"INSERT INTO outbox (kind, ref, queued_ns, only) SELECT kind, ref, queued_ns, sink FROM refused {chosen} "
            "ORDER BY queued_ns",
            values,
        )
        database.execute(f"DELETE FROM refused {chosen}", values)
    return int(shown)


SHOWN = """(kind NOT IN ('hit', 'batch', 'verdict') OR ref IN (SELECT hit_id FROM shown_hit))"""
"""Whether a row may be shown at the roadside; a read that is there for a silent hit alone needs `HIDDEN_READ` too."""


def drop_unclaimed(database: Database, takers: Mapping[str, Sequence[str]], before_ns: int) -> int:
    """Drop rows that waited long for nobody, and those that everybody has; returns how many, a slice a call."""
    dropped = 0
    for kind in (HIT, *IN_ORDER, "sms"):
        if takers.get(kind):
            dropped += delete_taken(database, kind, takers[kind]) if kind != HIT else 0
            continue
        with database.atomic():
            dropped += database.execute(
                "DELETE FROM outbox WHERE item_id IN (SELECT item_id FROM outbox WHERE kind = ? "
                "AND queued_ns < ? ORDER BY item_id LIMIT ?)",
                [kind, before_ns, CHUNK],
            ).rowcount
    return dropped


def forget_sinks(database: Database, names: Sequence[str], before_ns: int) -> None:
    """Forget what belongs to sinks that are configured no more; their rows wait as long as unclaimed ones."""
    known = json.dumps(list(names))
    gone = "NOT IN (SELECT value FROM json_each(?))"
    with database.atomic():
        database.execute(
            f"DELETE FROM outbox WHERE item_id IN (SELECT item_id FROM outbox WHERE only IS NOT NULL AND only {gone} "
            "AND queued_ns < ? LIMIT ?)",
            [known, before_ns, CHUNK],
        )
        for table in ("sink_state", "sink_cursor"):
            database.execute(f"DELETE FROM {table} WHERE sink {gone}", [known])
        database.execute(f"DELETE FROM refused WHERE sink {gone} AND refused_ns < ?", [known, before_ns])


def add_bytes(database: Database, day: str, n: int) -> None:
    """Bytes that went over the link on a day, both ways. Use it within `database.atomic()`."""
    database.execute(
        "INSERT INTO uplink_bytes VALUES (:day, :n) ON CONFLICT (day) DO UPDATE SET n = n + :n", {"day": day, "n": n}
    )


def bytes_on(database: Database, days: str) -> int:
    """The bytes of a day (`2026-11-29`) or a month (`2026-11`)."""
    return int(
        database.execute("SELECT coalesce(sum(n), 0) FROM uplink_bytes WHERE substr(day, 1, ?) = ?",
                         [len(days), days]).fetchone()[0]
    )  # fmt: skip


def note_answer(database: Database, sink: str, at_ns: int) -> None:
    """A sink answers, as of this minute: a finer time would tell of a silent hit. Use it within `database.atomic()`."""
    database.execute(
        "INSERT INTO sink_state VALUES (:sink, :at, NULL, '') ON CONFLICT (sink) DO UPDATE SET answered_ns = :at, "
        "failing_ns = NULL, problem = '' WHERE answered_ns IS NOT :at OR failing_ns IS NOT NULL",
        {"sink": sink, "at": at_ns - at_ns % MINUTE_NS},
    )


def note_problem(database: Database, sink: str, problem: str, at_ns: int) -> None:
    """A sink fails, since this minute or an earlier one. Use it within `database.atomic()`."""
    database.execute(
        "INSERT INTO sink_state VALUES (:sink, NULL, :at, :problem) ON CONFLICT (sink) DO UPDATE "
        "SET problem = :problem, failing_ns = coalesce(failing_ns, :at) "
        "WHERE failing_ns IS NULL OR problem <> :problem",
        {"sink": sink, "at": at_ns - at_ns % MINUTE_NS, "problem": problem},
    )
