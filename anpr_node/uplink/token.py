"""Reads the file that holds a token, for who shows it and for who asks for it. Never says what is in it."""

from __future__ import annotations

from pathlib import Path

from anpr_node.errors import ConfigError


def read_token(path: Path) -> str:
    """The token: one line of printable ASCII, as a header can carry it.

    Raises:
        ConfigError: there is none: an empty file must neither admit everybody nor send without one.

    """
    try:
        token = path.read_bytes().decode("ascii").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: a token is one line of printable ASCII, and this is something else") from None
    if not token:
        raise ConfigError(f"{path} is empty: put the token into it")
    if not token.isprintable():
        raise ConfigError(f"{path}: a token is one line of printable ASCII, and this is something else")
    return token
