"""Sees to it that a refused act is recorded, whoever refused it: a guard, a body or a service."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from litestar.types import Scope

from api.principal import Principal
from api.problems import refusal_of
from api.rate_limits import Budgets
from api.request_ids import request_id
from api.services.audit import Witness, record_refusal
from shared.data.audit import Act, Actor
from shared.domain.uuid7 import Ids
from shared.errors import RateLimitedError, UnavailableError

ACTION = "action"
"""A handler whose `opt` names an action, such as `key.create`, has its refusals recorded."""

RECORDED = 60
"""Refusals of one key that are recorded in a minute: a flood must not fill the disk."""

LONGEST_TARGET = 100

log = logging.getLogger("guardian.api")


def witness_of(
    scope: Scope, principal: Principal, *, clock: Callable[[], datetime], ids: Ids
) -> Witness:
    """Who asks, for the record."""
    actor = Actor(kind="key", label=principal.label, id=principal.key_id)
    return Witness(actor=actor, request_id=request_id(scope), clock=clock, ids=ids)


class RefusalRecorder:
    """An `after_exception` hook."""

    def __init__(self, *, clock: Callable[[], datetime], ids: Ids, budgets: Budgets) -> None:
        """Stamp the rows by `clock` and `ids`; let `budgets` bound how many a key may cause."""
        self._clock = clock
        self._ids = ids
        self._budgets = budgets

    async def __call__(self, error: Exception, scope: Scope) -> None:
        """Record what a known caller tried and may not, or cannot."""
        refusal = refusal_of(error)
        principal = scope.get("user")
        if refusal is None or not isinstance(principal, Principal):
            return  # a bug, or nobody we know
        action = cast("str | None", scope["route_handler"].opt.get(ACTION))
        if action is None:
            return
        parameters = cast("dict[str, Any]", scope.get("path_params", {}))
        act = Act(
            action=action,
            target_kind=action.partition(".")[0],
            target_id=_storable(next((str(value) for value in parameters.values()), "")),
        )
        tenant_id = cast("UUID | None", scope["state"].get("tenant_id", principal.tenant_id))
        witness = witness_of(scope, principal, clock=self._clock, ids=self._ids)
        try:
            await self._budgets.spend(f"refusals:{principal.key_id}", RECORDED)
            await record_refusal(act, code=refusal.code, witness=witness, tenant_id=tenant_id)
        except RateLimitedError:
            log.debug("refused once more, and not recorded", extra={"action": action})
        except UnavailableError:
            log.warning("a refusal could not be recorded", extra={"action": action})


def _storable(target: str) -> str:
    """What a caller wrote in the path, as PostgreSQL can keep it: it knows no NUL."""
    return target[:LONGEST_TARGET].replace("\x00", "\N{REPLACEMENT CHARACTER}")
