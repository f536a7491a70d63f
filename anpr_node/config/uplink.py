"""Where reads and hits are sent, over which link, and what that may cost."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from anpr_node import policy
from anpr_node.config.section import Section

SinkFormat = Literal["json", "openalpr", "platerecognizer", "clickhouse"]
SinkKind = Literal["hits", "reads", "patches", "overviews"]
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SINK_NAME = r"^[A-Za-z0-9_-]{1,40}$"
CANNOT_BE_SEALED = frozenset({"openalpr", "platerecognizer"})


class UplinkSection(Section):
    """What all sinks share: the link and what it may cost, and what is said about the site."""

    interface: str | None = Field(None, max_length=15, description="nothing is tried while this one is down: wwan0")
    day_mb: float | None = Field(None, ge=0.1, le=1_000_000, description="reads and pictures stop at so many MB a day")
    month_mb: float | None = Field(None, ge=1, le=10_000_000, description="the same for a calendar month")
    overviews: Literal["request", "night"] = Field(
        "request", description="request: only those that somebody asks for; night: all of them, by night"
    )
    night_utc: tuple[int, int] = Field((21, 4), strict=False, description="from which hour to which overviews go")
    heartbeat_s: float = Field(60.0, ge=5, le=3600, description="so often every sink is told how the node stands")
    prometheus_file: str | None = Field(None, description="figures as Prometheus text, written with each heartbeat")
    place: str = Field("", max_length=100, description="what the site is called; the node's id unless set")
    latitude: float | None = Field(None, ge=-90, le=90, description="degrees, for formats that want a place")
    longitude: float | None = Field(None, ge=-180, le=180, description="degrees")
    heading_deg: float | None = Field(None, ge=0, lt=360, description="where vehicles that approach drive to")
    company_id: str = Field("", max_length=100, description="for openalpr")
    camera_number: int = Field(1, ge=1, le=2_147_483_647, description="for openalpr, which knows cameras by number")

    @model_validator(mode="after")
    def _night_is_one(self) -> UplinkSection:
        if not all(0 <= hour <= 23 for hour in self.night_utc) or self.night_utc[0] == self.night_utc[1]:
            raise ValueError("night_utc must be two different hours, 0 to 23")
        return self


class SinkSection(Section):
    """One receiver. Secrets are in files of their own, because the settings stand in the audit."""

    name: str = Field(pattern=SINK_NAME, description="by which `uplink status` and the audit call it")
    url: str = Field(min_length=8, max_length=500, description="https://HOST/PATH")
    format: SinkFormat = Field("json", description="what it understands: docs/uplink.md")
    kinds: list[SinkKind] = Field(["hits", "reads", "patches", "overviews"], min_length=1, description="what it gets")
    categories: list[str] = Field([], description="hits of these alone; none named: of all")
    pictures: bool = Field(True, description="false: neither within hits nor by themselves")
    silent: bool | None = Field(None, description="gets silent hits; unless set, json and clickhouse do")
    ca_file: str | None = Field(None, description="the only certificates it may be signed by, instead of the system's")
    cert_file: str | None = Field(None, description="this node's own certificate, PEM")
    key_file: str | None = Field(None, description="and its key")
    token_file: str | None = Field(None, description="holds a bearer token; for clickhouse the password")
    user: str | None = Field(None, max_length=100, description="for clickhouse")
    proxy: str | None = Field(
        None, pattern=r"^https?://", max_length=500, description="http://HOST:PORT on the way there"
    )
    plain_http: bool = Field(False, description="http:// to another machine: everybody on the way reads it")

    @property
    def gets_silent(self) -> bool:
        """Whether silent hits may go there."""
        return self.format in {"json", "clickhouse"} if self.silent is None else self.silent

    @model_validator(mode="after")
    def _url_is_safe(self) -> SinkSection:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise ValueError("url must be https://HOST… and name no user; secrets go into token_file")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.plain_http:
            raise ValueError("url is http://: everybody on the way reads it; use https://, or set plain_http = true")
        return self

    @model_validator(mode="after")
    def _is_whole(self) -> SinkSection:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file come together")
        unknown = [name for name in self.categories if name not in policy.categories()]
        if unknown:
            raise ValueError(f"categories: {unknown[0]!r} is none of {', '.join(sorted(policy.categories()))}")
        if self.user is not None and self.format != "clickhouse":
            raise ValueError("user is for format = 'clickhouse'; the others take token_file")
        return self


def check_sinks(sinks: list[SinkSection], sealed: bool) -> None:
    """Raises ValueError where two sinks have one name, or a sink's format cannot carry sealed reads."""
    names = [sink.name for sink in sinks]
    if len(set(names)) < len(names):
        raise ValueError(f"sinks: two are called {max(names, key=names.count)}")
    mute = [sink.name for sink in sinks if sealed and sink.format in CANNOT_BE_SEALED]
    if mute:
        raise ValueError(f"sinks: {mute[0]} cannot take sealed reads (store.sealed_for): use format json or clickhouse")
