"""Asks for a claim on the serial console. A wrong answer is asked for again; nothing is kept before the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from anpr_node.claim.document import PASSWORD_LENGTH_MIN, Claim, check_claim
from anpr_node.errors import ConfigError

HEAD = """
This node has no owner yet. Give it one here, or put a file anpr-provision.toml on the
card's first partition and start it again; docs/install.md has both. There is no default password.
"""


def ask() -> Claim:
    """A claim, complete and checked."""
    click.echo(HEAD)
    while True:
        try:
            return check_claim(_tables(), "these answers")
        except ConfigError as error:
            click.echo(f"error: {error}\nOnce more, please.\n")


def _tables() -> dict[str, Any]:
    node = {
        "id": _line("Name of the node, e.g. e40-km12-left"),
        "site": _line("Site, in words", optional=True),
        "lane": _line("Lane", default="1"),
        "board": click.prompt("Board", default="raspberry-pi-5", type=click.Choice(
            ["raspberry-pi-5", "raspberry-pi-4", "jetson-orin", "pc"])),
    }  # fmt: skip
    user: dict[str, Any] = {"name": _line("Your account, in small letters"), "role": "service"}
    user["password"] = _password()
    key = _line("Your public SSH key (empty: no SSH)", optional=True)
    user["ssh_keys"] = [key] if key else []
    network: dict[str, Any] = {"ssh": bool(key)}
    address = _line("Fixed address, e.g. 192.0.2.7/24 (empty: by DHCP)", optional=True)
    if address:
        network |= {"address": address, "gateway": _line("Gateway", optional=True) or None}
        network["dns"] = _line("Name servers, e.g. 192.0.2.1 (empty: none)", optional=True).replace(",", " ").split()
    apn = _line("Access point (APN) of the LTE card (empty: none)", optional=True)
    url = _line("Updates from (URL, empty: none)", optional=True)
    lte, updates = {"apn": apn or None}, {"url": url or None}
    return {"node": node, "user": user, "network": network, "lte": lte, "updates": updates}


def _line(text: str, default: str | None = None, *, optional: bool = False) -> str:
    prompt: Callable[..., Any] = click.prompt
    return str(prompt(text, default="" if optional else default, show_default=default is not None)).strip()


def _password() -> str:
    while True:
        word = str(click.prompt("Your password", hide_input=True, confirmation_prompt="Once more"))
        if len(word) >= PASSWORD_LENGTH_MIN:
            return word
        click.echo(f"It has {PASSWORD_LENGTH_MIN} characters at least.")
