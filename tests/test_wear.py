"""What the store writes to the card: bounds that no change exceeds unseen; scripts/bench-wear has the figures."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import PICTURES
from makers import read
from sqlite_utils import Database
from wear_kit import BACK, DELETED, GAP_S, READS, open_card

from anpr_node import pictures, stills
from anpr_node.config import Settings
from anpr_node.keeper import CHECKPOINT_EVERY_S
from anpr_node.policy import presets
from anpr_node.recorder import encode
from anpr_node.records import Evidence
from anpr_node.store import retention, room, shredding, wal
from anpr_node.store.database import FILE_NAME, open_store
from anpr_node.store.encrypting import encrypt
from anpr_node.store.reads import add_read, load_evidence
from anpr_node.store.scrub import scrub_all
from anpr_node.vision.reader import PlateReader

OWN_BYTES_MAX = 38_000
"""Of a read, beside its pictures in the log and in the file."""
FULL_BYTES_MAX = 15_000
"""More than that where each read needs the room of another."""
NS_PER_DAY = 86_400 * 10**9


def noise(seed: int = 1) -> Evidence:
    """Pictures that compress as little as those of a night."""
    rng = np.random.default_rng(seed)
    return Evidence(rng.integers(0, 255, (30, 60), np.uint8), rng.integers(0, 255, (250, 250), np.uint8))


def small(settings: Settings, quota_mb: int) -> Settings:
    """The settings with a quota that no site could have."""
    return settings.model_copy(update={"store": settings.store.model_copy(update={"quota_mb": quota_mb})})


def test_a_read_writes_its_pictures_twice_and_little_else(settings: Settings) -> None:
    with open_card(settings, is_synchronous=False) as card:
        card.take(50, [noise()])
        wear = card.take(150, [noise()])
    a_read = sum(wear.a_read().values())
    pictures_a_read = wear.picture_bytes / wear.reads
    assert pictures_a_read > 30_000
    assert a_read < 2 * pictures_a_read + OWN_BYTES_MAX, wear.a_read()


def test_on_a_full_card_old_pictures_are_not_written_once_more_to_be_deleted(settings: Settings) -> None:
    with open_card(small(settings, 4), is_synchronous=False) as card:
        card.take(150, [noise()])
        wear = card.take(200, [noise()])
    a_read, pictures_a_read = wear.a_read(), wear.picture_bytes / wear.reads
    assert a_read[DELETED] > 0
    assert a_read[DELETED] < pictures_a_read / 2, a_read
    assert sum(a_read.values()) < 2 * pictures_a_read + OWN_BYTES_MAX + FULL_BYTES_MAX, a_read


def test_the_log_goes_back_into_the_file_once_a_minute(settings: Settings) -> None:
    with open_card(settings, is_synchronous=False) as card:
        card.take(
            round(2 * CHECKPOINT_EVERY_S / GAP_S), [noise()]
        )  # the first purge is over, and the log just went back
        assert card.take(round(CHECKPOINT_EVERY_S / GAP_S) - 2, [noise()]).causes[BACK] == 0
        wear = card.take(3, [noise()])
        assert wear.causes[BACK] > wear.causes[READS]
        assert card.log_bytes_max < 3_000_000


def test_deleted_overviews_lose_their_key_and_every_other_byte_is_overwritten(store: Database, tmp_path: Path) -> None:
    kept = [encode(noise(n)) for n in range(40)]
    for n, each in enumerate(kept):
        add_read(store, read(f"1ABC{n:03}", f"r{n:02}", at_s=n), each, [])
    query = "SELECT r.overview_key, e.jpeg FROM read r JOIN evidence e USING (read_id) WHERE e.kind = 'overview'"
    closed = store.execute(query).fetchall()
    assert load_evidence(store, "r07", "overview") == (kept[7].overview_jpeg, _sha256(kept[7].overview_jpeg))
    assert not _found(tmp_path, [each.overview_jpeg for each in kept])
    assert len(_found(tmp_path, [each.patch_jpeg for each in kept])) == 40
    assert len(_found(tmp_path, [key for key, _ in closed])) == 40
    assert retention.purge(store, presets()["NL"], 29 * NS_PER_DAY) == 40
    assert wal.leave_no_trace(store)
    assert scrub_all(store, tmp_path / "state")
    assert not _found(tmp_path, [each.patch_jpeg for each in kept])
    assert not _found(tmp_path, [key for key, _ in closed])
    assert _found(tmp_path, [jpeg for _, jpeg in closed])  # as it was: nothing without its key
    assert store.execute("PRAGMA secure_delete").fetchone()[0] == 1
    assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_dropped_overview_is_gone_and_its_read_and_patch_stay(store: Database, tmp_path: Path) -> None:
    add_read(store, read(), encode(noise()), [])
    (key,) = store.execute("SELECT overview_key FROM read").fetchone()
    limits = room.Limits(1, 0)
    assert room.make_room(store, tmp_path / "state", limits, 0, batches=1) == {"dropped_overviews": 1}
    assert wal.leave_no_trace(store)
    assert load_evidence(store, "r1", "overview") is None
    assert load_evidence(store, "r1", "patch") is not None
    assert not _found(tmp_path, [key])


def test_on_trial_overviews_stay_open_and_are_overwritten_when_they_go(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trial").touch()
    monkeypatch.setattr(shredding, "TRIAL", tmp_path / "trial")
    kept = encode(noise())
    add_read(store, read(), kept, [])
    assert store.execute("SELECT jpeg FROM evidence WHERE kind = 'overview'").fetchone() == (kept.overview_jpeg,)
    assert _found(tmp_path, [kept.overview_jpeg])
    assert retention.purge(store, presets()["NL"], 29 * NS_PER_DAY) == 1
    assert wal.leave_no_trace(store)
    assert not _found(tmp_path, [kept.overview_jpeg])


def test_an_encrypted_store_gives_its_overviews_back(tmp_path: Path) -> None:
    folder, kept = tmp_path / "state", encode(noise())
    with closing(open_store(folder)) as store:
        add_read(store, read(), kept, [])
    encrypt(folder, tmp_path / "key")
    with closing(open_store(folder)) as store:
        add_read(store, read("1ABC124", "r2"), kept, [])
        found = [load_evidence(store, read_id, "overview") for read_id in ("r1", "r2")]
        assert found == [(kept.overview_jpeg, _sha256(kept.overview_jpeg))] * 2
        assert retention.purge(store, presets()["NL"], 29 * NS_PER_DAY) == 2


def test_a_plate_reads_the_same_from_the_overview_that_is_kept(reader: PlateReader) -> None:
    found = 0
    for path in sorted(PICTURES.glob("*.jpg")):
        plane = pictures.load_grey(path)
        kept = encode(Evidence(plane[:40, :180], plane)).overview_jpeg
        assert kept is not None
        before, after = (stills.read_scene(reader, each) for each in (plane, pictures.decode_jpeg(kept)))
        assert [plate.plate.text for plate in after] == [plate.plate.text for plate in before], path
        found += len(before)
    assert found >= 3


def _sha256(picture: bytes | None) -> str:
    return hashlib.sha256(picture or b"").hexdigest()


def _found(folder: Path, wanted: list[bytes | None]) -> list[bytes]:
    """Those of some bytes of which a stretch from their middle lies in a file of the state folder."""
    files = [file.read_bytes() for file in (folder / "state").iterdir() if file.name.startswith(FILE_NAME)]
    stretches = [(each, each[len(each) // 2 :][:32]) for each in wanted if each]
    return [each for each, stretch in stretches if any(stretch in content for content in files)]
