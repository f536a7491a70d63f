"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from anpr_node.config import Settings, parse
from anpr_node.store.database import open_store
from anpr_node.vision.reader import PlateReader

ROOT = Path(__file__).resolve().parent.parent
PICTURES = Path(__file__).resolve().parent / "pictures"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The built-in settings with a state folder of the test's own."""
    return parse({"store": {"folder": str(tmp_path / "state")}}, "test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    """An empty store on disk."""
    database = open_store(tmp_path / "state")
    yield database
    database.close()


@pytest.fixture(scope="session")
def reader() -> PlateReader:
    """Both models, loaded once."""
    return PlateReader(ROOT / "models")
