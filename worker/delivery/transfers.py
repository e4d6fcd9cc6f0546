"""Many libcurl transfers on one loop, woken by a poll of their own.

pycurl's own `AsyncCurlMulti` asks the loop to watch a socket at the beginning of each transfer and
to forget it at the end, which under uvloop took a fifth of the CPU of a POST. Here the loop watches
one descriptor, an epoll that holds all sockets; a socket stays in it while its connection is idle
and is changed by one cheap call when the next transfer wants it.
"""

import asyncio
import select
from contextlib import suppress

import pycurl

_EVENTS_AT_ONCE = 256
_INTERESTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class Transfers:
    """The transfers under way, and the connections that are kept; bound to the running loop."""

    def __init__(self, *, idle_connections: int) -> None:
        """Hold nothing yet; so many connections are kept before the oldest is closed."""
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, idle_connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._time)
        self._futures: dict[pycurl.Curl, asyncio.Future[int]] = {}
        self._wanted: set[int] = set()
        self._epoll = select.epoll()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._is_kicked = False
        self._is_closed = False

    def fileno(self) -> int:
        """The descriptor that is readable as long as a socket has something to say."""
        return self._epoll.fileno()

    async def perform(self, handle: pycurl.Curl) -> int:
        """Wait until the transfer of `handle` has ended and give libcurl's code, 0 for success.

        Cancelling takes the handle out, and may end its connection.

        Raises:
            pycurl.error: libcurl does not take the handle.
            asyncio.CancelledError: also for those under way when all is closed.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self.fileno(), self._on_events)
        future: asyncio.Future[int] = self._loop.create_future()
        self._multi.add_handle(handle)
        self._futures[handle] = future
        try:
            return await future
        finally:
            # Still there only when the waiting was cancelled.
            if self._futures.pop(handle, None) is not None:
                self._remove(handle)

    def close(self) -> None:
        """End all that is under way, with a cancellation, and close every connection."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for handle, future in self._futures.items():
            self._remove(handle)
            future.cancel()
        self._futures.clear()
        self._multi.close()
        if self._loop is not None:
            self._loop.remove_reader(self.fileno())
        self._epoll.close()

    # What libcurl asks for.

    def _watch(self, what: int, fd: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        interest = _INTERESTS.get(what)
        if interest is None:
            # It mostly is the end of a transfer: the next one on this connection wants it again.
            self._wanted.discard(fd)
            return
        self._wanted.add(fd)
        try:
            self._epoll.modify(fd, interest)
        except FileNotFoundError:
            self._epoll.register(fd, interest)

    def _time(self, timeout_ms: int) -> None:
        if self._is_closed or self._loop is None:
            return
        if timeout_ms == 0:
            self._kick_soon()
            return
        self._due = 0.0 if timeout_ms < 0 else self._loop.time() + timeout_ms / 1000
        self._arm()

    def _kick_soon(self) -> None:
        if not self._is_kicked and self._loop is not None:
            self._is_kicked = True
            self._loop.call_soon(self._kick)

    def _arm(self) -> None:
        """See to it that a timer ends at `_due` or before; one that ends early is armed again."""
        if not self._due or self._loop is None:
            return
        if self._timer is not None:
            if self._timer.when() <= self._due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._on_timer)

    # What the loop says.

    def _on_timer(self) -> None:
        self._timer = None
        if self._due and self._loop is not None and self._loop.time() >= self._due:
            self._due = 0.0
            self._kick()
        else:
            self._arm()

    def _kick(self) -> None:
        self._is_kicked = False
        if not self._is_closed:
            self._act(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()

    def _on_events(self) -> None:
        for fd, events in self._epoll.poll(0, _EVENTS_AT_ONCE):
            if fd not in self._wanted:
                # An idle connection that its receiver has closed, or one that libcurl has.
                with suppress(OSError):
                    self._epoll.unregister(fd)
                continue
            action = pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0
            if events & ~select.EPOLLOUT:
                action |= pycurl.CSELECT_IN
            self._act(fd, action)
        self._collect()

    def _act(self, fd: int, action: int) -> None:
        try:
            self._multi.socket_action(fd, action)
        except pycurl.error:
            # libcurl is out of order, as when memory is short: nothing under way would ever end.
            for handle in list(self._futures):
                self._end(handle, pycurl.E_OUT_OF_MEMORY)

    def _collect(self) -> None:
        """Hand out what has ended."""
        _, done, failed = self._multi.info_read()
        for handle in done:
            self._end(handle, 0)
        for handle, code, _ in failed:
            self._end(handle, code)

    def _end(self, handle: pycurl.Curl, code: int) -> None:
        future = self._futures.pop(handle, None)
        if future is not None:
            self._remove(handle)
            if not future.done():
                future.set_result(code)

    def _remove(self, handle: pycurl.Curl) -> None:
        with suppress(pycurl.error):
            self._multi.remove_handle(handle)
