"""The claim: what it refuses, what it writes, that it is written once, and that no password stays."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT
from cryptography import x509

from anpr_node import access
from anpr_node.claim import asking, files, people
from anpr_node.claim.document import RESERVED, Claim, read_claim
from anpr_node.cli import main
from anpr_node.commands.claim import take_effect
from anpr_node.config import parse
from anpr_node.errors import ConfigError, RefusedByPolicy
from anpr_node.store.database import use_store

PASSWORD = "correct horse battery"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGsHqX1jXz5S2u6c3ZqfU1iQ4M4mKcH3cXcZQy2mJ9wq jan"
TEXT = f"""
[node]
id = "e40-km12"
site = "E40, km 12 \\"left\\""
[user]
name = "jan"
password = "{PASSWORD}"
ssh_keys = ["{KEY}"]
[network]
address = "192.0.2.7/24"
gateway = "192.0.2.1"
ntp = ["ntp.example.org"]
ssh = true
[updates]
url = "https://updates.example.org/anpr-node-@BASE@.raucb"
[settings.camera]
fps = 10.0
[settings.hotlists.lists.stolen]
url = "https://lists.example.org/stolen.manifest"
public_key = "JQ0zOcCEHqVKVKrPfWCkjB9kIYpFYYEdcnf2JbbnWnI="
"""


@pytest.fixture
def claim() -> Claim:
    return read_claim(TEXT, "test")


def test_everything_is_written_and_the_settings_are_the_nodes(claim: Claim, tmp_path: Path) -> None:
    request = x509.load_pem_x509_csr(files.write(claim, tmp_path).encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=e40-km12"
    settings = parse(tomllib.loads((tmp_path / "node.toml").read_text()), "written")
    assert settings == claim.to_settings()
    assert settings.outputs.arm == "calibrated"
    assert settings.hotlists.lists["stolen"].url == "https://lists.example.org/stolen.manifest"
    assert tomllib.loads((tmp_path / "site.toml").read_text())["node"]["site"] == 'E40, km 12 "left"'
    name, uid, groups, hashed = (tmp_path / "site" / "accounts").read_text().strip().split(":")
    assert (name, uid, groups) == ("jan", "2000", "systemd-journal,sudo")
    assert hashed.startswith("$6$")
    assert "Address=192.0.2.7/24" in (tmp_path / "site" / "10-wire.network").read_text()
    assert "dport 22" in (tmp_path / "site" / "ssh.nft").read_text()


def test_a_fixed_address_is_for_what_the_firewall_calls_the_wire() -> None:
    (rules,) = re.findall(
        r"^define wire = {(.*)}", (ROOT / "image/overlay/etc/nftables.conf").read_text(), re.MULTILINE
    )
    assert re.findall(r'"([^"]+)"', rules) == files.WIRE.split()


def test_the_password_stands_nowhere_and_secrets_are_closed(claim: Claim, tmp_path: Path) -> None:
    files.write(claim, tmp_path)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD in path.read_text()]
    for name in ("identity/node.key.pem", "site/accounts"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_claimed_node_is_claimed_by_nobody_else(claim: Claim, tmp_path: Path) -> None:
    files.write(claim, tmp_path)
    with pytest.raises(RefusedByPolicy, match="claimed already"):
        files.write(claim, tmp_path)


def test_a_claim_that_was_cut_off_is_made_again_with_the_same_key(claim: Claim, tmp_path: Path) -> None:
    files.write(claim, tmp_path)
    key = (tmp_path / "identity" / "node.key.pem").read_bytes()
    (tmp_path / "site.toml").unlink()  # what is written last was not
    files.write(claim, tmp_path)
    assert (tmp_path / "identity" / "node.key.pem").read_bytes() == key


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "jan"', 'name = "root"', "user.name: .*belongs to the system"),
        ('name = "jan"', 'name = "Jan Jansen"', "user.name"),
        (PASSWORD, "short", "user.password: .*12"),
        ('id = "e40-km12"', 'id = "e40 km12"', "node.id"),
        ('id = "e40-km12"', 'id = "e40-km12"\nidd = 1', "node.idd: Extra"),
        ("192.0.2.7/24", "192.0.2.777/24", "network"),
        ("ntp.example.org", "ntp; reboot", "network.*ntp"),
        ("ntp.example.org", "-x", "network.*ntp"),
        ("https://updates", "file:///updates", "updates.url"),
        (KEY, "my key", "user.ssh_keys"),
        (KEY, "ssh-ed25519 AAAA… jan", "no public key"),  # as the page has it
        (KEY, KEY[:50], "no public key"),
        (KEY, KEY.replace("ssh-ed25519", "ssh-rsa"), "no public key"),
        (PASSWORD, "correct horse\\nbattery", "user.password"),
        ("192.0.2.7/24", "192.0.2.7", "address: say the network too, e.g. 192.0.2.7/24"),
        ('address = "192.0.2.7/24"', "", "gateway and dns go with address"),
        ('gateway = "192.0.2.1"', 'gateway = "198.51.100.1"', "198.51.100.1 is not in 192.0.2.0/24"),
        (f'ssh_keys = ["{KEY}"]', "", "network.ssh lets in nobody"),
        ("fps = 10.0", "fps = 1000.0", "settings: camera.fps"),
        ("[user]", "[user", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as error:
        read_claim(TEXT.replace(old, new), "anpr-provision.toml")
    assert PASSWORD not in str(error.value)


def test_somebody_who_could_not_come_in_is_refused() -> None:
    text = "[node]\nid = 'n'\n[user]\nname = 'jan'\n"
    with pytest.raises(ConfigError, match="needs ssh_keys, password or password_hash"):
        read_claim(text, "test")


def test_the_claim_of_the_page_is_for_a_real_board() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    with pytest.raises(ConfigError, match="no public key"):
        read_claim(text, "the page")
    settings = read_claim(text.replace("ssh-ed25519 AAAA… jan", KEY), "the page").to_settings()
    assert (settings.camera.kind, settings.trigger.kind, settings.outputs.pins) == ("csi", "pwm", "lgpio")


def test_a_link_over_lte_is_dialled_as_the_operator_has_it(tmp_path: Path) -> None:
    said = read_claim(TEXT + '[lte]\napn = "internet.be"\nuser = "u"\npassword = "p-1"\nroaming = false\n', "test")
    files.write(said, tmp_path)
    link = tmp_path / "site" / "lte"
    assert link.read_text() == "apn=internet.be,ip-type=ipv4,user=u,password=p-1,allow-roaming=no\n"
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    settings = said.to_settings().modem
    assert (settings.kind, settings.interface) == ("serial", "wwan0")  # the name that the image gives it
    assert "Name=wwan0" in (ROOT / "image/overlay/etc/systemd/network/70-lte.link").read_text()
    own = read_claim(TEXT + '[lte]\napn = "internet"\n[settings.modem]\nkind = "simulated"\n', "test")
    assert own.to_settings().modem.kind == "simulated"


@pytest.mark.parametrize(
    ("lte", "problem"),
    [
        ('apn = "a,pin=0000"', "lte.apn"),
        ('user = "u"', "user and password go with apn"),
        ('apn = "a"\npassword = "x,number=1"', "lte.password"),
    ],
)
def test_nothing_is_slipped_into_what_is_dialled(lte: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_claim(f"{TEXT}[lte]\n{lte}\n", "test")


def test_keys_alone_need_a_way_to_them() -> None:
    text = TEXT.replace(f'password = "{PASSWORD}"\n', "")
    assert read_claim(text, "test").user.password is None
    with pytest.raises(ConfigError, match=r"nobody could come in: keys alone need network\.ssh = true"):
        read_claim(text.replace("ssh = true\n", ""), "test")


def test_no_account_of_the_image_can_be_claimed() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    accounts = set(re.findall(r"^\| `([a-z-]+)` \|", page.split("## Accounts\n")[1].split("\n## ")[0], re.MULTILINE))
    assert "sshd" in accounts
    assert accounts <= RESERVED


def test_a_file_is_overwritten_before_it_is_deleted(tmp_path: Path) -> None:
    path, other = tmp_path / "anpr-provision.toml", tmp_path / "same-blocks"
    path.write_text(TEXT)
    other.hardlink_to(path)
    files.scrub(path)
    assert not path.exists()
    assert set(other.read_text()) == {"#"}


@pytest.mark.parametrize(
    "tables",
    [
        {"a": {"text": 'quo"te\nline é', "n": 1, "f": 0.5, "yes": True, "many": ["x", "y"], "none": []}},
        {"a": [{"name": "x", "deep": {"n": 1}}, {"name": "y"}], "b": 1},
        {"a": {"b": {"c d": {"deep": 1}}, "x": 2}, "last": {}},
    ],
)
def test_toml_is_read_back_as_it_was(tables: dict[str, Any]) -> None:
    read = tomllib.loads(files.as_toml(tables))
    assert read == {name: value for name, value in tables.items() if value}


def test_a_fixed_address_given_on_the_console_comes_with_name_servers() -> None:
    answers = [
        "n1",
        "",
        "",
        "pc",
        "jan",
        PASSWORD,
        PASSWORD,
        "",
        "192.0.2.7/24",
        "192.0.2.1",
        "192.0.2.53, 192.0.2.54",
        "",
        "",
    ]
    with CliRunner().isolation(input="\n".join(answers) + "\n"):
        network = asking.ask().network
    assert (network.gateway, network.dns) == ("192.0.2.1", ["192.0.2.53", "192.0.2.54"])


def test_a_claim_on_the_console_reaches_all_that_the_start_script_feeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noting = tmp_path / "systemctl"
    noting.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
    noting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    take_effect()
    first, *rest = (tmp_path / "calls").read_text().splitlines()
    assert first == "restart anpr-site.service"  # waited for
    unit = (ROOT / "image/overlay/etc/systemd/system/anpr-site.service").read_text()
    fed = set(re.findall(r"[a-z-]+\.service", next(line for line in unit.splitlines() if line.startswith("Before="))))
    assert fed - {"console-getty.service"} == {
        word for line in rest for word in line.split() if word.endswith(".service")
    }
    assert not [line for line in rest if "nftables" in line and line.startswith("restart")], "its stop opens everything"


def test_the_command_is_for_root_and_says_how_to_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["claim"]).exit_code == 2
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = runner.invoke(main, ["claim", "--file", str(tmp_path / "x"), "--folder", str(tmp_path)])
    assert said.exit_code == 3
    assert "by root" in said.output


def test_a_node_is_claimed_by_somebody_who_can_name_others() -> None:
    """Said where the card is written, not at the pole."""
    with pytest.raises(ConfigError, match=r"user\.role: .*the first person has the role service"):
        read_claim(TEXT.replace('name = "jan"', 'name = "jan"\nrole = "technician"'), "test")


def test_a_claim_that_was_cut_off_names_its_person_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "OWNER", os.getuid())
    said = read_claim(f'{TEXT}[settings.store]\nfolder = "{tmp_path / "state"}"\n', "test")
    for _ in range(2):
        people.name_first(said)
    with use_store(said.to_settings().state_folder) as database:
        assert [(name, role) for name, role, *_ in access.people(database)] == [("jan", "service")]
