"""Hotlists, and who is told of a hit by SMS. Reads no list."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from anpr_node import policy
from anpr_node.config.section import Section

PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
LIST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,39}")


ListFormat = Literal["csv", "jsonl", "openalpr", "voi", "ncic", "nedap", "columns"]
ListAction = Literal["relay", "led", "uplink", "sms", "batch", "silent"]


class ListSection(Section):
    """One hotlist: how it is matched, what its entries are unless they say so, and where it comes from."""

    near: bool = Field(False, description="also match what the recogniser may have misread; for small, urgent lists")
    wildcard: bool = Field(False, description="entries may be patterns: ? is one character, * any")
    confidence_min: float = Field(0.0, ge=0, lt=1, description="reads below it match nothing here; for large lists")
    category: str = Field("local", description="why its vehicles are watched: anpr_node/policy/categories.toml")
    priority: int | None = Field(None, ge=0, le=100, description="instead of the category's")
    actions: list[ListAction] | None = Field(None, description="instead of the category's")
    country: str | None = Field(None, pattern="^[A-Za-z]{1,3}$", description="of its plates")
    issuer: str = Field("", max_length=100, description="who answers for it")
    max_age_h: float | None = Field(None, gt=0, le=8760, description="older than this raises an alarm")
    look_back_h: float = Field(0.0, ge=0, le=8760, description="new entries are matched against reads so old")
    format: ListFormat = Field("csv", description="how its files are written: docs/hotlists.md")
    columns: dict[str, str | int] = Field({}, description="for format = 'columns': our column = theirs, or its number")
    delimiter: str = Field(";", min_length=1, max_length=1, description="for format = 'columns'")
    header: bool = Field(True, description="for format = 'columns': the first row has the columns' names")
    encoding: str = Field("utf-8-sig", description="of its files")
    dates: str | None = Field(None, description="how the columns' dates are written, e.g. %d.%m.%Y; else ISO 8601")
    url: str | None = Field(None, description="of the signed manifest, https://")
    public_key: str | None = Field(None, description="Ed25519, base64 of 32 bytes; then unsigned files are refused")

    @model_validator(mode="after")
    def _is_whole(self) -> ListSection:
        if (self.format == "columns") != bool(self.columns) or (self.columns and "vrm" not in self.columns):
            raise ValueError("columns is needed with format = 'columns', and only then, and must name vrm")
        if self.url is not None and (self.public_key is None or not self.url.startswith("https://")):
            raise ValueError("url must begin with https:// and comes with a public_key")
        if self.actions and "silent" in self.actions and len(self.actions) > 1:
            raise ValueError("actions: silent stands alone")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> ListSection:
        if self.category not in policy.categories():
            raise ValueError(f"category is none of {', '.join(sorted(policy.categories()))}")
        if any(isinstance(place, int) and not 1 <= place <= 1000 for place in self.columns.values()):
            raise ValueError("columns are numbered from 1")
        if not self.header and any(isinstance(place, str) for place in self.columns.values()):
            raise ValueError("columns are given by number where header = false")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known") from None
        return self


class HotlistsSection(Section):
    """All hotlists. A list that `lists` does not describe has the defaults."""

    ca_file: str | None = Field(None, description="certificates that downloads trust, instead of the system's")
    skip: list[str] = Field([], description="texts that never hit: known false friends such as 190 or TAXI")
    repeat_s: float = Field(120.0, ge=0, le=86_400, description="the same vehicle signals once in this time")
    relay_per_minute_max: int = Field(6, ge=1, le=60, description="more hits than this are stored, and not signalled")
    lists: dict[str, ListSection] = Field({}, description="a table for each list: [hotlists.lists.NAME]")

    @model_validator(mode="after")
    def _names_are_file_names(self) -> HotlistsSection:
        bad = [name for name in self.lists if not LIST_NAME.fullmatch(name)]
        if bad:
            raise ValueError(f"lists: {bad[0]!r} is no name: 1 to 40 letters, digits, points, - and _")
        return self

    def of(self, list_id: str) -> ListSection:
        """The settings of one list."""
        return self.lists.get(list_id, ListSection())


class SmsSection(Section):
    """The last channel for hits whose actions name `sms`."""

    numbers: list[str] = Field([], description="who is told, as +32470123456; none: nobody")
    silent_numbers: list[str] = Field(
        [], description="who is told about silent hits, and of nothing else; none: they wait for the back office"
    )
    place: str = Field("", max_length=40, description="what the message calls this place; the node's id unless set")
    after_s: float = Field(30.0, ge=0, le=3600, description="the back office has so long to take the hit")
    until_s: float = Field(900.0, ge=10, le=86_400, description="older hits are not told any more")
    per_hour_max: int = Field(10, ge=1, le=100, description="messages in an hour")

    @model_validator(mode="after")
    def _numbers_are_international(self) -> SmsSection:
        bad = [number for number in [*self.numbers, *self.silent_numbers] if not PHONE_NUMBER.fullmatch(number)]
        if bad:
            raise ValueError(f"numbers: {bad[0]!r} is not written as +32470123456")
        return self
