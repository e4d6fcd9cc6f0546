"""Where the console looks for its server: the environment, else what was saved, else nowhere."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from shared.errors import SettingError
from shared.settings import ConsoleSettings, load
from tui.copying import state_folder, write_private
from tui.keys import checked_keymap
from tui.palette import THEMES

SETTINGS = frozenset({"url", "theme", "keys"})
SESSION = "console-session.json"
URL_LINE = re.compile(r"\s*url\s*=")


class Server(NamedTuple):
    """An address and, if known, a key for it."""

    url: str
    key: str | None

    def __repr__(self) -> str:
        """The address only."""
        return f"Server({self.url!r})"


class Wishes(NamedTuple):
    """How the user wants it.

    Attributes:
        theme: one of `tui.palette.THEMES`.
        keymap: the user's own keys, by the command's place and id.
        screen: the root pane to begin with; empty: the overview.
        filter: what the deliveries are filtered for.
    """

    theme: str = "dark"
    keymap: Mapping[str, str] = {}
    screen: str = ""
    filter: str = ""


NO_WISHES = Wishes()


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the console remembers of the last time; never a secret."""

    theme: str = ""
    screen: str = ""
    filter: str = ""


def read_wishes(env: Mapping[str, str]) -> Wishes:
    """What `console.toml` says and, beneath it, how the last session ended.

    Raises:
        SettingError: the file is wrong; the sentence names the file and the setting.
    """
    path = _folder(env) / "console.toml"
    saved = _read_toml(path) or {}
    last = _last_session(env)
    for name in saved.keys() - SETTINGS:
        near = difflib.get_close_matches(name, SETTINGS, 1, 0.0)[0]
        raise SettingError(f"{path}: there is no setting {name}; did you mean {near}?")
    theme = saved.get("theme") or last.theme or NO_WISHES.theme
    keys = saved.get("keys", {})
    if theme not in THEMES:
        raise SettingError(f"{path}: theme must be one of {', '.join(THEMES)}.")
    if not isinstance(keys, dict):
        raise SettingError(f"{path}: keys must be a table, such as [keys].")
    try:
        keymap = checked_keymap(cast("dict[str, object]", keys))
    except SettingError as error:
        raise SettingError(f"{path}: {error.detail}") from None
    return Wishes(str(theme), keymap, last.screen, last.filter)


def keep_session(env: Mapping[str, str], theme: str, screen: str, filter_text: str) -> None:
    """Remember how the session ended; where that cannot be, nothing is lost but comfort."""
    session = Session(theme=theme, screen=screen, filter=filter_text)
    write_private(state_folder(env) / SESSION, msgspec.json.encode(session).decode())


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
        SettingError: the file cannot be read or holds a `url` that is no text.
    """
    path = _folder(env) / "console.toml"
    saved = _read_toml(path)
    url = saved.get("url") if saved else None
    if saved is None or url is None:
        return None
    if not isinstance(url, str):
        raise SettingError(f"{path} holds a `url` that is no text.")
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
        # A JSON string is a TOML string. What else the file says stays as it was written.
        path = folder / "console.toml"
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        others = [line for line in old.splitlines(keepends=True) if not URL_LINE.match(line)]
        _write_private(path, "".join([f"url = {msgspec.json.encode(url).decode()}\n", *others]))
    except OSError as error:
        raise SettingError(f"{folder} cannot be written: {error.strerror}.") from None
    return folder


def _read_toml(path: Path) -> dict[str, object] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"{path} cannot be read: {error}.") from None


def _last_session(env: Mapping[str, str]) -> Session:
    try:
        return msgspec.json.decode((state_folder(env) / SESSION).read_bytes(), type=Session)
    except (OSError, msgspec.DecodeError):
        return Session()


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
