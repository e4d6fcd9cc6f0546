"""Receivers with bad manners that keep a ledger: what they accepted, and how often."""

import asyncio
import gzip
import socket
import struct
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
_LONG = 10 * 1024 * 1024
_CHUNK = 64 * 1024
_BOMB = gzip.compress(bytes(_LONG), 9)
_DRIP_S = 0.05

Manner = Callable[[asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; True where the receiver has accepted it."""

Pair = tuple[str, str]
"""A `webhook-id` and the path of the receiver."""


class Ledger:
    """Listens on a free port; every path is a receiver of its own.

    Attributes:
        accepted: how often each pair was accepted.
        open: pairs whose request was read and is not answered yet, with how many of them.
        manners: what each path does to its next requests; 200 when there is nothing more.
    """

    def __init__(self) -> None:
        self.accepted: Counter[Pair] = Counter()
        self.open: Counter[Pair] = Counter()
        self.manners: dict[str, deque[str]] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._exchange(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        await reader.readexactly(int(headers["content-length"]))
        pair = (headers["webhook-id"], first.split(" ")[1])
        ahead = self.manners.get(pair[1])
        manner = MANNERS[ahead.popleft()] if ahead else _accept
        self.open[pair] += 1
        try:
            if await manner(writer):
                self.accepted[pair] += 1
        finally:
            self.open[pair] -= 1


async def _accept(writer: asyncio.StreamWriter) -> bool:
    writer.write(_OK)
    await writer.drain()
    return True


async def _fail(writer: asyncio.StreamWriter) -> bool:
    writer.write(_FAILED)
    await writer.drain()
    return False


async def _be_busy(writer: asyncio.StreamWriter) -> bool:
    writer.write(_BUSY)
    await writer.drain()
    return False


async def _hang(writer: asyncio.StreamWriter) -> bool:
    while True:
        if writer.transport.is_closing():
            return False
        await asyncio.sleep(_DRIP_S)


async def _drip(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b".")
        await asyncio.sleep(_DRIP_S)
    return False


async def _reset(writer: asyncio.StreamWriter) -> bool:
    hidden: socket.socket = writer.get_extra_info("socket")
    hidden.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def _say_too_much(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % _LONG)
    with suppress(OSError):
        for _ in range(_LONG // _CHUNK):
            writer.write(bytes(_CHUNK))
            await writer.drain()
    writer.close()
    return True


async def _bomb(writer: asyncio.StreamWriter) -> bool:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(_BOMB)
    writer.write(head + _BOMB)
    with suppress(OSError):
        await writer.drain()
    return True


MANNERS: dict[str, Manner] = {
    "accept": _accept,
    "fail": _fail,
    "busy": _be_busy,
    "hang": _hang,
    "drip": _drip,
    "reset": _reset,
    "10 MB": _say_too_much,
    "gzip bomb": _bomb,
}
