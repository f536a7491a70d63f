"""The law of a node binds every command on its record, whatever settings a caller brings along."""

from __future__ import annotations

import getpass
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from makers import evidence, read

from anpr_node import access, audit, law
from anpr_node.access import Person
from anpr_node.audit import Line
from anpr_node.cli import main
from anpr_node.config import load
from anpr_node.errors import RefusedByPolicy
from anpr_node.policy import roles
from anpr_node.recorder import encode
from anpr_node.store.database import count, open_store
from anpr_node.store.reads import add_read

ROADSIDE = '[camera]\nkind = "gstreamer"\n[outputs]\npins = "lgpio"\n'
KEY = "A" * 43 + "="
LISTS = f'[hotlists.lists.stolen]\nurl = "https://lists.example/stolen.manifest"\npublic_key = "{KEY}"\n'
DAY_S = 86_400
WHY = ("--reason", "r", "--case", "c")


class Site:
    """A node's state folder, with settings files beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f'[store]\nfolder = "{self.state}"\n{text}')
        return path

    def start(self, text: str) -> None:
        """What a node does with its settings when it starts."""
        audit.note_configuration(self.state, "node", load(self.file("node.toml", text)).model_dump(mode="json"), 0)

    def call(self, config: Path, *arguments: str) -> Result:
        at = 2 if arguments[0] in {"hotlist", "user", "audit", "uplink"} else 1
        return CliRunner().invoke(main, [*arguments[:at], "--config", str(config), *arguments[at:]])

    def name(self, role: str) -> None:
        with closing(open_store(self.state)) as database:
            access.add(database, Person("eva", "service"), "eva", None, 0)
            access.add(database, Person("jan", role), getpass.getuser(), None, 0)

    def lines(self) -> list[Line]:
        return [line for line in audit.read(self.state) if line.entry.actor != "node"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    with closing(open_store(made.state)) as database:
        add_read(database, read(read_id="old", at_s=time.time() - 100 * DAY_S), encode(evidence()), [])
        with database.atomic():
            count(database, "purges", 1, time.time_ns())
    made.start(ROADSIDE + LISTS)
    return made


def reads_of(site: Site) -> int:
    with closing(open_store(site.state)) as database:
        return int(database.execute("SELECT count(*) FROM read").fetchone()[0])


def test_another_preset_opens_no_gate(site: Site) -> None:
    site.name("investigator")
    own = site.file("own.toml", f'{ROADSIDE}{LISTS}[policy]\npreset = "FR"\n')
    result = site.call(own, "search", "*", *WHY)
    assert result.exit_code == 3
    assert "policy.preset: not as the node runs with it" in result.output
    assert "start the node again" in result.output
    assert "1ABC123" not in result.output
    entry = site.lines()[-1].entry
    assert (entry.actor, entry.action, entry.outcome) == ("jan", "search", "refused")
    assert entry.detail["policy.preset"] == "FR"


def test_the_nodes_own_settings_under_another_name_are_the_same_law(site: Site) -> None:
    site.name("investigator")
    same = site.file("same.toml", f'{ROADSIDE}{LISTS}[node]\nid = "other"\n')
    assert site.call(same, "search", "*", "--decision", "P/1", *WHY).exit_code == 0


def test_another_preset_purges_nothing(site: Site) -> None:
    site.name("technician")
    result = site.call(site.file("de.toml", f'{ROADSIDE}{LISTS}[policy]\npreset = "DE"\n'), "purge")
    assert result.exit_code == 3
    assert reads_of(site) == 1


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        (LISTS.replace("lists.example", "mine.example"), "hotlists.lists.stolen.url"),
        (LISTS.replace("A" * 43, "B" * 43), "hotlists.lists.stolen.public_key"),
        (LISTS.replace("stolen]", "mine]"), "hotlists.lists.mine.url"),
        ("", "hotlists.lists.stolen.public_key"),
        (LISTS + 'actions = ["silent"]\n', "hotlists.lists.stolen.actions"),
    ],
)
def test_other_lists_are_fetched_by_nobody(site: Site, changed: str, key: str) -> None:
    site.name("officer")
    own = site.file("own.toml", ROADSIDE + changed)
    result = site.call(own, "hotlist", "update")
    assert result.exit_code == 3
    assert site.lines()[-1].entry.outcome == "refused"
    assert key in site.lines()[-1].entry.detail
    assert "hotlists.lists." in result.output


def test_the_timer_goes_on_with_the_nodes_own_settings(site: Site) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anpr_node.hotlist.downloads.update", lambda *_: [])
        assert site.call(site.folder / "node.toml", "hotlist", "update").exit_code == 0


def test_a_camera_that_is_called_simulated_makes_nobody_the_owner(site: Site) -> None:
    own = site.file("own.toml", LISTS)
    result = site.call(own, "search", "*", *WHY)
    assert result.exit_code == 3
    assert "camera.kind" in result.output


def test_the_service_role_may_and_it_is_written_down(site: Site) -> None:
    site.name("service")
    own = site.file("de.toml", f'{ROADSIDE}{LISTS}[policy]\npreset = "DE"\n')
    assert site.call(own, "purge").exit_code == 0
    entry = site.lines()[0].entry
    assert (entry.actor, entry.action, entry.object_ref) == ("jan", "other settings", "purge")
    assert entry.detail == {"policy.preset": "DE"}


def test_a_folder_that_no_node_started_on_is_its_makers_own(tmp_path: Path) -> None:
    fresh = Site(tmp_path)
    open_store(fresh.state).close()
    assert fresh.call(fresh.file("own.toml", '[policy]\npreset = "DE"\n'), "purge").exit_code == 0


def test_the_owner_of_a_simulated_roadside_tries_what_they_like(tmp_path: Path) -> None:
    own = Site(tmp_path)
    own.start("")
    assert own.call(own.file("own.toml", '[policy]\npreset = "FR"\n'), "search", "*", *WHY).exit_code == 0
    own.name("investigator")
    assert own.call(own.file("own.toml", '[policy]\npreset = "FR"\n'), "search", "*", *WHY).exit_code == 3


@pytest.mark.parametrize("command", ["run", "console"])
def test_whoever_may_not_change_the_settings_starts_no_node_with_others(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    site.name("investigator")
    own = load(site.file("own.toml", f'{ROADSIDE}{LISTS}[policy]\npreset = "FR"\n'))
    law.hold(own, command, None)  # the service's account, or root, by itself
    monkeypatch.setenv("SUDO_USER", getpass.getuser())
    with pytest.raises(RefusedByPolicy, match=r"policy\.preset"):
        law.hold(own, command, None)
    monkeypatch.setenv("SUDO_USER", "eva")
    law.hold(own, command, None)


def test_figures_for_anyone_are_counted_under_the_nodes_policy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = site.file("own.toml", '[policy]\npreset = "FR"\nreads_days = 1\n')
    own = load(path)
    assert law.under(own).policy.preset == "BE"
    assert law.under(own).policy.reads_days is None
    assert law.under(own).hotlists == own.hotlists
    counted: list[str] = []
    monkeypatch.setattr("anpr_node.status.collect", lambda settings: counted.append(settings.policy.preset))
    assert site.call(path, "status", "--json").exit_code == 0
    assert counted == ["BE"]


def test_what_the_node_ran_with_and_cannot_be_read_is_no_licence(site: Site) -> None:
    site.name("investigator")
    (site.state / audit.CONFIGURATION_NAME).write_bytes(b"{")
    result = site.call(site.folder / "node.toml", "search", "*", "--decision", "P/1", *WHY)
    assert result.exit_code == 3
    site.start(ROADSIDE + LISTS)
    assert site.call(site.folder / "node.toml", "search", "*", "--decision", "P/1", *WHY).exit_code == 0


def test_what_the_roles_say_of_the_law_is_about_commands_for_anyone() -> None:
    assert roles().held | roles().under <= roles().anyone
    assert not roles().held & roles().under
