"""The OpenAPI document keeps its word: Schemathesis asks a real API for every operation in it.

From the document alone it makes requests that fit and requests that do not; ids of what exists and
bodies that are known to be accepted are put in, so that answers of every kind are judged. There
must be no 5xx, no status, media type or header that the document does not tell, each body as its
schema says, and no body accepted that its schema refuses, as for an unknown field.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, checks, schemas
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks as conformance

from api.openapi import ROOT as BASE
from shared.contracts.exports import Stream
from shared.contracts.words import Role
from tests.conftest import Database, Servers
from tests.safety.test_hostile import target_of
from tests.safety.unbounded import unbounded_api
from tests.safety.world import World
from tests.unit.api.conftest import Api
from tests.unit.api.test_observations import bodies

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "4"))
"""For each operation, of those that fit and again of those that do not; see `make schemathesis`."""

EXCLUDED = {
    "GET /api/guardian/meta/stream": "an open stream answers until the caller leaves",
}

CHECKS: list[Any] = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
    conformance.negative_data_rejection,
]
"""The last one is asked about bodies alone: what a query has too much is passed over."""

AnyCase: TypeAlias = Case[Any]
APIOperation: TypeAlias = schemas.APIOperation[Any, Any, Any, Any]
OFTEN = st.sampled_from([True, True, True, False])
PATIENCE_S = 30.0
LINES = "application/x-ndjson"


@schemathesis.serializer(LINES)
def _as_lines(_: object, value: object) -> bytes:
    """A body of lines goes as it is, and what is no text as JSON."""
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")


@dataclass(frozen=True)
class Caller:
    """Whoever asks.

    Attributes:
        admin: a key's text.
        operator: likewise.
        tenants: ids that the operator may name.
        known: by the name of a path's parameter, what exists.
        bodies: by method and path, one that is accepted.
    """

    admin: str
    operator: str
    tenants: list[str]
    known: Mapping[str, list[str]]
    bodies: Mapping[tuple[str, str], Any]

    def aim(self, case: AnyCase, data: st.DataObject, *, is_fit: bool) -> str:
        """Put into a case what exists, mostly; return the key to send it with."""
        for name in list(case.path_parameters):
            if name in self.known and data.draw(OFTEN):
                case.path_parameters[name] = data.draw(st.sampled_from(self.known[name]))
        body = self.bodies.get((case.method.upper(), case.path))
        if is_fit and body is not None and data.draw(st.booleans()):
            case.body = body
        key = data.draw(st.sampled_from([self.admin, self.operator]))
        if data.draw(OFTEN):
            case.query.pop("workspaceId", None)
            if key == self.operator and data.draw(OFTEN):
                case.query["workspaceId"] = data.draw(st.sampled_from(self.tenants))
        return key


@dataclass
class Report:
    """What became of the requests: by operation how each was answered, and what was wrong."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    faults: dict[str, str] = field(default_factory=dict[str, str])


async def test_every_operation_answers_as_the_document_says(
    *,
    api: Api,
    database: Database,
    servers: Servers,
    ours: World,
    theirs: World,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    async with unbounded_api(database, servers, tmp_path / "api.log") as (process, port):
        url = f"http://127.0.0.1:{port}"
        caller = await _caller(url, api, ours, theirs)
        began = perf_counter()
        report = await asyncio.to_thread(ask_everything, url, caller)
        took = perf_counter() - began
        assert process.returncode is None, "it crashed"

    written = (tmp_path / "api.log").read_text(encoding="utf-8")
    faults = "\n\n".join(f"{about}\n{told}" for about, told in report.faults.items())
    assert faults == "", f"{faults[:20_000]}\n{written[-3000:]}"
    assert all(report.statuses.values()), "each was asked for"
    statuses = sum(report.statuses.values(), Counter[int]())
    well = sum(any(200 <= one < 300 for one in seen) for seen in report.statuses.values())
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    figure(
        f"OpenAPI: {statuses.total()} requests to {len(report.statuses)} operations, "
        f"{well} of them with success, in {took:.0f} s, all as the document says ({told})"
    )


def ask_everything(url: str, caller: Caller) -> Report:
    """Ask for every operation of the document at `url`, one after the other."""
    document: dict[str, Any] = requests.get(f"{url}/openapi.json", timeout=PATIENCE_S).json()
    schema = cast("Any", schemathesis.openapi.from_dict(document))
    found: list[APIOperation] = [one.ok() for one in schema.get_all_operations()]
    assert set(EXCLUDED) <= {operation.label for operation in found}
    report = Report()
    with requests.Session() as session:
        # What was deleted can be asked for no more, so that comes last.
        for operation in sorted(found, key=lambda one: one.method.lower() == "delete"):
            if operation.label in EXCLUDED:
                continue
            report.statuses[operation.label] = Counter()
            told = document["paths"][operation.path][operation.method.lower()]
            takes_something = bool(told["parameters"] or "requestBody" in told)
            for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
                if mode is GenerationMode.POSITIVE or takes_something:
                    _ask(
                        operation,
                        mode,
                        url=url,
                        session=session,
                        caller=caller,
                        report=report,
                    )
    return report


def _ask(
    operation: APIOperation,
    mode: GenerationMode,
    *,
    url: str,
    session: requests.Session,
    caller: Caller,
    report: Report,
) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=cast("Any", operation).as_strategy(generation_mode=mode), data=st.data())
    def ask(case: AnyCase, data: st.DataObject) -> None:
        key = caller.aim(case, data, is_fit=mode is GenerationMode.POSITIVE)
        answer = case.call(
            base_url=url,
            session=session,
            headers={"authorization": f"Bearer {key}"},
            timeout=PATIENCE_S,
        )
        report.statuses[operation.label][answer.status_code] += 1
        body = case.meta.components.get(ParameterLocation.BODY) if case.meta else None
        is_body_unfit = (
            body is not None
            and body.mode is GenerationMode.NEGATIVE
            and case.media_type != LINES  # any bytes are lines, each refused or accepted by itself
        )
        try:
            case.validate_response(answer, checks=CHECKS if is_body_unfit else CHECKS[:-1])
        except FailureGroup as group:
            for failure in group.exceptions:
                about = f"{operation.label}: {type(failure).__name__}, {answer.status_code}"
                sent = f"{failure}\n{case.as_curl_command()}\n{answer.text[:600]}"
                report.faults.setdefault(about, sent)

    ask()


async def _caller(url: str, api: Api, ours: World, theirs: World) -> Caller:
    lines = "\n".join(
        json.dumps({"domain": route, **body})
        for _, route, body in bodies(api.clock)
        if route in {"readiness", "adoption", "editions"}
    )
    target = await target_of(url, api, ours)
    return Caller(
        # Keys of their own, which no request can name and so none can end.
        admin=await api.make_key(Role.ADMIN, ours.tenant_id),
        operator=await api.make_key(Role.OPERATOR, None),
        tenants=[str(ours.tenant_id), str(theirs.tenant_id)],
        known={f"{noun}_id": ids for noun, ids in ours.ids.items()}
        | {"target_id": theirs.ids["tenant"], "stream": [str(stream) for stream in Stream]},
        bodies={**target.bodies, ("POST", f"{BASE}/observations/batch"): lines},
    )
