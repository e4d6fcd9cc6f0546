"""Asks every route with every kind of caller, and writes the answers as docs/roles.md."""

import asyncio
import re
from collections.abc import Iterable
from uuid import uuid4

from api.authentication import OPEN
from api.openapi import ROOT, Operation, operations
from shared.contracts.words import Role
from tests.conftest import make_tenant
from tests.safety.world import is_endless
from tests.unit.api.conftest import Api

NOBODY = "no key"
STRANGER = "another tenant's admin"
CALLERS = (NOBODY, *(str(role) for role in Role), STRANGER)
LISTEN_S = 0.5
GUARDED = {401: "401", 403: "403"}
REFUSED_TO_STRANGERS = GUARDED | {404: "404"}
HEAD = """# Who may do what

Made by asking every route with each kind of caller; `tests/safety/test_roles.py` keeps this page equal to the answers.
`yes` means that the guard lets the caller through; 401 and 403 are its refusals. The last column is a key that may do
everything in its own tenant and names this one by `workspaceId`: 404, as if this tenant did not exist. Paths stand below
`/api/guardian/meta`, except the health routes at the root.

"""  # noqa: E501


async def matrix(api: Api) -> list[tuple[Operation, list[str]]]:
    """Each documented operation, and what becomes of each kind of caller."""
    tenant = await make_tenant("Acme", clock=api.clock)
    clients = {NOBODY: api.client()}
    for role in Role:
        is_operator = role is Role.OPERATOR
        key = await api.make_key(role, None if is_operator else tenant)
        params = {"workspaceId": str(tenant)} if is_operator else {}
        clients[str(role)] = api.client(key, **params)
    elsewhere = await make_tenant("Elsewhere", clock=api.clock)
    foreign = await api.make_key(Role.ADMIN, elsewhere)
    clients[STRANGER] = api.client(foreign, workspaceId=str(tenant))
    rows: list[tuple[Operation, list[str]]] = []
    for operation in operations(api.app, open_flag=OPEN):
        base = "http://guardian.test" if operation.is_open else ""
        path = operation.path.removeprefix(ROOT)
        url = base + re.sub(r"\{\w+\}", str(uuid4()), path)
        outcomes: list[str] = []
        for caller in CALLERS:
            # Without a body nothing is done: what asks for one refuses, after the guard.
            told = REFUSED_TO_STRANGERS if caller == STRANGER else GUARDED
            try:
                async with asyncio.timeout(LISTEN_S if is_endless(operation) else None):
                    answer = await clients[caller].request(operation.method, url)
                outcomes.append(told.get(answer.status_code, "yes"))
            except TimeoutError:
                outcomes.append("yes")  # it was let in, and goes on
        rows.append((operation, outcomes))
    return rows


def page(rows: Iterable[tuple[Operation, list[str]]]) -> str:
    """The matrix as Markdown."""
    lines = ["| method | route | " + " | ".join(CALLERS) + " |", "|---" * (len(CALLERS) + 2) + "|"]
    lines += [
        f"| {operation.method} | `{operation.path.removeprefix(ROOT)}` | {' | '.join(outcomes)} |"
        for operation, outcomes in rows
    ]
    return HEAD + "\n".join(lines) + "\n"
