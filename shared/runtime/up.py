"""`guardian up`: the whole system from one command, and nothing of it afterwards."""

import argparse
import asyncio
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

from shared.contracts.words import Role
from shared.data.session import OperatorSession
from shared.errors import StartError
from shared.runtime import children, kept
from shared.runtime.database import (
    API_LOGIN,
    LOGINS,
    on_database,
    prepare_embedded,
    prepare_external,
)
from shared.runtime.folder import Account, DataFolder, default_data_dir, write_private
from shared.runtime.local_api import LocalApi
from shared.runtime.operators import make_key, operate
from shared.runtime.postgres import EmbeddedPostgres
from shared.runtime.redis import EmbeddedRedis, check
from shared.runtime.supervision import STOP_MARGIN_SECONDS, Program, Supervisor, refuse_early_end
from shared.settings import (
    ApiSettings,
    DatabaseSettings,
    EgressSettings,
    PepperSettings,
    RedisSettings,
    RuntimeSettings,
    SealSettings,
    WorkerSettings,
    load,
)

READY_SECONDS = 60
LOOK_SECONDS = 0.5
POLL_SECONDS = 0.05
API_STOP_SECONDS = 15
RECEIVER_STOP_SECONDS = 5
FIRST_TENANT = "First tenant"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# What the console, which only speaks to the API, has no business with.
NOT_FOR_THE_CONSOLE = (
    "DATABASE_URL",
    "DATABASE_ADMIN_URL",
    "REDIS_URL",
    "GUARDIAN_KEY_RING",
    "GUARDIAN_KEY_PEPPER",
    "ANTHROPIC_API_KEY",
)
# A demo delivers to the receiver beside it, which is neither public nor encrypted.
DEMO_EGRESS: Mapping[str, str] = {
    "GUARDIAN_EGRESS_ALLOW_NETS": "127.0.0.0/8",
    "GUARDIAN_EGRESS_ALLOW_HTTP": "true",
    "GUARDIAN_EGRESS_ALLOW_PORTS": "*",
}


class Options(NamedTuple):
    """What the command line asks of `guardian up`."""

    is_headless: bool
    is_demo: bool
    port: int | None
    data_dir: Path | None
    ready_file: Path | None


class StopRequestedError(BaseException):
    """SIGTERM, SIGINT or SIGHUP came: stop in order. No `except Exception` may swallow it."""


def command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian up`."""
    return up(
        Options(
            is_headless=options.headless,
            is_demo=options.demo,
            port=options.port,
            data_dir=options.data_dir,
            ready_file=options.ready_file,
        ),
        env,
    )


def up(options: Options, env: Mapping[str, str]) -> int:
    """Start everything, run the console or wait to be stopped, stop everything.

    Returns:
        The exit code: 0 when it was asked to stop, or the console's.

    Raises:
        StartError: one sentence that says why it cannot start; nothing is left running.
    """
    with ExitStack() as stack:
        stack.enter_context(_stopping_on_signals())
        try:
            system = _System(options, env, stack)
            system.start()
            return system.run()
        except StopRequestedError:
            _say("stopping")
            return 0
        finally:
            _ignore_signals()


class _System:
    """One run of `guardian up`; what it starts, it pushes on the stack that stops it."""

    def __init__(self, options: Options, env: Mapping[str, str], stack: ExitStack) -> None:
        self._options = options
        self._stack = stack
        self._began = time.monotonic()
        self._given = dict(env)
        # What the children see; secrets that are made here reach them by file.
        self._env = dict(env)
        self._repairs: list[tuple[str, Callable[[], bool], Callable[[], object]]] = []

    def start(self) -> None:
        """Everything up to the moment when the API answers and the keys are known."""
        settings = load(RuntimeSettings, self._given)
        # Better said now than by a process that does not come up.
        drain = load(WorkerSettings, self._given).guardian_worker_drain_seconds
        load(EgressSettings, self._given)
        chosen = self._options.data_dir or settings.guardian_data_dir
        base = Path(chosen) if chosen else default_data_dir(self._given)
        self._folder = DataFolder(base, account=Account.present())
        self._stack.callback(os.close, self._folder.lock("up"))
        if self._options.ready_file is not None:
            self._options.ready_file.unlink(missing_ok=True)
        self._choose_address()
        if self._options.is_demo:
            self._env = {**DEMO_EGRESS, **self._env}
        self._start_redis()
        programs = _programs(*self._start_postgres(), drain_seconds=drain)
        self._make_secrets()
        self._publish_environment()
        self._credentials = kept.read_credentials(self._folder.path)
        if self._options.is_demo:
            programs.append(self._receiver())
        self._supervise(programs)
        self._hand_out_keys()
        self._write_ready_file()

    def run(self) -> int:
        """The console until it is left, or headless until a signal; heals what dies meanwhile."""
        console = None if self._is_headless() else self._start_console()
        if console is None:
            _say("running until Ctrl-C or SIGTERM")
        while True:
            if console is None:
                time.sleep(LOOK_SECONDS)
            else:
                try:
                    return console.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    pass
            self._repair()

    def _choose_address(self) -> None:
        """Take the port before anything is started, so that a taken one costs nothing."""
        if self._options.port is not None and self._options.port != 0:
            self._env["GUARDIAN_API_PORT"] = str(self._options.port)
        settings = load(ApiSettings, self._env)
        host, port = settings.guardian_api_host, settings.guardian_api_port
        if self._options.port == 0:
            port = 0
        port = _free_port(host, port)
        self._env["GUARDIAN_API_HOST"] = host
        self._env["GUARDIAN_API_PORT"] = str(port)
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
        self._api_url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"
        self._api = LocalApi(self._api_url)

    def _start_redis(self) -> None:
        began = time.monotonic()
        if self._is_given("REDIS_URL"):
            check(load(RedisSettings, self._given).redis_url)
            _say_since("redis answers", began)
            return
        redis = EmbeddedRedis(self._folder.path)
        self._stack.callback(redis.stop)
        self._env["REDIS_URL"] = redis.start()
        self._repairs.append(("redis", lambda: redis.is_running, redis.start))
        _say_since("redis ready", began)

    def _start_postgres(self) -> list[Mapping[str, str]]:
        """Start or check it, and return what the API and the worker each see of it."""
        began = time.monotonic()
        if self._is_given("DATABASE_URL"):
            given = load(DatabaseSettings, self._given)
            applied = asyncio.run(
                prepare_external(given.database_url, admin_url=given.database_admin_url)
            )
            self._api_database_url = given.database_url
            _say_since(_migrated("postgres answers", applied), began)
            return [{}, {}]
        postgres = EmbeddedPostgres(self._folder.path)
        self._stack.callback(postgres.stop)
        owner = postgres.start()
        self._repairs.append(("postgres", lambda: postgres.is_running, postgres.start))
        _say_since("postgres ready", began)
        began = time.monotonic()
        passwords = {
            login: kept.read_text(
                kept.secret_file(self._folder.path, f"{login}.password", kept.new_word())
            )
            for login in LOGINS
        }
        applied = asyncio.run(prepare_embedded(owner, passwords=passwords))
        _say_since(_migrated("database ready", applied), began)
        self._env["DATABASE_ADMIN_URL"] = on_database(owner)
        seen: list[Mapping[str, str]] = []
        for login, password in passwords.items():
            path = self._folder.path / f"{login}.url"
            write_private(path, on_database(owner, login=login, password=password))
            seen.append({"DATABASE_URL_FILE": str(path)})
        self._api_database_url = kept.read_text(self._folder.path / f"{API_LOGIN}.url")
        return seen

    def _make_secrets(self) -> None:
        for name, make in (
            ("GUARDIAN_KEY_RING", kept.new_key_ring),
            ("GUARDIAN_KEY_PEPPER", kept.new_word),
        ):
            if not self._is_given(name):
                file = kept.secret_file(self._folder.path, name.lower(), make())
                self._env[f"{name}_FILE"] = str(file)
        load(SealSettings, self._env)
        load(PepperSettings, self._env)

    def _publish_environment(self) -> None:
        """Let `guardian doctor`, `tenants` and `keys` find this system."""
        names = (
            "DATABASE_URL",
            "DATABASE_ADMIN_URL",
            "REDIS_URL",
            "GUARDIAN_KEY_RING",
            "GUARDIAN_KEY_PEPPER",
            "GUARDIAN_API_HOST",
            "GUARDIAN_API_PORT",
        )
        values = {"GUARDIAN_API_URL": self._api_url}
        for name in names:
            for one in (name, f"{name}_FILE"):
                if self._env.get(one):
                    values[one] = self._env[one]
        if not self._is_given("DATABASE_URL"):
            values["DATABASE_URL_FILE"] = str(self._folder.path / f"{API_LOGIN}.url")
        kept.write_environment(self._folder.path, values)

    def _receiver(self) -> Program:
        """The demo's receiver, on the port its integrations already name where it is still free."""
        try:
            port = _free_port("127.0.0.1", self._credentials.get("receiver_port", 0))
        except StartError:
            port = _free_port("127.0.0.1", 0)
        self._credentials["receiver_port"] = port
        file = self._folder.path / "receiver.secrets"
        write_private(file, "\n".join(self._credentials.get("signing_secrets", [])))
        options = ("--stop-with-parent", "--port", str(port), "--secret-file", str(file))
        return Program("listen", options, {}, RECEIVER_STOP_SECONDS, 5)

    def _supervise(self, programs: list[Program]) -> None:
        began = time.monotonic()
        env = dict(self._env)
        # Only migrating needs the owner, and each program gets its own login by file.
        for name in ("DATABASE_ADMIN_URL", "DATABASE_ADMIN_URL_FILE"):
            env.pop(name, None)
        supervisor = Supervisor(self._folder, programs, env=env)
        self._stack.callback(supervisor.stop)
        supervisor.start()
        deadline = time.monotonic() + READY_SECONDS
        while not self._api.is_ready():
            refuse_early_end(supervisor, [program.name for program in programs])
            if time.monotonic() > deadline:
                raise StartError(
                    f"The API was not ready within {READY_SECONDS} s: "
                    f"{supervisor.last_words('api')}"
                )
            time.sleep(POLL_SECONDS)
        self._repairs.append(("supervisord", lambda: supervisor.is_running, supervisor.start))
        _say_since("api and worker ready", began)

    def _hand_out_keys(self) -> None:
        """Make the operator's key, and tenants to begin with, unless those kept are still good."""
        known = self._credentials
        operator = known.get("operator_key", "")
        if not self._api.accepts(operator):
            operator = self._new_operator_key()
            known["operator_key"] = operator
            kept.write_credentials(self._folder.path, known)
        known["tenants"] = [
            one for one in known.get("tenants", []) if self._api.accepts(one["admin_key"])
        ]
        if self._options.is_demo:
            self._seed()
        elif not self._api.has_tenants(operator):
            known["tenants"] = [self._api.create_tenant(operator, FIRST_TENANT)]
        kept.write_credentials(self._folder.path, known)

    def _new_operator_key(self) -> str:
        pepper = load(PepperSettings, self._env).guardian_key_pepper

        async def work(session: OperatorSession) -> str:
            made = await make_key(
                session,
                role=Role.OPERATOR,
                label="guardian up",
                tenant_id=None,
                pepper=pepper,
            )
            return made.key

        return asyncio.run(operate(self._api_database_url, work))

    def _seed(self) -> None:
        # Only a demo pays for importing it.
        demo = importlib.import_module("shared.runtime.demo")
        began = time.monotonic()
        known = self._credentials
        seeded = asyncio.run(
            demo.seed(
                self._api_url,
                known.get("operator_key", ""),
                {**known, "receiver_url": self._receiver_url()},
            )
        )
        known["tenants"] = seeded["tenants"]
        known["signing_secrets"] = seeded["signing_secrets"]
        write_private(self._folder.path / "receiver.secrets", "\n".join(known["signing_secrets"]))
        _say_since("demo ready", began)

    def _receiver_url(self) -> str | None:
        port = self._credentials.get("receiver_port")
        return f"http://127.0.0.1:{port}" if self._options.is_demo and port else None

    def _write_ready_file(self) -> None:
        _say_since(f"guardian ready on {self._api_url}", self._began)
        path = self._options.ready_file
        if path is None:
            return
        known = self._credentials
        ready = {
            "api_url": self._api_url,
            "operator_key": known.get("operator_key"),
            "tenants": known.get("tenants", []),
            "receiver_url": self._receiver_url(),
        }
        try:
            write_private(path.absolute(), json.dumps(ready))
        except OSError as error:
            raise StartError(
                f"The ready file {path} cannot be written: {(error.strerror or 'unknown').lower()}."
            ) from None

    def _is_headless(self) -> bool:
        is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        return self._options.is_headless or not is_terminal

    def _start_console(self) -> subprocess.Popen[bytes]:
        known = self._credentials
        keys = [one["admin_key"] for one in known.get("tenants", [])]
        env = {
            name: value
            for name, value in self._given.items()
            if name.removesuffix("_FILE") not in NOT_FOR_THE_CONSOLE
        }
        env["GUARDIAN_API_URL"] = self._api_url
        env["GUARDIAN_API_KEY"] = keys[0] if keys else known.get("operator_key", "")
        command = [sys.executable, "-P", "-m", "tui"]
        console = subprocess.Popen(  # noqa: S603 - the command is ours
            children.tethered(command, death_signal=signal.SIGTERM), env=env
        )
        self._stack.callback(children.stop, console, signal.SIGTERM, patience=5)
        return console

    def _repair(self) -> None:
        for name, is_running, start in self._repairs:
            if is_running():
                continue
            _say(f"{name} ended, starting it again")
            try:
                start()
            except StartError as error:
                _say(error.detail)

    def _is_given(self, name: str) -> bool:
        return bool(self._given.get(name) or self._given.get(f"{name}_FILE"))


@contextmanager
def _stopping_on_signals() -> Generator[None]:
    """Turn the first signal into `StopRequestedError`; later ones find the stopping under way."""

    def request(number: int, frame: FrameType | None) -> NoReturn:
        _ignore_signals()
        raise StopRequestedError

    before = {number: signal.signal(number, request) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _programs(
    api: Mapping[str, str], worker: Mapping[str, str], *, drain_seconds: float
) -> list[Program]:
    """The worker starts first and stops last, so that what the API took in can still leave."""
    patience = int(drain_seconds) + STOP_MARGIN_SECONDS
    return [
        Program("worker", ("--stop-with-parent",), worker, patience, 10),
        Program("api", ("--stop-with-parent",), api, API_STOP_SECONDS, 20),
    ]


def _ignore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _free_port(host: str, port: int) -> int:
    """`port` when it can be listened on, a free one for 0.

    Raises:
        StartError: it is taken, or `host` is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise StartError(
                f"Port {port} on {host} cannot be used ({(reason or 'unknown').lower()}): "
                "choose another with --port."
            ) from None
        return int(probe.getsockname()[1])


def _migrated(what: str, applied: list[str]) -> str:
    return f"{what}, {len(applied)} migrations applied" if applied else what


def _say_since(what: str, began: float) -> None:
    _say(f"{what} in {time.monotonic() - began:.1f} s")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
