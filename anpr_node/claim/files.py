"""Writes what a claim says into /etc/anpr-node, whole or not at all; `image/overlay/usr/lib/anpr-node/site` obeys it.

`site.toml` is written last: while it is missing, nobody owns the node. Passwords are kept as hashes only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from anpr_node.claim.document import Claim
from anpr_node.errors import AnprError, RefusedByPolicy
from anpr_node.whole_file import sync_folder, write_whole

FOLDER = Path("/etc/anpr-node")
FLAG = "site.toml"
FIRST_UID = 2000
SECRET, PUBLIC = 0o600, 0o644
"""Modes of what is written."""
CLOSED = frozenset({"accounts", "lte"})
"""They hold a hash or a password."""
WIRE = "end* eno* enp* ens* eth* vec*"
"""As the firewall has it (image/overlay/etc/nftables.conf): no enx*, as which radio modems may come."""
NETWORK = f"[Match]\nName={WIRE}\n\n[Network]\nLLMNR=no\nMulticastDNS=no\n"


def is_claimed(folder: Path = FOLDER) -> bool:
    """Whether somebody owns this node."""
    return (folder / FLAG).exists()


def write(claim: Claim, folder: Path = FOLDER) -> str:
    """Write the claim; the certificate request, as PEM.

    Raises:
        RefusedByPolicy: the node is claimed already.
        AnprError: it cannot be written.

    """
    if is_claimed(folder):
        raise RefusedByPolicy("this node is claimed already; to give it away, write its card anew (scripts/flash)")
    try:
        _replace_folder(folder / "site", _site_files(claim))
        request = _identity(claim, folder / "identity")
        write_whole(folder / "node.toml", as_toml(claim.node_toml()), mode=PUBLIC)
        flag = as_toml({"node": claim.node.model_dump(), "user": {"name": claim.user.name}})
        write_whole(folder / FLAG, flag, mode=PUBLIC)
    except OSError as error:
        raise AnprError(f"the claim cannot be written: {error}; is the data partition there?") from error
    return request


def _site_files(claim: Claim) -> dict[str, str]:
    """What the start script reads, by name."""
    user, network = claim.user, claim.network
    files = {"hostname": claim.node.id.lower() + "\n"}
    files["accounts"] = f"{user.name}:{FIRST_UID}:systemd-journal,sudo:{_hash(claim)}\n"
    if user.ssh_keys:
        files[f"authorized_keys/{user.name}"] = "".join(f"{key}\n" for key in user.ssh_keys)
        if network.ssh:
            files["ssh.nft"] = "add rule inet node wire tcp dport 22 limit rate 10/minute burst 10 packets accept\n"
    if network.address is not None:
        lines = [f"Address={network.address}", *([f"Gateway={network.gateway}"] if network.gateway else [])]
        files["10-wire.network"] = NETWORK + "\n".join([*lines, *(f"DNS={one}" for one in network.dns)]) + "\n"
    if claim.lte.apn is not None:
        files["lte"] = claim.lte.as_mmcli() + "\n"
    if network.ntp:
        files["site.sources"] = "".join(f"server {name} iburst\n" for name in network.ntp)
    if claim.updates.url:
        files["update-url"] = claim.updates.url + "\n"
    return files


def _hash(claim: Claim) -> str:
    """For /etc/shadow; `!` is a password that nobody can give."""
    user = claim.user
    if user.password is None:
        return user.password_hash or "!"
    command = ["openssl", "passwd", "-6", "-stdin"]
    said = subprocess.run(command, input=user.password, text=True, capture_output=True, check=False)
    if said.returncode:
        raise AnprError(f"the password cannot be hashed: {said.stderr.strip()}; is openssl installed?")
    return said.stdout.strip()


def _identity(claim: Claim, folder: Path) -> str:
    """A key that never leaves the node, and the request for its certificate."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_path = folder / "node.key.pem"
    if not key_path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_whole(key_path, pem, mode=SECRET)
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, claim.node.id)]
    if claim.certificate.organisation:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, claim.certificate.organisation))
    if claim.certificate.country:
        names.append(x509.NameAttribute(NameOID.COUNTRY_NAME, claim.certificate.country))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    text = request.public_bytes(serialization.Encoding.PEM).decode("ascii")
    write_whole(folder / "node.csr.pem", text, mode=PUBLIC)
    return text


def scrub(path: Path) -> None:
    """Overwrite a claim's file in place, as it may hold a password, then delete it. Raises AnprError."""
    try:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(b"#" * size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError as error:
        raise AnprError(f"{path} could not be deleted, and may hold a password: {error.strerror}") from error


def as_toml(tables: Mapping[str, Any], prefix: str = "") -> str:
    """TOML of nested tables of strings, numbers, truth values and lists of them."""
    plain = {name: value for name, value in tables.items() if not isinstance(value, Mapping) and not _is_many(value)}
    lines = [f"[{prefix}]"] if prefix and plain else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in plain.items() if value is not None]
    text = "\n".join(lines) + "\n\n" if lines else ""
    for name, value in tables.items():
        path = f"{prefix}.{_key(name)}" if prefix else _key(name)
        if isinstance(value, Mapping):
            text += as_toml(value, path)
        elif _is_many(value):
            text += "".join(_one_of_many(path, each) for each in value)
    return text


def _is_many(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _one_of_many(path: str, table: Mapping[str, Any]) -> str:
    """One `[[path]]`; what hangs on it comes after its own values."""
    values = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    rest = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    return f"[[{path}]]\n{as_toml(values)}{as_toml(rest, path)}"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _replace_folder(target: Path, files: Mapping[str, str]) -> None:
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name, text in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text, mode=SECRET if name in CLOSED else PUBLIC)
    shutil.rmtree(target, ignore_errors=True)  # there is none but of a claim that was cut off
    fresh.replace(target)
    sync_folder(target.parent)
