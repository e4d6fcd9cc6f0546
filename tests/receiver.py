"""A webhook receiver on this host: a real HTTP server that remembers what it got."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

_HEAD_END = b"\r\n\r\n"
_HEADER = re.compile(r"([^:\r\n]+):[ \t]*([^\r\n]*)\r\n")


@dataclass(frozen=True)
class Received:
    """One request as it came; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: datetime

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Answer:
    """What to say: a status, headers, a body, and how long to think first."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    after_s: float = 0.0

    def encoded(self) -> bytes:
        reason = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {reason}", f"content-length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + _HEAD_END + self.body


class Receiver:
    """Listens on a free port of `host` while it is entered.

    `answers` are given one after the other; once they are used up, `otherwise` is given. While
    `is_hanging`, requests are taken and never answered.
    """

    def __init__(
        self, *answers: int | Answer, otherwise: int | Answer = 200, host: str = "127.0.0.1"
    ) -> None:
        self.answers = list(answers)
        self.otherwise = otherwise
        self.is_hanging = False
        self.received: list[Received] = []
        self.open_requests = 0
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._host = host
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}/hook"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
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

    async def wait_for(self, count: int, *, deadline_s: float = 10.0) -> list[Received]:
        """Wait until `count` requests came; all that came so far are answered back."""
        return await self.wait_until(lambda: len(self.received) >= count, deadline_s=deadline_s)

    async def wait_until(
        self, is_so: Callable[[], bool], *, deadline_s: float = 10.0
    ) -> list[Received]:
        """Wait until a condition holds that requests make true."""
        try:
            async with asyncio.timeout(deadline_s):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"only {len(self.received)} requests came") from None
        return self.received

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # Cancelled at the end of the test: asyncio's streams would report it as an error.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._exchange(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(_HEAD_END)).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        lines = head.partition("\r\n")[2]
        headers = {name.lower(): value for name, value in _HEADER.findall(lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(method, path, headers, body, datetime.now(UTC)))
        self.open_requests += 1
        self._changed.set()
        try:
            if self.is_hanging:
                await asyncio.Event().wait()
            answer = self.answers.pop(0) if self.answers else self.otherwise
            if isinstance(answer, int):
                answer = Answer(answer)
            if answer.after_s:
                await asyncio.sleep(answer.after_s)
            writer.write(answer.encoded())
            await writer.drain()
        finally:
            self.open_requests -= 1
