"""The rules of the design that a script can check: which way imports point, and who may touch what."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "anpr_node"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a module imports from its own row or rows above it in this list, never from below.
LAYERS = (
    ("__init__", "errors", "records", "ids", "snapshot", "units", "vrm", "whole_file"),
    ("config", "policy", "pictures"),
    ("drivers", "vision", "tracking", "store", "audit"),
    ("hotlist", "alert", "minimise", "supervision", "tap", "calibration"),
    (
        "pipeline",
        "recorder",
        "desk",
        "search",
        "evidence",
        "access",
        "law",
        "keeper",
        "stills",
        "daylight",
        "uplink",
        "sink",
    ),
    ("loop", "modem_alarms", "modem_shift", "modem_keeper"),
    ("clips", "node", "check"),
    ("live", "status", "watch", "upkeep", "servant", "claim", "modem_visit"),
    ("service", "demonstration", "health"),
    ("console",),
    ("cli", "commands"),
    ("__main__",),
)
MAPPED = re.compile(r"`([a-z_]+(?:\.py|/))`")
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def room(module: Path) -> str:
    """The first folder or file below the package that a module belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> list[str]:
    """Every module name that a file imports, wherever in the file."""
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_imports_point_downwards(module: Path) -> None:
    own = RANK[room(module)]
    for name in imported(module):
        parts = name.split(".")
        if parts[0] == "anpr_node" and len(parts) > 1 and parts[1] in RANK:
            assert RANK[parts[1]] <= own, f"{module.name} imports {name}, which lies above it"


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("ai_edge_litert", "vision/runtime.py"),
        ("tflite_runtime", "vision/runtime.py"),
        ("gpiozero", "drivers/"),
        ("picamera2", "drivers/csi_camera.py"),
        ("gi", "drivers/gst_camera.py"),
        ("requests", ("hotlist/", "uplink/")),
        ("serial", ("console/port.py", "drivers/modem/port.py")),
    ],
)
def test_library_is_touched_in_one_place(library: str, allowed: str | tuple[str, ...]) -> None:
    users = {
        str(module.relative_to(PACKAGE))
        for module in MODULES
        if any(name.split(".")[0] == library for name in imported(module)) or f'"{library}.' in module.read_text()
    }
    assert users
    assert all(user.startswith(allowed) for user in users)


def test_every_room_stands_on_the_map() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    rooms = {each.relative_to(PACKAGE).parts[0] for each in MODULES} - {"__init__.py"}
    named = {name.rstrip("/") for line in page.splitlines() if line.startswith("| `") for name in MAPPED.findall(line)}
    assert rooms <= named, rooms - named


def test_no_mocks_in_the_package() -> None:
    assert not [m for m in MODULES if "MagicMock" in m.read_text() or "unittest.mock" in m.read_text()]


def test_every_module_says_what_it_is() -> None:
    assert not [m for m in MODULES if not ast.get_docstring(ast.parse(m.read_text()))]


def test_functions_stay_small() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{module.name}: {node.name}"
