"""No socket is opened to a place inside, whoever names it: a webhook, a test, a token's URL."""

import asyncio
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import httpx

from shared.contracts.words import AuthKind, Role
from shared.domain.addresses import EgressRules
from shared.domain.oauth2 import Grant
from tests.safety.places import BEYOND, LOOPBACK, listening
from tests.unit.api.conftest import Api
from tests.unit.worker.conftest import AGENT, Builder, engine, eventually
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport
from worker.delivery.tokens import TokenTransport

CLOSED = EgressRules(is_http_allowed=True, allowed_ports=None)
OPEN = EgressRules(
    allowed_nets=(ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("0.0.0.0/32")),
    is_http_allowed=True,
    allowed_ports=None,
)
HARMLESS = {"address_refused", "token_address_refused", "dns", "protocol", "token_unavailable"}
REBINDING = Path(__file__).with_name("rebinding.py")


async def test_no_spelling_of_a_place_inside_is_dialled_by_delivery_test_or_token(
    api: Api, builder: Builder, tenant: UUID, figure: Callable[[str], None]
) -> None:
    async with listening() as listener:
        urls = [_url(host, listener.port) for host in LOOPBACK + BEYOND]
        made = [await builder.integration(url) for url in urls]
        for url in urls:
            grant = Grant(token_url=url, client_id="guardian", client_secret="s3cret")
            made.append(
                await builder.integration(
                    "http://192.0.2.1/", credentials={"auth_kind": AuthKind.OAUTH2, "grant": grant}
                )
            )
        await builder.deliveries(*made)
        admin = api.client(await api.make_key(Role.ADMIN, tenant))
        assert (await admin.post("/integrations/test")).is_success

        transport = TokenTransport(
            CurlTransport(CLOSED, clock=builder.clock), clock=builder.clock, user_agent=AGENT
        )
        async with engine(builder, transport=transport):
            await eventually(lambda: _are_tried(builder), what="a try of each", deadline_s=60)
        await transport.aclose()

        assert listener.accepted == []
        became = Counter([row["error_class"] for row in await builder.attempts()])
        assert set(became) <= HARMLESS, became
        assert sum(became.values()) == 4 * len(urls)
        assert became["address_refused"] > len(urls)
        assert became["token_address_refused"] > len(urls)
    told = ", ".join(f"{count} x {name}" for name, count in became.most_common())
    figure(f"addresses: {len(urls)} spellings, 4 deliveries each, 0 accepted ({told})")


async def test_most_of_these_spellings_would_have_got_there(figure: Callable[[str], None]) -> None:
    """Otherwise their refusal would prove nothing."""
    transport = CurlTransport(OPEN, clock=_now)
    async with listening() as listener:
        for host in LOOPBACK:
            await transport.post(Prepared(_url(host, listener.port), (), b"{}"))
        arrived = len(listener.accepted)
    await transport.aclose()

    assert arrived >= 30
    figure(f"addresses: {arrived} of {len(LOOPBACK)} arrive once the operator allows loopback")


async def test_a_tenant_cannot_save_them_nor_allow_itself_a_network(api: Api, tenant: UUID) -> None:
    admin = api.client(await api.make_key(Role.ADMIN, tenant))
    for number, host in enumerate(LOOPBACK + BEYOND):
        url = f"https://{host}/"
        answers = [
            await _save(admin, number, {"webhook_url": url}),
            await _save(admin, number, {"webhook_url": "https://example.com/", "auth": _auth(url)}),
        ]
        for answer in answers:
            assert answer.status_code == 422, (host, answer.text)
            assert host not in answer.text or host in {"0", "00"}
    for smuggled in ("allowed_nets", "egress_allow_nets", "GUARDIAN_EGRESS_ALLOW_NETS"):
        config = {"webhook_url": "https://example.com/", smuggled: "127.0.0.0/8"}
        assert (await _save(admin, 0, config)).status_code == 422


async def test_no_answer_of_a_resolver_and_no_redirect_leads_inside(
    figure: Callable[[str], None],
) -> None:
    """In a network namespace of its own, with a DNS server of ours that changes its answers."""
    ran = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "--user", "--map-root-user", "--mount", "--net", sys.executable, REBINDING],
        cwd=REBINDING.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in ran.stderr:
        # Namespaces are the administrator's to allow; the judgement is shown above all the same.
        figure("addresses: no namespaces here, so no DNS server of ours")
        return

    assert ran.returncode == 0, ran.stderr
    figure(f"addresses: {ran.stdout.strip()}")


async def _are_tried(builder: Builder) -> bool:
    return not await builder.owner.fetchval(
        "SELECT count(*) FROM delivery_due WHERE attempt_count = 0"
    )


async def _save(admin: httpx.AsyncClient, number: int, config: object) -> httpx.Response:
    body = {
        "integration_key": f"k{number}",
        "label": "Board",
        "scopes": ["readiness"],
        "config": config,
    }
    return await admin.post("/integrations", json=body)


def _url(host: str, port: int) -> str:
    """As it would stand in a row that somebody altered; a URL that was saved is plain ASCII."""
    return f"http://{quote(host, safe=string.printable)}:{port}/"


def _auth(token_url: str) -> dict[str, str]:
    return {
        "kind": str(AuthKind.OAUTH2),
        "token_url": token_url,
        "client_id": "guardian",
        "client_secret": "s3cret",
    }


def _now() -> datetime:
    return datetime.now(UTC)
