"""What a line of the audit says, and how much of it: long texts are cut, long details are there by their hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

TEXT_BYTES_MAX = 2_000
"""Each text is cut to so much, as it is spelt in the file."""
DETAIL_BYTES_MAX = 16_000
"""What is longer is there by its hash."""
LONG_VALUES_MAX = 8
ESCAPED_BYTES = 6
"""No character takes more in JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done or refused. `object_ref` is an id, never a plate; `detail` may name one."""

    actor: str
    action: str
    outcome: str = "done"
    reason: str = ""
    case_ref: str = ""
    decision_ref: str = ""
    recipient: str = ""
    object_ref: str = ""
    rows: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


def limited(entry: Entry) -> dict[str, Any]:
    """The entry's fields, cut to a bearable length."""
    fields = {k: _cut(v) if isinstance(v, str) else v for k, v in asdict(entry).items()}
    return {**fields, "detail": _limited_detail(entry.detail)}


def _limited_detail(detail: dict[str, Any]) -> dict[str, Any]:
    """Texts cut; where that is too long still, the longest values by their hash."""
    kept = {_cut(name): _cut_texts(value) for name, value in detail.items()}
    too_long = len(dump(kept)) > DETAIL_BYTES_MAX
    for name in sorted(kept, key=lambda each: -len(dump(kept[each])))[: LONG_VALUES_MAX if too_long else 0]:
        kept[name] = _by_hash(kept[name])
        if len(dump(kept)) <= DETAIL_BYTES_MAX:
            return kept
    return _by_hash(detail) if too_long else kept


def _by_hash(value: Any) -> dict[str, Any]:
    content = json.dumps(value, sort_keys=True).encode()
    return {"too_long_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _cut_texts(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, dict):
        return {_cut(str(name)): _cut_texts(each) for name, each in value.items()}
    return [_cut_texts(each) for each in value] if isinstance(value, list | tuple) else value


def _cut(text: str) -> str:
    """A text that takes no more than it may in the file; bytes that are no text are spelt out."""
    text = text[:TEXT_BYTES_MAX].encode("utf-8", "backslashreplace").decode()
    while (over := len(dump(text)) - 2 - TEXT_BYTES_MAX) > 0:
        text = text[: -max(1, over // ESCAPED_BYTES)]
    return text


def dump(content: Any) -> bytes:
    """The one way in which content is spelt in the file."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
