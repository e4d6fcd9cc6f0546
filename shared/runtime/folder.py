"""The folder that holds everything an embedded Guardian keeps, and who may touch what in it."""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from shared.errors import StartError
from shared.runtime.tether import FOLDER_DESCRIPTOR

# A unix socket's path has 108 bytes, the last of them zero; PostgreSQL adds the longest name.
SOCKET_FOLDER_MAX = 107 - len("/.s.PGSQL.5432.lock")
ROOT_DATA_DIR = Path("/var/lib/guardian")
LOG_MAX_BYTES = 8 * 1024 * 1024


class Account(NamedTuple):
    """Whom the embedded servers run as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def present(cls) -> Self:
        """The caller; or, as PostgreSQL refuses root, `postgres` or else `nobody` in root's place.

        Raises:
            StartError: root, and the machine knows neither.
        """
        if os.geteuid() != 0:
            return cls(name="", uid=os.geteuid(), gid=os.getegid())
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
        raise StartError(
            "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run "
            "it as: start Guardian as an ordinary user, or set DATABASE_URL and REDIS_URL."
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether the permissions of `folder` and of all above it let this account pass."""
        return all(self.may_pass(one) for one in (folder, *folder.parents))

    def may_pass(self, folder: Path) -> bool:
        """Whether the permissions of `folder` itself let this account pass."""
        status = folder.stat()
        if self.uid in (0, status.st_uid):
            return bool(status.st_mode & 0o100) or self.uid == 0
        return bool(status.st_mode & (0o010 if status.st_gid == self.gid else 0o001))


class DataFolder:
    """One folder, at most one owner of each server in it."""

    def __init__(self, base: Path, *, account: Account) -> None:
        """Create the folder where it is missing.

        Raises:
            StartError: it cannot be written.
        """
        self.path = base.absolute()
        self.account = account
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if account.uid != os.geteuid() and not account.may_pass(self.path):
                self.path.chmod(self.path.stat().st_mode | 0o011)
            if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise refusal(self.path, error) from None

    def lock(self, name: str) -> int:
        """Own `name` until the descriptor returned is closed, or this process ends in any way.

        Raises:
            StartError: another process owns it.
        """
        try:
            descriptor = os.open(self.path / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise refusal(self.path, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StartError(
                f"Another Guardian is running on {self.path}: stop it, or name another folder "
                "with --data-dir."
            ) from None
        return descriptor

    def seen_by_account(self, path: Path) -> str:
        """How a server names `path`.

        In root's place the account may be shut out above the folder, below /root for one, so it is
        handed the open folder (see `tether`) and starts from there.
        """
        if self.account.uid == os.geteuid() or not path.is_relative_to(self.path):
            return str(path)
        return f"/proc/self/fd/{FOLDER_DESCRIPTOR}/{path.relative_to(self.path)}"

    def subfolder(self, name: str) -> Path:
        """The folder `name` for the account's eyes only."""
        return self._private(self.path / name)

    def sockets(self) -> Path:
        """Where the servers' sockets stand: in the folder, or in a short path when it is too long.

        Some clients do not decode a URL's path, so unusual characters count as too long.

        Raises:
            StartError: somebody else took the short path.
        """
        inside = self.path / "run"
        if len(os.fsencode(inside)) <= SOCKET_FOLDER_MAX and re.fullmatch(
            r"[\w./-]+", str(inside), re.ASCII
        ):
            return self._private(inside)
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        name = f"guardian-{os.geteuid()}-{digest}"
        roots = (tempfile.gettempdir(), "/tmp")  # noqa: S108 - only its length and ownership matter
        root = next((one for one in roots if len(one) + 1 + len(name) <= SOCKET_FOLDER_MAX), "/tmp")  # noqa: S108 - as above
        return self._private(Path(root) / name)

    def write_secret(self, name: str, text: str) -> Path:
        """Keep `text` in the file `name`, readable by the account alone, all of it or none."""
        path = self.path / name
        try:
            write_private(path, text)
            os.chown(path, self.account.uid, self.account.gid)
        except OSError as error:
            raise refusal(self.path, error) from None
        return path

    def open_log(self, name: str) -> int:
        """A descriptor that appends to `name`; one grown beyond 8 MiB becomes `name.1` first."""
        path = self.path / name
        try:
            if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
                path.replace(path.with_name(f"{name}.1"))
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise refusal(self.path, error) from None

    def _private(self, folder: Path) -> Path:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            if folder.is_symlink() or status.st_uid not in (os.geteuid(), self.account.uid):
                raise StartError(f"{folder} belongs to somebody else: remove it, then start again.")
            if (status.st_uid, status.st_gid) != (self.account.uid, self.account.gid):
                os.chown(folder, self.account.uid, self.account.gid)
            folder.chmod(0o700)
        except OSError as error:
            raise refusal(folder, error) from None
        return folder


def default_data_dir(env: Mapping[str, str]) -> Path:
    """Where data goes unless told: `/var/lib/guardian` as root, else the user's data folder."""
    if os.geteuid() == 0:
        return ROOT_DATA_DIR
    home = env.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "guardian"


def write_private(path: Path, text: str) -> None:
    """Replace the file `path` by `text` atomically, mode 0600.

    Raises:
        OSError: as the system says; the old file is then untouched.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_tree(folder: Path) -> None:
    """Delete `folder` and what is in it, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


def refusal(path: Path, error: OSError) -> StartError:
    """The sentence for a folder that cannot be used."""
    reason = (error.strerror or "unknown reason").lower()
    return StartError(f"The data folder {path} cannot be used: {reason}.")
