"""Updates on the quick twin, one after the other on the same board: good, bad in every way, and with the power cut.

Whatever happens, the node comes back reading, and no read that it had acknowledged is lost.
ANPR_CUTS is the number of power cuts and changed bytes (20 for the figures); without it there are two, and what takes
minutes is left out. ANPR_UPDATES is how often each kind of update is tried, one to three minutes each (once, if unset).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from boot import variants
from boot.claims import FIRST_READ_S, NAME, PASSWORD
from boot.console import Shell
from boot.machine import UserModeLinux
from boot.test_boot import failed_units, wait_for_reads

CUTS, SEED = int(os.environ.get("ANPR_CUTS", "2")), 1
UPDATES = int(os.environ.get("ANPR_UPDATES", "1"))
PARTITION = {"a": 2, "b": 3}
TRIAL_S = FIRST_READ_S + 120
long = pytest.mark.skipif("ANPR_CUTS" not in os.environ, reason="takes minutes; set ANPR_CUTS=20 to run it")
IDS = (
    "import sqlite3; d = sqlite3.connect('file:/var/lib/anpr-node/anpr-node.sqlite?mode=ro', uri=True); "
    "print(d.execute('PRAGMA quick_check').fetchone()[0], *[r[0] for r in d.execute('SELECT read_id FROM read')])"
)


class Site:
    """A board in use, and the reads that it has acknowledged so far."""

    def __init__(self, board: UserModeLinux, shell: Shell, bundles: Path) -> None:
        self.board, self.shell, self.bundles, self.acknowledged = board, shell, bundles, set[str]()
        self.lay_bundles()

    def log_in(self) -> None:
        self.shell = Shell(self.board.console, NAME, PASSWORD, FIRST_READ_S)
        self.lay_bundles()

    def lay_bundles(self) -> None:
        """This machine's folder, seen from the board."""
        self.shell.out(f"mkdir -p /run/bundles && mount -t hostfs none /run/bundles -o {self.bundles}")

    def slot(self) -> tuple[str, str, str]:
        """Slot, image, whether it is on trial."""
        said = dict(line.split("=") for line in self.shell.out("cat /etc/anpr-slot").splitlines())
        return said["SLOT"], said["IMAGE"], said["TRIAL"]

    def slots(self) -> tuple[str, str]:
        """The one that runs, and the one that an update goes to."""
        here = self.slot()[0]
        return here, "ba"["ab".index(here)]

    def reads(self) -> set[str]:
        """The reads on the card, whole."""
        verdict, *ids = self.shell.out(f'python3 -c "{IDS}"', 60).split()
        assert verdict == "ok"
        return set(ids)

    def goes_on(self) -> None:
        """It reads, and what was acknowledged is there."""
        before = len(self.reads())
        wait_for_reads(self.shell, before)
        now = self.reads()
        assert self.acknowledged <= now, f"{len(self.acknowledged - now)} acknowledged reads are lost"
        self.acknowledged = now

    def update(self, name: str) -> None:
        """As the timer does it, to a version that has not failed here; ends in a reboot on trial."""
        self.shell.out("rm -f /data/slots/failed-versions")
        self.shell.begin(f"/usr/lib/anpr-node/update /run/bundles/{name}.raucb")


@pytest.fixture(scope="module")
def site(claimed: tuple[UserModeLinux, Shell], tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(*claimed, tmp_path_factory.mktemp("updates"))


def test_1_good_updates_are_confirmed_and_stay(site: Site, image: Path) -> None:
    for number in range(UPDATES):
        version = f"2.{number % 2}"
        if number < 2:
            variants.good(image, site.bundles, version)
        _, there = site.slots()
        site.goes_on()
        site.update(version)
        before = site.board.console
        site.board.reboot(600)
        assert "Failed unmounting" not in before.said
        site.board.console.expect(f"slot {there} is confirmed: amd64-uml-{version}", TRIAL_S)
        site.log_in()
        site.goes_on()
        assert f"[all]\ntryboot_a_b=1\nboot_partition={PARTITION[there]}".encode() in site.board.get("autoboot.txt")
        site.board.cut()
        site.board.power_on()
        site.log_in()
        assert site.slot() == (there, f"amd64-uml-{version}", "no")
        site.goes_on()


@pytest.mark.parametrize("kind", ["wrong_board", "wrong_key"])
@long
def test_2_what_is_not_ours_is_refused(site: Site, image: Path, kind: str) -> None:
    getattr(variants, kind)(image, site.bundles, kind)
    for _ in range(UPDATES):
        code, said = site.shell.run(f"rauc install /run/bundles/{kind}.raucb", 600)
        assert code != 0, said
        assert site.shell.out("/usr/lib/anpr-node/slots pending").startswith("-")
        site.goes_on()


def test_2_a_changed_byte_never_gets_into_a_slot(site: Site, image: Path) -> None:
    """Wherever it is: the bundle is refused, or the block was not taken from it, as a slot held the right one."""
    whole, chance, refused = site.bundles / "2.0.raucb", random.Random(SEED), 0
    places = [whole.stat().st_size - 100, *(chance.randrange(whole.stat().st_size) for _ in range(CUTS - 1))]
    right = hashlib.sha256((site.bundles / "2.0.squashfs").read_bytes()).hexdigest()
    size, there = (site.bundles / "2.0.squashfs").stat().st_size, site.slots()[1]
    for place in places:
        variants.tampered(whole, place)
        code, _ = site.shell.run("rauc install /run/bundles/tampered.raucb", 600)
        if code != 0:
            refused += 1
            assert site.shell.out("/usr/lib/anpr-node/slots pending").startswith("-")
        else:
            slot = f"/dev/disk/by-partlabel/root-{there}"
            assert site.shell.out(f"head -c {size} {slot} | sha256sum", 120).split()[0] == right, place
            site.shell.out(f"/usr/lib/anpr-node/slots set-state {there} bad")
    assert refused >= 1
    site.goes_on()


@long
def test_3_an_update_that_is_not_healthy_is_given_up(site: Site, image: Path) -> None:
    variants.unhealthy(image, site.bundles, "3.0")
    here, there = site.slots()
    for _ in range(UPDATES):
        site.update("3.0")
        site.board.reboot(600)
        assert site.board.partition == PARTITION[there]
        site.board.console.expect(f"slot {there} is given up: not healthy", TRIAL_S)
        site.board.reboot(120)
        assert site.board.partition == PARTITION[here]
        site.log_in()
        site.goes_on()
        assert "failed here before" in site.shell.out("/usr/lib/anpr-node/update /run/bundles/3.0.raucb", 60)


@long
def test_4_an_update_that_does_not_boot_is_tried_twice_and_given_up(site: Site, image: Path) -> None:
    variants.does_not_boot(image, site.bundles, "4.0")
    here, there = site.slots()
    for _ in range(UPDATES):
        site.update("4.0")
        site.board.reboot(600)
        for _ in range(2):
            assert site.board.partition == PARTITION[there]
            site.board.reboot(60)  # the kernel's panic; the confirmed slot tries it once more when it is healthy itself
            assert site.board.partition == PARTITION[here]
            if site.board.console.expect("is given up|reboot-param: 0 tryboot", TRIAL_S)[0] == "is given up":
                break
            site.board.reboot(120)
        site.log_in()
        assert site.slots() == (here, there)
        site.goes_on()


def test_5_the_power_is_cut(site: Site, image: Path) -> None:
    chance, slot = random.Random(SEED), site.slot()
    if not (site.bundles / "2.0.raucb").exists():
        variants.good(image, site.bundles, "2.0")
    for number in range(CUTS):
        site.goes_on()
        if number % 2:
            site.shell.run("systemd-run --quiet --collect rauc install /run/bundles/2.0.raucb")
        site.shell.run(f"sleep {chance.uniform(0, 6):.2f}")
        site.board.cut()
        site.board.power_on()
        site.log_in()
        site.goes_on()
        assert site.slot() == slot
        assert failed_units(site.shell) == set()


@long
def test_6_a_manager_that_hangs_is_ended_by_the_watchdog(site: Site) -> None:
    for _ in range(UPDATES):
        site.shell.begin("kill -SEGV 1")
        site.board.reboot(120)
        site.log_in()
        site.goes_on()


def test_7_what_the_record_says_of_all_this(site: Site) -> None:
    said = json.loads(site.shell.out("anpr-node status --json"))
    assert said["reads"] >= len(site.acknowledged) > 0
    assert "0 flaws" in site.shell.out(
        f"runuser -u {NAME} -- anpr-node audit verify; true"
    )  # as the owner, not as root
