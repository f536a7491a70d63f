"""The image's own firewall rules in a network of their own: what the wire may reach, and that the radio gets nothing.

Needs root, nft and network namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

RULES = ROOT / "image" / "overlay" / "etc" / "nftables.conf"
SITE = "add rule inet node wire tcp dport 22 limit rate 10/minute burst 10 packets accept\n"
PORTS = (22, 53, 80, 323, 5355, 8080)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root"),
    pytest.mark.skipif(
        shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin") is None, reason="nftables is not installed"
    ),
]

# Everybody listens on every port of the node; who knocks sits behind the wire (eth0), or behind the modem (ppp0).
SCRIPT = """
set -e
export PATH=$PATH:/usr/sbin:/sbin
ip netns add node-{tag}; ip netns add out-{tag}
trap 'ip netns del node-{tag}; ip netns del out-{tag}; kill $server 2>/dev/null || :' EXIT
ip -n node-{tag} link add {link} type veth peer name peer
ip -n node-{tag} link set peer netns out-{tag}
ip -n node-{tag} addr add 192.0.2.1/24 dev {link}; ip -n node-{tag} link set {link} up; ip -n node-{tag} link set lo up
ip -n out-{tag} addr add 192.0.2.2/24 dev peer; ip -n out-{tag} link set peer up
ip netns exec node-{tag} nft -f {rules}
ip netns exec node-{tag} python3 -c '
import socket, time
kept = [socket.create_server(("", port), reuse_port=True) for port in {ports}]
print("listening", flush=True)
time.sleep(180)' > {folder}/said & server=$!
while ! grep -q listening {folder}/said; do sleep 0.05; done
ip netns exec out-{tag} python3 -c '
import socket
from concurrent.futures import ThreadPoolExecutor
def knock(port):
    try:
        socket.create_connection(("192.0.2.1", port), timeout=3).close()
    except OSError:
        return
    print(port)
with ThreadPoolExecutor(len({ports})) as pool:
    list(pool.map(knock, {ports}))'
"""


def let_in(tmp_path: Path, link: str, site: str) -> list[int]:
    """The ports that can be connected to from the other side of an interface of the node."""
    rules = tmp_path / "nftables.conf"
    (tmp_path / "site.nft").write_text(site)
    rules.write_text(RULES.read_text().replace("/run/anpr-firewall/*.nft", f"{tmp_path}/*.nft"))
    script = SCRIPT.format(tag=os.getpid(), link=link, rules=rules, ports=PORTS, folder=tmp_path)
    run = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=180)
    if run.returncode and "ermitted" in run.stderr:
        pytest.skip(f"no network namespace here: {run.stderr.strip()[-200:]}")
    assert run.returncode == 0, run.stderr
    return sorted(int(line) for line in run.stdout.split())


@pytest.mark.parametrize(
    ("link", "site", "expected"),
    [
        ("eth0", "", []),
        *((name, SITE, [22]) for name in ("eth0", "end0", "enp1s0")),
        # as udev names modems on USB that have an address of their own: a data link, and a network card
        *((name, SITE, []) for name in ("ppp0", "wwan0", "usb0", "wwx0250f4a00001", "enx0250f4a00001", "wlan0")),
    ],
)
def test_only_what_the_site_names_and_only_from_the_wire(
    tmp_path: Path, link: str, site: str, expected: list[int]
) -> None:
    assert let_in(tmp_path, link, site) == expected
