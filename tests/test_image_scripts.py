"""The image's own scripts in a root of scratch: which slot starts, what is taken from the card, what an update does.

What a board's kernel and tools would do for them, programs of a few lines do here, which note how they were called.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "image" / "recipe"))

import build

LIBRARY = ROOT / "image" / "overlay" / "usr" / "lib" / "anpr-node"
PLACES = re.compile(r"(?<![\w.$}/])/(?=(?:data|etc|run|opt|proc|usr/lib/anpr-node|usr/share/anpr-node)/)")
AUTOBOOT = (ROOT / "image" / "boot" / "autoboot.txt").read_text()
NOTE = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'
STANDING_IN = {
    "unshare": '#!/bin/sh\nshift; exec "$@"\n',
    "mount": NOTE,
    "umount": NOTE,
    **dict.fromkeys(("hostname", "useradd", "usermod", "chown", "install"), NOTE),
    "systemctl": NOTE,
    "runuser": "#!/bin/sh\nexit ${HEALTH:-0}\n",
    "rauc": NOTE
    + """. "$SCRATCH/etc/anpr-slot"
case $1 in
    info) echo "RAUC_MF_VERSION='$OFFERED'" ;;
    install) exec "$SCRATCH/usr/lib/anpr-node/slots" set-primary "$(echo "$SLOT" | tr ab ba)" ;;
    *) exit 1 ;;
esac
""",
}


class Scratch:
    """A root with the scripts in it; a node in slot `a` that is confirmed."""

    def __init__(self, root: Path) -> None:
        self.root, self.calls = root, root / "calls"
        for folder in (
            "data/slots",
            "etc/anpr-node/site",
            "etc/anpr-node/identity",
            "run/firmware",
            "usr/lib/anpr-node",
            "bin",
        ):
            (root / folder).mkdir(parents=True)
        for script in LIBRARY.iterdir():
            copy = root / "usr/lib/anpr-node" / script.name
            copy.write_text(PLACES.sub(f"{root}/", script.read_text()))
            copy.chmod(0o755)
        (root / "usr/lib/anpr-node/base").write_text("rpi\n")
        (root / "run/firmware/autoboot.txt").write_text(AUTOBOOT)
        for name, text in STANDING_IN.items():
            self.stand_in(name, text)
        self.start("a", "rpi-2.0")

    def stand_in(self, name: str, text: str) -> None:
        """A program that is found before the machine's own."""
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    def site(self, node_id: str) -> None:
        """What a claim has written, as far as the scripts want it."""
        for name, text in (("hostname", f"{node_id}\n"), ("accounts", "jan:2000:sudo:!\n")):
            (self.root / "etc/anpr-node/site" / name).write_text(text)
        (self.root / "etc/anpr-node/identity/node.csr.pem").write_text("the request\n")
        (self.root / "etc/anpr-node/site.toml").touch()

    def start(self, slot: str, image: str, trial: str = "no") -> None:
        """As image/boot/init leaves it."""
        (self.root / "etc/anpr-slot").write_text(
            f"SLOT={slot}\nIMAGE={image}\nKEEPS=yes\nTRIAL={trial}\nFIRMWARE=/dev/x\n"
        )
        self.calls.write_text("")

    def run(self, name: str, *arguments: str, check: bool = True, **environment: str) -> str:
        """What a script says."""
        path = f"{self.root / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
        run = subprocess.run(
            [self.root / "usr/lib/anpr-node" / name, *arguments], check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path, "CALLS": str(self.calls), "SCRATCH": str(self.root), **environment},
        )  # fmt: skip
        assert not check or run.returncode == 0, run.stdout
        return run.stdout.strip()

    def confirmed(self) -> str:
        """The boot partition that the firmware starts."""
        found = re.search(r"\[all\]\ntryboot_a_b=1\nboot_partition=(\d)", self.autoboot.read_text())
        assert found
        return found[1]

    @property
    def autoboot(self) -> Path:
        return self.root / "run/firmware/autoboot.txt"


@pytest.fixture
def node(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def on_trial(node: Scratch) -> None:
    """Version 3.0 is in slot b, which has started on trial."""
    node.run("slots", "set-primary", "b")
    node.run("slots", "try")
    node.start("b", "rpi-3.0", "yes")


def test_a_confirmed_update_lets_the_next_one_in_before_any_reboot(node: Scratch) -> None:
    on_trial(node)
    assert "on trial itself" in node.run("update", "4.0.raucb", OFFERED="4.0")
    assert "slot b is confirmed" in node.run("confirm")
    assert node.confirmed() == "3"
    assert "starts on trial now" in node.run("update", "4.0.raucb", OFFERED="4.0")


def test_a_power_cut_between_the_firmwares_sector_and_our_note_puts_nothing_old_on_trial(node: Scratch) -> None:
    on_trial(node)
    node.run("slots", "commit")  # the power goes here
    node.start("b", "rpi-3.0")
    assert node.run("slots", "pending") == "- 0"
    node.run("confirm")
    assert "reboot" not in node.calls.read_text()
    assert node.run("slots", "get-primary") == "b"


def test_a_trial_that_came_to_nothing_is_tried_once_more_then_given_up(node: Scratch) -> None:
    (node.root / "data/slots/installing").write_text("3.0\n")
    on_trial(node)
    node.start("a", "rpi-2.0")
    node.run("confirm")
    assert "--reboot-argument=0 tryboot" in node.calls.read_text()
    node.start("a", "rpi-2.0")
    assert "is given up" in node.run("confirm")
    assert node.run("slots", "get-state", "b") == "bad"
    assert "failed here before" in node.run("update", "3.0.raucb", OFFERED="3.0")


def test_what_cannot_be_confirmed_is_not_said_to_be(node: Scratch) -> None:
    on_trial(node)
    node.autoboot.unlink()
    node.stand_in("dd", "#!/bin/sh\nexit 1\n")
    said = node.run("confirm", check=False)
    assert "could not be confirmed" in said
    assert "is confirmed" not in said
    assert "TRIAL=yes" in (node.root / "etc/anpr-slot").read_text()


@pytest.mark.parametrize("text", ["", AUTOBOOT.replace("boot_partition=2", "boot_partition=7")])
def test_no_slot_is_guessed_where_the_firmwares_file_names_none(node: Scratch, text: str) -> None:
    node.autoboot.write_text(text)
    assert "names no slot" in node.run("slots", "set-primary", "a", check=False)
    assert not (node.root / "data/slots/state").exists()


def test_a_firmwares_file_that_was_edited_on_windows_is_read(node: Scratch) -> None:
    node.autoboot.write_text(AUTOBOOT.replace("\n", "\r\n").replace("=2", "=9").replace("=3", "=2").replace("=9", "=3"))
    assert node.run("slots", "get-primary") == "b"


@pytest.mark.parametrize(("offered", "taken"), [("2.0.1", True), ("10.0", True), ("1.9", False), ("1.10", False)])
def test_by_night_only_what_is_newer_is_taken(node: Scratch, offered: str, taken: bool) -> None:
    (node.root / "etc/anpr-node/site/update-url").write_text("https://updates.example.org/@BASE@.raucb\n")
    said = node.run("update", OFFERED=offered)
    assert ("rauc install https://updates.example.org/rpi.raucb" in node.calls.read_text()) == taken
    assert ("is older than 2.0" in said) == (not taken)


def test_an_older_one_is_taken_by_hand(node: Scratch) -> None:
    assert "1.9 is installed" in node.run("update", "1.9.raucb", OFFERED="1.9")


CLAIM = """#!/bin/sh
[ "$1" = claim ] || exit 9
echo "claim $(cat "$3")" >>"$CALLS"
grep -q right "$3" || exit 1
touch "$SCRATCH/etc/anpr-node/site.toml"; rm "$3"
"""


def card_holds(node: Scratch, **files: str) -> None:
    """On the firmware partition, with the node's command beside."""
    command = node.root / "opt/anpr-node/.venv/bin/anpr-node"
    command.parent.mkdir(parents=True)
    command.write_text(CLAIM)
    command.chmod(0o755)
    for name, text in files.items():
        (node.root / "run/firmware" / f"anpr-provision.toml{name}").write_text(text)


def left(node: Scratch) -> set[str]:
    return {path.name for path in (node.root / "run/firmware").iterdir()}


def test_a_claim_under_the_name_that_windows_may_give_it_is_found(node: Scratch) -> None:
    card_holds(node, **{".txt": "right"})
    node.run("site")
    assert "claim right" in node.calls.read_text()
    assert left(node) == {"autoboot.txt"}


def test_a_claim_that_is_wrong_stays_to_be_corrected(node: Scratch) -> None:
    card_holds(node, **{"": "wrong"})
    node.run("site")
    assert "anpr-provision.toml" in left(node)


def test_of_two_claims_one_is_obeyed_and_none_stays(node: Scratch) -> None:
    card_holds(node, **{"": "right, the first", ".txt": "right, the second"})
    assert "is deleted unread" in node.run("site")
    assert node.calls.read_text().count("claim right") == 1
    assert left(node) == {"autoboot.txt"}


def test_what_a_power_cut_left_of_a_claim_is_deleted_and_the_request_handed_over(node: Scratch) -> None:
    node.site("n1")
    card_holds(node, **{"": 'password = "correct horse battery"'})
    other = node.root / "same-blocks"
    other.hardlink_to(node.root / "run/firmware/anpr-provision.toml")
    node.run("site")
    assert left(node) == {"autoboot.txt", "n1.csr.pem"}
    assert b"correct horse" not in other.read_bytes()
    assert "claim" not in node.calls.read_text()


def test_a_claim_is_not_used_up_by_a_start_that_keeps_nothing(node: Scratch) -> None:
    slot = node.root / "etc/anpr-slot"
    slot.write_text(slot.read_text().replace("KEEPS=yes", "KEEPS=no"))
    card_holds(node, **{"": "right"})
    assert "keeps nothing" in node.run("site")
    assert "anpr-provision.toml" in left(node)


def test_a_card_without_a_claim_is_not_written_to(node: Scratch) -> None:
    node.site("n1")
    node.run("site")
    mounts = [line for line in node.calls.read_text().splitlines() if "mount" in line]
    assert [line.split()[0] for line in mounts] == ["mount", "umount"]
    assert "ro," in mounts[0]


@pytest.mark.parametrize(("board", "kind"), [("raspberrypi,5-model-b\0brcm,bcm2712\0", "pisp"),
                                            ("raspberrypi,4-model-b\0brcm,bcm2711\0", "vc4")])  # fmt: skip
def test_libcamera_is_as_patient_as_the_board_wants(node: Scratch, board: str, kind: str) -> None:
    tree = node.root / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "compatible").write_text(board)
    node.run("site")
    place = node.root / "etc/anpr-node/libcamera.yaml"
    assert str(place.readlink()).endswith(f"{build.HW['hw/libcamera']}/{kind}.yaml")
    assert (ROOT / "hw/libcamera" / f"{kind}.yaml").exists()
    unit = ROOT / "image/overlay/etc/systemd/system/anpr-node.service.d/pwm.conf"
    assert "LIBCAMERA_RPI_CONFIG_FILE=/etc/anpr-node/libcamera.yaml" in unit.read_text()
    place.unlink()
    place.write_text("of the site")
    node.run("site")
    assert place.read_text() == "of the site"


@pytest.mark.parametrize(("kept_s", "set_to"), [(2_000, "-s @2000"), (900, None)])
def test_the_clock_is_never_before_the_cards_last_moment(node: Scratch, kept_s: int, set_to: str | None) -> None:
    """Those lines of image/boot/init, on a board that believes it is 1000 s after the beginning."""
    node.stand_in("date", f'{NOTE}[ "$1" != +%s ] || echo 1000\n')
    for name, written_s in (("var/log/journal/id/system.journal", 500), ("var/lib/anpr-node/n.sqlite-wal", kept_s)):
        path = node.root / "data/shared" / name
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (written_s, written_s))
    text = (ROOT / "image/boot/init").read_text()
    part = re.search(r"^newest=0\n.*?date -s.*?\n", text, re.DOTALL | re.MULTILINE)
    assert part
    script = "say() { :; }\n" + PLACES.sub(f"{node.root}/", part[0])
    path = f"{node.root / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["sh", "-euc", script], check=True, env={**os.environ, "PATH": path, "CALLS": str(node.calls)})
    calls = node.calls.read_text().splitlines()
    assert [line.removeprefix("date ") for line in calls if "-s" in line] == ([set_to] if set_to else [])
