"""`anpr-node hotlist hits`, `look` and `verify`: what the lists gave, and what a person found it to be.

A plate is shown by `look` alone, to somebody who gives a reason.
"""

from __future__ import annotations

from pathlib import Path

import click

from anpr_node.commands.group import one_of, with_settings
from anpr_node.commands.hotlist import by_me, hotlist
from anpr_node.commands.search import moment_of
from anpr_node.config import Settings


@hotlist.command("hits")
@with_settings
@click.option("--all", "everything", is_flag=True, help="Also those that a person has verified.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Rows at most.")
def hits_(settings: Settings, everything: bool, limit: int) -> None:
    """List the hits that nobody has verified yet; plates are not shown."""
    from anpr_node.hotlist import verdicts
    from anpr_node.store.database import use_store

    with use_store(settings.state_folder) as database:
        found = verdicts.hits(database, limit, unverified=not everything)
    click.echo(f"{'UTC':<21}{'hit':<38}{'list':<14}{'category':<14}{'match':<15}{'relay':<10}verdict")
    for hit in found:
        relay = hit.held_back or (f"{hit.relay_latency_us / 1000:.0f} ms" if hit.relay_latency_us is not None else "-")
        doubt = ", read corrected" if hit.corrected else ""
        verdict = f"{hit.verdict} by {hit.verified_by}" if hit.verdict else f"unverified{doubt}"
        click.echo(
            f"{moment_of(hit.raised_at_ns)}  {hit.hit_id:<38}{hit.list_id:<14}{hit.category:<14}{hit.match:<15}"
            f"{relay:<10}{verdict}"
        )
    if not found:
        click.echo("there is none" if everything else "every hit is verified; with --all they are shown", err=True)


@hotlist.command()
@with_settings
@click.argument("hit_id", metavar="HIT")
@click.option("--out", "--to", "folder", type=click.Path(path_type=Path, file_okay=False), default=".",
              help="A folder for the pictures. Default: here.")  # fmt: skip
@click.option("--reason", default="", help="Why you look; needed, and written down.")
@click.option("--decision", "decision_ref", help="The prosecutor's decision, for older hits.")
def look(settings: Settings, hit_id: str, folder: Path, reason: str, decision_ref: str | None) -> None:
    """Show what was read at a HIT, and write its pictures.

    HIT is its id, or the reference of a text message. Compare them with the vehicle on the list before you verify.

    \b
    anpr-node hotlist look HIT --out pictures/ --reason "alarm at the roadside"
    """
    from anpr_node.hotlist import verdicts
    from anpr_node.store.database import use_store

    with use_store(settings.state_folder) as database:
        vrm, paths = verdicts.look(database, settings, hit_id, folder, by_me(reason, decision_ref=decision_ref))
        hit = verdicts.find(database, hit_id)
    click.echo(f"read {vrm}")
    click.echo(f"list {hit.list_id}, {hit.category}, {hit.match} match{f': {hit.reason}' if hit.reason else ''}")
    if hit.corrected:
        click.echo("the read was corrected afterwards: look twice")
    for path in paths:
        click.echo(str(path))
    click.echo(f"compared? anpr-node hotlist verify {hit.hit_id} --confirmed, or --not-this-vehicle", err=True)


@hotlist.command()
@with_settings
@click.argument("hit_id", metavar="HIT")
@click.option("--confirmed", is_flag=True, help="Picture and entry are the same vehicle.")
@click.option("--not-this-vehicle", is_flag=True, help="They are not.")
def verify(settings: Settings, hit_id: str, confirmed: bool, not_this_vehicle: bool) -> None:
    """Write down what you found on a HIT after comparing its pictures.

    Your name stands beside it.

    \b
    anpr-node hotlist verify HIT --confirmed
    """
    from anpr_node.hotlist import verdicts
    from anpr_node.store.database import use_store

    said = one_of("verdict", confirmed=confirmed, not_this_vehicle=not_this_vehicle)
    if said is None:
        raise click.UsageError("say what you found: --confirmed or --not-this-vehicle")
    verdict: verdicts.Verdict = "confirmed" if confirmed else "not this vehicle"
    with use_store(settings.state_folder) as database:
        verdicts.verify(database, settings.state_folder, hit_id, verdict, by_me(""))
    click.echo(f"hit {hit_id}: {verdict}")
