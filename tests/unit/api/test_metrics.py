"""/metrics tells how the API and the queue stand, and nothing of any tenant."""

from datetime import timedelta
from math import isnan
from typing import Any, cast
from uuid import UUID

import httpx
from prometheus_client.parser import text_string_to_metric_families

from api.app import METRICS
from shared.data.connection import Connection
from tests.unit.api.conftest import Api
from tests.unit.api.test_observations import readiness
from tests.unit.worker.conftest import Builder


def _measured(api: Api) -> httpx.AsyncClient:
    wrapped = api.app.state[METRICS].measured(cast("Any", api.app))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(wrapped, raise_app_exceptions=False),
        base_url="http://guardian.test",
    )


async def _figures(client: httpx.AsyncClient) -> dict[str, float]:
    """Each sample as `name{label=value,…}`, without the histograms' buckets."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        f"{one.name}{sorted(one.labels.items())}" if one.labels else one.name: one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
        if not one.name.endswith("_bucket")
    }


async def test_requests_are_told_by_pattern_never_by_path(
    api: Api, ingest: httpx.AsyncClient, tenant: UUID
) -> None:
    async with _measured(api) as client:
        path = f"/api/guardian/meta/integrations/{tenant}"
        await client.get(path)
        await client.get(f"/{tenant}")
        told = (await client.get("/metrics")).text
        figures = await _figures(client)

    assert str(tenant) not in told
    labels = (
        "[('method', 'GET'), ('route', '/api/guardian/meta/integrations/{integration_id}'), "
        "('status', '401')]"
    )
    assert figures[f"guardian_api_request_seconds_count{labels}"] == 1
    unknown = "[('method', 'none'), ('route', 'none'), ('status', '404')]"
    assert figures[f"guardian_api_request_seconds_count{unknown}"] == 1


async def test_observations_are_counted_once_however_often_a_request_is_repeated(
    api: Api, ingest: httpx.AsyncClient
) -> None:
    body = readiness(api.clock)
    for _ in range(2):
        answer = await ingest.post(
            "/observations/readiness", json=body, headers={"Idempotency-Key": "one"}
        )
        assert answer.status_code == 202, answer.text

    assert (await _figures(_measured(api)))["guardian_api_observations_total"] == 1


async def test_the_queue_is_told_with_the_age_of_the_oldest_that_is_due(
    api: Api, owner: Connection, tenant: UUID
) -> None:
    builder = Builder(owner, tenant_id=tenant, clock=api.clock)
    api.clock.now -= timedelta(seconds=90)
    made = await builder.integration("http://127.0.0.1:9/")
    ids = await builder.deliveries(made, count=3)
    await owner.execute(
        "UPDATE delivery_due SET attempt_count = 1, next_attempt_at = now() + interval '1 hour' "
        "WHERE id = $1",
        ids[0],
    )
    disabled = await builder.integration("http://127.0.0.1:9/")
    await builder.deliveries(disabled)
    await builder.change(disabled, "is_enabled = false")

    figures = await _figures(_measured(api))

    assert figures["guardian_postgresql_up"] == 1
    assert figures["guardian_queue_deliveries"] == 4
    assert figures["guardian_queue_retries"] == 1
    assert figures["guardian_queue_due"] == 2
    assert 85 < figures["guardian_queue_oldest_due_seconds"] < 150
    assert figures["guardian_workers"] == 0
    assert figures["guardian_shards_leased"] == 0
    assert figures["guardian_deliveries_paused"] == 0


async def test_an_empty_queue_has_no_age(api: Api) -> None:
    figures = await _figures(_measured(api))

    assert figures["guardian_queue_oldest_due_seconds"] == 0


async def test_when_postgresql_refuses_the_figures_are_no_numbers_and_the_page_still_answers(
    api: Api, owner: Connection
) -> None:
    await owner.execute("ALTER TABLE system_state RENAME TO gone")

    figures = await _figures(_measured(api))

    assert figures["guardian_postgresql_up"] == 0
    assert isnan(figures["guardian_queue_due"])
