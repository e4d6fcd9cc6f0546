"""What `guardian up` makes once and keeps in the data folder: secrets, keys, and how to connect.

Each is a file of mode 0600. What the environment gives is never written over and never copied here,
except into `environment`, by which other commands find the running system.
"""

import json
import secrets
import shlex
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from shared.errors import StartError
from shared.runtime.folder import default_data_dir, refusal, write_private
from shared.settings import RuntimeSettings, load

ENVIRONMENT = "environment"
CREDENTIALS = "credentials.json"


class TenantCredentials(TypedDict):
    """How to act for one tenant."""

    id: str
    name: str
    admin_key: str


class Credentials(TypedDict, total=False):
    """Keys that were shown once and are shown again by the ready file."""

    operator_key: str
    tenants: list[TenantCredentials]
    receiver_port: int
    signing_secrets: list[str]


def secret_file(folder: Path, name: str, make: str) -> Path:
    """The file `name`, made to hold `make` when it is missing."""
    path = folder / name
    if not path.exists():
        _write(path, make)
    return path


def new_key_ring() -> str:
    """A ring of one fresh key, as `GUARDIAN_KEY_RING` wants it."""
    return f"k1:{b64encode(secrets.token_bytes(32)).decode()}"


def new_word() -> str:
    """A password or pepper that needs no quoting anywhere."""
    return secrets.token_urlsafe(32)


def read_text(path: Path) -> str:
    """The text of a kept file.

    Raises:
        StartError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise refusal(path, error) from None


def read_credentials(folder: Path) -> Credentials:
    """The kept credentials, empty when there are none.

    Raises:
        StartError: the file is damaged.
    """
    path = folder / CREDENTIALS
    if not path.exists():
        return {}
    try:
        return cast("Credentials", json.loads(read_text(path)))
    except ValueError:
        raise StartError(f"{path} is damaged: remove it, and new keys will be made.") from None


def write_credentials(folder: Path, credentials: Credentials) -> None:
    """Keep `credentials`."""
    _write(folder / CREDENTIALS, json.dumps(credentials, indent=1))


def write_environment(folder: Path, values: Mapping[str, str]) -> None:
    """Tell other commands, and a shell that reads the file, how to reach the running system."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
    _write(folder / ENVIRONMENT, "".join(lines))


def kept_system(env: Mapping[str, str], data_dir: Path | None) -> dict[str, str]:
    """`env`, completed by the system that `guardian up` keeps, when `env` names no database.

    Args:
        env: the environment; what it names wins.
        data_dir: as given on the command line; else GUARDIAN_DATA_DIR or the usual place.

    Raises:
        SettingError: a setting is wrong.
    """
    settings = load(RuntimeSettings, env)
    chosen = data_dir or settings.guardian_data_dir
    folder = Path(chosen) if chosen else default_data_dir(env)
    if env.get("DATABASE_URL") or env.get("DATABASE_URL_FILE"):
        return dict(env)
    try:
        words = shlex.split((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return dict(env)
    kept = dict(word.split("=", 1) for word in words if "=" in word)
    return {**{name: value for name, value in kept.items() if f"{name}_FILE" not in env}, **env}


def _write(path: Path, text: str) -> None:
    try:
        write_private(path, text)
    except OSError as error:
        raise refusal(path, error) from None
