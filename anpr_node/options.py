"""What several commands share: the `--config` option, and a person's reason for what they do."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from anpr_node.config import Settings, load
from anpr_node.drivers.clock import SystemClock
from anpr_node.errors import AnprError
from anpr_node.hotlist.notes import By

F = TypeVar("F", bound=Callable[..., Any])


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


def by_me(reason: str) -> By:
    """The person at this terminal, now."""
    clock = SystemClock()
    return By(getpass.getuser(), reason, clock.utc_ns(clock.monotonic_ns()))
