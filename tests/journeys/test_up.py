"""`guardian up` on a fresh folder: everything starts, survives what dies, and leaves nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.data.connection import connect
from shared.runtime import children
from tests.conftest import Servers

GUARDIAN = Path(sys.executable).with_name("guardian")
PATIENCE_S = 30.0
BASE = "/api/guardian/meta"


class Up:
    """One `guardian up --headless` and all that it starts."""

    def __init__(self, tmp_path: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        self.data = tmp_path / "data"
        self._ready_file = tmp_path / "ready.json"
        self._ready_file.unlink(missing_ok=True)
        self._said = (tmp_path / "said.txt").open("w+b")
        self.process = subprocess.Popen(
            [
                *(GUARDIAN, "up", "--headless", "--port", "0"),
                *("--data-dir", self.data, "--ready-file", self._ready_file, *options),
            ],
            env={"PATH": os.defpath, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )

    def ready(self) -> dict[str, Any]:
        """What the ready file says, once it is there."""
        until(lambda: self._ready_file.exists() or self.process.poll() is not None, "it is ready")
        assert self.process.poll() is None, self.said()
        assert self._ready_file.stat().st_mode & 0o777 == 0o600
        return json.loads(self._ready_file.read_bytes())

    def said(self) -> str:
        """Everything it printed so far."""
        self._said.seek(0)
        return self._said.read().decode()

    def family(self) -> dict[int, str]:
        """Process ids and names of all that it started, itself included."""
        return _family(self.process.pid)

    def stop(self) -> int:
        """End it as an operator would, and answer its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def clean_up(self) -> None:
        """End what a failed test left."""
        family = self.family() if self.process.poll() is None else {}
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        until(lambda: not any(map(_is_alive, family)), "all of its processes end")
        self._said.close()


@pytest.fixture
def up(tmp_path: Path) -> Generator[Callable[..., Up]]:
    """Starts one on the test's folder; a second call is the second start."""
    started: list[Up] = []

    def start(*options: str, env: Mapping[str, str] | None = None) -> Up:
        started.append(Up(tmp_path, *options, env=env))
        return started[-1]

    yield start
    for one in started:
        one.clean_up()


def test_a_cold_start_gives_keys_that_work_and_a_second_one_keeps_them(
    up: Callable[..., Up], figure: Callable[[str], None], tmp_path: Path
) -> None:
    began = time.monotonic()
    first = up()
    told = first.ready()
    cold = time.monotonic() - began
    family = first.family()

    tenants = _get(told, "/tenants", told["operator_key"])["items"]
    assert [(one["id"], one["name"]) for one in tenants] == [
        (one["id"], one["name"]) for one in told["tenants"]
    ]
    assert _get(told, "/keys", told["tenants"][0]["admin_key"])["items"]
    assert told["receiver_url"] is None
    assert {"postgres", "valkey-server"} <= set(family.values())
    until(lambda: _doctor(first.data) == 0, "the doctor finds nothing wrong")

    _refuses_a_second_owner(told, first.data, tmp_path / "other")
    assert first.stop() == 0
    assert [name for pid, name in family.items() if _is_alive(pid)] == []

    began = time.monotonic()
    second = up()
    again = second.ready()
    figure(f"guardian up: cold {cold:.1f} s, warm {time.monotonic() - began:.1f} s")
    assert {**again, "api_url": told["api_url"]} == told
    assert _get(again, "/tenants", again["operator_key"])["items"] == tenants
    assert second.stop() == 0


def test_what_dies_is_started_again_and_kill_9_leaves_no_process(up: Callable[..., Up]) -> None:
    system = up()
    told = system.ready()
    supervisor = children.read_pid(system.data / "supervisord.pid")
    redis = children.read_pid(system.data / "run" / "redis.pid")
    postgres = children.read_pid(system.data / "postgres" / "postmaster.pid")
    before = system.family()
    for pid in (supervisor, redis, postgres):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def is_whole_again() -> bool:
        family = system.family()
        fresh = {name for pid, name in family.items() if pid not in before}
        return {"postgres", "valkey-server"} <= fresh and _is_ready(told)

    until(is_whole_again, "everything runs again")
    assert _get(told, "/tenants", told["operator_key"])["items"]

    family = {**before, **system.family()}
    system.process.kill()
    system.process.wait()
    until(lambda: not any(map(_is_alive, family)), "no process is left")


def test_it_stops_with_the_process_that_started_it(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    parent = subprocess.Popen(
        [
            *("/bin/sh", "-c", '"$@"; true', "sh", GUARDIAN, "up", "--stop-with-parent"),
            *("--headless", "--port", "0", "--data-dir", tmp_path / "data", "--ready-file", ready),
        ],
        env={"PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: ready.exists() or parent.poll() is not None, "it is ready")
        family = _family(parent.pid)
        assert len(family) > 5
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not any(map(_is_alive, family)), "no process is left")


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (
            {"DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/none"},
            "guardian: PostgreSQL cannot be reached by DATABASE_URL: ",
        ),
        ({"DATABASE_URL": "mysql://u:hush@h/d"}, "guardian: PostgreSQL cannot be reached by "),
        ({"REDIS_URL": "redis://:hush@127.0.0.1:1/0"}, "guardian: Redis cannot be reached by "),
        ({"GUARDIAN_API_PRT": "1"}, "guardian: GUARDIAN_API_PRT is not a setting of Guardian. "),
        (
            {"GUARDIAN_WORKER_DRAIN_SECONDS": "long"},
            "guardian: GUARDIAN_WORKER_DRAIN_SECONDS does not fit: ",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_leaves_nothing(
    env: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    said = _refused("--data-dir", str(tmp_path / "data"), env=env)

    assert said.startswith(sentence)
    assert "hush" not in said
    for pid in _marked(tmp_path):
        until(lambda pid=pid: not _is_alive(pid), "the servers stop")


def test_a_folder_that_cannot_be_written_is_one_sentence() -> None:
    said = _refused("--data-dir", "/proc/guardian")

    assert said.startswith("guardian: The data folder /proc/guardian cannot be used: ")


async def test_servers_that_are_given_are_used_and_migrated(
    up: Callable[..., Up], servers: Servers
) -> None:
    name = f"given_{os.urandom(4).hex()}"
    owner = await connect(servers.owner_url)
    await owner.execute(f"CREATE DATABASE {name}")
    env = {
        "DATABASE_URL": servers.url("guardian_tests", name),
        "REDIS_URL": servers.redis_url,
    }
    try:
        system = up(env=env | {"DATABASE_ADMIN_URL": servers.url("guardian_owner", name)})
        told = system.ready()

        assert "migrations applied" in system.said()
        assert _get(told, "/tenants", told["operator_key"])["items"]
        assert not (system.data / "postgres").exists()
        assert not (system.data / "redis").exists()
        assert system.stop() == 0
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()


async def test_a_given_database_without_its_owner_names_what_is_pending(
    servers: Servers, tmp_path: Path
) -> None:
    name = f"given_{os.urandom(4).hex()}"
    owner = await connect(servers.owner_url)
    await owner.execute(f"CREATE DATABASE {name}")
    env = {"DATABASE_URL": servers.url("guardian_tests", name), "REDIS_URL": servers.redis_url}
    try:
        said = _refused("--data-dir", str(tmp_path / "data"), env=env)
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()

    assert "migrations are pending: set DATABASE_ADMIN_URL" in said


def _refuses_a_second_owner(told: dict[str, Any], folder: Path, other: Path) -> None:
    port = told["api_url"].rsplit(":", 1)[1]

    same_folder = _refused("--data-dir", str(folder))
    same_port = _refused("--port", port, "--data-dir", str(other))

    assert same_folder.startswith("guardian: Another Guardian is running on")
    assert same_port == (
        f"guardian: Port {port} on 127.0.0.1 cannot be used (address already in use): "
        "choose another with --port.\n"
    )
    assert not (other / "postgres").exists()
    assert _is_ready(told)


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.05)


def _refused(*options: str, env: Mapping[str, str] | None = None) -> str:
    told = subprocess.run(
        [GUARDIAN, "up", "--headless", "--port", str(_free_port()), *options],
        env={"PATH": os.defpath, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert told.returncode == 1, told.stdout
    assert told.stderr.count("\n") == 1
    return told.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _get(told: dict[str, Any], path: str, key: str) -> Any:
    answer = httpx.get(
        f"{told['api_url']}{BASE}{path}", headers={"authorization": f"Bearer {key}"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def _is_ready(told: dict[str, Any]) -> bool:
    try:
        return httpx.get(f"{told['api_url']}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _doctor(data: Path) -> int:
    return subprocess.run(
        [GUARDIAN, "doctor", "--data-dir", data],
        env={"PATH": os.defpath},
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE_S,
    ).returncode


def _family(pid: int) -> dict[int, str]:
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            names[int(entry.name)], _, parents[int(entry.name)] = stat
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return {one: names[one] for one in family if one in names}


def _marked(folder: Path) -> list[int]:
    """Processes that name `folder` among their arguments."""
    mark = os.fsencode(folder)
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark in arguments:
                found.append(int(entry.name))
    return found


def _is_alive(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat[1] != "Z"


def _stat(pid: int) -> tuple[str, str, int] | None:
    """Name, state and parent of a process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    state, parent = text[text.rindex(")") + 1 :].split()[:2]
    return name, state, int(parent)
