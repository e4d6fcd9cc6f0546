"""The page of the API's routes, from the OpenAPI document of the application itself."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from api.app import create_app
from api.controllers.documentation import OPEN
from api.openapi import document
from api.rate_limits import Limits
from api.services.narratives import Respondent
from shared.domain.addresses import EgressRules
from shared.domain.sealing import KeyRing
from shared.domain.uuid7 import Ids
from shared.jobs import WakeUps, open_redis
from shared.settings import LimitSettings

NO_REDIS = "redis://127.0.0.1:1/0"
"""Nothing is asked of it."""

WHERE = (
    "The whole document, with every schema, is at `/openapi.json` of a running API, and `/docs` "
    "shows it. A key travels as `Authorization: Bearer …`."
)


def reference() -> str:
    """Every route with its parameters and answers, as Markdown."""
    told = _document()
    lines = [
        "# API reference",
        "",
        f"Version {told['info']['version']}. {WHERE}",
        "",
    ]
    for path, operations in sorted(told["paths"].items()):
        for method, operation in operations.items():
            lines += _section(f"{method.upper()} {path}", operation)
    return "\n".join(lines)


def _section(title: str, operation: Mapping[str, Any]) -> list[str]:
    lines = [f"## `{title}`", "", operation.get("summary", ""), ""]
    if description := operation.get("description"):
        lines += [description, ""]
    if parameters := operation.get("parameters"):
        lines += ["| parameter | in | |", "|---|---|---|"]
        lines += [
            f"| `{one['name']}` | {one['in']} | {_cell(one.get('description', ''))} |"
            for one in parameters
        ]
        lines.append("")
    lines += ["| answer | |", "|---|---|"]
    lines += [
        f"| {status} | {_cell(one.get('description', ''))} |"
        for status, one in operation["responses"].items()
    ]
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _document() -> dict[str, Any]:
    defaults = LimitSettings()
    redis = open_redis(NO_REDIS)
    app = create_app(
        redis=redis,
        wake_ups=WakeUps(redis),
        ring=KeyRing({"d1": bytes(32)}),
        pepper="of a document",
        egress=EgressRules.parse(nets="", is_http_allowed=False, ports="443"),
        clock=_now,
        ids=Ids(_now),
        entropy=os.urandom,
        respondent=Respondent("", ""),
        limits=Limits(
            per_key=defaults.guardian_rate_per_key,
            per_address=defaults.guardian_rate_per_address,
            failures=defaults.guardian_rate_failures,
        ),
    )
    return document(app, version=app.state.version, open_flag=OPEN)


def _now() -> datetime:
    return datetime.now(UTC)
