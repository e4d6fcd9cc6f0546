"""Where the console looks for its server: the environment, else what was saved, else nowhere."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.errors import SettingError
from shared.settings import ConsoleSettings, load


class Server(NamedTuple):
    """An address and, if known, a key for it."""

    url: str
    key: str | None

    def __repr__(self) -> str:
        """The address only."""
        return f"Server({self.url!r})"


def find_server(env: Mapping[str, str]) -> Server | None:
    """The server to speak to.

    Raises:
        SettingError: a setting or the saved file is wrong; the sentence names it.
    """
    given = load(ConsoleSettings, env)
    if given.guardian_api_url is None:
        return saved_server(env)
    if given.guardian_api_key is None:
        saved = saved_server(env)
        if saved is not None and saved.url == given.guardian_api_url.rstrip("/"):
            return saved
    return Server(given.guardian_api_url, given.guardian_api_key)


def saved_server(env: Mapping[str, str]) -> Server | None:
    """What `save_server` kept.

    Raises:
        SettingError: the file cannot be read or holds no `url`.
    """
    path = _folder(env) / "console.toml"
    try:
        saved = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"{path} cannot be read: {error}.") from None
    url = saved.get("url")
    if not isinstance(url, str):
        raise SettingError(f"{path} holds no `url`.")
    try:
        return Server(url, _key_file(env).read_text(encoding="utf-8").strip() or None)
    except (OSError, UnicodeDecodeError):
        return Server(url, None)


def save_server(env: Mapping[str, str], url: str, key: str) -> Path:
    """Keep the server for the next start, the key apart in a file that only its owner can read.

    Raises:
        SettingError: the files cannot be written.
    """
    folder = _folder(env)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(_key_file(env), key + "\n")
        # A JSON string is a TOML string.
        _write_private(folder / "console.toml", f"url = {msgspec.json.encode(url).decode()}\n")
    except OSError as error:
        raise SettingError(f"{folder} cannot be written: {error.strerror}.") from None
    return folder


def _write_private(path: Path, text: str) -> None:
    """Beside it first, so that the old file stays whole until the new one is."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _key_file(env: Mapping[str, str]) -> Path:
    return _folder(env) / "console.key"


def _folder(env: Mapping[str, str]) -> Path:
    home = env.get("XDG_CONFIG_HOME") or Path(env.get("HOME", "/nonexistent"), ".config")
    return Path(home, "guardian")
