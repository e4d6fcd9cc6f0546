"""The poll under libcurl: what is idle costs nothing, what is taken out ends."""

import asyncio
import select
import socket

import pycurl
import pytest

from tests.unit.worker.conftest import eventually
from worker.delivery.transfers import Transfers

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


async def test_an_idle_connection_that_its_receiver_closes_does_not_wake_the_loop_again() -> None:
    transfers = Transfers(idle_connections=8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = await _exchange(transfers, listener)
        link.close()
        has_something_to_say = select.select([transfers], [], [], 0)[0]

        assert has_something_to_say
        await eventually(lambda: not select.select([transfers], [], [], 0)[0])
        (await _exchange(transfers, listener)).close()
    transfers.close()


async def test_closing_cancels_who_waits() -> None:
    transfers = Transfers(idle_connections=8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        waiting = asyncio.create_task(transfers.perform(_handle(listener)))
        link, _ = await asyncio.to_thread(listener.accept)
        transfers.close()

        with pytest.raises(asyncio.CancelledError):
            await waiting
        link.close()


async def test_who_is_cancelled_leaves_the_others_alone() -> None:
    transfers = Transfers(idle_connections=8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        waiting = asyncio.create_task(transfers.perform(_handle(listener)))
        link, _ = await asyncio.to_thread(listener.accept)
        waiting.cancel()
        await asyncio.wait([waiting])

        assert waiting.cancelled()
        link.close()
        (await _exchange(transfers, listener)).close()
    transfers.close()


async def _exchange(transfers: Transfers, listener: socket.socket) -> socket.socket:
    """Send one request, answer it, and give the connection on which that was done."""
    sending = asyncio.create_task(transfers.perform(_handle(listener)))
    link, _ = await asyncio.to_thread(listener.accept)
    await asyncio.to_thread(link.recv, 4096)
    link.sendall(ANSWER)
    assert await sending == 0
    return link


def _handle(listener: socket.socket) -> pycurl.Curl:
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    handle.setopt(pycurl.TIMEOUT_MS, 5_000)
    return handle
