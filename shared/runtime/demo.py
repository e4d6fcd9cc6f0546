"""Fills a fresh Guardian with the demo's story through the API, as its users would."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from shared.client import GuardianClient
from shared.contracts.integrations import (
    IntegrationChange,
    IntegrationConfig,
    NewIntegration,
)
from shared.contracts.keys import NewKey
from shared.contracts.tenants import NewTenant
from shared.contracts.words import Role, Scope
from shared.errors import GuardianError, StartError
from shared.runtime.story import TALES, Line, tell

INTEGRATIONS: tuple[tuple[str, str, tuple[Scope, ...], bool], ...] = (
    ("bi_dashboard", "BI dashboard", tuple(Scope), True),
    ("cs_tool", "Customer success", (Scope.READINESS, Scope.ADOPTION, Scope.UPLIFT), True),
    ("data_warehouse", "Data warehouse", (Scope.EDITIONS, Scope.EXECUTIVE_REPORTS), False),
)
"""Key, label, scopes, and whether it is switched on, of each demo tenant's integrations."""


async def seed(
    api_url: str, operator_key: str, known: Mapping[str, Any], *, now: datetime | None = None
) -> dict[str, Any]:
    """Make the demo's tenants once; later, only point their integrations at today's receiver.

    Args:
        api_url: where the API answers.
        operator_key: makes the tenants.
        known: what an earlier run returned, and `receiver_url`.
        now: the end of the story; the present by default.

    Returns:
        `tenants` (`id`, `name`, `admin_key` each) and `signing_secrets`.

    Raises:
        StartError: the API refused a part of the story.
    """
    receiver_url = f"{known['receiver_url']}/"
    tenants = list(known.get("tenants", []))
    secrets = list(known.get("signing_secrets", []))
    today = (now or datetime.now(UTC)).date()
    try:
        if tenants and secrets:
            for tenant in tenants:
                await _point_at(receiver_url, api_url, tenant["admin_key"])
        else:
            async with GuardianClient(api_url, operator_key, timeout_s=60) as operator:
                for tale in TALES:
                    made = await operator.create_tenant(NewTenant(name=tale.name))
                    key = await operator.acting_for(made.id).create_key(
                        NewKey(role=Role.ADMIN, label="demo admin")
                    )
                    tenants.append({"id": str(made.id), "name": made.name, "admin_key": key.key})
                    async with GuardianClient(api_url, key.key, timeout_s=60) as admin:
                        secrets += await _live_through(
                            admin, tell(tale, today=today), receiver_url=receiver_url
                        )
    except GuardianError as error:
        raise StartError(f"The demo could not be set up: {error.detail}") from None
    return {"tenants": tenants, "signing_secrets": secrets}


async def _live_through(
    admin: GuardianClient, lines: list[Line], *, receiver_url: str
) -> list[str]:
    """Backfill in silence, connect, and let the newest day be told for real."""
    newest = _day_of(lines[-1])
    silent = [line for line in lines if _day_of(line) < newest]
    told = [line for line in lines if _day_of(line) == newest]
    await _observe(admin, silent, has_events=False)
    secrets: list[str] = []
    for key, label, scopes, is_enabled in INTEGRATIONS:
        made = await admin.create_integration(
            NewIntegration(
                integration_key=key,
                label=label,
                is_enabled=is_enabled,
                scopes=list(scopes),
                config=IntegrationConfig(webhook_url=receiver_url),
            )
        )
        if made.signing_secret:
            secrets.append(made.signing_secret)
    await _observe(admin, told, has_events=True)
    return secrets


async def _observe(admin: GuardianClient, lines: list[Line], *, has_events: bool) -> None:
    if not lines:
        return
    body = b"\n".join(msgspec.json.encode(line) for line in lines)
    receipt = await admin.observe_batch(body, has_events=has_events)
    for result in receipt.results:
        if result.detail:
            raise StartError(f"The demo could not be set up: {result.detail}")


async def _point_at(receiver_url: str, api_url: str, admin_key: str) -> None:
    """The receiver's port may differ from the last run's."""
    async with GuardianClient(api_url, admin_key) as admin:
        for one in (await admin.integrations()).items:
            is_ours = one.integration_key in {key for key, *_ in INTEGRATIONS}
            if is_ours and one.config_summary.url_hint != receiver_url[-4:]:
                await admin.update_integration(
                    one.id,
                    IntegrationChange(config=IntegrationConfig(webhook_url=receiver_url)),
                )


def _day_of(line: Line) -> date:
    at = line.get("computed_at") or line.get("run_at") or line.get("created_at")
    return datetime.fromisoformat(str(at or line["changed_at"])).date()
