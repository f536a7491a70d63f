"""Fetches signed lists over HTTPS: the manifest when it has changed, then its file, resumed where it broke off.

It runs in the process of `anpr-node hotlist update`, never in the node. What is fetched lies in memory where there is a
run folder, because a list in clear must not touch the card.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests
from sqlite_utils import Database
from urllib3.exceptions import HTTPError

from anpr_node.audit import By
from anpr_node.config import RUN_FOLDER, Settings
from anpr_node.errors import AnprError, HotlistError
from anpr_node.hotlist.imports import Importer
from anpr_node.hotlist.lists import PART, open_lists, overdue, sweep_parts
from anpr_node.hotlist.manifest import MANIFEST_BYTES_MAX, Manifest

TIMEOUT_S = (10.0, 30.0)
ATTEMPTS = 5
CHUNK_BYTES = 1 << 16
OK, PARTIAL, NOT_MODIFIED, BAD_RANGE = 200, 206, 304, 416


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one list."""

    list_id: str
    text: str
    failed: bool = False


def update(database: Database, settings: Settings, names: Sequence[str], by: By) -> list[Outcome]:
    """Bring the lists up to date that have a url; each by itself. An overdue list is a failure too.

    Raises HotlistError when a name is none of them, or the lists' key cannot be had.
    """
    known = [name for name, section in settings.hotlists.lists.items() if section.url]
    strangers = [name for name in names if name not in known]
    if strangers:
        raise HotlistError(f"list {strangers[0]} has no url; there are: {', '.join(known) or 'none'}")
    importer = Importer(open_lists(database, settings), settings, by)
    for folder in _folders(importer.lists.folder):
        sweep_parts(folder)
    with _Session() as session:
        outcomes = [_update(_Source(session, importer, name)) for name in names or known]
    late = [Outcome(name, f"ALARM: {problem}", True) for name, problem in overdue(database, settings, by.at_ns)]
    return outcomes + [outcome for outcome in late if not names or outcome.list_id in names]


class _Session(requests.Session):
    """Looks at no place that it is sent to: redirections are not followed, and some name none."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None."""


def _folders(card: Path) -> list[Path]:
    """Where downloads may lie, best first: our own unit's memory, the node's, and the card for want of both."""
    own = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    memory = [Path(own)] if own else []
    return [folder for folder in (*memory, RUN_FOLDER) if os.access(folder, os.W_OK)] + [card]


def _update(source: _Source) -> Outcome:
    try:
        return Outcome(source.list_id, source.bring_up_to_date())
    except AnprError as error:
        return Outcome(source.list_id, str(error), True)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where one list comes from."""

    session: requests.Session
    importer: Importer
    list_id: str

    @property
    def url(self) -> str:
        return self.importer.settings.hotlists.of(self.list_id).url or ""

    def bring_up_to_date(self) -> str:
        """Take what is new; says what was done. Raises AnprError, and the list in force stays."""
        before = self.importer.lists.find(self.list_id)
        fetched = self._manifest(self.url, before.etag if before else None)
        if fetched is None:
            return "unchanged"
        manifest, etag = fetched
        if before is not None and before.revision == manifest.revision:
            return "unchanged"
        fits = before is not None and before.signed and before.revision == manifest.base
        if manifest.base is not None and not fits and manifest.whole is not None:
            manifest, etag = self._manifest(urljoin(self.url, manifest.whole), None) or (manifest, etag)
        with self._file(manifest) as file:
            taken = self.importer.signed(file, manifest, etag)
        return f"revision {manifest.revision} in force, {taken.built.entries} entries"

    def _manifest(self, url: str, etag: str | None) -> tuple[Manifest, str | None] | None:
        """The manifest with its ETag, or None when it is still the one that we know."""
        with self._get(url, {"If-None-Match": etag} if etag else {}) as response:
            if response.status_code == NOT_MODIFIED:
                return None
            content = response.raw.read(MANIFEST_BYTES_MAX + 1, decode_content=True)
            return self.importer.manifest(content, self.list_id), response.headers.get("ETag")

    @contextmanager
    def _file(self, manifest: Manifest) -> Iterator[Path]:
        """The manifest's file, whole; it is deleted after its use, right or wrong, and kept when it is broken off."""
        folder = _folders(self.importer.lists.folder)[0]
        path = folder / f"{manifest.sha256}{PART}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fetch(urljoin(self.url, manifest.file), path, manifest.bytes)
        except OSError as error:
            raise HotlistError(f"{path}: {error.strerror or error}") from error
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _fetch(self, url: str, path: Path, size: int) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._go_on(url, path, size)
            except (HotlistError, requests.RequestException) as error:
                if attempt == ATTEMPTS:
                    raise HotlistError(f"{url}: broken off {ATTEMPTS} times ({error}); it goes on next time") from error
            if path.exists() and path.stat().st_size >= size:
                return
        raise HotlistError(f"{url}: shorter than its manifest says")

    def _go_on(self, url: str, path: Path, size: int) -> None:
        """Fetch what is missing; a server that cannot resume sends the whole again."""
        have = path.stat().st_size if path.exists() else 0
        if have >= size:
            return
        with self._get(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == BAD_RANGE:
                path.unlink()
                return
            resumes = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            with path.open("ab" if response.status_code == PARTIAL and resumes else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    if file.tell() > size:
                        return  # it is not the file that was signed, and will be refused

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """One answer. Raises HotlistError in one line; redirections are not followed."""
        # given with every request, as requests prefers an environment variable to what its session says
        trusted = self.importer.settings.hotlists.ca_file or True
        try:
            with self.session.get(
                url, headers=headers, timeout=TIMEOUT_S, stream=True, allow_redirects=False, verify=trusted
            ) as response:
                if response.status_code not in {OK, PARTIAL, NOT_MODIFIED, BAD_RANGE}:
                    raise HotlistError(f"{url}: the server says {response.status_code} {response.reason}")
                yield response
        except (requests.RequestException, HTTPError) as error:
            raise HotlistError(f"{url}: {type(error).__name__}: {str(error)[:200]}") from error
