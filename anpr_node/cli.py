"""The command line: parses arguments, calls one function, prints its result. Nothing is decided here.

One module a topic in commands/; importing it adds its commands to `main`.
"""

from anpr_node.commands import claim, console, evidence, hits, hotlist, modem, node, reading, record, search, uplink
from anpr_node.commands.group import main

__all__ = [
    "claim", "console", "evidence", "hits", "hotlist", "main", "modem", "node", "reading", "record", "search", "uplink",
]  # fmt: skip
