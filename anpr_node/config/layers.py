"""The files that settings come from, laid over each other: what people wrote, what the console saved, what is on trial.

    node.toml            written by people; nothing here changes it
    node.d/tool.toml     written by the console; earlier ones stand in node.d/kept/
    node.d/trial.json    values on trial: they count until their time is over, or the node's machine starts anew

What the values mean and may be is config's business.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anpr_node.errors import ConfigError
from anpr_node.whole_file import write_whole

Values = dict[str, Any]
"""Section to key to value, as TOML gives it."""

KEPT_MAX = 50
PERSONAL = frozenset({("sms", "numbers"), ("sms", "silent_numbers"), ("site", "responsible_officer")})
"""Settings that name people: what everybody may look at goes without them."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
HEADER = """\
# Written by the console of anpr-node; it stands over node.toml. Do not edit it: use `set` and `save` on the console, or
# delete the file to be rid of all of it. Earlier ones stand in kept/, `undo` goes back to them.
"""


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved state of the console's values."""

    path: Path
    at_s: float
    by: str
    what: str
    values: Values


@dataclass(frozen=True, slots=True)
class Trial:
    """Values that count for a while. `ends_s` is of the clock that runs on while the machine sleeps."""

    values: Values
    ends_s: float
    by: str

    @property
    def left_s(self) -> float:
        """Seconds until it reverts."""
        return self.ends_s - boot_s()


def boot_s() -> float:
    """Seconds since the machine started: no setting of the clock can lengthen a trial."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def folder_of(source: Path) -> Path:
    """Where the console's files for a node.toml are."""
    return source.parent / "node.d"


def merge(*layers: Mapping[str, Any]) -> Values:
    """Later ones over earlier ones, tables key by key."""
    merged: Values = {}
    for layer in layers:
        for key, value in layer.items():
            before = merged.get(key)
            merged[key] = merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def over(source: Path, own: Values) -> Values:
    """What counts: the file's own values, the saved ones over them, those on trial over both. Raises ConfigError."""
    trial = read_trial(source)
    return merge(own, read_tool(source), trial.values if trial else {})


def read_tool(source: Path) -> Values:
    """The values that the console saved. Raises ConfigError."""
    return _read(folder_of(source) / "tool.toml")


def _read(path: Path) -> Values:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: unreadable: {error}; delete it, or put the last one of kept/ in its place"
        ) from error


def read_trial(source: Path) -> Trial | None:
    """What is on trial now; one that is over, of an earlier start, or damaged counts no more."""
    try:
        row = json.loads((folder_of(source) / "trial.json").read_text(encoding="utf-8"))
        trial = Trial(dict(row["values"]), float(row["ends_s"]), str(row["by"]))
        return trial if row["boot_id"] == _boot_id() and trial.left_s > 0 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def start_trial(source: Path, values: Values, seconds: float, by: str) -> Trial:
    """Let values count for so long. Raises ConfigError when they cannot be written."""
    trial = Trial(values, boot_s() + seconds, by)
    row = {"values": values, "ends_s": trial.ends_s, "by": by, "boot_id": _boot_id()}
    with locked(source):
        write_whole(folder_of(source) / "trial.json", json.dumps(row, indent=1))
    return trial


def end_trial(source: Path) -> None:
    """Values on trial count no more."""
    (folder_of(source) / "trial.json").unlink(missing_ok=True)


def save(source: Path, change: Values, by: str, now_s: float, what: str = "") -> Values:
    """Lay a change over what is saved, keep the earlier file; returns what is saved now. Raises ConfigError.

    `what` is the change in words, where the caller knows what counted before.
    """
    with locked(source):
        before = read_tool(source)
        after = merge(before, change)
        _write_tool(source, after, by, now_s, what or ", ".join(describe(before, change)))
    return after


def undo(source: Path, by: str, now_s: float) -> Saved | None:
    """Go back to the saved state before this one; None when there is none."""
    with locked(source):
        kept = history(source)
        if not kept:
            return None
        back_to = kept[0]
        back_to.path.unlink()
        write_whole(
            folder_of(source) / "tool.toml", _text(back_to.values, by, now_s, f"undone; as before: {back_to.what}")
        )
        return back_to


def history(source: Path) -> list[Saved]:
    """The earlier saved states, newest first."""
    return [_saved(path) for path in sorted((folder_of(source) / "kept").glob("tool-*.toml"), reverse=True)]


def current(source: Path) -> Saved | None:
    """The saved state that counts now."""
    path = folder_of(source) / "tool.toml"
    return _saved(path) if path.exists() else None


def describe(before: Values, change: Values) -> list[str]:
    """Each changed key with its old and new value; of what names people only that it was changed."""
    return [
        f"{section}.{key} changed"
        if (section, key) in PERSONAL
        else f"{section}.{key} {_show(before.get(section, {}).get(key))} -> {_show(value)}"
        for section, keys in change.items()
        for key, value in keys.items()
    ]


def _show(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _write_tool(source: Path, values: Values, by: str, now_s: float, what: str) -> None:
    folder = folder_of(source)
    path, kept = folder / "tool.toml", folder / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(p.stem.removeprefix("tool-")) for p in kept.glob("tool-*.toml")), default=0)
    earlier = path.read_text(encoding="utf-8") if path.exists() else _text({}, "-", now_s, "nothing saved yet")
    write_whole(kept / f"tool-{number:06d}.toml", earlier)
    write_whole(path, _text(values, by, now_s, what))
    for old in sorted(kept.glob("tool-*.toml"))[:-KEPT_MAX]:
        old.unlink()


def _text(values: Values, by: str, now_s: float, what: str) -> str:
    moment = datetime.fromtimestamp(now_s, UTC)
    return f"{HEADER}# saved: {moment:%Y-%m-%dT%H:%M:%SZ} by {by}: {what}\n\n{dump(values)}"


def _saved(path: Path) -> Saved:
    text = path.read_text(encoding="utf-8")
    line = next(
        (line for line in text.splitlines() if line.startswith("# saved: ")), "# saved: 1970-01-01T00:00:00Z by -: -"
    )
    moment, _, rest = line.removeprefix("# saved: ").partition(" by ")
    by, _, what = rest.partition(": ")
    return Saved(path, datetime.fromisoformat(moment).timestamp(), by, what, tomllib.loads(text))


def dump(values: Values) -> str:
    """The values as TOML: what JSON writes of texts, numbers, truth and lists is TOML as well."""
    lines: list[str] = []
    for section, keys in values.items():
        _dump_table([section], keys, lines)
    return "\n".join(lines) + "\n"


def _dump_table(name: list[str], keys: Values, lines: list[str]) -> None:
    lines.append(f"[{'.'.join(name)}]")
    lines += [
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items() if not isinstance(value, dict)
    ]
    lines.append("")
    for key, value in keys.items():
        if isinstance(value, dict):
            _dump_table([*name, json.dumps(key)], value, lines)


@contextmanager
def locked(source: Path) -> Iterator[None]:
    """One writer at a time, of whichever process. Raises ConfigError."""
    folder = folder_of(source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; settings can be tried by hand in {source} only") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; nothing was changed") from error
    finally:
        os.close(handle)


def _boot_id() -> str:
    return BOOT_ID.read_text("ascii").strip()
