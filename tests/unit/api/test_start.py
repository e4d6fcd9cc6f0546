"""`python -m api`: it starts, says why when it cannot, and stops in order."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from base64 import b64encode
from pathlib import Path
from time import monotonic

import httpx
import pytest

from api.__main__ import main
from api.openapi import ROOT
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import Database, Servers
from tests.unit.api.conftest import PEPPER, Api

REPOSITORY = Path(__file__).parents[3]
PATIENCE_S = 20


def settings(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GUARDIAN_KEY_RING": f"k1:{b64encode(bytes(32)).decode()}",
        "GUARDIAN_KEY_PEPPER": PEPPER,
    }


async def start(env: dict[str, str], *arguments: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api", *arguments, env=kept | env, cwd=REPOSITORY, stderr=PIPE
    )


async def refusal(env: dict[str, str], capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    # A thread of its own, since it runs an event loop of its own; a process would take seconds.
    assert await asyncio.to_thread(main, arguments, env) == 1
    [sentence] = capsys.readouterr().err.splitlines()
    return sentence


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def answer(client: httpx.AsyncClient, path: str, process: Process) -> httpx.Response:
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            return await client.get(path)
        except httpx.ConnectError:
            assert process.returncode is None
            assert monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_it_serves_logs_json_without_secrets_and_stops_with_0(
    api: Api, database: Database
) -> None:
    key = await api.make_key(Role.OPERATOR, None)
    port = free_port()
    nowhere = "redis://127.0.0.1:1/0"
    process = await start(settings(database.api_url, nowhere), "--port", str(port))
    headers = {"authorization": f"Bearer {key}"}
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            ready = await answer(client, "/health/ready", process)
            listed = await client.get(f"{ROOT}/tenants?limit=3&secret=query", headers=headers)
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["checks"]["redis"]["status"] == "degraded"
    assert listed.json() == {"items": [], "next_cursor": None}
    assert process.returncode == 0
    lines = [json.loads(line) for line in told.decode().splitlines()]
    [logged] = [line for line in lines if line.get("path") == f"{ROOT}/tenants"]
    assert (logged["method"], logged["status"]) == ("GET", 200)
    assert logged["request_id"] == listed.headers["x-request-id"]
    assert not any(word in told.decode() for word in (key, "secret=query", PEPPER, "Traceback"))


async def test_it_says_in_one_sentence_why_it_cannot_start(
    servers: Servers, database: Database, owner: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    good = settings(database.api_url, servers.redis_url)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        for env, part in (
            ({}, "GUARDIAN_KEY_RING is not set"),
            (good | {"GUARDIAN_KEY_PEPER": "x"}, "Did you mean GUARDIAN_KEY_PEPPER?"),
            (good | {"DATABASE_URL": database.owner_url}, "is a superuser"),
            (good | {"DATABASE_URL": database.worker_url}, "may not act as guardian_api"),
            (good | {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "a usable PostgreSQL"),
        ):
            assert part in await refusal(env, capsys, "--port", "0")
        assert f"Cannot listen on 127.0.0.1:{port}" in await refusal(good, capsys, "--port", port)

    await owner.execute("DELETE FROM migration WHERE name = (SELECT max(name) FROM migration)")
    assert "1 migrations are pending" in await refusal(good, capsys, "--port", "0")
