"""aiohttp behind the engine's transport protocol, to be measured beside libcurl, for no other use.

Started as `python -m tests.bench.rival` it is a worker like any other, except that it sends so.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractCookieJar

from shared.domain.addresses import EgressRules, judge
from shared.errors import AddressRefusedError
from worker import __main__, resources
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.send import (
    ANSWER_CAP,
    CONNECT_DEADLINE_S,
    CONNECTION_AGE_S,
    DEADLINE_S,
    excerpt_of,
)

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


class AiohttpTransport:
    """Sends with aiohttp: judged at dial time, no redirects, total deadline, capped body."""

    def __init__(
        self, rules: EgressRules, *, clock: Callable[[], datetime], ca_file: str | None = None
    ) -> None:
        """Prepare to send; the first `post` opens the session on its loop."""
        self._rules = rules
        self._clock = clock
        self._context = ssl.create_default_context(cafile=ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, request: Prepared) -> Outcome:
        """Send once."""
        session = self._session or self._opened()
        loop = asyncio.get_running_loop()
        started_at, began = self._clock(), loop.time()
        status, fault, body = None, None, b""
        try:
            async with session.post(
                request.url, data=request.body, headers=request.headers, allow_redirects=False
            ) as answer:
                status = answer.status
                while len(body) < ANSWER_CAP and not answer.content.at_eof():
                    body += await answer.content.read(ANSWER_CAP - len(body))
        except TimeoutError:
            fault = Fault.TIMEOUT if status is None else Fault.TOO_SLOW
        except aiohttp.ClientConnectorError:
            fault = Fault.CONNECT
        except AddressRefusedError:
            fault = Fault.ADDRESS_REFUSED
        except (aiohttp.ClientError, OSError):
            fault = Fault.RESET
        taken_ms = round((loop.time() - began) * 1000)
        return Outcome(
            started_at,
            taken_ms,
            status_code=status,
            fault=fault,
            excerpt=excerpt_of(body) if body else "",
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        jar: AbstractCookieJar = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=CONNECTION_AGE_S,
                ssl=self._context,
                socket_factory=self._socket,
            ),
            timeout=aiohttp.ClientTimeout(total=DEADLINE_S, sock_connect=CONNECT_DEADLINE_S),
            cookie_jar=jar,
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )
        return self._session

    def _socket(self, address: AddressInfo) -> socket.socket:
        """Open a socket for an address that was judged: the one place every dial goes through."""
        family, kind, protocol, _, (host, *_) = address
        judge(str(ip_address(host)), allowed_nets=self._rules.allowed_nets)
        link = socket.socket(family, kind, protocol)
        link.settimeout(0)
        return link


def main() -> int:
    """Work like `python -m worker`, and send with aiohttp."""
    resources.__dict__["CurlTransport"] = AiohttpTransport
    return __main__.main([])


if __name__ == "__main__":
    sys.exit(main())
