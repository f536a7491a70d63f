"""What a claim says, range-checked: the file `anpr-provision.toml`, or the answers given on the serial console.

Unknown keys are refused by name. Nothing here writes.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import tomllib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from anpr_node.config import Settings, parse
from anpr_node.errors import ConfigError

SYSTEM_STATE = "/var/lib/anpr-node"
PASSWORD_LENGTH_MIN = 12
KEY_KINDS = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ssh-rsa")
RESERVED = frozenset({
    "root", "anpr", "daemon", "nobody", "people", "sudo", "bin", "sys", "mail", "systemd-network", "systemd-resolve",
    "messagebus", "polkitd", "sshd", "gpsd",
})  # fmt: skip
"""Accounts that the image has already; docs/security.md says what for."""


NTP_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9a-fA-F:.]+")


class Part(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodePart(Part):
    """Who the node is."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    site: str = Field("", max_length=80)
    lane: str = Field("1", min_length=1, max_length=20)
    board: Literal["pc", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin"] = "pc"


class UserPart(Part):
    """The first person."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")
    role: Literal["technician", "officer", "investigator", "auditor", "service"] = "service"
    ssh_keys: list[str] = Field([], max_length=20)
    password: str | None = Field(None, min_length=PASSWORD_LENGTH_MIN, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    password_hash: str | None = Field(None, pattern=r"^\$(6|y|2b)\$[^:\s]+$")

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"{name} belongs to the system; choose another name")
        return name

    @field_validator("role")
    @classmethod
    def _can_name_others(cls, role: str) -> str:
        if role != "service":
            raise ValueError("the first person has the role service: nobody else could name the others")
        return role

    @field_validator("ssh_keys")
    @classmethod
    def _are_keys(cls, keys: list[str]) -> list[str]:
        bad = [key for key in keys if not _is_public_key(key)]
        if bad:
            raise ValueError(f"{bad[0][:30]!r} is no public key: it is one line, the whole of the file id_ed25519.pub")
        return keys

    @model_validator(mode="after")
    def _can_come_in(self) -> UserPart:
        ways = [self.password is not None, self.password_hash is not None, bool(self.ssh_keys)]
        if not any(ways):
            raise ValueError("a person needs ssh_keys, password or password_hash")
        if self.password is not None and self.password_hash is not None:
            raise ValueError("password or password_hash, not both")
        return self


class NetworkPart(Part):
    """The wire. Without an address it asks for one (DHCP)."""

    address: str | None = None
    gateway: str | None = None
    dns: list[str] = Field([], max_length=4)
    ntp: list[str] = Field([], max_length=6)
    ssh: bool = Field(False, description="let SSH in from the wire; never from the radio modem")

    @model_validator(mode="after")
    def _are_addresses(self) -> NetworkPart:
        if self.address is None and (self.gateway or self.dns):
            raise ValueError("gateway and dns go with address; without one they come by DHCP")
        if self.address is not None:
            node = ipaddress.ip_interface(self.address)
            if "/" not in self.address:
                raise ValueError(f"address: say the network too, e.g. {self.address}/24")
            if self.gateway and ipaddress.ip_address(self.gateway) not in node.network:
                raise ValueError(f"gateway: {self.gateway} is not in {node.network}, so that it cannot be reached")
        for one in [*self.dns, *([self.gateway] if self.gateway else [])]:
            ipaddress.ip_address(one)
        bad = [name for name in self.ntp if not NTP_SERVER.fullmatch(name)]
        if bad:
            raise ValueError(f"ntp: {bad[0]!r} is no name of a server")
        return self


class LtePart(Part):
    """The data link over the radio modem, as the card's operator has it; none without an access point's name."""

    apn: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$", max_length=100)
    user: str | None = Field(None, pattern=r"^[^\s,\"'=]+$", max_length=64)
    password: str | None = Field(None, pattern=r"^[^\s,\"'=]+$", max_length=64)
    roaming: bool = Field(True, description="let a card of another country, or of several networks, dial")

    @model_validator(mode="after")
    def _is_whole(self) -> LtePart:
        if self.apn is None and (self.user or self.password):
            raise ValueError("user and password go with apn, the name of the access point")
        return self

    def as_mmcli(self) -> str:
        """What ModemManager is to dial."""
        said = {"apn": self.apn, "ip-type": "ipv4", "user": self.user, "password": self.password}
        words = [f"{name}={value}" for name, value in said.items() if value is not None]
        return ",".join([*words, f"allow-roaming={'yes' if self.roaming else 'no'}"])


class UpdatesPart(Part):
    """Where new images come from; `@BASE@` in it becomes the name of this board's base."""

    url: str | None = Field(None, pattern=r"^https?://\S+$", max_length=500)


class CertificatePart(Part):
    """What the certificate request names beside the node's id."""

    organisation: str = Field("", max_length=64)
    country: str = Field("", pattern=r"^([A-Z]{2})?$")


class Claim(Part):
    """All of it."""

    node: NodePart
    user: UserPart
    network: NetworkPart = NetworkPart()
    lte: LtePart = LtePart()
    updates: UpdatesPart = UpdatesPart()
    certificate: CertificatePart = CertificatePart()
    settings: dict[str, Any] = Field({}, description="tables of node.toml, as docs/boards.md has them")

    @model_validator(mode="after")
    def _has_a_way_in(self) -> Claim:
        if self.network.ssh and not self.user.ssh_keys:
            raise ValueError("network.ssh lets in nobody without user.ssh_keys")
        if not self.network.ssh and self.user.password is None and self.user.password_hash is None:
            raise ValueError("nobody could come in: keys alone need network.ssh = true; else give a password")
        return self

    def node_toml(self) -> dict[str, Any]:
        """The node's settings: those of the claim over what every claimed node has."""
        merged: dict[str, Any] = {
            "node": {"id": self.node.id, "lane": self.node.lane, "board": self.node.board},
            "store": {"folder": SYSTEM_STATE},
            "outputs": {"arm": "calibrated"},
        }
        if self.lte.apn is not None:
            merged["modem"] = {"kind": "serial"}
        for name, table in self.settings.items():
            merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
        return merged

    def to_settings(self) -> Settings:
        """The same, checked. Raises ConfigError."""
        return parse(self.node_toml(), "the claim's settings")


def _is_public_key(line: str) -> bool:
    """A kind of ours, and a blob that says the same kind."""
    kind, _, rest = line.partition(" ")
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
    except (ValueError, IndexError):
        return False
    head = len(kind).to_bytes(4, "big") + kind.encode()
    return kind in KEY_KINDS and blob.startswith(head) and len(blob) >= len(head) + 32 and line.isprintable()


def read_claim(text: str, source: str) -> Claim:
    """A claim from TOML. Raises ConfigError, which names every key that is wrong."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not TOML: {error}") from error
    return check_claim(content, source)


def check_claim(content: dict[str, Any], source: str) -> Claim:
    """A claim from its tables. Raises ConfigError; no value is repeated in it, as one may be a password."""
    try:
        claim = Claim.model_validate(content)
    except ValidationError as error:
        where = [(".".join(str(part) for part in e["loc"]) or "file", e["msg"]) for e in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(f"{key}: {message}" for key, message in where)) from error
    claim.to_settings()
    return claim
