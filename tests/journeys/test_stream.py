"""An open stream follows what real processes commit, and never stands in the way of their end."""

import asyncio
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest

from shared.client import GuardianClient
from shared.contracts.changes import Change, ChangeKind, Live, Notice, Reset
from shared.contracts.words import Role
from shared.data.connection import Connection
from shared.errors import UnauthenticatedError
from tests.journeys.conftest import ROOT, System, eventually
from tests.receiver import Receiver

READINESS: dict[str, Any] = {
    "computed_at": "2026-11-01T06:00:00Z",
    "capabilities": [{"key": "guardian.core.rules", "score": 70}],
}


async def test_what_is_stored_and_delivered_is_told_and_a_stop_does_not_wait_for_streams(
    system: System,
) -> None:
    async with client(system) as speaker, aclosing(speaker.stream()) as stream:
        assert await following(stream) == Live(is_live=True)
        async with Receiver() as receiver:
            made = await system.connect(receiver.url)
            integration = Change(kind=ChangeKind.INTEGRATIONS, id=UUID(made["id"]))
            assert await following(stream) == integration
            async with system.speak(Role.INGEST) as producer:
                await producer.post("/observations/readiness", json=READINESS)
            stored = {await following(stream), await following(stream)}
            assert stored == {
                Change(kind=ChangeKind.READINESS),
                Change(kind=ChangeKind.DELIVERIES),
            }

            worker = system.start("worker")
            assert await following(stream) == Change(kind=ChangeKind.DELIVERIES)
            assert system.stop(worker) == 0

        [api] = system.running
        began = asyncio.get_running_loop().time()
        api.send_signal(signal.SIGTERM)
        assert await following(stream) == Live(is_live=False)
        assert await asyncio.to_thread(api.wait, 5) == 0
        assert asyncio.get_running_loop().time() - began < 5

        system.running.remove(api)
        system.start("api")
        assert await following(stream, within_s=30) == Reset()
        assert await following(stream) == Live(is_live=True)


async def test_a_revoked_key_ends_its_stream_within_five_seconds(
    system: System, owner: Connection
) -> None:
    async with client(system) as speaker, aclosing(speaker.stream()) as stream:
        assert await following(stream) == Live(is_live=True)

        # As another process would.
        await owner.execute("UPDATE api_key SET revoked_at = now() WHERE role = 'reader'")

        assert await following(stream, within_s=5) == Live(is_live=False)
        with pytest.raises(UnauthenticatedError):
            await following(stream)


async def test_the_page_shows_how_to_follow_a_stream(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/stream.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - the page's own code, as a reader would run it

    async with client(system) as speaker:
        following = asyncio.create_task(names["follow"](speaker))
        told = ""

        async def is_told() -> bool:
            nonlocal told
            told += capsys.readouterr().out
            return "told what changes" in told

        await eventually(is_told, "the page's own code follows")
        following.cancel()


def client(system: System) -> GuardianClient:
    return GuardianClient(system.api_url, system.keys[Role.READER], dice=lambda: 0.0)


async def following(stream: AsyncGenerator[Notice, None], *, within_s: float = 15) -> Notice:
    async with asyncio.timeout(within_s):
        return await anext(stream)
