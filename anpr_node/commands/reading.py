"""`anpr-node read` and `replay`: pictures and clips through the node's own code. Nothing is stored."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from anpr_node import __version__
from anpr_node.commands.group import main, with_settings
from anpr_node.config import Settings
from anpr_node.errors import AnprError


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
    """Read the vehicles in CLIPS, through the whole pipeline.

    A folder of pictures is a clip as well: its frames by name. Prints one JSON object per vehicle read, one per clip,
    and a last one with totals. Nothing is stored. A read's last_s is the last sighting before it was published: the
    vehicle may stay in view for longer.

    \b
    anpr-node replay clip.mp4
    anpr-node replay clips/ --jsonl reads.jsonl
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
