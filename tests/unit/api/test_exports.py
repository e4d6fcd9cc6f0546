"""Exports: every row once, changed rows again, none ever missed."""

import csv
import gzip
import io
import json
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from shared.contracts.exports import ROWS, Stream
from shared.contracts.words import Role
from shared.data.connection import Connection, connect
from tests.conftest import Database, Servers, make_tenant
from tests.unit.api.conftest import Api
from tests.unit.api.test_success import Producer

FORMULA = '=HYPERLINK("x";"y")'

SLOW_RUN = """
INSERT INTO observation (tenant_id, id, domain, observed_at, received_at, is_derived,
  formula_version, body)
VALUES ($1, gen_random_uuid(), 'lifecycle', now(), now(), false, 1, '{"total_compacted": 1,
  "total_deleted": 1, "operations_successful": 1, "operations_skipped": 0,
  "operations_failed": 0}')
"""


@pytest.fixture
def producer(ingest: httpx.AsyncClient, api: Api) -> Producer:
    return Producer(ingest, api.clock)


async def tell_everything(producer: Producer, title: str = FORMULA) -> UUID:
    """One observation of each domain."""
    plan_id = uuid4()
    await producer.readiness(1, rules=70, alerts=40)
    await producer.adoption(1, core=75, meta=20)
    await producer.editions(1, guardian_pro=66, guardian_core=90)
    await producer.plan(
        1, plan_id=plan_id, title=title, tasks=[{"task_id": str(uuid4()), "status": "done"}]
    )
    await producer.report(1, 50)
    await producer.run(1)
    return plan_id


async def page(client: httpx.AsyncClient, stream: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(f"/export/{stream}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rows(client: httpx.AsyncClient, stream: str, **params: Any) -> list[dict[str, Any]]:
    """Every page of a stream, as a sync tool reads them."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        one = await page(client, stream, **params, **cursor)
        found += one["data"]
        if one["next_cursor"] is None:
            return found
        cursor = {"cursor": one["next_cursor"]}


COUNTS = {
    Stream.READINESS_SNAPSHOTS: 1,
    Stream.READINESS_CAPABILITIES: 2,
    Stream.ADOPTION_SCORES: 2,
    Stream.UPLIFT_PLANS: 1,
    Stream.EDITION_FITS: 2,
    Stream.EXECUTIVE_REPORTS: 1,
    Stream.LIFECYCLE_RUNS: 1,
    Stream.DELETIONS: 0,
}


async def test_every_stream_has_a_row_per_fact_as_its_schema_says(
    reader: httpx.AsyncClient, producer: Producer, tenant: UUID
) -> None:
    await tell_everything(producer)

    for stream, count in COUNTS.items():
        told = await rows(reader, stream)
        schema = (await reader.get(f"/export/{stream}/schema")).json()
        assert len(told) == count, stream
        assert (schema["primary_key"], schema["cursor_field"]) == (["id"], "updated_at")
        [columns] = [
            one["properties"]
            for one in schema["row_schema"]["$defs"].values()
            if "properties" in one
        ]
        for row in told:
            assert list(row) == list(columns)
            msgspec.convert(row, ROWS[stream], strict=False)
            assert row["tenant_id"] == str(tenant)
            instants = [value for name, value in row.items() if name.endswith("_at")]
            assert all(len(one) == 27 and one.endswith("Z") for one in instants)
    listed = (await reader.get("/export")).json()["items"]
    assert [one["stream"] for one in listed] == list(Stream)


async def test_pages_hold_every_row_once_in_the_order_of_storing(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    for days in range(5):
        await producer.readiness(days, rules=days, alerts=1)

    told = await rows(reader, "readiness_capabilities", limit=3)

    assert len({one["id"] for one in told}) == 10
    keys = [(one["updated_at"], one["id"]) for one in told]
    assert keys == sorted(keys)
    assert [one["score"] for one in told if one["capability_key"].endswith("rules")] == [
        0,
        1,
        2,
        3,
        4,
    ]


async def test_a_sync_loads_everything_once_and_then_only_what_changed(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    """What dlt's rest_api does: merge by primary key, remember the newest cursor field."""
    loaded: dict[str, dict[str, Any]] = {}
    newest = "2020-01-01T00:00:00.000000Z"

    async def sync() -> int:
        nonlocal newest
        changed = 0
        for row in await rows(reader, "uplift_plans", updated_since=newest, limit=2):
            changed += loaded.get(row["id"]) != row
            loaded[row["id"]] = row
            newest = max(newest, row["updated_at"])
        return changed

    plans = [uuid4() for _ in range(5)]
    for plan_id in plans:
        await producer.plan(2, plan_id=plan_id, tasks=[])
    assert await sync() == 5
    assert await sync() == 0
    await producer.plan(1, plan_id=plans[1], status="completed", tasks=[])
    await producer.plan(1, plan_id=uuid4(), tasks=[])
    assert await sync() == 2
    assert len(loaded) == 6
    assert loaded[str(plans[1])]["status"] == "completed"


async def test_since_is_inclusive_and_before_is_not(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    for days in (2, 1):
        await producer.readiness(days, rules=50)
    first, second = await rows(reader, "readiness_snapshots")

    since = await rows(reader, "readiness_snapshots", updated_since=second["updated_at"])
    before = await rows(reader, "readiness_snapshots", updated_before=second["updated_at"])

    assert (since, before) == ([second], [first])


async def test_what_commits_late_is_never_missed(
    reader: httpx.AsyncClient, producer: Producer, tenant: UUID, database: Database
) -> None:
    slow = await connect(database.owner_url)
    async with slow.transaction():
        await slow.execute(SLOW_RUN, tenant)
        await producer.run(0)
        meanwhile = await rows(reader, "lifecycle_runs")
    afterwards = await rows(reader, "lifecycle_runs")
    await slow.close()

    assert meanwhile == [], "what was stored later waits for what may still come before it"
    assert [one["total_compacted"] for one in afterwards] == [1, 500]


async def test_a_tables_rows_come_as_lines_and_as_csv_without_formulas(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    await tell_everything(producer)
    await producer.plan(1, plan_id=uuid4(), title='Grüße, "B"', tasks=[])

    lines = await reader.get("/export/uplift_plans", params={"format": "jsonl"})
    sheet = await reader.get("/export/uplift_plans", params={"format": "csv", "limit": "1"})

    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(one)["title"] for one in lines.text.splitlines()] == [
        FORMULA,
        'Grüße, "B"',
    ]
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.text.count("\r\n") == 2
    [row] = csv.DictReader(io.StringIO(sheet.text))
    assert row["title"] == "'" + FORMULA
    assert (row["starts_on"], row["tasks_done"]) == ("", "1")
    rest = await reader.get(
        "/export/uplift_plans",
        params={"format": "csv", "cursor": sheet.headers["x-next-cursor"]},
    )
    assert [one["title"] for one in csv.DictReader(io.StringIO(rest.text))] == ['Grüße, "B"']


async def test_answers_are_compressed_and_not_sent_again_while_they_are_the_same(
    reader: httpx.AsyncClient, producer: Producer
) -> None:
    for days in range(12):
        await producer.readiness(days, rules=days)
    path = "/export/readiness_snapshots"
    params = {"format": "jsonl"}

    async with reader.stream("GET", path, params=params) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    plain = await reader.get(path, params=params, headers={"accept-encoding": "identity"})
    known = {"if-none-match": packed.headers["etag"]}
    again = await reader.get(path, params=params, headers=known)
    await producer.readiness(0, rules=1)
    changed = await reader.get(path, params=params, headers=known)

    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert "content-encoding" not in plain.headers
    assert "private" in plain.headers["cache-control"]
    assert (again.status_code, again.content, changed.status_code) == (304, b"", 200)


async def test_a_deleted_tenant_leaves_a_tombstone_for_operators(
    api: Api, operator: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    other = await make_tenant("Gone", clock=api.clock)
    assert (await operator.delete(f"/tenants/{other}")).status_code == 204

    [buried] = await rows(operator, "deletions")

    assert (buried["kind"], buried["deleted_id"]) == ("tenant", str(other))
    assert await rows(reader, "deletions") == []
    refused = await operator.get("/export/uplift_plans")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "workspaceId")


async def test_nobody_exports_a_foreign_tenants_rows(
    stranger: httpx.AsyncClient, producer: Producer, tenant: UUID
) -> None:
    await tell_everything(producer)

    for stream in Stream:
        assert await rows(stranger, stream) == []
        answer = await stranger.get(f"/export/{stream}", params={"workspaceId": str(tenant)})
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "params", "status", "where"),
    [
        ("nonsense", {}, 404, None),
        ("nonsense/schema", {}, 404, None),
        ("deletions", {"cursor": "x"}, 422, "cursor"),
        ("deletions", {"cursor": "WzEsMl0"}, 422, "cursor"),
        ("deletions", {"cursor": "é"}, 422, "cursor"),
        ("deletions", {"updated_since": "yesterday"}, 422, "updated_since"),
        ("deletions", {"limit": "0"}, 422, "limit"),
        ("deletions", {"limit": "10001"}, 422, "limit"),
        ("deletions", {"format": "parquet"}, 422, "format"),
    ],
)
async def test_a_question_without_an_answer_is_a_problem(
    reader: httpx.AsyncClient, path: str, params: dict[str, str], status: int, where: str | None
) -> None:
    answer = await reader.get(f"/export/{path}", params=params)

    assert answer.status_code == status, answer.text
    if where:
        assert [one["path"] for one in answer.json()["errors"]] == [where]


async def test_a_bi_tools_login_sees_the_views_of_one_tenant_and_nothing_else(
    api: Api, producer: Producer, tenant: UUID, servers: Servers, database: Database
) -> None:
    await tell_everything(producer)
    other = await make_tenant("Other", clock=api.clock)
    await Producer(api.client(await api.make_key(Role.INGEST, other)), api.clock).run(1)
    owner = await connect(database.owner_url)
    login = f"bi_{database.name}"
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'tests-only' IN ROLE guardian_bi")
    await owner.execute("INSERT INTO bi_login (login, tenant_id) VALUES ($1, $2)", login, tenant)
    tool = await connect(servers.url(login, database.name))
    try:
        await tool.execute(f"SET guardian.tenant_id = '{other}'")
        for stream, count in COUNTS.items():
            seen = await tool.fetch(f"SELECT tenant_id FROM export_{stream}")  # noqa: S608
            assert [row["tenant_id"] for row in seen] == [tenant] * count
        await _is_refused(tool, "SELECT * FROM integration")
        await _is_refused(tool, "DELETE FROM observation")
        await _is_refused(tool, "SET ROLE guardian_api")
    finally:
        await tool.close()
        await owner.execute(f"DROP ROLE {login}")
        await owner.close()


async def _is_refused(tool: Connection, statement: str) -> None:
    with pytest.raises(Exception, match="permission denied"):
        await tool.execute(statement)


async def test_stamps_never_run_backwards_across_the_horizon(owner: Connection) -> None:
    before: datetime = await owner.fetchval("SELECT guardian_horizon()")
    stamped: datetime = await owner.fetchval("SELECT guardian_stamp()")
    after: datetime = await owner.fetchval("SELECT guardian_horizon()")

    assert before <= stamped <= after
