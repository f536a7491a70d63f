"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlite_utils import Database

from anpr_node.config import Settings, parse
from anpr_node.store.database import open_store
from anpr_node.vision.reader import PlateReader

ROOT = Path(__file__).resolve().parent.parent
PICTURES = Path(__file__).resolve().parent / "pictures"

OF_WHOEVER_TESTS = ("SUDO_USER", "NOTIFY_SOCKET", "WATCHDOG_USEC", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "COLUMNS")
for name in [name for name in os.environ if name.lower().endswith("_proxy") or name in OF_WHOEVER_TESTS]:
    del os.environ[name]  # what they say holds for this machine, and not for the nodes and sinks of the tests

# a property is no race against the clock; and the same examples come every time, others with ANPR_FULL=1
hypothesis.settings.register_profile(
    "anywhere",
    deadline=None,
    derandomize="ANPR_FULL" not in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("anywhere")


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
