"""The console leaves the terminal as it found it, however it ends."""

import asyncio
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

EXIT_CRASHED = 70
EXIT_SIGNALLED = 128
LOOK_MS = 1_000
HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


def stop_on_signals(leave: Callable[[int], None]) -> None:
    """Call `leave` with the exit code when the system asks the process to end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, leave, EXIT_SIGNALLED + number)


def end_with_terminal() -> None:
    """End the process when the terminal is gone, which Textual would not notice.

    A thread looks, since the loop may be stuck in a write to the terminal that is no more.
    """
    stdin = sys.__stdin__
    if stdin is not None:
        threading.Thread(target=_watch, args=(stdin.fileno(),), daemon=True).start()


def write_crash(env: Mapping[str, str], now: datetime) -> Path | None:
    """Keep the present traceback, without any local value, in a file of the user's own."""
    home = env.get("XDG_STATE_HOME") or Path(env.get("HOME", "/nonexistent"), ".local", "state")
    path = Path(home, "guardian", "console-crash.log")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:  # noqa: PTH123 - Path.open takes no mode bits
            file.write(f"{now.isoformat()}\n{traceback.format_exc()}\n")
    except OSError:
        return None
    return path


def _watch(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)
    while True:
        for _, events in poll.poll(LOOK_MS):
            if events & HUNG_UP:
                os._exit(EXIT_SIGNALLED + signal.SIGHUP)
