"""The command group: our errors become one line and the right exit code. Each module beside it adds its own commands.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by policy, 4 the power must be cycled.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from anpr_node import __version__
from anpr_node.commands.guard import Guarded
from anpr_node.config import Settings, load
from anpr_node.errors import AnprError, PowerCycleNeeded, RefusedByPolicy

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


class Commands(click.Group):
    """The command group: our errors become one line and the right exit code, and no command answers just anyone."""

    command_class = Guarded
    group_class = type

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()  # a full card behind it shows here, and not when Python ends
            return answer
        except RefusedByPolicy as error:
            click.echo(f"refused: {error}", err=True)
            ctx.exit(3)
        except PowerCycleNeeded as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(4)
        except AnprError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            raise  # whoever read the output has gone: click ends without a word
        except OSError as error:
            log.debug("where it failed", exc_info=True)
            _give_up_output()
            click.echo(f"error: {_in_words(error)}", err=True)
            ctx.exit(1)


def _in_words(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return what if error.filename is None else f"{error.filename}: {what}"


def _give_up_output() -> None:
    """What the output did not take must not be tried again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal has no letters for is no reason to end
        sys.stdout.reconfigure(errors="backslashreplace")
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


def one_of(name: str, **chosen: bool) -> str | None:
    """The one option that was given of those that exclude each other. Raises UsageError where more were."""
    given = [option for option, is_given in chosen.items() if is_given]
    if len(given) > 1:
        raise click.UsageError(f"say one {name}: {' or '.join('--' + each.replace('_', '-') for each in given)}")
    return given[0] if given else None


def _load(path: Path | None) -> Settings:
    try:
        return load(path)
    except AnprError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
