"""`anpr-node check` about the sinks: what would not work, and what a person should know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import authority
from uplink_kit import settings_for

from anpr_node.check import run
from anpr_node.uplink.selftest import faults, remarks

SINK = {"name": "zone", "url": "https://sink.example/"}


def test_missing_and_wrong_files_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    options = {"ca_file": str(wrong), "token_file": str(tmp_path / "none")}
    found = faults(settings_for(tmp_path, {**SINK, **options}))
    assert found == [
        f"zone: token_file {tmp_path / 'none'}: No such file or directory",
        f"zone: ca_file {wrong} is no PEM certificate",
    ]


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "ASCII"), (b"a\nb", "ASCII")]
)
def test_a_token_that_is_none_is_a_fault(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "token").write_bytes(content)
    settings = settings_for(tmp_path, {**SINK, "token_file": str(tmp_path / "token")})
    findings = {finding.item: finding for finding in run(settings)}
    assert findings["uplink"].verdict == "FAIL"
    assert f"token_file {tmp_path / 'token'}" in findings["uplink"].text
    assert words in findings["uplink"].text


def test_a_certificate_that_ends_soon_is_a_remark(tmp_path: Path) -> None:
    certificate, key = authority(tmp_path / "ca").issue("node", days=30)
    settings = settings_for(tmp_path, {**SINK, "cert_file": str(certificate), "key_file": str(key)})
    assert remarks(settings) == []
    assert faults(settings) == []
    later = datetime.now(UTC) + timedelta(days=17)
    assert "renew it" in remarks(settings, later)[0]


def test_who_gets_silent_hits_is_asked(tmp_path: Path) -> None:
    assert "no sink gets silent hits" in remarks(settings_for(tmp_path, {**SINK, "format": "openalpr"}))[0]
    assert "no sink gets silent hits" in remarks(settings_for(tmp_path, {**SINK, "kinds": ["reads"]}))[0]
    assert remarks(settings_for(tmp_path, {**SINK, "format": "openalpr", "silent": True})) == []


def test_check_shows_it(tmp_path: Path) -> None:
    findings = {finding.item: finding for finding in run(settings_for(tmp_path, SINK))}
    assert (findings["uplink"].verdict, findings["uplink"].text) == ("OK", "zone (json)")
    findings = {finding.item: finding for finding in run(settings_for(tmp_path))}
    assert findings["uplink"].verdict == "WARN"
