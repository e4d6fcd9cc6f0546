"""Whatever arrives: no 5xx, no crash, no growth, and nothing stored of what was refused."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import httpx

from api.openapi import ROOT as BASE
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import Database, Servers
from tests.safety.hostile import MARK, Attacker, Target, assault
from tests.safety.unbounded import serves, unbounded_api
from tests.safety.world import World, dump, integration
from tests.unit.api.conftest import Api
from tests.unit.api.test_observations import bodies

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1500"))
"""`make fuzz` sends a hundred thousand."""

SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
LINES = 6
GROWTH_MIB = 48


async def test_whatever_arrives_is_answered_and_nothing_of_a_refusal_is_kept(
    *,
    api: Api,
    database: Database,
    servers: Servers,
    ours: World,
    owner: Connection,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    async with unbounded_api(database, servers, tmp_path / "api.log") as (process, port):
        url = f"http://127.0.0.1:{port}"
        target = await target_of(url, api, ours)
        attackers = [Attacker(target, Random(SEED + line)) for line in range(LINES)]  # noqa: S311
        began = perf_counter()
        warm = await assault(port, attackers, requests=REQUESTS // 5 // LINES)
        before = _memory_mib(process.pid)
        report = await assault(port, attackers, requests=REQUESTS * 4 // 5 // LINES + 1)
        after = _memory_mib(process.pid)
        took = perf_counter() - began
        assert process.returncode is None, "it crashed"
        assert await serves(url)

    written = (tmp_path / "api.log").read_text(encoding="utf-8")
    assert "\n".join([*warm.faults, *report.faults][:20]) == "", written[-3000:]
    kept = set(MARK.findall(await dump(owner)))
    assert kept & (warm.refused | report.refused) == set()
    assert kept, "something was accepted, so the marks are where they should be"
    assert after - before < GROWTH_MIB
    statuses = warm.statuses + report.statuses
    told = ", ".join(
        f"{count} x {status or 'hung up'}" for status, count in sorted(statuses.items())
    )
    figure(
        f"hostile input: {statuses.total()} requests in {took:.0f} s, no 5xx, memory "
        f"{before:.0f} to {after:.0f} MiB ({told})"
    )


async def target_of(url: str, api: Api, ours: World) -> Target:
    """What the API at `url` can be asked for, with bodies that it would accept."""
    async with httpx.AsyncClient(base_url=url) as client:
        document = (await client.get("/openapi.json")).json()
    operations = [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        # An open stream answers without end.
        if not path.endswith("/stream")
    ]
    templates: dict[tuple[str, str], dict[str, Any]] = {
        (method, f"{BASE}/observations/{route.partition('/')[0]}"): body
        for method, route, body in bodies(api.clock)
    }
    plan = templates.pop(("PUT", f"{BASE}/observations/uplift-plans"))
    since = (api.clock() - timedelta(days=1)).isoformat()
    first = ours.ids["integration"][0]
    own: dict[tuple[str, str], dict[str, Any]] = {
        ("PUT", "/observations/uplift-plans/{plan_id}"): plan,
        ("POST", "/integrations"): integration("made", "made"),
        ("PATCH", "/integrations"): {"updates": [{"id": first, "label": "Again"}]},
        ("PATCH", "/integrations/{integration_id}"): {"label": "Again", "description": ""},
        ("POST", "/keys"): {"role": "reader", "label": "a key"},
        ("POST", "/tenants"): {"name": "Another"},
        ("POST", "/replays"): {"integration_id": first, "since": since, "dry_run": True},
        ("PUT", "/success/narrative/settings"): {"is_ai_enabled": False},
    }
    templates |= {(method, BASE + path): body for (method, path), body in own.items()}
    operator = await api.make_key(Role.OPERATOR, None)
    return Target(
        operations=operations,
        keys=[*ours.keys.values(), ours.keys[Role.ADMIN], operator],
        bodies=templates,
        # Not those of the keys in use: once one is revoked, all that follows is refused by it.
        ids=[
            one
            for noun, ids in ours.ids.items()
            for one in ids
            if noun != "key" and one != str(ours.tenant_id)
        ],
    )


def _memory_mib(pid: int) -> float:
    """What the process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
