"""Who gets in, who does not, what each may do; and what noise, long lines and pulled cables do not do."""

from __future__ import annotations

import random
import re
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from anpr_node import access, audit
from anpr_node.access import Person
from anpr_node.config import Settings, layers, load
from anpr_node.console import commands  # noqa: F401
from anpr_node.console.login import REFUSALS_PER_HOUR_MAX, Refusals
from anpr_node.console.registry import COMMANDS, TASKS, completions, find
from anpr_node.console.session import Session
from anpr_node.console.terminal import WIDTH, Terminal
from anpr_node.errors import AnprError
from anpr_node.policy import roles
from anpr_node.store.database import open_store
from console.far_end import PASSWORD, Typist, context_for, settings_in, talk


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A node with one person of each role."""
    found = settings_in(tmp_path)
    with closing(open_store(found.state_folder)) as store:
        for role in roles().commands:
            access.add(store, Person(role, role), f"account-of-{role}", None, 0)
        cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
        store.execute("UPDATE person SET password_hash = ?", [cheap])
        store.conn.commit()
    return found


def entries(settings: Settings) -> list[audit.Entry]:
    return [line.entry for line in audit.read(settings.state_folder)]


def test_name_and_password_let_in(settings: Settings) -> None:
    shown = talk(settings, "technician", PASSWORD, "whoami", "logout", local=True)
    assert "hello technician" in shown
    assert PASSWORD not in shown
    assert [entry.action for entry in entries(settings)] == ["console login", "console logout"]


def test_a_wrong_password_is_refused_and_written_down(settings: Settings) -> None:
    shown = talk(settings, "technician", "wrong horse battery", "nobody", PASSWORD, "technician", "", local=True)
    assert "hello" not in shown
    assert [(e.actor, e.outcome) for e in entries(settings)] == [
        ("technician", "refused"), ("nobody", "refused"), ("technician", "refused"),
    ]  # fmt: skip


def test_guessing_locks_the_name_out(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "time", SimpleNamespace(time_ns=lambda: 10**18))  # all of it at one moment
    for _ in range(2):
        shown = talk(settings, *["technician", "a wrong password"] * 3, local=True)
    assert "too many wrong passwords" in shown
    assert "too many wrong passwords" in talk(settings, "technician", PASSWORD, local=True)


def test_no_name_is_known_beforehand(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    shown = talk(settings, "admin", "admin", "root", "root", local=True)
    assert "hello" not in shown


def test_a_new_node_is_claimed_on_its_serial_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path, "[console]\nclaim_minutes = 60\n")
    monkeypatch.setattr(layers, "boot_s", lambda: 3_599.0)
    shown = talk(settings, "jan", PASSWORD, PASSWORD, "whoami", local=True)
    assert "jan is service now" in shown
    assert "role service" in shown
    assert ("jan", "console claim") in {(e.actor, e.action) for e in entries(settings)}
    assert "login:" in talk(settings, "x", local=True)


@pytest.mark.parametrize("answers", [["jan", "short"], ["jan", PASSWORD, "another password"], ["j n!"]])
def test_a_claim_needs_a_name_and_a_long_password_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    settings = settings_in(tmp_path)
    monkeypatch.setattr(layers, "boot_s", lambda: 100.0)
    shown = talk(settings, *answers, local=True)
    assert "your name: " in shown
    assert "is service now" not in shown


def test_the_time_for_claiming_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path, "[console]\nclaim_minutes = 60\n")
    monkeypatch.setattr(layers, "boot_s", lambda: 3_601.0)
    shown = talk(settings, "jan", PASSWORD, PASSWORD, local=True)
    assert "the time for claiming it is over" in shown
    assert "is service now" not in shown


def test_a_claim_code_is_asked_for_where_the_node_came_with_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "[console]\nclaim_minutes = 0\n")
    settings.state_folder.mkdir()
    code = settings.state_folder / "claim-code"
    code.write_text("K7-PXQ-401\n")
    assert "that is not the code" in talk(settings, "K7-PXQ-400", "jan", PASSWORD, PASSWORD, local=True)
    assert "jan is service now" in talk(settings, "K7-PXQ-401", "jan", PASSWORD, PASSWORD, local=True)
    assert not code.exists()


def test_over_the_network_a_real_node_is_not_claimed_by_just_anyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, '[camera]\nkind = "csi"\n[outputs]\npins = "lgpio"\n')
    monkeypatch.setattr("anpr_node.access.owns", lambda _: False)
    shown = talk(settings, "jan", PASSWORD, PASSWORD)
    assert "anpr-node user add" in shown
    assert "is service now" not in shown


def test_a_session_that_is_left_ends_itself(settings: Settings) -> None:
    now_s = [0.0]

    class Asleep(Typist):
        def read(self, wait_s: float) -> bytes:
            now_s[0] += wait_s
            return super().read(wait_s) if self.lines else b""

    typist = Asleep(["technician", PASSWORD])
    Session(Terminal(typist, now_s=lambda: now_s[0]), settings, local=True).run()
    assert "no key was pressed" in typist.text
    assert 600 <= now_s[0] <= 610
    assert entries(settings)[-1].detail == {"reason": "idle"}


@pytest.mark.parametrize("role", list(roles().commands))
def test_a_command_answers_its_roles_alone_and_refusals_are_in_the_audit(settings: Settings, role: str) -> None:
    closed = [c for c in COMMANDS.values() if c.right and not Person(role, role).may(c.right)]
    shown = talk(settings, role, PASSWORD, *[c.name for c in closed], local=True)
    assert shown.count("refused: ") == len(closed)
    refused = [e for e in entries(settings) if e.outcome == "refused"]
    assert [e.action for e in refused] == [f"console {c.name}" for c in closed]
    assert {e.actor for e in refused} <= {role}


def test_every_right_stands_in_the_policy_and_every_one_there_is_used() -> None:
    rights = {each.right for each in COMMANDS.values() if each.right} | {"console plates", "console policy"}
    named = {name for may in roles().commands.values() for name in may if name.startswith("console ")}
    assert rights == named


@pytest.mark.parametrize("topic", [*COMMANDS, *TASKS, ""])
def test_help_for_everything_in_80_columns(settings: Settings, topic: str) -> None:
    context, seen = context_for(settings)
    command, words = find(f"help {topic}")
    command.run(context, words)
    assert seen.shown.isascii()
    lines = seen.text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) >= 2
    assert not re.search(r"\x1b", seen.text)


def test_help_of_a_word_that_is_none_says_so(settings: Settings) -> None:
    shown = talk(settings, "technician", PASSWORD, "help frobnicate", "frobnicate", "rela", local=True)
    assert shown.count("error: ") == 3
    assert "did you mean: relay test?" in shown


def test_tab_knows_commands_settings_and_steps(settings: Settings) -> None:
    context, _ = context_for(settings)
    assert "relay" in completions(context, "re")
    assert completions(context, "relay ") == ["test"]
    assert "camera.exposure_us" in completions(context, "set camera.")
    assert "focus" in completions(context, "install ")
    assert completions(context, "frobnicate ") == []


def test_people_are_named_by_service_and_change_their_passwords(settings: Settings) -> None:
    fresh = "a battery of horses"
    shown = talk(
        settings, "service", PASSWORD, "user add piet technician", fresh, fresh, "user list", "user remove auditor",
        "logout", local=True,
    )  # fmt: skip
    assert "piet is technician" in shown
    assert "auditor is let in no more" in shown
    assert "refused: service is the last one" in talk(settings, "service", PASSWORD, "user remove service", local=True)
    shown = talk(settings, "piet", fresh, "password", fresh, PASSWORD, PASSWORD, "logout", local=True)
    assert "changed" in shown
    assert "hello piet" in talk(settings, "piet", PASSWORD, local=True)


def test_refusals_do_not_fill_the_audit(settings: Settings) -> None:
    refusals = Refusals(settings.state_folder)
    for _ in range(10 * REFUSALS_PER_HOUR_MAX):
        refusals.note("x", "console login", "no such person")
    assert len(entries(settings)) == REFUSALS_PER_HOUR_MAX


@given(noise=st.binary(max_size=3000))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_at_the_login_lets_nobody_in(settings: Settings, noise: bytes) -> None:
    assert "hello" not in talk(settings, noise, noise, local=True)


@given(noise=st.binary(min_size=1, max_size=3000).filter(lambda data: b"\t" not in data))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_in_a_session_changes_no_setting(settings: Settings, noise: bytes) -> None:
    before = load(settings.source)
    talk(settings, "service", PASSWORD, noise, noise + b"\r", local=True)
    assert load(settings.source) == before
    assert not (settings.state_folder.parent / "node.d" / "tool.toml").exists()


def test_garbled_commands_change_no_setting(settings: Settings) -> None:
    """Lines that a person meant, with bytes of them struck by noise."""
    rng = random.Random(8)
    lines: list[bytes | str] = []
    for _ in range(150):
        line = bytearray(b"set camera.exposure_us 250\r")
        for at in rng.sample(range(len(line) - 1), rng.randint(1, 6)):
            line[at] = rng.choice([b for b in range(256) if b not in {0x04}])
        lines.append(bytes(line))
    shown = talk(settings, "technician", PASSWORD, *lines, local=True)
    assert "technician>" in shown or "node-1" in shown
    assert load(settings.source).camera.exposure_us == 300


def test_lines_of_a_megabyte_and_a_pulled_cable(settings: Settings) -> None:
    shown = talk(settings, "technician", PASSWORD, b"x" * 1_000_000 + b"\r", "set camera.exposure_us 250", local=True)
    assert "error: no command" in shown
    assert len(shown) < 1_100_000
    assert load(settings.source).camera.exposure_us == 300


def test_a_node_that_does_not_run_is_said_in_words(settings: Settings) -> None:
    asks = ["status", "relay test", "live 1", "snap", "logs", "trigger test", "alarms", "reads", "bench"]
    shown = talk(settings, "technician", PASSWORD, *asks, "bundle", "selftest", "report", "install list", local=True)
    assert shown.count("the node does not answer") + shown.count("no node runs") >= 7
    assert "selftest" in shown
    assert "NOT accepted" in shown


def test_errors_are_one_line(settings: Settings) -> None:
    context, _ = context_for(settings)
    for line in (
        "try",
        "save",
        "undo",
        "set x",
        "show nothing",
        "try 9999",
        "install nowhere",
        "pull it",
        "user add x",
    ):
        command, words = find(line)
        with pytest.raises(AnprError) as caught:
            command.run(context, words)
        assert "\n" not in str(caught.value)
