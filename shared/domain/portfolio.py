"""The portfolio: the overviews of many tenants put beside one another, pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import quantiles

import msgspec

from shared.contracts.portfolio import (
    BandCount,
    DeliveryHealth,
    Portfolio,
    Quartiles,
    SilentTenant,
    TenantRisk,
    TenantStanding,
)
from shared.contracts.success import Block, Overview
from shared.contracts.words import Band, Freshness, Scope, Severity
from shared.domain.rollups import band_of
from shared.domain.trends import DEAD_BAND

MOVERS = 10
"""How many of those who moved most are named, each way."""

_URGENCY = {Severity.HIGH: 0, Severity.MEDIUM: 1, Severity.LOW: 2}


def portfolio(
    overviews: Sequence[Overview], deliveries: DeliveryHealth, *, now: datetime
) -> Portfolio:
    """Put the overviews, one per tenant and all told for `now`, side by side."""
    standings = [_standing(one) for one in overviews]
    up = [one for one in standings if (one.delta_1w or 0.0) >= DEAD_BAND]
    down = [one for one in standings if (one.delta_1w or 0.0) <= -DEAD_BAND]
    return Portfolio(
        as_of=now,
        bands=_bands(standings),
        tenants=sorted(
            standings,
            key=lambda one: (one.overall_score is None, one.overall_score or 0.0, one.tenant_name),
        ),
        movers_up=sorted(up, key=lambda one: (-(one.delta_1w or 0.0), one.tenant_name))[:MOVERS],
        movers_down=sorted(down, key=lambda one: (one.delta_1w or 0.0, one.tenant_name))[:MOVERS],
        at_risk=_at_risk(overviews, now),
        stale=_silent(overviews),
        completion=_completion(overviews),
        deliveries=deliveries,
    )


def _standing(overview: Overview) -> TenantStanding:
    block = overview.readiness
    return TenantStanding(
        tenant_id=overview.tenant_id,
        tenant_name=overview.tenant_name,
        status=block.status,
        band=block.band,
        overall_score=block.overall_score,
        delta_1w=block.delta_1w,
        delta_4w=block.delta_4w,
        trend=block.trend,
        as_of=block.as_of,
    )


def _bands(standings: Sequence[TenantStanding]) -> list[BandCount]:
    """Count by band; a tenant without a value a week ago stood in no band then."""
    now = Counter(one.band for one in standings)
    before = Counter(
        None
        if one.overall_score is None or one.delta_1w is None
        else band_of(one.overall_score - one.delta_1w)
        for one in standings
    )
    return [
        BandCount(band=band, tenants=now[band], tenants_1w_ago=before[band])
        for band in (*Band, None)
    ]


def _at_risk(overviews: Sequence[Overview], now: datetime) -> list[TenantRisk]:
    """Most severe first, of those the longest standing; an unknown age counts as none."""
    found = [
        TenantRisk(
            tenant_id=one.tenant_id,
            tenant_name=one.tenant_name,
            age_days=None if risk.since is None else _days(now - risk.since),
            **msgspec.structs.asdict(risk),
        )
        for one in overviews
        for risk in one.risks
    ]
    return sorted(
        found,
        key=lambda one: (_URGENCY[one.severity], -(one.age_days or 0.0), one.tenant_name, one.code),
    )


def _silent(overviews: Sequence[Overview]) -> list[SilentTenant]:
    """Those of whom nothing was ever told, then the longest silent."""
    found: list[SilentTenant] = []
    for one in overviews:
        blocks: dict[Scope, Block] = {
            Scope.READINESS: one.readiness,
            Scope.ADOPTION: one.adoption,
            Scope.EDITIONS: one.editions,
            Scope.UPLIFT: one.uplift,
            Scope.EXECUTIVE_REPORTS: one.executive,
            Scope.LIFECYCLE: one.lifecycle,
        }
        stale = [scope for scope, block in blocks.items() if block.status is Freshness.STALE]
        is_unknown = all(block.status is Freshness.MISSING for block in blocks.values())
        if stale or is_unknown:
            ages = [blocks[scope].age_days or 0.0 for scope in stale]
            found.append(
                SilentTenant(
                    tenant_id=one.tenant_id,
                    tenant_name=one.tenant_name,
                    stale=stale,
                    age_days=max(ages, default=None),
                )
            )
    return sorted(
        found, key=lambda one: (one.age_days is not None, -(one.age_days or 0.0), one.tenant_name)
    )


def _completion(overviews: Sequence[Overview]) -> Quartiles:
    done = sorted(
        float(one.uplift.completion_percentage)
        for one in overviews
        if one.uplift.completion_percentage is not None
    )
    if not done:
        return Quartiles(p25=None, p50=None, p75=None)
    if len(done) == 1:
        return Quartiles(p25=done[0], p50=done[0], p75=done[0])
    p25, p50, p75 = quantiles(done, n=4, method="inclusive")
    return Quartiles(p25=p25, p50=p50, p75=p75)


def _days(span: timedelta) -> float:
    return round(span / timedelta(days=1), 2)
