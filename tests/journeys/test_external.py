"""Servers of one's own: an owner who is no superuser, a login that owns nothing, any PostgreSQL."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from shared.data.connection import connect
from shared.runtime.postgres import EmbeddedPostgres
from tests.conftest import Servers

GUARDIAN = Path(sys.executable).with_name("guardian")
ROLES = """
CREATE ROLE hub_owner LOGIN CREATEROLE PASSWORD 'owner-word';
CREATE ROLE hub_app LOGIN PASSWORD 'app-word';
"""


async def _prepare(superuser_url: str) -> None:
    connection = await connect(superuser_url)
    await connection.execute(ROLES)
    await connection.execute("CREATE DATABASE hub OWNER hub_owner")
    await connection.close()


def _url(superuser_url: str, login: str, password: str) -> str:
    query = urlsplit(superuser_url).query
    return f"postgresql://{login}:{password}@/hub?{query}"


def test_guardian_runs_on_servers_of_ones_own(tmp_path: Path, servers: Servers) -> None:
    tmp_path.chmod(0o755)
    postgres = EmbeddedPostgres(tmp_path / "server", is_durable=False)
    superuser_url = postgres.start()
    ready_file = tmp_path / "ready.json"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_ADMIN_URL": _url(superuser_url, "hub_owner", "owner-word"),
        "DATABASE_URL": _url(superuser_url, "hub_app", "app-word"),
        "REDIS_URL": servers.redis_url,
    }
    command = [
        *(GUARDIAN, "up", "--headless", "--demo", "--port", "0"),
        *("--data-dir", tmp_path / "data", "--ready-file", ready_file),
    ]
    try:
        asyncio.run(_prepare(superuser_url))
        with subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("running"):
                    break
            try:
                assert ready_file.exists(), said
                ready = json.loads(ready_file.read_text(encoding="utf-8"))
                answer = httpx.get(
                    f"{ready['api_url']}/api/guardian/meta/success/overview",
                    headers={"authorization": f"Bearer {ready['tenants'][0]['admin_key']}"},
                )
                assert answer.json()["readiness"]["status"] == "ok"
                checked = subprocess.run(
                    [GUARDIAN, "doctor", "--json"],
                    env={"PATH": env["PATH"], "GUARDIAN_DATA_DIR": str(tmp_path / "data")},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert checked.returncode == 0, checked.stdout + checked.stderr
            finally:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        postgres.stop()
