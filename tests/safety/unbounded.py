"""An API process of its own that counts no rates, for tests that ask far more than anybody may."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.conftest import Database, Servers
from tests.journeys.conftest import ROOT, eventually
from tests.unit.api.conftest import RING
from tests.unit.api.test_start import free_port, settings


@asynccontextmanager
async def unbounded_api(
    database: Database, servers: Servers, log: Path
) -> AsyncGenerator[tuple[Process, int]]:
    """Run `python -m api` until the block ends: the process, which answers, and its port."""
    port = free_port()
    env = settings(database.api_url, servers.redis_url) | {
        "PATH": os.environ["PATH"],
        "GUARDIAN_KEY_RING": f"tests:{b64encode(RING).decode()}",
        "GUARDIAN_RATE_PER_KEY": "0",
        "GUARDIAN_RATE_PER_ADDRESS": "0",
        "GUARDIAN_RATE_FAILURES": "0",
        "GUARDIAN_LOG_LEVEL": "error",
    }
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api", "--port", str(port), cwd=ROOT, env=env, stderr=errors
        )
    try:
        await eventually(lambda: serves(f"http://127.0.0.1:{port}"), "the API answers")
        yield process, port
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def serves(url: str) -> bool:
    """Whether the API at `url` answers."""
    async with httpx.AsyncClient(timeout=20) as client:
        try:
            return (await client.get(f"{url}/health/live")).is_success
        except httpx.TransportError:
            return False
