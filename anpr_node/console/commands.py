"""All commands of the console: importing this adds them to the registry."""

from anpr_node.console import (
    install_commands,
    look_commands,
    picture_commands,
    repair_commands,
    session_commands,
    settings_commands,
    test_commands,
)

__all__ = [
    "install_commands",
    "look_commands",
    "picture_commands",
    "repair_commands",
    "session_commands",
    "settings_commands",
    "test_commands",
]
