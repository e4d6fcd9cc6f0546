"""The server's own limits, before a byte reaches the application.

A head must be small and end soon, a body must keep coming, and whoever goes on sending after the
answer is cut off. Otherwise a few connections that say almost nothing would hold memory for ever.
"""

import asyncio

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.problems import MEDIA_TYPE, problem_of
from shared.errors import GuardianError, HeadTooLargeError, MalformedError


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        head_s: seconds from the connection, or a request's first byte, to the end of its head.
        head_bytes: of the request line and all headers together.
        headers_most: how many headers there may be.
        grace_s: seconds for which a body may come as slowly as it likes.
        pace: bytes a second that it must bring afterwards, on average.
        leftover_bytes: how much of a body is read and dropped after the answer.
        look_s: seconds between two looks at the connection.
    """

    head_s = 10.0
    head_bytes = 32 * 1024
    headers_most = 100
    grace_s = 20.0
    pace = 1024
    leftover_bytes = 16 * 1024 * 1024
    look_s = 1.0

    _looking: asyncio.TimerHandle | None = None
    _head_since: float | None = None
    _head_read = 0
    _head_size = 0
    _body_since: float | None = None
    _body_read = 0
    _leftover = 0
    _refusal: GuardianError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to look at it from time to time."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._looking = self.loop.call_later(self.look_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that goes on and on."""
        if self._refusal is not None:
            return  # the connection is closing
        if self._body_since is None:
            self._head_since = self._head_since or self.loop.time()
            self._head_read += len(data)
        super().data_received(data)
        if self._head_since is not None and self._head_read > self.head_bytes:
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Count anew."""
        self._head_size = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, unless it is one too many."""
        super().on_header(name, value)
        self._head_size += len(name) + len(value)
        is_small = self._head_size + len(self.url) <= self.head_bytes
        if not is_small or len(self.headers) > self.headers_most:
            self._refusal = HeadTooLargeError()
            raise self._refusal  # which ends the parsing with an answer of 400

    def on_headers_complete(self) -> None:
        """Expect the body from now on."""
        self._head_since = None
        self._head_read = 0
        self._body_since = self.loop.time()
        self._body_read = 0
        self._leftover = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count a part of the body; after the answer nobody reads it."""
        self._body_read += len(body)
        if self.cycle.response_complete:
            self._leftover += len(body)
            if self._leftover > self.leftover_bytes:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        self._body_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, as every refusal looks, and hang up."""
        if self._refusal is None:
            is_large = self._head_read > self.head_bytes
            self._refusal = HeadTooLargeError() if is_large else MalformedError()
        body = msgspec.json.encode(problem_of(self._refusal))
        lines = (
            f"content-type: {MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "connection: close",
        )
        head = STATUS_LINE[self._refusal.status] + "\r\n".join(lines).encode()
        self.transport.write(head + b"\r\n\r\n" + body)
        self.transport.close()

    def _look(self) -> None:
        now = self.loop.time()
        if self._head_since is not None and now - self._head_since > self.head_s:
            self.transport.abort()
            return
        if self._body_since is not None and self.flow.read_paused:
            self._body_since += self.look_s  # it is we who do not read
        elif self._body_since is not None:
            due = (now - self._body_since - self.grace_s) * self.pace
            if self._body_read < due:
                self.transport.abort()
                return
        self._looking = self.loop.call_later(self.look_s, self._look)
