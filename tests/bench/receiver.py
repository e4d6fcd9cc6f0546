"""A receiver that costs little: one thread, epoll, the smallest answer, over plain HTTP and TLS.

Started as `python -m tests.bench.receiver`; it prints its ports as one line of JSON. The path says
how a request is treated: `/ok` at once, `/wait/<ms>` after a while, `/hang` never, `/stamp` at once
with the instant of its first byte kept under its `webhook-id` until `GET /stamps` fetches it.
"""

import argparse
import heapq
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
WEBHOOK_ID = b"webhook-id: "
UUID_LENGTH = 36
CHUNK = 65536


class Connection:
    """One connection and what has come of its next request."""

    __slots__ = ("began", "buffer", "is_open", "link")

    def __init__(self, link: socket.socket, *, is_open: bool) -> None:
        self.link = link
        self.is_open = is_open
        self.buffer = b""
        self.began = 0.0


class Responder:
    """Answers on all its listeners until the process is ended."""

    def __init__(self, plain: int, tls: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._epoll = select.epoll()
        self._plain = [self._listen() for _ in range(plain)]
        self._tls = [self._listen() for _ in range(tls)]
        self._listeners = {
            one.fileno(): (one, is_tls)
            for links, is_tls in ((self._plain, False), (self._tls, True))
            for one in links
        }
        self._connections: dict[int, Connection] = {}
        self._waiting: list[tuple[float, int, Connection]] = []
        self._order = count()
        self._stamps: list[bytes] = []

    @property
    def ports(self) -> dict[str, list[int]]:
        """Where it listens."""
        return {
            "plain": [one.getsockname()[1] for one in self._plain],
            "tls": [one.getsockname()[1] for one in self._tls],
        }

    def run(self) -> None:
        """Serve for ever."""
        while True:
            pause_s = -1.0
            if self._waiting:
                pause_s = max(0.0, self._waiting[0][0] - time.monotonic())
            for fd, _ in self._epoll.poll(pause_s, 256):
                known = self._connections.get(fd)
                if known is None:
                    self._accept(*self._listeners[fd])
                else:
                    self._serve(fd, known)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, connection = heapq.heappop(self._waiting)
                self._answer(connection, ANSWER)

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.settimeout(0)
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        return listener

    def _accept(self, listener: socket.socket, is_tls: bool) -> None:  # noqa: FBT001 - a row of the table of listeners
        with suppress(BlockingIOError):
            link, _ = listener.accept()
            link.settimeout(0)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if is_tls and self._context is not None:
                link = self._context.wrap_socket(
                    link, server_side=True, do_handshake_on_connect=False
                )
            self._connections[link.fileno()] = Connection(link, is_open=not is_tls)
            self._epoll.register(link.fileno(), select.EPOLLIN)

    def _serve(self, fd: int, connection: Connection) -> None:
        try:
            if isinstance(connection.link, ssl.SSLSocket) and not connection.is_open:
                connection.link.do_handshake()
                connection.is_open = True
            chunk = connection.link.recv(CHUNK)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(fd, connection)
            return
        if not connection.buffer:
            connection.began = time.monotonic()
        connection.buffer += chunk
        self._take(connection)

    def _drop(self, fd: int, connection: Connection) -> None:
        del self._connections[fd]
        self._epoll.unregister(fd)
        connection.link.close()

    def _take(self, connection: Connection) -> None:
        request = connection.buffer
        end = request.find(HEAD_END)
        if end < 0:
            return
        at = request.lower().find(LENGTH, 0, end)
        length = int(request[at + len(LENGTH) : request.index(b"\r", at)]) if at >= 0 else 0
        if len(request) < end + len(HEAD_END) + length:
            return
        connection.buffer = b""
        path = request[5 : request.index(b" ", 5)]
        if path == b"/ok":
            self._answer(connection, ANSWER)
        elif path == b"/stamp":
            at = request.index(WEBHOOK_ID) + len(WEBHOOK_ID)
            self._stamps.append(b"%s %.6f" % (request[at : at + UUID_LENGTH], connection.began))
            self._answer(connection, ANSWER)
        elif path.startswith(b"/wait/"):
            due = time.monotonic() + int(path[6:]) / 1000
            heapq.heappush(self._waiting, (due, next(self._order), connection))
        elif request.startswith(b"GET /stamps "):
            body = b"\n".join(self._stamps)
            self._stamps.clear()
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
            connection.link.settimeout(None)
            self._answer(connection, head + body)
            connection.link.settimeout(0)

    def _answer(self, connection: Connection, answer: bytes) -> None:
        with suppress(OSError):
            connection.link.sendall(answer)


def main(arguments: Sequence[str] | None = None) -> None:
    """Listen on as many ports as asked for, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plain", type=int, default=1)
    parser.add_argument("--tls", type=int, default=0)
    parser.add_argument("--certificate", type=Path, help="PEM: private key and chain")
    options = parser.parse_args(arguments)
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    responder = Responder(options.plain, options.tls, context)
    sys.stdout.write(json.dumps(responder.ports) + "\n")
    sys.stdout.flush()
    responder.run()


if __name__ == "__main__":
    main()
