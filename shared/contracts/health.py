"""Whether Guardian can do its work."""

from shared.contracts.postures import Resource


class Check(Resource, frozen=True, kw_only=True):
    """One thing that was looked at: `ok`, `degraded` or `failed`."""

    status: str
    detail: str | None = None


class Health(Resource, frozen=True, kw_only=True):
    """The worst of the checks: `ok`, `degraded` (slower, nothing lost) or `unready`."""

    status: str
    checks: dict[str, Check]
