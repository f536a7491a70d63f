"""People, roles and passwords: no default account, and a command answers its roles alone."""

from __future__ import annotations

import getpass
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from makers import evidence, read
from sqlite_utils import Database

from anpr_node import access, audit
from anpr_node.access import Person
from anpr_node.cli import main
from anpr_node.config import Settings
from anpr_node.errors import AnprError, RefusedByPolicy
from anpr_node.policy import roles
from anpr_node.recorder import encode
from anpr_node.store import outbox
from anpr_node.store.database import use_store
from anpr_node.store.reads import add_read
from anpr_node.units import NS_PER_S

PASSWORD = "correct horse battery"


def no_password() -> str:
    raise AssertionError("nobody should be asked")


ROADSIDE = '[camera]\nkind = "gstreamer"\n[outputs]\npins = "lgpio"\n'
"""A real one; the commands here open neither camera nor pins."""


def call(settings: Settings, tmp_path: Path, *arguments: str, answer: str | None = None, more: str = "") -> Result:
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{settings.state_folder}"\n{more}')
    at = 2 if arguments[0] in {"user", "audit", "hotlist", "evidence", "store", "uplink"} else 1
    before = ["--user", "jan"] if answer is not None else []
    filled = [*before, *arguments[:at], "--config", str(config), *arguments[at:]]
    return CliRunner().invoke(main, filled, input=answer)


def test_there_is_no_account_until_one_is_named(settings: Settings, store: Database) -> None:
    assert access.people(store) == []
    with pytest.raises(RefusedByPolicy, match="not this password"):
        access.authorise(settings, "search", "admin", lambda: "admin")


def test_the_owner_of_a_simulated_roadside_may_look_around_until_somebody_is_named(
    settings: Settings, store: Database
) -> None:
    assert access.authorise(settings, "search", None, no_password).role == "owner"
    access.add(store, Person("jan", "investigator"), "somebody-else", None, 0)
    with pytest.raises(RefusedByPolicy, match="--user"):
        access.authorise(settings, "search", None, no_password)


def test_an_account_that_sshd_let_in_is_a_person(settings: Settings, store: Database) -> None:
    access.add(store, Person("jan", "investigator"), getpass.getuser(), None, 0)
    assert access.authorise(settings, "search", None, no_password) == Person("jan", "investigator")


@pytest.mark.parametrize("role", ["technician", "officer", "investigator", "auditor", "service"])
def test_roles_decide_which_commands_answer(settings: Settings, store: Database, role: str) -> None:
    access.add(store, Person("jan", role), getpass.getuser(), None, 0)
    everything = frozenset().union(*roles().commands.values())
    for command in everything:
        if command in roles().commands[role]:
            assert access.authorise(settings, command, None, no_password).role == role
        else:
            with pytest.raises(RefusedByPolicy, match="does not answer"):
                access.authorise(settings, command, None, no_password)
    refused = [line.entry for line in audit.read(settings.state_folder)]
    assert {e.action for e in refused} == everything - roles().commands[role]
    assert {(e.actor, e.outcome) for e in refused} <= {("jan", "refused")}


def test_a_password_lets_in_and_is_stored_as_argon2id_only(store: Database, tmp_path: Path) -> None:
    access.add(store, Person("jan", "officer"), None, PASSWORD, 0)
    stored = store.execute("SELECT password_hash FROM person").fetchone()[0]
    assert stored.startswith("$argon2id$")
    assert access.check_password(store, "jan", PASSWORD) == Person("jan", "officer")
    assert access.check_password(store, "jan", PASSWORD + "x") is None
    assert access.check_password(store, "nobody", PASSWORD) is None


def test_guessing_is_slowed_down_and_a_right_password_ends_it(store: Database) -> None:
    access.add(store, Person("jan", "officer"), None, PASSWORD, 0)
    for n in range(5):
        assert access.check_password(store, "jan", "guess", n) is None
    with pytest.raises(RefusedByPolicy, match="wait 1 s"):
        access.check_password(store, "jan", PASSWORD, 5)
    assert access.check_password(store, "jan", "guess", 2 * NS_PER_S) is None
    with pytest.raises(RefusedByPolicy, match="wait 2 s"):
        access.check_password(store, "jan", PASSWORD, 3 * NS_PER_S)
    assert access.check_password(store, "jan", PASSWORD, 5 * NS_PER_S)
    assert access.check_password(store, "jan", "guess", 5 * NS_PER_S) is None


@pytest.mark.parametrize(
    ("role", "login", "password", "words"),
    [("king", "jan", None, "no role"), ("officer", None, None, "needs"), ("officer", None, "short", "characters")],
)
def test_nobody_comes_in_by_half(
    store: Database, role: str, login: str | None, password: str | None, words: str
) -> None:
    with pytest.raises(RefusedByPolicy, match=words):
        access.add(store, Person("jan", role), login, password, 0)


def test_a_name_is_given_once(store: Database) -> None:
    access.add(store, Person("jan", "officer"), "jan", None, 0)
    with pytest.raises(AnprError, match="named already"):
        access.add(store, Person("jan", "auditor"), "other", None, 0)
    assert access.remove(store, "jan")
    assert not access.remove(store, "jan")


def test_sudo_tells_who_called_it(settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jan")
    assert access.login_name(settings.state_folder) == "jan"


def test_by_the_command_line(settings: Settings, store: Database, tmp_path: Path) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    assert (
        call(settings, tmp_path, "user", "add", "eva", "--role", "service", "--login", getpass.getuser()).exit_code == 0
    )
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{settings.state_folder}"\n')
    added = CliRunner().invoke(
        main, ["user", "add", "--config", str(config), "jan", "--role", "auditor", "--password"], input=typed
    )
    assert added.exit_code == 0, added.output
    assert PASSWORD not in added.output
    assert call(settings, tmp_path, "search", "*", "--reason", "r", "--case", "c").exit_code == 3
    shown = call(settings, tmp_path, "audit", "show", answer=PASSWORD + "\n")
    assert shown.exit_code == 0, shown.output
    assert "user add" in shown.output
    assert call(settings, tmp_path, "audit", "show", answer="wrong\n").exit_code == 3
    search = call(settings, tmp_path, "search", "*", "--reason", "r", "--case", "c", answer=PASSWORD + "\n")
    assert search.exit_code == 3
    assert "does not answer the role auditor" in search.output
    verified = call(settings, tmp_path, "audit", "verify", answer=PASSWORD + "\n")
    assert verified.exit_code == 0, verified.output
    assert " 0 flaws" in verified.output
    with use_store(settings.state_folder) as database:
        assert [name for name, *_ in access.people(database)] == ["eva", "jan"]


def test_a_person_is_removed_by_the_command_line(settings: Settings, store: Database, tmp_path: Path) -> None:
    access.add(store, Person("me", "service"), getpass.getuser(), None, 0)
    access.add(store, Person("jan", "auditor"), "jan", None, 0)
    assert call(settings, tmp_path, "user", "remove", "jan").exit_code == 0
    assert call(settings, tmp_path, "user", "remove", "jan").exit_code == 1
    assert "me" in call(settings, tmp_path, "user", "list").output


def test_the_owner_of_a_real_roadside_names_the_first_person_and_does_no_more(
    settings: Settings, store: Database, tmp_path: Path
) -> None:
    def at_the_roadside(*arguments: str) -> Result:
        return call(settings, tmp_path, *arguments, more=ROADSIDE)

    refused = at_the_roadside("search", "*", "--reason", "r", "--case", "c")
    assert refused.exit_code == 3
    assert "user add NAME --role service" in refused.output
    assert at_the_roadside("user", "list").exit_code == 3
    me = getpass.getuser()
    assert at_the_roadside("user", "add", "jan", "--role", "investigator", "--login", me).exit_code == 3
    assert access.people(store) == []
    named = at_the_roadside("user", "add", "eva", "--role", "service", "--login", me)
    assert named.exit_code == 0, named.output
    assert at_the_roadside("user", "add", "jan", "--role", "investigator", "--login", "jan").exit_code == 0
    assert at_the_roadside("user", "list").exit_code == 0
    assert at_the_roadside("search", "*", "--reason", "r", "--case", "c").exit_code == 3
    outcomes = [(line.entry.action, line.entry.outcome) for line in audit.read(settings.state_folder)]
    assert outcomes == [
        ("search", "refused"),
        ("user list", "refused"),
        ("user add", "refused"),
        ("user add", "done"),
        ("user add", "done"),
        ("search", "refused"),
    ]


def test_the_first_person_of_a_simulated_roadside_can_name_others_too(
    settings: Settings, store: Database, tmp_path: Path
) -> None:
    result = call(settings, tmp_path, "user", "add", "jan", "--role", "investigator", "--login", getpass.getuser())
    assert result.exit_code == 3
    assert "--role service" in result.output
    assert access.people(store) == []


def test_once_somebody_is_named_the_owner_is_nobody(settings: Settings, store: Database, tmp_path: Path) -> None:
    access.add(store, Person("eva", "service"), "eva", None, 0)
    result = call(settings, tmp_path, "user", "add", "me", "--role", "service", "--login", "me", more=ROADSIDE)
    assert result.exit_code == 3
    assert "is nobody here" in result.output


def test_who_owns_nothing_names_nobody(settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "owns", lambda _: False)
    with pytest.raises(RefusedByPolicy, match="nobody is named yet"):
        access.authorise(settings, "user add", None, no_password)


def test_the_last_one_who_can_name_others_stays(settings: Settings, store: Database, tmp_path: Path) -> None:
    access.add(store, Person("me", "service"), getpass.getuser(), None, 0)
    access.add(store, Person("jan", "auditor"), "jan", None, 0)
    result = call(settings, tmp_path, "user", "remove", "me")
    assert result.exit_code == 3
    assert "last one" in result.output
    assert [line.entry.outcome for line in audit.read(settings.state_folder)] == ["refused"]
    access.add(store, Person("eva", "service"), "eva", None, 0)
    assert call(settings, tmp_path, "user", "remove", "me").exit_code == 0
    assert [name for name, *_ in access.people(store)] == ["eva", "jan"]


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "-x", "x" * 41, "jan\n", "\u202ejan"])
def test_odd_names_are_refused(store: Database, name: str) -> None:
    with pytest.raises(RefusedByPolicy, match="no name"):
        access.add(store, Person(name, "service"), "jan", None, 0)


@pytest.mark.parametrize("login", ["", "a b", "x" * 101])
def test_odd_accounts_are_refused(store: Database, login: str) -> None:
    with pytest.raises(RefusedByPolicy, match="no account"):
        access.add(store, Person("jan", "service"), login, None, 0)


@pytest.mark.parametrize("anchor", ["garbage", "", "1:2", "²:" + "0" * 64, "1" * 30 + ":" + "0" * 64])
def test_an_anchor_that_is_none_is_wrong_use(settings: Settings, store: Database, tmp_path: Path, anchor: str) -> None:
    result = call(settings, tmp_path, "audit", "verify", "--anchor", anchor)
    assert result.exit_code == 2
    assert "SEQ:HASH" in result.output


def test_every_wrong_password_is_written_down_also_those_nobody_looked_at(settings: Settings, store: Database) -> None:
    access.add(store, Person("jan", "officer"), None, PASSWORD, 0)
    for _ in range(8):
        with pytest.raises(RefusedByPolicy):
            access.authorise(settings, "search", "jan", lambda: "guess")
    problems = [line.entry.detail["problem"] for line in audit.read(settings.state_folder)]
    assert len(problems) == 8
    assert "too many wrong passwords" in problems[-1]


@pytest.mark.parametrize(
    "command",
    [
        ["user", "add", "eva", "--role", "auditor", "--login", "eva"],
        ["user", "remove", "jan"],
        ["uplink", "retry", "--all"],
        ["uplink", "overview", "r1", "--reason", "r", "--case", "c"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_written_down_does_not_happen(
    settings: Settings, store: Database, tmp_path: Path, command: list[str]
) -> None:
    roles_of_all = ("service", "technician", "investigator")
    who = {"user": "service", "retry": "technician", "overview": "investigator"}
    role = who[command[0] if command[0] == "user" else command[1]]
    for each in roles_of_all:
        access.add(store, Person(each, each), getpass.getuser() if each == role else each, None, 0)
    access.add(store, Person("jan", "auditor"), "jan", None, 0)
    add_read(store, read(at_s=time.time() - 60), encode(evidence()), [])
    with store.atomic():
        outbox.refuse(store, outbox.Refusal("zone", "read", "r1", "no"), 0)
    kept = (
        "SELECT (SELECT group_concat(name) FROM person), (SELECT count(*) FROM refused), (SELECT count(*) FROM outbox)"
    )
    before = store.execute(kept).fetchone()
    (settings.state_folder / audit.FILE_NAME).unlink(missing_ok=True)
    (settings.state_folder / audit.FILE_NAME).mkdir()
    result = call(settings, tmp_path, *command)
    assert result.exit_code == 1, result.output
    assert "the audit cannot be written" in result.stderr
    assert store.execute(kept).fetchone() == before
