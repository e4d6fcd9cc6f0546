"""Textual's driver for a Unix terminal, in less of a hurry to wait."""

import signal
import termios
from contextlib import suppress

from textual.drivers.linux_driver import LinuxDriver


class Terminal(LinuxDriver):
    """Leaves at once.

    Textual's own waits until the thread that reads the keys has looked twice more, 0.1 s each. Only
    a suspended console needs that, since it goes on reading later; one that ends does not.
    """

    _is_suspending = False

    def suspend_application_mode(self) -> None:
        """Hand the terminal back for a while."""
        self._is_suspending = True
        super().suspend_application_mode()
        self._is_suspending = False

    def disable_input(self) -> None:
        """Take no more keys."""
        if self._is_suspending:
            super().disable_input()
        elif not self.exit_event.is_set():
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            self._disable_mouse_support()
            self.exit_event.set()
            with suppress(termios.error):  # the terminal may be gone
                termios.tcflush(self.fileno, termios.TCIFLUSH)
