"""A program on a pseudo-terminal, watched to the microsecond: when each byte came, and how many."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tests.bench.stand import cpu_s, memory_mb
from tests.terminal import Screen

CHUNK = 65_536
LOOK_S = 0.2
ASKS_SYNC = b"\x1b[?2026$p"
ASKS_RESIZE = b"\x1b[?2048$p"
HAS_SYNC = b"\x1b[?2026;2$y"
HAS_NO_RESIZE = b"\x1b[?2048;0$y"


class Came(NamedTuple):
    """Some bytes, and when they were read, in seconds of `time.perf_counter`."""

    at: float
    sent: bytes


class Echo(NamedTuple):
    """What one key brought about.

    Attributes:
        first_ms: from the key to the first byte.
        last_ms: from the key to the last byte before the quiet.
        size: bytes between.
    """

    first_ms: float
    last_ms: float
    size: int


class Watched:
    """The program; a thread reads, so that no byte waits for whoever measures.

    It answers what a modern terminal is asked at the start. `is_reading` false makes it a terminal
    behind a line that has stalled.
    """

    def __init__(
        self,
        command: Sequence[str] | Callable[[], None],
        env: Mapping[str, str],
        *,
        width: int,
        height: int,
    ) -> None:
        self.width, self.height = width, height
        self.is_reading = True
        self._came: list[Came] = []
        self._news = threading.Condition()
        self._screen = Screen(width, height)
        self._fed = 0
        self.exit_code: int | None = None
        self.ended_at = 0.0
        master, slave = pty.openpty()
        self._descriptor = master
        self._resize_to(width, height)
        self.began_at = time.perf_counter()
        self.pid = os.fork()
        if not self.pid:
            _become(slave, command, env)
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes so far."""
        with self._news:
            return sum(len(one.sent) for one in self._came)

    @property
    def writes(self) -> int:
        """How often something came."""
        with self._news:
            return len(self._came)

    @property
    def sent(self) -> bytes:
        """All bytes so far."""
        with self._news:
            return b"".join(one.sent for one in self._came)

    @property
    def screen(self) -> Screen:
        """What the terminal shows by now."""
        with self._news:
            new = self._came[self._fed :]
            self._fed = len(self._came)
        self._screen.feed_bytes(b"".join(one.sent for one in new))
        return self._screen

    def press(self, keys: str) -> float:
        """Type; returns when."""
        at = time.perf_counter()
        os.write(self._descriptor, keys.encode())
        return at

    def until(
        self, is_so: Callable[[Screen], bool], what: str, *, timeout_s: float = 30.0
    ) -> float:
        """Wait until the screen is so; returns when the bytes that made it so were read."""
        deadline = time.perf_counter() + timeout_s
        while True:
            with self._news:
                seen = len(self._came)
            if is_so(self.screen):
                with self._news:
                    return self._came[seen - 1].at if seen else self.began_at
            with self._news:
                if len(self._came) == seen:
                    self._news.wait(0.05)
            if time.perf_counter() > deadline or (self.has_ended() and not self._reader.is_alive()):
                raise AssertionError(f"{what}: not seen.\n{self.screen.text}")

    def shows(self, text: str, *, timeout_s: float = 30.0) -> float:
        """Wait for a text; returns when it came."""
        return self.until(lambda screen: text in screen.text, text, timeout_s=timeout_s)

    def settle(self, *, quiet_s: float = 0.25, timeout_s: float = 10.0) -> None:
        """Wait until nothing has come for a while."""
        deadline = time.perf_counter() + timeout_s
        with self._news:
            while time.perf_counter() < deadline:
                last = self._came[-1].at if self._came else self.began_at
                rest_s = last + quiet_s - time.perf_counter()
                if rest_s <= 0:
                    return
                self._news.wait(rest_s)

    def echo(self, keys: str, *, quiet_s: float = 0.1, timeout_s: float = 3.0) -> Echo | None:
        """Type, and see what comes of it; None when nothing does."""
        with self._news:
            before = len(self._came)
        at = self.press(keys)
        with self._news:
            while len(self._came) <= before:
                rest_s = at + timeout_s - time.perf_counter()
                if rest_s <= 0:
                    return None
                self._news.wait(rest_s)
        self.settle(quiet_s=quiet_s)
        with self._news:
            new = self._came[before:]
        return Echo(
            1000 * (new[0].at - at), 1000 * (new[-1].at - at), sum(len(one.sent) for one in new)
        )

    def resize(self, width: int, height: int) -> None:
        """Change the size, as the user's window does."""
        self.width, self.height = width, height
        self.screen.resize(width, height)
        self._resize_to(width, height)

    def memory_mb(self) -> float:
        """Resident megabytes now."""
        return memory_mb(self.pid)[0]

    def cpu_s(self) -> float:
        """Seconds of CPU so far."""
        return cpu_s(self.pid)

    def descriptors(self) -> int:
        """Open files."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def has_ended(self) -> bool:
        """Whether it is gone; notes the exit code."""
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
                self.ended_at = time.perf_counter()
        return self.exit_code is not None

    def ended(self, *, timeout_s: float = 10.0) -> float:
        """Wait for the end; returns when."""
        deadline = time.perf_counter() + timeout_s
        while not self.has_ended():
            if time.perf_counter() > deadline:
                raise AssertionError(f"it runs on:\n{self.screen.text}")
            time.sleep(0.001)
        self._reader.join(1)
        return self.ended_at

    def signal(self, number: signal.Signals) -> float:
        """Send a signal; returns when."""
        at = time.perf_counter()
        os.kill(self.pid, number)
        return at

    def hang_up(self) -> float:
        """Take the terminal away; returns when."""
        at = time.perf_counter()
        descriptor, self._descriptor = self._descriptor, -1
        self._reader.join(1)
        if descriptor >= 0:
            os.close(descriptor)
        return at

    def close(self) -> None:
        """End it, whatever it does."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.exit_code = -signal.SIGKILL
        self.hang_up()

    def _resize_to(self, width: int, height: int) -> None:
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def _read(self) -> None:
        while (descriptor := self._descriptor) >= 0:
            if not self.is_reading:
                time.sleep(0.01)
                continue
            if not select.select([descriptor], [], [], LOOK_S)[0]:
                continue
            try:
                sent = os.read(descriptor, CHUNK)
            except OSError:
                return
            at = time.perf_counter()
            if not sent:
                return
            with self._news:
                self._came.append(Came(at, sent))
                self._news.notify_all()
            if ASKS_SYNC in sent:
                os.write(descriptor, HAS_SYNC)
            if ASKS_RESIZE in sent:
                os.write(descriptor, HAS_NO_RESIZE)


def _become(
    slave: int, command: Sequence[str] | Callable[[], None], env: Mapping[str, str]
) -> None:
    """In the child: a session of its own on this terminal, then the program or the function."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(slave, descriptor)
    os.closerange(3, 256)
    try:
        if callable(command):
            os.environ.clear()
            os.environ.update(env)
            command()
            return
        os.execve(command[0], list(command), dict(env))  # noqa: S606 - no shell is wanted
    finally:
        os._exit(127)
