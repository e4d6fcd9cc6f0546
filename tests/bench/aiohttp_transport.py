"""aiohttp behind the engine's transport protocol, to be measured beside libcurl, for no other use.

It keeps every promise libcurl's transport keeps, as `tests/unit/worker/test_send.py` proves of
both; except that it speaks HTTP/1.1 only and shows no client certificate.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple

import aiohttp
import certifi
from aiohttp.abc import AbstractCookieJar
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from shared.domain.addresses import EgressRules
from shared.domain.formats.answers import ANY_SUCCESS, AcceptanceRule, is_accepted
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.retry import retry_after
from worker.delivery.send import (
    ANSWER_CAP,
    CONNECT_DEADLINE_S,
    CONNECTION_AGE_S,
    DEADLINE_S,
    excerpt_of,
)
from worker.delivery.target import Gate

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

_MOST_REPEATS = 5  # libcurl's own bound
_SUCCESS_LIMIT = 300
_SUCCESS_CLASS = 2
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")
_STATUS_LINE_LENGTH = 12
_NOT_HTTP = (aiohttp.ClientResponseError, aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


class AiohttpTransport:
    """Sends with aiohttp on the running loop, asyncio's own or uvloop."""

    def __init__(
        self,
        rules: EgressRules,
        *,
        clock: Callable[[], datetime],
        ca_file: str | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Prepare to send; the first `post` opens the session on its loop.

        Args:
            rules: the operator's exceptions to public addresses over https.
            clock: dates the outcomes.
            ca_file: certificate authorities (PEM) to trust instead of certifi's.
            deadline_s: for the whole of an attempt.
        """
        self._rules = rules
        self._clock = clock
        self._context = _trusting(ca_file or certifi.where())
        self._deadline_s = deadline_s
        self._session: aiohttp.ClientSession | None = None
        self._deadlines: set[asyncio.Timeout] = set()
        self._is_closed = False

    async def post(self, request: Prepared, *, answer: bytearray | None = None) -> Outcome:
        """Send once.

        Args:
            request: what is sent.
            answer: is given the answer's body, as far as it is read.

        Raises:
            ValueError: a header holds a line break or is not ASCII, so that it would become another
                header, or there is a client certificate to show, which this transport cannot.
        """
        started_at = self._clock()
        if self._is_closed:
            return Outcome(started_at, 0, fault=Fault.INTERNAL)
        if request.client_certificate is not None:
            raise ValueError("aiohttp is measured without client certificates")
        lines = [f"{name}: {value}" for name, value in request.headers]
        text = "\n".join(lines)
        if not text.isascii() or "\r" in text or text.count("\n") >= max(1, len(lines)):
            raise ValueError("a header is one line of ASCII")
        loop = asyncio.get_running_loop()
        began = loop.time()
        exchange = _Exchange(Gate(self._rules.allowed_nets))
        _present.set(exchange)
        deadline = asyncio.timeout(self._deadline_s)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                await self._send(request, exchange)
        except (aiohttp.ClientError, OSError) as error:
            exchange.fault = Fault.INTERNAL if self._is_closed else exchange.fault_of(error)
        finally:
            self._deadlines.discard(deadline)
        if answer is not None:
            answer += exchange.body
        taken_ms = round((loop.time() - began) * 1000)
        return exchange.outcome(request, started_at=started_at, duration_ms=taken_ms)

    async def aclose(self) -> None:
        """Close every connection; a `post` under way ends with an `internal` fault."""
        self._is_closed = True
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(asyncio.get_running_loop().time())
        if self._session is not None:
            await self._session.close()

    async def _send(self, request: Prepared, exchange: "_Exchange") -> None:
        """Send, and again on another connection where a kept one had been closed meanwhile."""
        url = _url(request.url)
        if url.scheme != "https" and not (url.scheme == "http" and self._rules.is_http_allowed):
            raise aiohttp.NonHttpUrlClientError(url)
        session = self._session or self._opened()
        for repeat in range(_MOST_REPEATS + 1):
            try:
                async with session.post(
                    url, data=request.body, headers=request.headers, allow_redirects=False
                ) as response:
                    exchange.response = response
                    while len(exchange.body) < ANSWER_CAP and not response.content.at_eof():
                        room = ANSWER_CAP - len(exchange.body)
                        exchange.body += await response.content.read(room)
            except aiohttp.ClientConnectionError:
                if self._is_closed or repeat == _MOST_REPEATS or not exchange.is_repeatable:
                    raise
            else:
                return

    def _opened(self) -> aiohttp.ClientSession:
        jar: AbstractCookieJar = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                limit=0,
                keepalive_timeout=CONNECTION_AGE_S,
                ssl=self._context,
                socket_factory=_judged_socket,
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_DEADLINE_S),
            cookie_jar=jar,
            auto_decompress=False,
            read_bufsize=ANSWER_CAP,
            skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type"),
        )
        return self._session


class _Exchange:
    """How far one request came, and what came back."""

    __slots__ = ("body", "fault", "gate", "handler", "is_dialled", "is_handshaken", "response")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.is_dialled = False
        self.is_handshaken = False
        self.handler: _Handler | None = None
        self.response: aiohttp.ClientResponse | None = None
        self.body = b""
        self.fault: Fault | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether it went out on a kept connection and not a byte of an answer came."""
        return self.handler is not None and not self.is_dialled and not self.handler.opening

    def fault_of(self, error: Exception) -> Fault:
        """Name what aiohttp raised as libcurl's transport would."""
        if self.gate.is_starved:
            return Fault.INTERNAL
        if isinstance(error, TimeoutError):
            return self._missed_phase()
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return Fault.DNS
        if self.handler is None and self.is_dialled:
            return self._failed_connection()
        return Fault.PROTOCOL if isinstance(error, _NOT_HTTP) else Fault.RESET

    def outcome(self, request: Prepared, *, started_at: datetime, duration_ms: int) -> Outcome:
        """Read the end of an exchange."""
        status = self._status()
        asked: timedelta | None = None
        if self.response is not None and self.response.status >= _SUCCESS_LIMIT:
            values = [
                value for name, value in self.response.raw_headers if name.lower() == b"retry-after"
            ]
            if values:
                ended_at = started_at + timedelta(milliseconds=duration_ms)
                asked = retry_after(values[-1].decode("latin-1"), now=ended_at)
        return Outcome(
            started_at,
            duration_ms,
            status_code=status,
            fault=self.fault,
            retry_after=asked,
            excerpt=excerpt_of(self.body, request.hidden) if self.body else "",
            is_refused=self._is_refused(request.rule, status) if self.fault is None else False,
        )

    def _is_refused(self, rule: AcceptanceRule, status: int | None) -> bool:
        if rule is ANY_SUCCESS or status is None or status // 100 != _SUCCESS_CLASS:
            return False
        return not is_accepted(rule, status_code=status, body=self.body)

    def _status(self) -> int | None:
        if self.response is not None:
            return self.response.status
        line = _STATUS_LINE.match(self.handler.opening) if self.handler is not None else None
        return int(line[1]) if line is not None else None

    def _missed_phase(self) -> Fault:
        if self.handler is not None:
            return Fault.TOO_SLOW if self.handler.opening else Fault.TIMEOUT
        return self._failed_connection() if self.is_dialled else Fault.DNS

    def _failed_connection(self) -> Fault:
        if self.is_handshaken:
            return Fault.TLS
        return Fault.ADDRESS_REFUSED if self.gate.is_refused else Fault.CONNECT


# aiohttp hands nothing of a request to whoever opens its socket or its TLS; the context does.
_present: ContextVar[_Exchange] = ContextVar("the exchange under way")


class _Handler(ResponseHandler):
    """Keeps how an answer begins, which aiohttp tells only when its head is complete."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.opening = b""

    def data_received(self, data: bytes) -> None:
        if len(self.opening) < _STATUS_LINE_LENGTH:
            self.opening += data[:_STATUS_LINE_LENGTH]
        super().data_received(data)


class _Connector(aiohttp.TCPConnector):
    """Tells an exchange which connection it got."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(_Handler, loop=asyncio.get_running_loop())

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp calls it so
    ) -> Connection:
        exchange = _present.get()
        exchange.handler = None
        connection = await super().connect(req, traces, timeout)
        if isinstance(connection.protocol, _Handler):
            exchange.handler = connection.protocol
            exchange.handler.opening = b""
        return connection


class _HandshakeContext(ssl.SSLContext):
    """Tells an exchange that its connection stands and TLS begins."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        _present.get().is_handshaken = True
        return super().wrap_bio(*args, **options)


@lru_cache(maxsize=4)
def _trusting(ca_file: str) -> ssl.SSLContext:
    """Make what verifies certificates and names; certifi's takes a tenth of a second to read."""
    context = _HandshakeContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_file)
    return context


class _Dialled(NamedTuple):
    """A candidate, as the gate wants it."""

    family: int
    socktype: int
    protocol: int
    addr: tuple[Any, ...]


def _judged_socket(candidate: AddressInfo) -> socket.socket:
    """Open a socket for an address that was judged: the one place every dial goes through.

    Raises:
        OSError: not to be dialled, so that aiohttp tries the name's next address.
    """
    family, kind, protocol, _, address = candidate
    exchange = _present.get()
    exchange.is_dialled = True
    descriptor = exchange.gate.open(0, _Dialled(family, kind, protocol, address))
    if descriptor < 0:
        raise OSError("not an address to dial")
    return socket.socket(fileno=descriptor)


@lru_cache(maxsize=1024)
def _url(text: str) -> URL:
    """Take a URL as it stands, an IPv4 address in it in its usual spelling."""
    try:
        url = URL(text, encoded=True)
        host = url.raw_host or ""
        if host.replace(".", "").isdigit():
            url = url.with_host(socket.inet_ntoa(socket.inet_aton(host)))
    except (ValueError, OSError):
        raise aiohttp.InvalidURL(text) from None
    return url
