"""Tenants with something of everything, and a list of what is each one's alone."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from api.openapi import Operation
from shared.contracts.words import Role
from shared.data.connection import Connection
from tests.conftest import make_tenant
from tests.unit.api.conftest import Api
from tests.unit.api.test_deliveries import History
from tests.unit.api.test_integrations import config
from tests.unit.api.test_observations import bodies

TENANT_ROLES = (Role.READER, Role.INGEST, Role.ADMIN)
OLD_KEY = "used a month ago"
UUID_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

TENANT_TABLES = """
SELECT c.relname::text AS name, CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END AS own
FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
  AND (c.relname = 'tenant' OR EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))
ORDER BY 1
"""


@dataclass(frozen=True)
class World:
    """One tenant, filled.

    Attributes:
        tenant_id: whose it is.
        mark: a word that stands in each of its texts and in nobody else's.
        keys: the text of a key of each role.
        ids: by noun, what its routes would be asked for.
        marks: the word, and every id of every row; none may be seen by anybody else.
    """

    tenant_id: UUID
    mark: str
    keys: dict[Role, str]
    ids: dict[str, list[str]]
    marks: frozenset[str]

    def leaks(self, answer: httpx.Response) -> list[str]:
        """What of this tenant stands in an answer's body or headers."""
        headers = " ".join(f"{name}: {value}" for name, value in answer.headers.items())
        text = f"{answer.text} {headers}".lower()
        found = {*UUID_SHAPE.findall(text)} & self.marks
        return sorted(found | ({self.mark} if self.mark in text else set()))


async def fill(api: Api, owner: Connection, mark: str) -> World:
    """Make a tenant and give it a row in every table of tenants."""
    tenant_id = await make_tenant(f"{mark} works", clock=api.clock)
    keys = {role: await api.make_key(role, tenant_id) for role in TENANT_ROLES}
    await owner.execute(
        "UPDATE api_key SET label = $2 || ' ' || role WHERE tenant_id = $1", tenant_id, mark
    )
    admin = api.client(keys[Role.ADMIN])
    made: list[dict[str, Any]] = []
    for number in range(2):
        answer = await admin.post("/integrations", json=integration(f"{mark}_{number}", mark))
        assert answer.status_code == 201, answer.text
        made.append(answer.json())
    plan_ids: list[str] = []
    for method, route, body in bodies(api.clock):
        if "title" in body:
            body["title"] = f"{mark} plan"
            plan_ids.append(route.rpartition("/")[2])
        if "report_type" in body:
            body |= {"title": f"{mark} report", "report_id": str(uuid4())}
        headers = {"idempotency-key": f"{mark} {route[:9]}"}
        answer = await admin.request(method, f"/observations/{route}", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
    await admin.put("/success/narrative/settings", json={"is_ai_enabled": True})
    await admin.get("/success/narrative")
    await admin.patch(f"/integrations/{made[1]['id']}", json={"description": f"{mark} changed"})
    history = History(api, tenant_id, made[0]["id"])
    for status in ("delivered", "discarded"):
        await history.ended(status)
    await history.waits(attempts=2)
    await owner.execute(
        "INSERT INTO idempotency_key VALUES ($1, $2, '', '', $3)",
        tenant_id,
        OLD_KEY,
        api.clock() - timedelta(days=31),
    )
    api.clock.advance(timedelta(minutes=1))
    since, until = api.clock() - timedelta(days=1), api.clock() + timedelta(days=1)
    replayed = await admin.post(
        "/replays",
        json={
            "integration_id": made[0]["id"],
            "since": since.isoformat(),
            "until": until.isoformat(),
        },
    )
    assert replayed.status_code == 202, replayed.text
    await owner.execute(
        """
        INSERT INTO integration_hour (tenant_id, integration_id, hour, delivered, last_error)
          VALUES ($1, $2, date_trunc('hour', $3::timestamptz), 7, $4);
        """,
        tenant_id,
        UUID(made[0]["id"]),
        api.clock(),
        f"{mark} error",
    )
    await owner.execute(
        "INSERT INTO tombstone (tenant_id, kind, subject_id) VALUES ($1, 'integration', $2)",
        tenant_id,
        uuid4(),
    )
    await owner.execute(
        "INSERT INTO narrative_spend (tenant_id, day, calls) VALUES ($1, $2, 1)",
        tenant_id,
        api.clock().date(),
    )
    await api.rest()
    return World(
        tenant_id=tenant_id,
        mark=mark,
        keys=keys,
        ids=await _ids(owner, tenant_id, plan_ids),
        marks=frozenset({mark, *UUID_SHAPE.findall(await dump(owner, tenant_id))}),
    )


def integration(key: str, mark: str) -> dict[str, Any]:
    """A body that `POST /integrations` accepts, with `mark` in each text."""
    return {
        "integration_key": key,
        "label": f"{mark} board",
        "description": f"{mark} says",
        "is_enabled": True,
        "scopes": ["readiness", "uplift", "editions", "executive_reports", "adoption", "lifecycle"],
        "config": config(headers={"x-env": mark}, webhook_url=f"https://{mark}.example.com/hook"),
    }


async def dump(owner: Connection, tenant_id: UUID | None = None) -> str:
    """Every row of every tenant table as text, of one tenant or of all; bytes as text, too."""
    lines: list[str] = []
    for table in await owner.fetch(TENANT_TABLES):
        for row in await owner.fetch(
            f'SELECT * FROM "{table["name"]}" WHERE $1::uuid IS NULL OR {table["own"]} = $1',
            tenant_id,
        ):
            values = [
                value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                for _, value in row.items()
            ]
            lines.append(f"{table['name']}: " + " | ".join(values))
    return "\n".join(sorted(lines))


async def digests(owner: Connection, tenant_id: UUID) -> dict[str, str]:
    """What is stored for one tenant, by table, to see whether anything was changed."""
    found: dict[str, str] = {}
    for table in await owner.fetch(TENANT_TABLES):
        name = table["name"]
        found[name] = await owner.fetchval(
            f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{name}\" t "  # noqa: E501 - names from the catalogue
            f"WHERE {table['own']} = $1",
            tenant_id,
        )
    return found


def is_endless(operation: Operation) -> bool:
    """Whether an answer of this operation goes on until the caller leaves."""
    return "text/event-stream" in operation.handler.opt.get("also_answers", ())


def told(answer: httpx.Response) -> Any:
    """The JSON of an answer."""
    return msgspec.json.decode(answer.content)


async def _ids(owner: Connection, tenant_id: UUID, plan_ids: list[str]) -> dict[str, list[str]]:
    async def of(query: str) -> list[str]:
        return [str(row["id"]) for row in await owner.fetch(query, tenant_id)]

    return {
        "integration": await of("SELECT id FROM integration WHERE tenant_id = $1"),
        "delivery": await of(
            "SELECT id FROM delivery_due WHERE tenant_id = $1 UNION "
            "SELECT delivery_id FROM delivery_attempt WHERE tenant_id = $1"
        ),
        "key": await of("SELECT id FROM api_key WHERE tenant_id = $1 ORDER BY role"),
        "event": await of("SELECT id FROM event WHERE tenant_id = $1"),
        "observation": await of("SELECT id FROM observation WHERE tenant_id = $1"),
        "audit": await of("SELECT id FROM audit WHERE tenant_id = $1"),
        "plan": plan_ids,
        "replay": await of("SELECT id FROM replay WHERE tenant_id = $1"),
        "tenant": [str(tenant_id)],
    }
