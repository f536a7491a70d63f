"""Names the first person of a claim in the record, so that the node's commands answer them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from anpr_node import access, audit
from anpr_node.claim.document import Claim
from anpr_node.store.database import use_store

OWNER = "anpr"


def name_first(claim: Claim) -> None:
    """Add the person, unless a claim that was cut off has done so already.

    Raises:
        RefusedByPolicy: their role is not service: nobody could name the others then.
        StoreError: the record cannot be opened or written.

    """
    settings = claim.to_settings()
    folder, user = settings.state_folder, claim.user
    with use_store(folder) as database:
        if user.name not in {name for name, *_ in access.people(database)}:
            access.name_person(database, access.Person(user.name, user.role), user.name, None, time.time_ns())
    detail = {"role": user.role, "node": claim.node.id}
    audit.append(folder, audit.Entry("claim", "user add", object_ref=user.name, detail=detail))
    if os.geteuid() == 0:
        _give(folder)


def _give(folder: Path) -> None:
    """Made by root, used by the node."""
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, OWNER, OWNER)
