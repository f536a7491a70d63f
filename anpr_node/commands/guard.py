"""Stands before every command: those for anyone go on, the others learn who asks, or are refused with exit code 3.

What a command does to the record it does under the law of the node, not of the settings that a caller brought along.
"""

from __future__ import annotations

from typing import Any

import click

from anpr_node.config import load
from anpr_node.policy import roles


class Guarded(click.Command):
    """A command that answers only whom policy/roles.toml names for it; who asks stands in the context's `obj`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Authorise, then run. Raises RefusedByPolicy."""
        command = command_name(ctx)
        if command not in roles().anyone:
            from anpr_node import access, law

            settings = ctx.params.get("settings") or load(None)
            ctx.obj = access.authorise(settings, command, ctx.find_root().params.get("user"), _ask_password)
            law.hold(settings, command, ctx.obj)
        elif command in roles().held:
            from anpr_node import law

            law.hold(ctx.params["settings"], command, None)
        elif command in roles().under:
            from anpr_node import law

            ctx.params["settings"] = law.under(ctx.params["settings"])
        return super().invoke(ctx)


def command_name(ctx: click.Context) -> str:
    """The command as it is typed after `anpr-node`: `hotlist import`."""
    names = []
    while ctx.parent is not None:
        names.append(ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(reversed(names))


def _ask_password() -> str:
    return str(click.prompt("password", hide_input=True, err=True))


def acting() -> Any:
    """The person whom the guard let through."""
    return click.get_current_context().obj
