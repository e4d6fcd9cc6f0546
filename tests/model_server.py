"""A stand-in of the Messages API on a loopback port, which behaves as it is told.

It speaks plain HTTP/1.1 over asyncio, so that it can drip, stall and cut off as no framework would.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

KEY = "sk-test-key-that-must-never-be-seen-anywhere"
USAGE = {"input_tokens": 1500, "output_tokens": 200}


@dataclass
class Asked:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ModelServer:
    """Plays its behaviours in turn, the last one for ever."""

    url: str = ""
    behaviours: list[Behaviour] = field(default_factory=list[Behaviour])
    asked: list[Asked] = field(default_factory=list[Asked])
    callers: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    def plays(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.asked.clear()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.callers.add(task)
        try:
            while line := await reader.readline():
                self.asked.append(await _read(line, reader))
                at = min(len(self.asked), len(self.behaviours)) - 1
                await self.behaviours[at](writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass  # the caller went away, or the test ended
        finally:
            writer.close()
            self.callers.discard(task)

    async def hang_up(self) -> None:
        callers = list(self.callers)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


@asynccontextmanager
async def model_server() -> AsyncGenerator[ModelServer, None]:
    running = ModelServer()
    server = await asyncio.start_server(running.handle, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        server.close()
        await running.hang_up()


def answers(draft: object, *, stop_reason: str = "end_turn") -> Behaviour:
    """Answer with `draft` as the text: an object as JSON, a string as it is."""
    text = draft if isinstance(draft, str) else json.dumps(draft)
    return _sends(200, _message(text, stop_reason=stop_reason))


def thinks_first(draft: object) -> Behaviour:
    """Answer with a block of thinking before the text."""
    thought = {"type": "thinking", "thinking": "Hm, 42.", "signature": "x"}
    return _sends(200, _message(json.dumps(draft), before=[thought]))


def is_cut_off(text: str) -> Behaviour:
    """Answer with half of an answer, out of tokens."""
    return answers(text, stop_reason="max_tokens")


def declines() -> Behaviour:
    """Refuse to answer, as a model does."""
    return answers("", stop_reason="refusal")


def fails(status: int, **headers: str) -> Behaviour:
    """Refuse to answer, as an API does; the message repeats the key, as a careless one would."""
    error = {"type": "error", "error": {"type": "some_error", "message": f"bad {KEY}"}}
    return _sends(status, error, **headers)


def says(body: bytes, content_type: str = "application/json") -> Behaviour:
    """Answer 200 with these bytes."""
    return _sends(200, body, **{"content-type": content_type})


async def hangs(writer: asyncio.StreamWriter) -> None:
    """Say nothing at all."""
    await asyncio.Event().wait()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Send a body a byte at a time, for ever, faster than any read timeout."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    """Close the connection without an answer."""
    writer.close()
    raise ConnectionResetError


async def _read(line: bytes, reader: asyncio.StreamReader) -> Asked:
    headers: dict[str, str] = {}
    while (header := await reader.readline()).strip():
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(line.decode().strip(), headers, json.loads(body) if body else {})


def _message(
    text: str, *, stop_reason: str = "end_turn", before: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [*(before or []), {"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
    }


def _sends(status: int, body: object, **headers: str) -> Behaviour:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "content-type": "application/json",
        "content-length": str(len(encoded)),
        "request-id": "req_1",
        **headers,
    }
    head = f"HTTP/1.1 {status} Told\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + b"\r\n" + encoded)
        await writer.drain()

    return send
