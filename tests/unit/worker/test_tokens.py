"""Bearer tokens between real servers on this host: asked for, kept, renewed, at what cost."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs

import pytest

from shared.contracts.words import AuthKind
from shared.domain.addresses import EgressRules
from shared.domain.oauth2 import Grant
from tests.conftest import Clock
from tests.receiver import Answer, Receiver
from tests.unit.worker.conftest import AGENT, LOOPBACK, Builder, engine, eventually
from worker.delivery.outcome import Fault, RetryAt, judge
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport
from worker.delivery.tokens import TokenTransport


def token(value: str, **changes: Any) -> Answer:
    body = {"access_token": value, "token_type": "Bearer", "expires_in": 3600} | changes
    return Answer(body=json.dumps(body).encode())


@asynccontextmanager
async def sending(
    clock: Clock, *, rules: EgressRules = LOOPBACK, deadline_s: float = 15.0
) -> AsyncGenerator[TokenTransport]:
    curl = CurlTransport(rules, clock=clock, deadline_s=deadline_s)
    transport = TokenTransport(curl, clock=clock, user_agent=AGENT)
    try:
        yield transport
    finally:
        await transport.aclose()


def request(receiver: Receiver, server: Receiver | str, **changes: Any) -> Prepared:
    url = server if isinstance(server, str) else server.url
    grant = Grant(token_url=url, client_id="guardian", client_secret="s3cret")
    return Prepared(receiver.url, (("x-a", "b"),), b"{}", grant=grant, **changes)


def bearers(receiver: Receiver) -> list[str]:
    return [one.headers["authorization"] for one in receiver.received]


async def test_a_token_is_asked_for_once_and_used_until_it_ends(clock: Clock) -> None:
    async with (
        Receiver() as receiver,
        Receiver(token("one"), token("two")) as server,
        sending(clock) as transport,
    ):
        for _ in range(3):
            assert (await transport.post(request(receiver, server))).status_code == 200
        clock.advance(timedelta(seconds=3541))
        assert (await transport.post(request(receiver, server))).status_code == 200

    assert bearers(receiver) == ["Bearer one"] * 3 + ["Bearer two"]
    asked, _ = server.received
    assert (asked.method, asked.headers["user-agent"]) == ("POST", AGENT)
    assert b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"guardian:s3cret"
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"]}
    assert "x-a" not in asked.headers


async def test_those_who_need_a_token_at_once_ask_for_one_together(clock: Clock) -> None:
    async with (
        Receiver() as receiver,
        Receiver(replace(token("one"), after_s=0.1)) as server,
        sending(clock) as transport,
    ):
        posts = [transport.post(request(receiver, server)) for _ in range(20)]
        outcomes = await asyncio.gather(*posts)

    assert {outcome.status_code for outcome in outcomes} == {200}
    assert len(server.received) == 1


async def test_another_secret_is_another_token(clock: Clock) -> None:
    async with (
        Receiver() as receiver,
        Receiver(token("one"), token("two")) as server,
        sending(clock) as transport,
    ):
        first = request(receiver, server)
        assert first.grant is not None
        grant = Grant(token_url=server.url, client_id="guardian", client_secret="new")
        await transport.post(first)
        await transport.post(replace(first, grant=grant))

    assert bearers(receiver) == ["Bearer one", "Bearer two"]


async def test_a_refused_token_is_renewed_once_and_the_message_sent_again(clock: Clock) -> None:
    async with (
        Receiver(401, 200) as receiver,
        Receiver(token("one"), token("two")) as server,
        sending(clock) as transport,
    ):
        outcome = await transport.post(request(receiver, server))
        await transport.post(request(receiver, server))

    assert (outcome.status_code, outcome.fault) == (200, None)
    assert bearers(receiver) == ["Bearer one", "Bearer two", "Bearer two"]


async def test_who_refuses_every_token_costs_two_posts_an_attempt_and_no_more(
    clock: Clock,
) -> None:
    async with (
        Receiver(otherwise=401) as receiver,
        Receiver(otherwise=token("one")) as server,
        sending(clock) as transport,
    ):
        outcome = await transport.post(request(receiver, server))

    assert (outcome.status_code, outcome.fault) == (401, None)
    assert (len(receiver.received), len(server.received)) == (2, 2)


async def test_many_that_are_refused_together_renew_the_token_once(clock: Clock) -> None:
    async with (
        Receiver(*[Answer(401, after_s=0.05)] * 8) as receiver,
        Receiver(token("one"), token("two")) as server,
        sending(clock) as transport,
    ):
        posts = [transport.post(request(receiver, server)) for _ in range(8)]
        outcomes = await asyncio.gather(*posts)

    assert [outcome.status_code for outcome in outcomes] == [200] * 8
    assert len(server.received) == 2


async def test_a_401_stays_one_when_no_new_token_is_to_be_had(clock: Clock) -> None:
    async with (
        Receiver(401) as receiver,
        Receiver(token("one"), 503) as server,
        sending(clock) as transport,
    ):
        outcome = await transport.post(request(receiver, server))

    assert (outcome.status_code, outcome.token) == (401, "http_401")


REFUSALS: dict[str, tuple[Answer, Fault, str]] = {
    "wrong secret": (
        Answer(401, body=b'{"error":"invalid_client","error_description":"s3cret"}'),
        Fault.GRANT_REFUSED,
        "The authorization server answered 401, invalid_client.",
    ),
    "a redirect": (
        Answer(302, {"location": "http://127.0.0.1:1/elsewhere"}),
        Fault.GRANT_REFUSED,
        "The authorization server answered 302.",
    ),
    "gone": (Answer(410), Fault.GRANT_REFUSED, "The authorization server answered 410."),
    "no token": (
        Answer(body=b"<html>Sign in</html>"),
        Fault.GRANT_REFUSED,
        "The authorization server's answer holds no token.",
    ),
    "overload": (
        Answer(429, {"retry-after": "120"}),
        Fault.GRANT_UNANSWERED,
        "The authorization server answered 429.",
    ),
    "a broken server": (
        Answer(500),
        Fault.GRANT_UNANSWERED,
        "The authorization server answered 500.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_without_a_token_nothing_is_sent_and_the_attempt_is_tried_again(
    case: str, clock: Clock
) -> None:
    answer, fault, said = REFUSALS[case]
    async with (
        Receiver() as receiver,
        Receiver(otherwise=answer) as server,
        sending(clock) as transport,
    ):
        outcome = await transport.post(request(receiver, server))

    assert receiver.received == []
    assert (outcome.fault, outcome.status_code, outcome.excerpt) == (fault, None, said)
    verdict = judge(outcome, attempt_number=3, spread=0.5)
    assert isinstance(verdict, RetryAt)
    assert verdict.reason == str(fault)
    assert verdict.at >= clock() + timedelta(seconds=120 if answer.status == 429 else 4)


async def test_a_silent_authorization_server_is_given_up_at_the_deadline(clock: Clock) -> None:
    async with (
        Receiver() as receiver,
        Receiver() as server,
        sending(clock, deadline_s=0.2) as transport,
    ):
        server.is_hanging = True
        outcome = await transport.post(request(receiver, server))

    assert (outcome.fault, receiver.received) == (Fault.GRANT_UNANSWERED, [])
    assert outcome.excerpt == "The authorization server gave no answer: timeout."


async def test_an_authorization_server_that_is_down_is_asked_again_next_time(clock: Clock) -> None:
    async with Receiver() as receiver, sending(clock) as transport:
        async with Receiver(token("one")) as server:
            url = server.url
        outcome = await transport.post(request(receiver, url))
        async with server:
            again = await transport.post(request(receiver, server))

    assert outcome.fault is Fault.GRANT_UNANSWERED
    assert (again.status_code, bearers(receiver)) == (200, ["Bearer one"])


@pytest.mark.parametrize("host", ["127.0.0.2", "0x7f.2", "[::1]", "[::ffff:7f00:2]"])
async def test_a_token_url_is_judged_when_it_is_dialled(host: str, clock: Clock) -> None:
    rules = EgressRules(
        allowed_nets=(ip_network("127.0.0.1/32"),), is_http_allowed=True, allowed_ports=None
    )
    async with (
        Receiver() as receiver,
        Receiver(otherwise=token("one")) as server,
        sending(clock, rules=rules) as transport,
    ):
        url = server.url.replace("127.0.0.1", host)
        outcome = await transport.post(request(receiver, url))

    assert (outcome.fault, outcome.status_code) == (Fault.GRANT_ADDRESS_REFUSED, None)
    assert (server.received, receiver.received) == ([], [])


async def test_one_who_leaves_does_not_take_the_token_from_the_others(clock: Clock) -> None:
    async with (
        Receiver() as receiver,
        Receiver(replace(token("one"), after_s=0.2)) as server,
        sending(clock) as transport,
    ):
        leaving = asyncio.create_task(transport.post(request(receiver, server)))
        staying = asyncio.create_task(transport.post(request(receiver, server)))
        await server.wait_for(1)
        leaving.cancel()
        assert (await staying).status_code == 200

    assert (len(receiver.received), len(server.received)) == (1, 1)


async def test_closing_ends_who_waits_for_a_token_with_a_fault_of_ours(clock: Clock) -> None:
    async with Receiver() as receiver, Receiver() as server:
        server.is_hanging = True
        curl = CurlTransport(LOOPBACK, clock=clock)
        transport = TokenTransport(curl, clock=clock, user_agent=AGENT)
        waiting = asyncio.create_task(transport.post(request(receiver, server)))
        await server.wait_for(1)
        await transport.aclose()

        assert (await waiting).fault is Fault.INTERNAL


async def test_a_delivery_goes_out_with_a_token_and_tells_when_there_was_none(
    builder: Builder, clock: Clock
) -> None:
    async with (
        Receiver() as receiver,
        Receiver(503, token("one")) as server,
        engine(builder),
    ):
        grant = Grant(token_url=server.url, client_id="me", client_secret="s3cret")
        made = await builder.integration(
            receiver.url, credentials={"auth_kind": AuthKind.OAUTH2, "grant": grant}
        )
        [delivery_id] = await builder.deliveries(made)
        await eventually(lambda: builder.attempts(delivery_id))
        clock.advance(timedelta(seconds=7))
        [arrived] = await receiver.wait_for(1)
        await eventually(builder.is_settled)

    failed, delivered = await builder.attempts(delivery_id)
    assert (failed["status"], failed["error_class"], failed["status_code"]) == (
        "failed",
        "token_unavailable",
        None,
    )
    assert failed["excerpt"] == "The authorization server answered 503."
    assert (delivered["status"], arrived.headers["authorization"]) == ("delivered", "Bearer one")
