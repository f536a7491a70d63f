"""Brings a file in force as a list, signed or by hand, and compares what is new on it with the past.

Everything here runs in a process of its own, never in the node: an import of millions takes a minute of a core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from anpr_node.audit import By
from anpr_node.config import Settings
from anpr_node.errors import RefusedByPolicy
from anpr_node.hotlist import lookback
from anpr_node.hotlist.formats import read_list
from anpr_node.hotlist.lists import Delivery, Lists, Taken
from anpr_node.hotlist.manifest import Manifest, check_file, read_manifest
from anpr_node.hotlist.rows import BadRow, to_rows


@dataclass(frozen=True, slots=True)
class Importer:
    """Who imports and why, and who hears of bad rows."""

    lists: Lists
    settings: Settings
    by: By
    on_bad: Callable[[BadRow], None] = field(default=lambda _: None)

    def by_hand(
        self, file: Path, list_id: str, operation: str, *, unsigned: bool = False, may_shrink: bool = False
    ) -> Taken:
        """Take a file that nobody signed; the list is marked so.

        Raises:
            RefusedByPolicy: the list is one that comes signed, and nobody said that it shall be taken all the same.
            HotlistError: see `Lists.take`, `formats.read_list`.
            StoreError: see `Lists.take`.

        """
        if self.settings.hotlists.of(list_id).public_key and not (unsigned and self.by.reason.strip()):
            problem = f"list {list_id} comes signed; to take this file: --unsigned --reason WHY"
            self.by.note(self.lists.state_folder, f"hotlist {operation}", list_id, "refused", problem=problem)
            raise RefusedByPolicy(problem)
        delivery = Delivery(list_id, file.name, operation, self.by.at_ns, may_shrink=may_shrink)
        return self._take(file, delivery)

    def signed(self, file: Path, manifest: Manifest, etag: str | None = None) -> Taken:
        """Take a file that its manifest vouches for. Raises as `by_hand`, and RefusedByPolicy when it is another."""
        check_file(file, manifest)
        delivery = Delivery(
            manifest.list,
            manifest.file,
            manifest.operation,
            manifest.issued_ns,
            manifest.revision,
            manifest.base,
            etag,
            may_shrink=True,  # the issuer has signed what it is
        )
        return self._take(file, delivery)

    def manifest(self, content: bytes, list_id: str) -> Manifest:
        """The manifest, when it is signed for this list. Raises RefusedByPolicy, HotlistError."""
        key = self.settings.hotlists.of(list_id).public_key
        if key is None:
            raise RefusedByPolicy(f"list {list_id}: no public_key to check the signature with; set it in node.toml")
        return read_manifest(content, key, list_id)

    def _take(self, file: Path, delivery: Delivery) -> Taken:
        section = self.settings.hotlists.of(delivery.list_id)
        change = "remove" if delivery.operation == "remove" else "add"
        rows = to_rows(read_list(file, section), delivery.list_id, section, change)
        with self.lists.one_import_at_a_time():
            taken = self.lists.take(delivery, rows, self.by, self.on_bad)
            lookback.raise_hits(self, delivery.list_id, taken)
            self.lists.sweep()
        return taken
