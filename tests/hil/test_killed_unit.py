"""The unit under a real systemd: killed at any moment, the node's outputs are off within a second. Opt-in, minutes.

scripts/uml-kernel ~/uml && ANPR_UML=~/uml/linux scripts/test --unit -m uml

The kernel of Debian's package user-mode-linux does too. Only the pulses are seen here, which outlive the process; that
the pins fall with it is test_gpio_sim's to show: gpiozero wants a Raspberry Pi under a node's own pins.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from uml import NEEDED, boot

from anpr_node.supervision.vitals import WATCHDOG_S

pytestmark = NEEDED

ROUNDS, SEED = int(os.environ.get("ANPR_KILLS", "6")), 1
SAFE_WITHIN_S = 1.0

NODE_TOML = """
[node]
board = "raspberry-pi-5"
[camera]
kind = "gstreamer"
fps = 5.0
[sensor]
width = 320
height = 240
source = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=GRAY8,width=320,height=240,framerate=5/1"
[trigger]
kind = "pwm"
[inputs]
fitted = []
"""

# The unit itself is the product's; what it finds on a node is put in place here, over this machine's read-only root.
SCRIPT = """
mkdir /run/etc && cp -a /etc/. /run/etc && mount --bind /run/etc /etc
rm -rf /etc/systemd/system /etc/fstab && mkdir -p /etc/anpr-node
cp -r {root}/image/overlay/etc/systemd /etc/
cp {folder}/node.toml /etc/anpr-node/node.toml
echo 'anpr:x:990:990::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'anpr:x:990:' >> /etc/group
getent group gpio > /dev/null || echo 'gpio:x:991:' >> /etc/group
mount -t tmpfs opt /opt && mkdir /opt/anpr-node && mount --bind {root} /opt/anpr-node
mkdir /opt/python && mount --bind {python} /opt/python
cp {folder}/anpr-node /opt/started && chmod 755 /opt/started
mount --bind /opt/started /opt/anpr-node/.venv/bin/anpr-node
for folder in /tmp /var/tmp /var/lib /lib/systemd/system/sysinit.target.wants /lib/systemd/system/sockets.target.wants
do mount -t tmpfs tmp $folder; done
chmod 1777 /tmp /var/tmp
mkdir -p /run/pwm/pwmchip0/pwm0 /run/pwm/1f00098000.pwm
ln -s ../1f00098000.pwm /run/pwm/pwmchip0/device
cd /run/pwm/pwmchip0
touch export unexport
for name in period duty_cycle enable; do echo 0 > pwm0/$name; done
echo normal > pwm0/polarity
chown -R anpr /run/pwm
[ -d /sys/class/pwm ] || {{ mount -t tmpfs class /sys/class && mkdir /sys/class/pwm; }}
mount --bind /run/pwm /sys/class/pwm
mkdir /etc/systemd/system/anpr-node.service.d 2> /dev/null
printf '[Service]\\nReadWritePaths=/sys/class/pwm\\n' > /etc/systemd/system/anpr-node.service.d/zz-pwm.conf
printf '[Unit]\\nDefaultDependencies=no\\nWants=anpr-node.service\\n' > /etc/systemd/system/proof.target
printf '[Unit]\\nDefaultDependencies=no\\n[Service]\\nExecStart=/opt/python/bin/python3 {guest} {rounds} {seed}\\n' \\
    > /etc/systemd/system/proof.service
printf 'StandardOutput=tty\\nStandardError=tty\\nTTYPath=/dev/console\\n' >> /etc/systemd/system/proof.service
printf '[Unit]\\nDefaultDependencies=no\\n' > /etc/systemd/system/reboot.target
mkdir /etc/systemd/system/proof.target.wants
ln -s ../proof.service /etc/systemd/system/proof.target.wants/
cd /
exec /lib/systemd/systemd --unit=proof.target --log-level={log} --log-target=console
"""

STARTED = """#!/bin/sh
exec env PYTHONHOME=/opt/python LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONPATH=/opt/anpr-node:/opt/anpr-node/{packages} /opt/python/bin/python3 -m anpr_node "$@" \\
    2>> /var/lib/anpr-node/said
"""
"""This checkout's own command and its Python may lie in /home or /tmp, which the unit cannot see."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program beside the node saw."""
    folder = tmp_path_factory.mktemp("unit")
    (folder / "node.toml").write_text(NODE_TOML)
    packages = Path(sysconfig.get_path("purelib")).relative_to(ROOT)
    (folder / "anpr-node").write_text(STARTED.format(packages=packages))
    guest = Path("/opt/anpr-node/tests/hil/killed_unit_guest.py")
    script = SCRIPT.format(root=ROOT, folder=folder, python=sys.base_prefix, guest=guest, rounds=ROUNDS, seed=SEED,
                           log=os.environ.get("ANPR_SYSTEMD_LOG", "warning"))  # fmt: skip
    return boot(folder, script, 120 + 60 * ROUNDS, writable=False)


def test_killed_at_any_moment_its_outputs_are_off_within_a_second(
    seen: dict[str, object], record_property: Callable[[str, object], None]
) -> None:
    record_property("seen", seen)
    rounds = seen["rounds"]
    assert isinstance(rounds, list)
    assert len(rounds) == ROUNDS
    assert any(one["pulsing"] for one in rounds), "never killed while it pulsed"
    assert [one for one in rounds if one["safe_s"] > SAFE_WITHIN_S] == []
    assert all(one["stayed"] for one in rounds)


def test_systemd_starts_it_again_every_time_and_never_reboots_for_it(seen: dict[str, object]) -> None:
    assert seen["restarts"] == ROUNDS
    assert seen["rebooted"] is False


def test_a_process_that_hangs_is_ended_by_the_watchdog(seen: dict[str, object]) -> None:
    hung_s = seen["hung_s"]
    assert isinstance(hung_s, float)
    assert hung_s <= WATCHDOG_S + 1 + SAFE_WITHIN_S  # it was fed up to half a second before


def test_exit_code_4_reboots(seen: dict[str, object]) -> None:
    assert seen["rebooted by 4"] is True
