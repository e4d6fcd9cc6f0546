"""A program in tmux, as most admins run it; where tmux is missing, on our own terminal instead."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.terminal import Process

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")


class Terminal(Protocol):
    """What a journey needs of a terminal."""

    keys: int
    """Pressed so far, besides what was typed."""

    def press(self, keys: str) -> None:
        """Press keys, each of which counts."""
        ...

    def type(self, text: str) -> None:
        """Type a text, which does not count."""
        ...

    async def shows(self, text: str) -> None:
        """Wait until the screen shows it."""
        ...

    async def text(self) -> str:
        """What the screen shows."""
        ...

    async def has_colours(self) -> bool:
        """Whether anything on the screen has a colour."""
        ...

    def close(self) -> None:
        """End the program."""
        ...


def in_terminal(
    command: Sequence[str], env: Mapping[str, str], *, width: int = 80, height: int = 24
) -> Terminal:
    """Start a program in tmux, or on our own terminal where there is none."""
    tmux = shutil.which("tmux")
    if tmux is None:
        return OurOwn(command, env, width=width, height=height)
    return Tmux(tmux, command, env, width=width, height=height)


class Tmux:
    """A tmux server of its own with one window."""

    def __init__(
        self, tmux: str, command: Sequence[str], env: Mapping[str, str], *, width: int, height: int
    ) -> None:
        self.keys = 0
        self._folder = tempfile.TemporaryDirectory(prefix="guardian-tmux-")
        self._tmux = [tmux, "-S", str(Path(self._folder.name, "socket")), "-f", os.devnull]
        # tmux sets TERM for what it runs, so the program's own is set last.
        inner = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), *command]
        self._run(
            *("new-session", "-d", "-x", str(width), "-y", str(height)),
            "exec " + shlex.join(inner),
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"},
        )

    def press(self, keys: str) -> None:
        self.keys += len(keys)
        self._send(keys)

    def type(self, text: str) -> None:
        self._send(text)

    async def shows(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in (seen := await self.text()):
            assert time.monotonic() < deadline, f"{text}: not seen. The screen shows:\n{seen}"
            await asyncio.sleep(0.05)

    async def text(self) -> str:
        return await asyncio.to_thread(self._run, "capture-pane", "-p")

    async def has_colours(self) -> bool:
        return bool(COLOUR.search(await asyncio.to_thread(self._run, "capture-pane", "-p", "-e")))

    def close(self) -> None:
        self._run("kill-server")
        self._folder.cleanup()

    def _send(self, text: str) -> None:
        self._run("send-keys", "-H", *(f"{byte:x}" for byte in text.encode()))

    def _run(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout


class OurOwn:
    """The same on a pseudo-terminal that our own screen reads."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], *, width: int, height: int
    ) -> None:
        self.keys = 0
        program = shutil.which(command[0]) or command[0]
        self._process = Process([program, *command[1:]], env, width=width, height=height)

    def press(self, keys: str) -> None:
        self.keys += len(keys)
        self._process.press(keys)

    def type(self, text: str) -> None:
        self._process.press(text)

    async def shows(self, text: str) -> None:
        await self._process.shows(text)

    async def text(self) -> str:
        self._process.read()
        return self._process.screen.text

    async def has_colours(self) -> bool:
        return self._process.screen.colour_codes > 0

    def close(self) -> None:
        self._process.close()
