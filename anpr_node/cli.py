"""The command line: parses arguments, calls one function, prints its result. Nothing is decided here.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by policy, 4 the power must be cycled.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from anpr_node import __version__
from anpr_node.commands.guard import Guarded
from anpr_node.config import Settings, load
from anpr_node.errors import AnprError, PowerCycleNeeded, RefusedByPolicy

NS_PER_S = 1_000_000_000
F = TypeVar("F", bound=Callable[..., Any])


class Commands(click.Group):
    """The command group: our errors become one line and the right exit code, and no command answers just anyone."""

    command_class = Guarded
    group_class = type

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except RefusedByPolicy as error:
            click.echo(f"refused: {error}", err=True)
            ctx.exit(3)
        except PowerCycleNeeded as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(4)
        except AnprError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="anpr-node")
@click.option("-v", "--verbose", is_flag=True, help="Log more; plates appear in the log at this level only.")
@click.option("--user", help="Who you are, where the account you came in by does not say so; asks for your password.")
def main(verbose: bool, user: str | None) -> None:
    """Read the number plate of every vehicle that passes, at the roadside.

    \b
    Try it:         anpr-node demo
    Read a picture: anpr-node read car.jpg --annotate out/
    Read a clip:    anpr-node replay clip.mp4
    Run the node:   anpr-node check && anpr-node run
    """
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def with_settings(command: F) -> F:
    """Give a command `--config`, and the loaded settings as its first argument."""
    return click.option(
        "--config",
        "settings",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=lambda _ctx, _param, path: _load(path),
        help="The node's settings. Default: /etc/anpr-node/node.toml, else the built-in simulated roadside.",
    )(command)


def _load(path: Path | None) -> Settings:
    try:
        return load(path)
    except AnprError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@contextmanager
def _open_output(path: Path | None) -> Iterator[IO[str]]:
    """A file, written as it goes, or the terminal."""
    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise AnprError(f"{path}: {error.strerror}") from error


def _emit(file: IO[str], row: dict[str, Any]) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()


@main.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after so long. Default: until Ctrl-C.")
@click.option("--light", type=click.Choice(["night", "day"]), default="night", help="Infra-red night, or daylight.")
@click.option("--seed", type=click.IntRange(min=0), default=1, help="Another seed, other traffic.")
def demo(seconds: float | None, light: str, seed: int) -> None:
    """Run the whole node on the simulated roadside, live in the terminal.

    Vehicles drive through a rendered scene; the node detects, reads, votes, stores, and closes the relay when a plate
    is on the demonstration hotlist. Everything is kept in a folder that disappears afterwards.
    """
    from anpr_node import demonstration

    logging.getLogger("anpr_node").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="anpr-demo-") as folder:
        demonstration.run(Path(folder), seconds, light, seed)


@main.command()
@with_settings
def run(settings: Settings) -> None:
    """Run the node until it is told to stop.

    What systemd starts. Ends with exit code 1 when the camera or a thread fails; systemd starts it again. Exit code 4
    asks for a reboot.
    """
    from anpr_node import service

    service.run(settings)


@main.command()
@with_settings
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--jsonl", type=click.Path(path_type=Path, dir_okay=False), help="Write the results to this file.")
@click.option("--annotate", type=click.Path(path_type=Path, file_okay=False), help="Write marked pictures here.")
@click.option("--patch", is_flag=True, help="The pictures are cut-out plates: do not look for plates in them.")
def read(
    settings: Settings, pictures: tuple[Path, ...], jsonl: Path | None, annotate: Path | None, patch: bool
) -> None:
    """Read the plates in PICTURES: files, or folders of files.

    Prints one JSON object per picture and a last one with totals. A picture that cannot be read is reported and the
    others go on; the exit code is 1 only if none could be read.

    \b
    anpr-node read car.jpg
    anpr-node read pictures/ --jsonl reads.jsonl --annotate marked/
    anpr-node read --patch plate.jpg
    """
    from anpr_node import stills

    reader, load_s = _reader(settings)
    good, annotated = 0, set[Path]()
    if annotate is not None:
        _make_folder(annotate)
    with _open_output(jsonl) as out:
        for result in stills.read_all(reader, stills.collect(pictures), patches=patch):
            _emit(out, stills.as_json(result))
            good += result.problem is None
            if result.problem is not None:
                click.echo(f"warning: {result.problem}", err=True)
            elif annotate is not None:
                stills.annotate(result, annotate, annotated)
        _emit(out, _meta(reader, load_s))
    if not good:
        raise AnprError("no picture could be read")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnprError(f"{folder}: {error.strerror}") from error


def _reader(settings: Settings) -> tuple[Any, float]:
    """A plate reader, and how long it took to load."""
    started_s = time.perf_counter()
    from anpr_node.vision.reader import PlateReader

    reader = PlateReader(settings.models_folder, settings.models.threads)
    return reader, time.perf_counter() - started_s


def _meta(reader: Any, load_s: float) -> dict[str, Any]:
    from anpr_node.stills import peak_rss_mb
    from anpr_node.vision.runtime import find_runtime

    return {
        "meta": {
            "load_s": round(load_s, 3),
            "peak_rss_mb": round(peak_rss_mb(), 1),
            "model_id": reader.model_id,
            "runtime": find_runtime()[0],
            "software_version": __version__,
        }
    }


@main.command()
@with_settings
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--jsonl", type=click.Path(path_type=Path, dir_okay=False), help="Write the results to this file.")
@click.option("--realtime", is_flag=True, help="At the recording's own rate, dropping frames as a camera would.")
def replay(settings: Settings, clips: tuple[Path, ...], jsonl: Path | None, realtime: bool) -> None:
    """Run CLIPS (or folders of frames) through the whole pipeline, as the node would.

    Prints one JSON object per vehicle read, one per clip, and a last one with totals. Nothing is stored.
    A read's last_s is the last sighting before it was published: the vehicle may stay in view for longer.
    """
    from anpr_node import clips as recordings
    from anpr_node.errors import ClipError

    reader, load_s = _reader(settings)
    good = 0
    with _open_output(jsonl) as out:
        for path in recordings.collect(clips):
            try:
                played = recordings.play(reader, path, settings, realtime=realtime)
            except ClipError as error:
                click.echo(f"warning: {error}", err=True)
                continue
            good += 1
            if played.problem is not None:
                click.echo(f"warning: {path}: {played.problem}; what came before it is read", err=True)
            for row in recordings.as_json(played):
                _emit(out, row)
        _emit(out, _meta(reader, load_s))
    if not good:
        raise AnprError("no clip could be read")


@main.command()
@with_settings
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(settings: Settings, as_json: bool) -> None:
    """How the node stands: running or not, reads, hits, lists, disk. Works beside a running node."""
    from anpr_node import status as standing

    now = standing.collect(settings)
    click.echo(json.dumps(now) if as_json else standing.as_text(now))


@main.command()
@with_settings
def check(settings: Settings) -> None:
    """Test configuration, models, wiring, clock, store and disk: OK, WARN or FAIL, and what to do.

    Exit code 1 when anything fails. Do not run it beside a running node: it claims the pins.
    """
    from anpr_node import check as self_test

    failed = False
    for finding in self_test.run(settings):
        failed |= finding.verdict == "FAIL"
        click.echo(f"{finding.verdict:<5}{finding.item:<14}{finding.text}")
    if failed:
        sys.exit(1)


@main.command()
@with_settings
def safe(settings: Settings) -> None:
    """Switch every output off and stop the trigger. Runs after every exit of the node (systemd ExecStopPost=)."""
    from anpr_node.drivers.clock import SystemClock
    from anpr_node.drivers.wiring import make_safe

    make_safe(settings, SystemClock())
    click.echo("relay, LED and illuminator are off, the trigger is stopped")


from anpr_node.commands import claim, hotlist, record, search  # noqa: E402,F401  they add their commands to `main`
