"""The audit: who did what, when, why, for which case; one line each, chained by hash, only ever added to.

    audit.append(folder, Entry("jan", "search", reason="burglary", case_ref="LI/1", detail={"pattern": "1ABC*"}))

A line names no plate, save in `detail`, which is encrypted where the folder has a key.
"""

from anpr_node.audit.chain import FILE_NAME, GAP, By, Line, append, read
from anpr_node.audit.configuration import CONFIGURATION_NAME, note_configuration
from anpr_node.audit.end import FIRST, HEAD_NAME, UNREADABLE, head
from anpr_node.audit.entry import Entry
from anpr_node.audit.verification import Flaw, verify

__all__ = [
    "CONFIGURATION_NAME",
    "FILE_NAME",
    "FIRST",
    "GAP",
    "HEAD_NAME",
    "UNREADABLE",
    "By",
    "Entry",
    "Flaw",
    "Line",
    "append",
    "head",
    "note_configuration",
    "read",
    "verify",
]
