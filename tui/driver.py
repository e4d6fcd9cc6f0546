"""Textual's driver for a Unix terminal: a piece a frame, a layout a resize, no wait at the end."""

import asyncio
import re
import signal
import termios
from contextlib import suppress
from functools import partial

from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

CURSOR_LAST = re.compile(r"\x1b\[\d+;\d+H\Z")
STEADY_S = 0.06
"""A window that has kept its size so long is drawn."""

IMPATIENT_S = 0.2
"""One that goes on changing is drawn so often."""


class Terminal(LinuxDriver):
    """What Textual's own lacks over a slow line."""

    _is_suspending = False
    _held: list[str] | None = None
    _cursor = ""
    _resized_at: float | None = None
    _resizing: asyncio.TimerHandle | None = None

    def write(self, data: str) -> None:
        """Send a frame as one piece, and none at all if only its frame is left of it."""
        if data == SYNC_START:
            self._held = []
        elif self._held is not None and data != SYNC_END:
            self._held.append(data)
        else:
            held, self._held = self._held, None
            body = data if held is None else "".join(held)
            if body == self._cursor:
                return  # the cursor stands there already
            at = CURSOR_LAST.search(body)
            self._cursor = at[0] if at else ""
            super().write(body if held is None else f"{SYNC_START}{body}{SYNC_END}")

    def start_application_mode(self) -> None:
        """Take the terminal, and hear of its size."""
        super().start_application_mode()
        signal.signal(signal.SIGWINCH, self._on_window_change)

    def send_message(self, message: Message) -> None:
        """Pass on what the terminal reports; a new size in its time."""
        if isinstance(message, events.Resize):
            self._hear_size(message.size)
        else:
            super().send_message(message)

    def suspend_application_mode(self) -> None:
        """Hand the terminal back for a while."""
        self._is_suspending = True
        super().suspend_application_mode()
        self._is_suspending = False

    def disable_input(self) -> None:
        """Take no more keys.

        Textual's own waits until the thread that reads them has looked twice more, 0.1 s each. Only
        a suspended console needs that, since it goes on reading later; one that ends does not.
        """
        if self._is_suspending:
            super().disable_input()
        elif not self.exit_event.is_set():
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            self._disable_mouse_support()
            self.exit_event.set()
            with suppress(termios.error):  # the terminal may be gone
                termios.tcflush(self.fileno, termios.TCIFLUSH)

    def _on_window_change(self, number: int, stack: object) -> None:
        self._hear_size(None)

    def _hear_size(self, size: Size | None) -> None:
        """From any thread or signal; None: ask the terminal when it is drawn."""
        with suppress(RuntimeError):  # the console may be ending
            self._loop.call_soon_threadsafe(self._await_steadiness, size)

    def _await_steadiness(self, size: Size | None) -> None:
        now = self._loop.time()
        if self._resizing is not None:
            self._resizing.cancel()
        if self._resized_at is None:
            self._resized_at = now
        when = min(now + STEADY_S, self._resized_at + IMPATIENT_S)
        self._resizing = self._loop.call_at(when, partial(self._draw_size, size))

    def _draw_size(self, size: Size | None) -> None:
        self._resized_at = self._resizing = None
        new = size or Size(*self._get_terminal_size())
        super().send_message(events.Resize(new, new))
