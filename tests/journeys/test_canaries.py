"""Every kind of secret is planted in a running system, and then looked for wherever others look."""

import asyncio
import re
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from shared.data.connection import Connection
from shared.runtime import backup
from tests.conftest import Database
from tests.journeys.conftest import System, eventually
from tests.receiver import Answer, Receiver

QUERY = "URL's query"
PLANTED = {
    "URL": "canary-of-url",
    QUERY: "canary-of-query",
    "secret header": "canary-of-header",
    "bearer token": "canary-of-bearer",
    "basic password": "canary-of-basic",
    "auth header": "canary-of-value",
    "OAuth 2.0 secret": "canary-of-oauth2",
    "access token": "canary-of-token",
    "refused secret": "canary-of-refused",
    "model's key": "sk-ant-canary-of-model",
    "wrong API key": "canary-of-wrong-key",
}


class Ear:
    """Everything that the API answered, but the answers that show a new secret once."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def hear(self, response: httpx.Response) -> None:
        await response.aread()
        shows_once = response.request.method == "POST" and response.is_success
        if not (shows_once and re.search(r"/(integrations|rotate-secret|keys)$", _path(response))):
            self.heard.append(f"{response.headers}{response.text}")


def _path(response: httpx.Response) -> str:
    return response.request.url.path


@pytest.fixture
async def collector() -> AsyncGenerator[Receiver]:
    """Where traces go."""
    async with Receiver() as receiver:
        yield receiver


async def test_no_secret_is_seen_anywhere_but_in_the_answer_that_makes_it(
    system: System,
    owner: Connection,
    database: Database,
    collector: Receiver,
    figure: Callable[[str], None],
) -> None:
    system.env |= {
        "GUARDIAN_LOG_LEVEL": "debug",
        "ANTHROPIC_LOG": "debug",
        "ANTHROPIC_API_KEY": PLANTED["model's key"],
        "GUARDIAN_AI_BASE_URL": "http://127.0.0.1:9",
        "GUARDIAN_WORKER_METRICS_PORT": str(_free_port()),
        "GUARDIAN_TRACES_URL": collector.url,
    }
    await _restart_api(system)
    system.start("worker")
    ear = Ear()
    secrets = dict(PLANTED)
    async with system.speak() as admin, AsyncExitStack() as stack:
        admin.event_hooks = {"response": [ear.hear]}
        server = Receiver(otherwise=_token(PLANTED["access token"]))
        await stack.enter_async_context(server)
        made: list[dict[str, Any]] = []
        for key, auth in _kinds(server.url).items():
            receiver = await stack.enter_async_context(Receiver(otherwise=_repeating(PROOFS[key])))
            made.append(await _made(admin, key, _config(receiver.url, auth)))
        await admin.post("/integrations/test")
        await _all_tried(owner, len(made))
        made.append(await _made(admin, "certificate", SHOWN_A_CERTIFICATE))
        rotated = await admin.post(f"/integrations/{made[0]['id']}/rotate-secret")
        new_key = await admin.post("/keys", json={"role": "reader", "label": "planted"})
        await _look_everywhere(admin, [one["id"] for one in made])
        await _ask_wrongly(admin, made[0]["id"])
    secrets |= {f"signing secret {n}": one["signing_secret"] for n, one in enumerate(made)}
    secrets["rotated secret"] = rotated.json()["signing_secret"]
    secrets["API key"] = new_key.json()["key"]
    secrets["private key"] = PRIVATE_KEY.split("\n")[2]
    secrets["key ring"] = system.env["GUARDIAN_KEY_RING"].partition(":")[2]
    secrets["pepper"] = system.env["GUARDIAN_KEY_PEPPER"]
    secrets["DATABASE_URL's password"] = "tests-only"

    running = [str(process.pid) for process in system.running]
    places = {
        "answers": "\n".join(ear.heard),
        "process lists": "\n".join(_command_line(pid) for pid in running),
        "audit": await owner.fetchval("SELECT string_agg(audit::text, ' ') FROM audit"),
        "attempts": await owner.fetchval("SELECT string_agg(a::text, ' ') FROM delivery_attempt a"),
        "metrics": await _metrics(system),
        "backup": await asyncio.to_thread(_dumped, database.owner_url),
    }
    for process in list(system.running):
        await asyncio.to_thread(system.stop, process)
    places["traces"] = "".join(one.body.decode() for one in collector.received)
    places["logs"] = await asyncio.to_thread(Path(system.log.name).read_text, encoding="utf-8")

    assert [name for name, text in places.items() if not text] == []
    repeated = "Cannot POST \u2026?\u2026 (x-secret: \u2026, auth: \u2026)"
    assert places["attempts"].count(repeated) >= 3
    found = [
        (secret, place)
        for place, text in places.items()
        for secret, canary in secrets.items()
        if canary in text
    ]
    assert found == []
    size = sum(map(len, places.values()))
    figure(
        f"{len(secrets)} secrets planted, none found in {size // 1000} kB of "
        f"{', '.join(places)} ({len(ear.heard)} answers)"
    )


ISSUED = trustme.CA().issue_cert("guardian.example.com")
PRIVATE_KEY = ISSUED.private_key_pem.bytes().decode()
SHOWN_A_CERTIFICATE = {
    "webhook_url": "https://127.0.0.1:9/aaaa",
    "client_certificate": {
        "certificate": ISSUED.cert_chain_pems[0].bytes().decode(),
        "private_key": PRIVATE_KEY,
    },
}
PROOFS = {
    "bearer": "bearer token",
    "basic": "basic password",
    "header": "auth header",
    "oauth2": "access token",
}
"""What each receiver gets to see of its integration's credentials."""


def _kinds(token_url: str) -> dict[str, dict[str, Any]]:
    """One auth for each way to prove oneself."""
    return {
        "bearer": {"kind": "bearer", "token": PLANTED["bearer token"]},
        "basic": {"kind": "basic", "username": "me", "password": PLANTED["basic password"]},
        "header": {"kind": "header", "name": "x-me", "value": PLANTED["auth header"]},
        "oauth2": {
            "kind": "oauth2_client_credentials",
            "token_url": token_url,
            "client_id": "me",
            "client_secret": PLANTED["OAuth 2.0 secret"],
        },
    }


def _config(hook: str, auth: dict[str, Any]) -> dict[str, Any]:
    return {
        "webhook_url": f"{hook}/{PLANTED['URL']}?k={PLANTED[QUERY]}&last=aaaa",
        "secret_headers": {"x-secret": PLANTED["secret header"]},
        "auth": auth,
    }


def _repeating(proof: str) -> Answer:
    """A receiver that repeats whatever it was told, which many do when they refuse."""
    path = f"/hook/{PLANTED['URL']}?k={PLANTED[QUERY]}&last=aaaa"
    said = f"Cannot POST {path} (x-secret: {PLANTED['secret header']}, auth: {PLANTED[proof]})"
    return Answer(400, body=said.encode())


async def _made(admin: httpx.AsyncClient, key: str, config: dict[str, Any]) -> dict[str, Any]:
    body = {
        "integration_key": key,
        "label": "Planted",
        "is_enabled": True,
        "scopes": ["readiness"],
        "config": config,
    }
    answer = await admin.post("/integrations", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _token(value: str) -> Answer:
    said = f'{{"access_token":"{value}","token_type":"bearer","expires_in":60}}'
    return Answer(body=said.encode())


async def _all_tried(owner: Connection, count: int) -> None:
    async def are_tried() -> bool:
        tried = await owner.fetchval("SELECT count(DISTINCT integration_id) FROM delivery_attempt")
        return tried >= count

    await eventually(are_tried, "each integration was tried", within_s=60)


async def _look_everywhere(admin: httpx.AsyncClient, ids: list[str]) -> None:
    """Ask every reading route that could show something of an integration."""
    deliveries = (await admin.get("/deliveries")).json()["items"]
    paths = ["/integrations", "/audit", "/stats", "/keys", "/event-types"]
    paths += [f"/integrations/{one}{part}" for one in ids for part in ("", "/preview")]
    paths += [f"/deliveries/{one['id']}" for one in deliveries]
    for path in paths:
        answer = await admin.get(path)
        assert answer.is_success, answer.text


async def _ask_wrongly(admin: httpx.AsyncClient, integration_id: str) -> None:
    """What is refused must not be repeated either."""
    refused = PLANTED["refused secret"]
    wrong: list[dict[str, Any]] = [
        {"webhook_url": f"ftp://{refused}/"},
        {"webhook_url": f"https://me:{refused}@example.com/"},
        {"webhook_url": "https://example.com/", "secret_headers": {"x-a": f"{refused}\n"}},
        {"webhook_url": "https://example.com/", "auth": {"kind": "bearer", "password": refused}},
        {"webhook_url": "https://example.com/", "auth": {"kind": refused}},
        {
            "webhook_url": "https://example.com/",
            "client_certificate": {"certificate": refused, "private_key": refused},
        },
    ]
    for config in wrong:
        answer = await admin.patch(f"/integrations/{integration_id}", json={"config": config})
        assert answer.status_code == 422, answer.text
    bad = {"authorization": f"Bearer {PLANTED['wrong API key']}"}
    assert (await admin.get("/integrations", headers=bad)).status_code == 401


async def _metrics(system: System) -> str:
    worker = f"http://127.0.0.1:{system.env['GUARDIAN_WORKER_METRICS_PORT']}"
    async with httpx.AsyncClient() as client:
        pages = [await client.get(f"{url}/metrics") for url in (system.api_url, worker)]
    assert all(page.is_success for page in pages)
    return "".join(page.text for page in pages)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def _restart_api(system: System) -> None:
    [api] = system.running
    system.stop(api)
    system.start("api")
    await eventually(system.serves, "the API answers")


def _command_line(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _dumped(url: str) -> str:
    """What `guardian backup` saves, not compressed."""
    program = [backup._program("pg_dump"), "--format=plain", f"--dbname={backup._named(url)}"]
    return subprocess.run(
        program, env=backup._environment(url), check=True, capture_output=True, text=True
    ).stdout
