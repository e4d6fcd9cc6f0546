"""/health: whether this process lives, and whether it can do its work."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.authentication import OPEN
from shared.contracts.health import Check, Health
from shared.data.migrate import pending_in
from shared.data.session import operating
from shared.errors import UnavailableError

WORKER_IS_SILENT_AFTER_S = 60
PATIENCE_S = 2.0


class HealthController(Controller):
    """Asked by supervisors and load balancers, which have no key."""

    path = "/health"
    tags = ["health"]
    opt = {OPEN: True}

    @get("/live", summary="Whether the process answers")
    async def live(self) -> Health:
        """Always ok, as long as there is an answer."""
        return Health(status="ok", checks={})

    @get("/ready", summary="Whether Guardian can do its work")
    async def ready(
        self,
        redis: NamedDependency[Redis],
        clock: NamedDependency[Callable[[], datetime]],
    ) -> Response[Health]:
        """503 without PostgreSQL or with pending migrations; degraded without Redis or a worker."""
        checks = await _database_checks(now=clock())
        checks["redis"] = await _redis_check(redis)
        told = {check.status for check in checks.values()}
        status = "unready" if "failed" in told else "degraded" if "degraded" in told else "ok"
        code = HTTP_503_SERVICE_UNAVAILABLE if status == "unready" else HTTP_200_OK
        return Response(Health(status=status, checks=checks), status_code=code)


async def _database_checks(*, now: datetime) -> dict[str, Check]:
    try:
        async with asyncio.timeout(PATIENCE_S), operating(is_read_only=True) as session:
            missing = await pending_in(session.connection)
            seen_at: datetime | None = None
            if not missing:
                seen_at = await session.connection.fetchval(
                    "SELECT max(seen_at) FROM worker_heartbeat"
                )
    except (UnavailableError, TimeoutError):
        return {"postgresql": Check(status="failed", detail="It cannot be reached.")}
    checks = {"postgresql": Check(status="ok"), "migrations": Check(status="ok")}
    if missing:
        detail = f"{len(missing)} pending: run `guardian migrate`."
        checks["migrations"] = Check(status="failed", detail=detail)
    checks["worker"] = _worker_check(seen_at, now=now)
    return checks


def _worker_check(seen_at: datetime | None, *, now: datetime) -> Check:
    if seen_at is None:
        return Check(status="degraded", detail="No worker has been seen: nothing is delivered.")
    age_s = max(0, round((now - seen_at).total_seconds()))
    if age_s > WORKER_IS_SILENT_AFTER_S:
        return Check(status="degraded", detail=f"No worker has been seen for {age_s} s.")
    return Check(status="ok", detail=f"Seen {age_s} s ago.")


async def _redis_check(redis: Redis) -> Check:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await redis.ping()
    except (RedisError, OSError, TimeoutError):
        return Check(status="degraded", detail="It cannot be reached: workers look by themselves.")
    return Check(status="ok")
