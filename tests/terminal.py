"""A terminal as small as our tests need, and a process that runs in one."""

import asyncio
import codecs
import fcntl
import os
import pty
import re
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from rich.cells import cell_len

SEQUENCE = re.compile(
    r"\x1b\[(?P<mode>[?<=>]?)(?P<numbers>[\d;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1bP[^\x1b]*\x1b\\"
    r"|\x1b[()][A-Z0-9]|\x1b[=>78cM]"
)
UNFINISHED = re.compile(r"\x1b(?:\[[\d;:?<=>]*|\][^\x07\x1b]*|P[^\x1b]*)?\Z")

NOTHING: tuple[str, str] = (" ", "[]  on ")
SEEN_ON_BLANKS = {4, 7, 9, 21, 51, 52, 53}
ENDS = {
    22: {1, 2},
    23: {3},
    24: {4, 21},
    25: {5, 6},
    27: {7},
    28: {8},
    29: {9},
    54: {51, 52},
    55: {53},
}


class Screen:
    """What a terminal shows after it was fed; the right half of a wide character is empty."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.modes: set[str] = set()
        self.colour_codes = 0
        self._cells = [[NOTHING] * width for _ in range(height)]
        self._x = self._y = 0
        self._attributes: set[int] = set()
        self._ink = self._paper = ""
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def lines(self) -> list[str]:
        return ["".join(text for text, _ in row).rstrip() for row in self._cells]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def cells(self) -> list[list[tuple[str, str]]]:
        return self._cells

    def resize(self, width: int, height: int) -> None:
        """Another size; what it shows is unknown until it is drawn anew."""
        self.width, self.height = width, height
        self._cells = [[NOTHING] * width for _ in range(height)]

    def feed_bytes(self, sent: bytes) -> None:
        """A character may be cut between two calls."""
        self.feed(self._decoder.decode(sent))

    def feed(self, sent: str) -> None:
        sent = self._rest + sent
        self._rest = ""
        place = 0
        while place < len(sent):
            if sent[place] == "\x1b":
                found = SEQUENCE.match(sent, place)
                if found is None:
                    if UNFINISHED.match(sent, place):
                        self._rest = sent[place:]
                        return
                    message = f"unknown sequence {sent[place : place + 20]!r}"
                    raise ValueError(message)
                if found["final"]:
                    self._obey(found)
                place = found.end()
            else:
                self._write(sent[place])
                place += 1

    def _obey(self, found: re.Match[str]) -> None:
        numbers = [int(one or 0) for one in re.split("[;:]", found["numbers"])]
        match found["mode"] + found["final"]:
            case "H":
                self._y = (numbers[0] or 1) - 1
                self._x = ((numbers[1] if len(numbers) > 1 else 1) or 1) - 1
            case "m":
                self._dress(numbers)
            case "G":
                self._x = (numbers[0] or 1) - 1
            case "J":
                self._cells = [[self._blank] * self.width for _ in range(self.height)]
            case "K":
                self._erase(self.width)
            case "X":
                self._erase(numbers[0] or 1)
            case "?h":
                self.modes.add(found["numbers"])
            case "?l":
                self.modes.discard(found["numbers"])
            case _:
                pass

    def _dress(self, numbers: list[int]) -> None:
        rest = iter(numbers)
        for number in rest:
            if number == 0:
                self._attributes.clear()
                self._ink = self._paper = ""
            elif number in {38, 48}:
                kind = next(rest)
                values = [next(rest) for _ in range(1 if kind == 5 else 3)]
                colour = ";".join(map(str, (kind, *values)))
                self._colour(colour, is_ink=number == 38)
            elif 30 <= number <= 37 or 90 <= number <= 97:
                self._colour(str(number), is_ink=True)
            elif 40 <= number <= 47 or 100 <= number <= 107:
                self._colour(str(number), is_ink=False)
            elif number == 39:
                self._ink = ""
            elif number == 49:
                self._paper = ""
            elif number in ENDS:
                self._attributes -= ENDS[number]
            else:
                self._attributes.add(number)

    def _colour(self, colour: str, *, is_ink: bool) -> None:
        self.colour_codes += 1
        if is_ink:
            self._ink = colour
        else:
            self._paper = colour

    @property
    def _style(self) -> str:
        return f"{sorted(self._attributes)} {self._ink} on {self._paper}"

    @property
    def _blank(self) -> tuple[str, str]:
        """What one sees of a blank."""
        seen = self._attributes & SEEN_ON_BLANKS
        ink = self._ink if seen else ""
        return (" ", f"{sorted(seen)} {ink} on {self._paper}")

    def _erase(self, count: int) -> None:
        """Erased cells take the background, and nothing else."""
        row = self._cells[self._y]
        end = min(self._x + count, self.width)
        row[self._x : end] = [(" ", f"[]  on {self._paper}")] * (end - self._x)

    def _write(self, character: str) -> None:
        if character == "\n":
            self._x, self._y = 0, self._y + 1
        elif character == "\r":
            self._x = 0
        elif character.isprintable() and self._y < self.height:
            self._put(character, cell_len(character))

    def _put(self, character: str, width: int) -> None:
        row = self._cells[self._y]
        if not width:
            text, style = row[max(0, self._x - 1)]
            row[max(0, self._x - 1)] = (text + character, style)
            return
        for x in range(self._x, min(self._x + width, self.width)):
            text = character if x == self._x else ""
            row[x] = self._blank if text == " " else (text, self._style)
        self._x += width


class Process:
    """A program on a pseudo-terminal of its own, watched through a `Screen`."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], *, width: int = 80, height: int = 24
    ) -> None:
        self.screen = Screen(width, height)
        self.sent = b""
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            os.execve(command[0], list(command), dict(env))  # noqa: S606 - no shell is wanted
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, size)
        os.set_blocking(self.descriptor, False)
        self.exit_code: int | None = None

    def press(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    async def until(
        self, is_so: Callable[[Screen], bool], *, what: str, timeout_s: float = 30.0
    ) -> None:
        """Read until the screen is so."""
        deadline = time.monotonic() + timeout_s
        while not is_so(self.screen):
            if time.monotonic() > deadline or self._has_ended():
                self.read()
                if is_so(self.screen):
                    return
                message = f"{what}: not seen. The screen shows:\n{self.screen.text}"
                raise AssertionError(message)
            await asyncio.sleep(0.01)
            self.read()

    async def shows(self, text: str, *, timeout_s: float = 30.0) -> None:
        await self.until(lambda screen: text in screen.text, what=text, timeout_s=timeout_s)

    async def ended(self, *, timeout_s: float = 15.0) -> int:
        """The exit code, once there is one."""
        deadline = time.monotonic() + timeout_s
        while not self._has_ended():
            assert time.monotonic() < deadline, f"it runs on:\n{self.screen.text}"
            await asyncio.sleep(0.01)
            self.read()
        self.read()
        assert self.exit_code is not None
        return self.exit_code

    def read(self) -> None:
        while True:
            try:
                chunk = os.read(self.descriptor, 65_536)
            except OSError:
                return
            if not chunk:
                return
            self.sent += chunk
            self.screen.feed_bytes(chunk)

    def hang_up(self) -> None:
        """Take the terminal away."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def close(self) -> None:
        if not self._has_ended():
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        self.hang_up()

    def _has_ended(self) -> bool:
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
        return self.exit_code is not None
