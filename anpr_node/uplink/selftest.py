"""What is wrong with the sinks of node.toml before anything is sent: files, certificates, silent hits that nobody gets.

It opens no connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from anpr_node.config import Settings, SinkSection
from anpr_node.errors import ConfigError
from anpr_node.uplink.token import read_token

SOON = timedelta(days=14)


def faults(settings: Settings) -> list[str]:
    """What keeps a sink from being reached."""
    return [f"{sink.name}: {problem}" for sink in settings.sinks for problem in _faults(sink)]


def remarks(settings: Settings, now: datetime | None = None) -> list[str]:
    """What a person should know, though it works."""
    if not settings.sinks:
        return ["no sink: nothing is sent anywhere; see docs/uplink.md"]
    said = [f"{sink.name}: {text}" for sink in settings.sinks for text in _remarks(sink, now or datetime.now(UTC))]
    if not any(sink.gets_silent and "hits" in sink.kinds for sink in settings.sinks):
        said.append("no sink gets silent hits: they go nowhere; set silent = true for the back office's")
    return said


def _faults(sink: SinkSection) -> Iterator[str]:
    if sink.token_file is not None:
        try:
            read_token(Path(sink.token_file))
        except ConfigError as error:
            yield f"token_file {error}"
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(sink, name)
        if path is None:
            continue
        try:
            content = Path(path).read_bytes()
            if name in {"ca_file", "cert_file"}:
                x509.load_pem_x509_certificates(content)
        except OSError as error:
            yield f"{name} {path}: {error.strerror}"
        except ValueError:
            yield f"{name} {path} is no PEM certificate"


def _remarks(sink: SinkSection, now: datetime) -> Iterator[str]:
    if sink.plain_http:
        yield "everybody on the way reads what is sent there (plain_http)"
    if sink.cert_file is None:
        return
    try:
        ends = min(c.not_valid_after_utc for c in x509.load_pem_x509_certificates(Path(sink.cert_file).read_bytes()))
    except (OSError, ValueError):
        return
    if ends - now < SOON:
        yield f"our certificate ends on {ends:%Y-%m-%d}: renew it"
