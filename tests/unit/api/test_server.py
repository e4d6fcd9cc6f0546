"""The server itself is not held up by heads without end, slow bodies or endless ones."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest
import uvicorn

from api.server import BoundedProtocol

HEAD = b"POST /api/guardian/meta/observations/readiness HTTP/1.1\r\nhost: x\r\n"


class Hasty(BoundedProtocol):
    """The same limits, sooner."""

    head_s = 0.4
    grace_s = 0.4
    leftover_bytes = 100_000
    look_s = 0.05


async def answer(
    scope: dict[str, Any], receive: Callable[[], Any], send: Callable[..., Any]
) -> None:
    """Read the body where it matters, and answer."""
    if scope["method"] == "PUT":
        while (await receive()).get("more_body"):
            pass
    status = 401 if scope["method"] == "POST" else 200
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    config = uvicorn.Config(cast("Any", answer), http=Hasty, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: Hasty(config=config, server_state=server.server_state, app_state={}), "127.0.0.1"
    )
    yield listening.sockets[0].getsockname()[1]
    listening.close()


async def test_an_ordinary_request_is_answered_and_the_connection_kept(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
    writer.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"x-many: 1\r\n" * 5000 + b"\r\n", 431),
        (HEAD + b"x-long: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (HEAD + b"x-endless: " + b"a" * 200_000, 431),
        (b"GET /" + b"a" * 200_000, 431),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        (HEAD + b"content-length: -5\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"bad header\r\n\r\n", 400),
    ],
)
async def test_a_head_that_does_not_fit_is_refused_and_the_connection_closed(
    port: int, head: bytes, status: int
) -> None:
    answer = await _told(port, [head])

    assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "beginning",
    [b"", b"G", HEAD, HEAD + b"x-a: "],
    ids=["nothing", "a letter", "half a head", "half a header"],
)
async def test_a_head_that_does_not_end_is_cut_off(port: int, beginning: bytes) -> None:
    assert await _told(port, [beginning]) == b""


async def test_a_head_that_drips_is_cut_off(port: int) -> None:
    assert await _told(port, [HEAD, *[b"x-a: 1\r\n"] * 200], pause_s=0.02) == b""


async def test_a_body_that_drips_ends_and_so_does_its_connection(port: int) -> None:
    head = b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n{"

    assert await _told(port, [head, *[b" "] * 200], pause_s=0.02) == b""


async def test_a_body_that_goes_on_after_the_answer_is_cut_off(port: int) -> None:
    head = HEAD + b"content-type: application/json\r\ncontent-length: 99000000\r\n\r\n"

    answer = await _told(port, [head, *[b"x" * 20_000] * 40], pause_s=0.01)

    assert answer.startswith(b"HTTP/1.1 401")


async def _told(port: int, pieces: list[bytes], *, pause_s: float = 0) -> bytes:
    """What comes back before the server hangs up, which it must."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(_read(reader))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            done, _ = await asyncio.wait([reading], timeout=pause_s)
            if done:
                break
    except OSError:
        pass  # it hung up
    async with asyncio.timeout(10):
        answer = await reading
    writer.close()
    return answer


async def _read(reader: asyncio.StreamReader) -> bytes:
    got = b""
    try:
        while piece := await reader.read(65_536):
            got += piece
    except OSError:
        pass  # reset
    return got
