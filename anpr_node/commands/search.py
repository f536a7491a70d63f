"""`anpr-node search`: the investigator's command. evidence.py has those for what was found."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from anpr_node.commands.group import main, one_of, with_settings
from anpr_node.commands.guard import acting
from anpr_node.config import Settings
from anpr_node.errors import QueryError
from anpr_node.units import NS_PER_S

if TYPE_CHECKING:
    from anpr_node.store.finding import FoundRead

DIRECTIONS = ("approaching", "receding", "unknown")
NOT_BEFORE = "Not before then, UTC, e.g. 2026-11-29 or 2026-11-29T14:05."


class Moment(click.DateTime):
    """A moment as a person writes it."""

    name = "moment"

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The moment, or an error with a moment in it instead of a pattern of percent signs."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no moment: say e.g. 2026-11-29 or 2026-11-29T14:05, in UTC", param, ctx)


MOMENT = Moment()


@main.command()
@with_settings
@click.argument("pattern")
@click.option("--from", "from_", type=MOMENT, metavar="MOMENT", help=NOT_BEFORE)
@click.option("--to", type=MOMENT, metavar="MOMENT", help="Before then.")
@click.option("--country", help="Only this country's plates, e.g. B or BE.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="Only vehicles going this way.")
@click.option("--category", help="Only reads that were hits of this category, e.g. seize.")
@click.option("--near", is_flag=True, help="Also what the plate may have been misread as, like O for 0 or B for 8.")
@click.option("--reason", default="", help="Why you search; needed, and written down.")
@click.option("--case", "case_ref", default="", help="For which case; needed, and written down.")
@click.option("--decision", "decision_ref", help="The prosecutor's decision, for older reads.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Rows at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma separated values.")
def search(settings: Settings, pattern: str, near: bool, as_json: bool, as_csv: bool, **options: Any) -> None:
    """Find reads by plate: ? is one character, * any number of them.

    Newest first. Times are UTC. Every search is written into the audit, also one that is refused (exit
    code 3) or that no read can fit (exit code 2).

    \b
    anpr-node search '1-ABC-*' --reason "burglary Rue Haute" --case LI.17.2026/1234
    anpr-node search '1ABC123' --near --from 2026-11-29T14:05 --reason "theft" --case LI.17.2026/1235
    """
    from anpr_node import search as searching
    from anpr_node.drivers.clock import SystemClock
    from anpr_node.store.database import use_store

    shape = one_of("form", json=as_json, csv=as_csv)
    clock = SystemClock()
    query = _query(pattern, near, **options)
    with use_store(settings.state_folder) as database:
        now_ns = clock.utc_ns(clock.monotonic_ns())
        try:
            answer = searching.search(database, settings.state_folder, query, settings.policy.terms, now_ns)
        except QueryError as error:
            raise click.UsageError(str(error)) from error
    SHAPES[shape](answer.reads)
    click.echo(f"{len(answer.reads)} reads", err=True)
    if len(answer.reads) == query.wanted.limit:
        click.echo("there may be more: narrow the search or raise --limit", err=True)
    if answer.only_from_ns is not None:
        click.echo(f"only from {moment_of(answer.only_from_ns)} on: older reads need --decision", err=True)


def _query(pattern: str, near: bool, **options: Any) -> Any:
    from anpr_node import search as searching
    from anpr_node.store.finding import Criteria

    text = searching.normalise_pattern(pattern)
    wanted = Criteria(
        text,
        ns_of(options["from_"]),
        ns_of(options["to"]),
        options["country"],
        options["direction"],
        options["category"],
        searching.near_texts(text) if near else (),
        options["limit"],
    )
    return searching.Query(acting().name, wanted, options["reason"], options["case_ref"], options["decision_ref"])


def ns_of(moment: Any) -> int | None:
    """A moment of the command line, which is UTC, in nanoseconds."""
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S


def moment_of(at_ns: int) -> str:
    """A moment as it is shown: UTC to the second."""
    return f"{datetime.fromtimestamp(at_ns / NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}"


def _as_row(read: FoundRead) -> dict[str, Any]:
    row = asdict(read)
    return {**row, "first_seen": moment_of(read.first_seen_ns) + "Z", "hit_categories": " ".join(read.hit_categories)}


def _print_table(reads: list[FoundRead]) -> None:
    click.echo(f"{'UTC':<21}{'plate':<12}{'ctry':<6}{'conf':<6}{'lane':<6}{'direction':<13}{'hits':<14}read")
    for read in reads:
        corrected = "" if read.clock_corrected_ns is None else "  clock corrected"
        click.echo(
            f"{moment_of(read.first_seen_ns)}  {read.vrm:<12}{read.country or '-':<6}{read.confidence:<6.2f}"
            f"{read.lane:<6}{read.direction:<13}{' '.join(read.hit_categories) or '-':<14}{read.read_id}{corrected}"
        )


def _print_json(reads: list[FoundRead]) -> None:
    for read in reads:
        click.echo(json.dumps({**_as_row(read), "hit_categories": read.hit_categories}))


def _print_csv(reads: list[FoundRead]) -> None:
    from anpr_node.store.finding import FoundRead

    columns = ["first_seen", *FoundRead.__dataclass_fields__]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_as_row(read) for read in reads)
    sys.stdout.flush()


SHAPES = {None: _print_table, "json": _print_json, "csv": _print_csv}
