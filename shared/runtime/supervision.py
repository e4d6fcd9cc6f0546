"""supervisord over the API and the worker, alike in development and in production.

`deploy/supervisord.conf` is the same configuration with its values left to the environment; a test
keeps the two alike.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple, cast

from supervisor.xmlrpc import SupervisorTransport

from shared.errors import StartError
from shared.runtime import children
from shared.runtime.folder import DataFolder, write_private

# One is enough: both wait for PostgreSQL and Redis by themselves, so an early end is a mistake.
START_SECONDS = 1
# In practice for ever. A process that supervisord gives up on is never started again.
START_RETRIES = 1_000_000
# More than the longest drain, so that a request in flight is not cut off.
STOP_MARGIN_SECONDS = 10
READY_SECONDS = 10


class Program(NamedTuple):
    """One supervised command of `guardian`.

    Attributes:
        name: as `guardian` knows it, too.
        options: what follows the name on the command line.
        environment: what differs from the environment of the others; never a secret.
        stop_seconds: how long SIGTERM is given before SIGKILL.
        priority: the lowest starts first and stops last.
    """

    name: str
    options: tuple[str, ...]
    environment: Mapping[str, str]
    stop_seconds: int
    priority: int


class Supervisor:
    """supervisord as a child of this process, stopping when this process ends."""

    def __init__(
        self, folder: DataFolder, programs: Sequence[Program], *, env: Mapping[str, str]
    ) -> None:
        """Nothing is started yet. `env` is what all programs see."""
        self._folder = folder
        self._programs = programs
        self._env = dict(env)
        self._socket = folder.sockets() / "supervisor.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether supervisord is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start supervisord and with it the programs, without waiting for them.

        Raises:
            StartError: it ended at once, or did not answer in time.
        """
        config = self._folder.path / "supervisord.conf"
        write_private(config, configuration(self._programs, self._folder.path, self._socket))
        log = self._folder.path / "supervisord.log"
        descriptor = self._folder.open_log(log.name)
        offset = log.stat().st_size
        command = [sys.executable, "-P", "-m", "supervisor.supervisord", "-n", "-c", str(config)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                children.tethered(command, death_signal=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=subprocess.STDOUT,
                cwd=self._folder.path,
                env=self._env,
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(descriptor)
        deadline = time.monotonic() + READY_SECONDS
        while not self.states():
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = children.output_since(log, offset)
                self.stop()
                raise children.failure(
                    "supervisord", folder=self._folder.path, log=log, output=output
                )
            time.sleep(children.POLL_SECONDS)

    def states(self) -> dict[str, str]:
        """The state of each program, such as `RUNNING` or `BACKOFF`; empty without an answer."""
        server = xmlrpc.client.ServerProxy(
            "http://127.0.0.1",
            transport=SupervisorTransport(None, None, f"unix://{self._socket}"),
        )
        try:
            answer = cast("list[dict[str, str]]", server.supervisor.getAllProcessInfo())
        except (OSError, HTTPException, xmlrpc.client.Error):
            return {}
        finally:
            server("close")()
        return {one["name"]: one["statename"] for one in answer}

    def last_words(self, name: str) -> str:
        """The last line that the program `name` wrote."""
        log = self._folder.path / f"{name}.log"
        lines = children.output_since(log, 0).split("\n") if log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")

    def stop(self) -> None:
        """Stop the programs in their order, then supervisord. Harmless when nothing runs."""
        if self._process is not None:
            patience = sum(program.stop_seconds for program in self._programs) + READY_SECONDS
            children.stop(self._process, signal.SIGTERM, patience=patience)
            self._process = None


def configuration(programs: Sequence[Program], base: Path, socket: Path) -> str:
    """The text of a supervisord configuration, its logs and pid file in `base`."""
    sections = [
        _section(
            "supervisord",
            {
                "nodaemon": "true",
                "logfile": "/dev/null",
                "logfile_maxbytes": "0",
                "loglevel": "info",
                "pidfile": str(base / "supervisord.pid"),
                "childlogdir": str(base),
                "umask": "077",
                **({"user": "root"} if os.geteuid() == 0 else {}),
            },
        ),
        _section("unix_http_server", {"file": str(socket), "chmod": "0700"}),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": ("supervisor.rpcinterface:make_main_rpcinterface")},
        ),
    ]
    for program in programs:
        command = [sys.executable, "-P", "-m", "shared.runtime.cli", program.name]
        sections.append(
            _section(
                f"program:{program.name}",
                {
                    "command": shlex.join([*command, *program.options]),
                    "environment": ",".join(
                        f'{name}="{value}"' for name, value in program.environment.items()
                    ),
                    **_conduct(program),
                    "stdout_logfile": str(base / f"{program.name}.log"),
                    "stdout_logfile_maxbytes": "8MB",
                    "stdout_logfile_backups": "2",
                },
            )
        )
    return "\n".join(sections)


def _conduct(program: Program) -> dict[str, str]:
    return {
        "priority": str(program.priority),
        "autostart": "true",
        "autorestart": "true",
        "startsecs": str(START_SECONDS),
        "startretries": str(START_RETRIES),
        "stopsignal": "TERM",
        "stopwaitsecs": str(program.stop_seconds),
        # TERM is for the process itself, which drains; KILL is for all that it started.
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
    }


def _section(name: str, values: Mapping[str, str]) -> str:
    lines = [f"{key}={value.replace('%', '%%')}" for key, value in values.items() if value]
    return "\n".join([f"[{name}]", *lines, ""])


def refuse_early_end(supervisor: Supervisor, names: Sequence[str]) -> None:
    """Turn a program that ends as soon as it starts into the sentence it left behind.

    Raises:
        StartError: one of `names` ended so.
    """
    states = supervisor.states()
    for name in names:
        if states.get(name) in ("BACKOFF", "FATAL", "EXITED"):
            words = re.sub(r"^guardian[ a-z]*: ", "", supervisor.last_words(name))
            raise StartError(f"`guardian {name}` cannot start: {words}")
