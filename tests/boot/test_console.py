"""From a serial cable to the node's console: for whoever has an account, and for people whom only the node knows."""

from __future__ import annotations

import re

from boot.claims import NAME
from boot.console import PATIENCE_S, PROMPT, Shell
from boot.machine import UserModeLinux

TECHNICIAN, SECRET = "piet", "battery staple horse"


def test_technicians_come_to_the_nodes_console(claimed: tuple[UserModeLinux, Shell]) -> None:
    board, shell = claimed
    console = board.console
    console.type_line("anpr-node console")
    console.expect(rf"hello {NAME} \(service\)", PATIENCE_S)
    console.answer("> ", f"user add {TECHNICIAN} technician")
    console.answer("new password: ", SECRET, hidden=True)
    console.answer("once more: ", SECRET, hidden=True)
    console.expect(f"{TECHNICIAN} is technician", PATIENCE_S)
    console.answer("> ", "logout")
    console.expect("bye", PATIENCE_S)
    console.expect(re.escape(PROMPT), PATIENCE_S)  # what is typed before the shell has the line back is not its own
    console.type_line("exit")

    console.answer(" login: ", TECHNICIAN, PATIENCE_S)
    console.answer("\nlogin: ", TECHNICIAN, PATIENCE_S)
    console.answer("password: ", SECRET, hidden=True)
    console.expect(rf"hello {TECHNICIAN} \(technician\)", PATIENCE_S)
    console.answer("> ", "status")
    console.expect("frames", PATIENCE_S)
    console.answer("> ", "logout")
    shell.log_in()


def test_a_name_that_nobody_knows_comes_nowhere(claimed: tuple[UserModeLinux, Shell]) -> None:
    board, shell = claimed
    console = board.console
    console.type_line("exit")
    console.answer(" login: ", "root", PATIENCE_S)
    for _ in range(3):
        console.answer("\nlogin: ", "root", PATIENCE_S)
        console.answer("password: ", SECRET, hidden=True)
        console.expect("no such person, or not this password", PATIENCE_S)
    shell.log_in()
