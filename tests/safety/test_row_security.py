"""Forced row-level security, shown on every statement that the code really sends."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx

from api.authentication import OPEN
from api.openapi import ROOT, operations
from shared.contracts.exports import Stream
from shared.data.connection import Connection
from tests.safety.statements import Sent, Watched, distinct, flat, without_filters, written
from tests.safety.story import caller, steps
from tests.safety.world import UUID_SHAPE, World, digests, dump, is_endless
from tests.unit.api.conftest import Api

Figure = Callable[[str], None]
API = "guardian_api"
OPERATORS_ALONE = ("/tenants", "/catalog", "/success/portfolio")
ROOT_FOLDER = Path(__file__).parents[2]
CODE = ("api", "api/controllers", "api/services", "shared/data", "shared/success")
NO_TENANTS = {
    "data/migrate.py": "the owner's",
    "data/roles.py": "of logins, not of rows",
    "data/pause.py": "of the whole system",
    "data/queue_figures.py": "of the whole system, numbers alone",
    "data/retention.py": "of months, for all tenants",
    "controllers/health.py": "of the workers",
    "data/storage.py": "of tables, not of rows",
}
USED_UP = ("integration", "replay", "replay_item", "api_key", "idempotency_key")
LEAST_STATEMENTS = 45
LEAST_FILTERS = 40


async def test_no_statement_shows_or_changes_a_tenant_for_another_or_for_nobody(
    *,
    api: Api,
    watched: type[Watched],
    ours: World,
    theirs: World,
    owner: Connection,
    operator: httpx.AsyncClient,
    figure: Figure,
) -> None:
    for step in [*steps(api, theirs)]:
        await step.taken(caller(api, theirs))
    for path in ("success/portfolio", "tenants", "catalog", "audit", "keys"):
        await operator.get(f"/{path}")
    told = distinct(watched.sent, is_of=lambda one: one.role != "")
    marks = frozenset(UUID_SHAPE.findall(await dump(owner, theirs.tenant_id)))
    victim = (theirs.tenant_id, await digests(owner, theirs.tenant_id))

    leaks: list[str] = []
    for acting in (ours.tenant_id, None):
        for one in told:
            leaks += await _replayed(owner, one, acting=acting, marks=marks, victim=victim)

    assert leaks == []
    assert len(told) >= LEAST_STATEMENTS
    sent = [flat(one.query) for one in told]
    unseen = [
        f"{file}: {beginning}"
        for beginning, file in written([ROOT_FOLDER / folder for folder in CODE]).items()
        if file not in NO_TENANTS and not any(beginning in query for query in sent)
    ]
    assert "\n".join(unseen) == "", "tests/safety/story.py must ask for these, too"
    figure(f"row security: {len(told)} statements as another tenant and as nobody, 0 leaks")


async def test_the_story_asks_every_route_of_a_tenant(api: Api, ours: World) -> None:
    told = {
        (step.method, UUID_SHAPE.sub("{}", step.url.partition("?")[0])) for step in steps(api, ours)
    }
    left = [
        f"{one.method} {one.path}"
        for one in operations(api.app, open_flag=OPEN)
        if not one.is_open and not one.path.removeprefix(ROOT).startswith(OPERATORS_ALONE)
        if (one.method, _shape(one.path)) not in told and not is_endless(one)
    ]

    assert left == []


async def test_no_tenant_filter_is_all_that_keeps_tenants_apart(
    *,
    api: Api,
    watched: type[Watched],
    ours: World,
    theirs: World,
    owner: Connection,
    figure: Figure,
) -> None:
    filters: dict[tuple[str, int], tuple[str, str, int]] = {}
    await _keep(owner, ours.tenant_id)
    for index, step in enumerate(steps(api, ours)):
        watched.sent.clear()
        await step.taken(caller(api, ours))
        for one in watched.sent:
            if one.role != API:
                continue
            for number, (removed, mutant) in enumerate(without_filters(one.query)):
                filters.setdefault((one.query, number), (removed, mutant, index))
    before = await digests(owner, theirs.tenant_id)
    unfiltered = 0
    leaks: list[str] = []
    for (query, _), (removed, mutant, index) in filters.items():
        watched.swap.clear()
        watched.swap[query] = mutant
        swaps = watched.swaps
        await _restore(owner, ours.tenant_id)
        step = list(steps(api, ours))[index]
        answer = await step.taken(caller(api, ours))
        ran = watched.swaps - swaps
        seen = theirs.leaks(answer)
        changed = await digests(owner, theirs.tenant_id) != before
        unfiltered += ran > 0
        words = " ".join(query.split())
        figure(f"  without `{removed}`, {ran} runs, {len(seen)} leaks: {words[:90]}")
        if seen or changed:
            leaks.append(f"{step.method} {step.url} without {removed}: {words}")
    watched.swap.clear()

    assert leaks == []
    assert unfiltered == len(filters) >= LEAST_FILTERS
    figure(f"row security: {unfiltered} tenant filters removed in turn and run, 0 leaks")


async def test_the_mutants_read_the_same_rows_and_would_leak_without_row_security(
    *,
    api: Api,
    watched: type[Watched],
    ours: World,
    theirs: World,
    owner: Connection,
    figure: Figure,
) -> None:
    for step in steps(api, ours):
        await step.taken(caller(api, ours))
    reads = distinct(
        watched.sent,
        is_of=lambda one: one.role == API and re.match(r"\s*(SELECT|WITH)", one.query) is not None,
    )
    biting = 0
    for one in reads:
        for _, mutant in without_filters(one.query):
            kept = await _rows(owner, one.query, one.args, acting=ours.tenant_id)
            seen = await _rows(owner, mutant, one.args, acting=ours.tenant_id)
            # Another plan may bring them in another order, where none is asked for.
            assert sorted(map(repr, seen)) == sorted(map(repr, kept)), mutant
            rows = await _rows(owner, mutant, one.args)
            biting += bool(theirs.marks & {*UUID_SHAPE.findall(str(rows))})

    assert biting >= 5
    figure(f"row security: as a superuser, {biting} of the mutated reads show another tenant's ids")


def _shape(path: str) -> str:
    shape = re.sub(r"\{(?!stream)\w+\}", "{}", path.removeprefix(ROOT))
    return shape.replace("{stream}", str(next(iter(Stream))))


async def _keep(owner: Connection, tenant_id: UUID) -> None:
    """Note what the requests use up, so that each can be made again."""
    for table in USED_UP:
        await owner.execute(
            f"CREATE TEMP TABLE kept_{table} AS SELECT {await _columns(owner, table)} "
            f"FROM {table} WHERE tenant_id = '{tenant_id}'"
        )


async def _restore(owner: Connection, tenant_id: UUID) -> None:
    """Put back what was used up, as if it had never been."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for table in USED_UP:
            await owner.execute(
                f"DELETE FROM {table} WHERE tenant_id = '{tenant_id}';"
                f"INSERT INTO {table} ({await _columns(owner, table)}) SELECT * FROM kept_{table}"
            )


async def _columns(owner: Connection, table: str) -> str:
    columns: str = await owner.fetchval(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped",
        table,
    )
    return columns


async def _rows(
    owner: Connection, query: str, args: tuple[object, ...], *, acting: UUID | None = None
) -> list[list[object]]:
    """What a tenant, or a superuser, would see; nothing where the arguments no longer fit."""
    await owner.execute("BEGIN")
    try:
        if acting is not None:
            await owner.execute(_acting(acting))
        return [list(row) for row in await owner.fetch(query, *args)]
    except asyncpg.PostgresError:
        return []
    finally:
        await owner.execute("ROLLBACK")


async def _replayed(
    owner: Connection,
    one: Sent,
    *,
    acting: UUID | None,
    marks: frozenset[str],
    victim: tuple[UUID, dict[str, str]],
) -> list[str]:
    """Run a statement of one tenant under another; answer what it showed or changed of the one."""
    await owner.execute("BEGIN")
    try:
        await owner.execute(_acting(acting))
        try:
            rows = [list(row) for row in await owner.fetch(one.query, *one.args)]
        except asyncpg.PostgresError:
            return []  # refused: a privilege, a policy, a key that is taken
        given = {*UUID_SHAPE.findall(str(one.args))}
        leaks = [
            f"{' '.join(one.query.split())[:120]} shows {word}"
            for word in ({*UUID_SHAPE.findall(str(rows))} & marks) - given
        ]
        await owner.execute("RESET ROLE")
        victim_id, before = victim
        if await digests(owner, victim_id) != before:
            leaks.append(f"{' '.join(one.query.split())[:120]} changes rows")
        return leaks
    finally:
        await owner.execute("ROLLBACK")


def _acting(tenant_id: UUID | None) -> str:
    return f"SET LOCAL ROLE {API}; SET LOCAL guardian.tenant_id = '{tenant_id or ''}'"
