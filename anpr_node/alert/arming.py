"""Whether hits may signal: a claimed node only does once its installation was reported as good.

The console writes that down (anpr_node/console/installation.py); nothing here writes.
"""

from __future__ import annotations

import json
from pathlib import Path

INSTALLATION = "installation.json"
LAST_STEP = "report"


def is_calibrated(folder: Path) -> bool:
    """Whether the report said that every step is OK; a damaged file says no."""
    try:
        steps = json.loads((folder / INSTALLATION).read_text("utf-8"))
        return bool(steps[LAST_STEP]["verdict"] == "OK")
    except (OSError, ValueError, KeyError, TypeError):
        return False
