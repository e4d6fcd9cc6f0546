"""Deliveries from the database to real receivers on this host."""

import pytest
from standardwebhooks import Webhook

from tests.receiver import Receiver
from tests.unit.worker.conftest import Builder, engine, eventually


async def test_a_delivery_arrives_signed_and_is_settled(builder: Builder) -> None:
    async with Receiver() as receiver, engine(builder):
        made = await builder.integration(receiver.url)
        [delivery_id] = await builder.deliveries(made)

        [request] = await receiver.wait_for(1)
        await eventually(builder.is_settled)

    Webhook(made.secret).verify(request.body.decode(), request.headers)
    assert request.method == "POST"
    assert request.headers["user-agent"] == "Guardian-Webhooks/test"
    assert request.headers["content-type"] == "application/json"
    [attempt] = await builder.attempts(delivery_id)
    assert attempt["status"] == "delivered"
    assert attempt["number"] == 1
    assert attempt["status_code"] == 200
