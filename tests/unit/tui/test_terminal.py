"""However the console ends, the terminal is as it was, and nothing secret is left on it."""

import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.terminal import Process, Screen
from tests.unit.tui.loopback import Reply, an_integration, serving
from tui.terminal import EXIT_CRASHED

ROOT = Path(__file__).parents[3]
ALTERNATE_SCREEN = "1049"
CRASHING = """
import sys
from tui.app import Console
from tui.__main__ import main

def fail(self):
    secret = "gms_live_topsecret"
    raise ValueError(secret)

Console.action_refetch = fail
sys.exit(main())
"""

DEAF = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "tui"])
"""


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped, as the system tells it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


@asynccontextmanager
async def at_terminal(
    url: str, home: Path, *command: str, **env: str
) -> AsyncGenerator[Process, None]:
    process = Process(
        [sys.executable, *(command or ("-m", "tui"))],
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "GUARDIAN_API_URL": url,
            "GUARDIAN_API_KEY": "k1",
        }
        | env,
    )
    try:
        yield process
    finally:
        process.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
async def test_a_signal_ends_it_with_the_terminal_restored(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with serving() as server, at_terminal(server.url, tmp_path) as console:
        await console.shows("72.0")
        assert ALTERNATE_SCREEN in console.screen.modes
        os.kill(console.pid, number)

        assert await console.ended() == 128 + number
        assert ALTERNATE_SCREEN not in console.screen.modes


async def test_q_leaves_with_exit_0_and_the_terminal_restored(tmp_path: Path) -> None:
    async with serving() as server, at_terminal(server.url, tmp_path) as console:
        await console.shows("72.0")
        console.press("q")

        assert await console.ended() == 0
        assert ALTERNATE_SCREEN not in console.screen.modes


async def test_a_terminal_that_is_gone_takes_the_console_along(tmp_path: Path) -> None:
    async with serving() as server, at_terminal(server.url, tmp_path) as console:
        await console.shows("72.0")
        console.hang_up()

        assert await console.ended() != 0


async def test_it_goes_with_the_terminal_even_where_nobody_hears_a_hang_up(tmp_path: Path) -> None:
    async with serving() as server, at_terminal(server.url, tmp_path, "-c", DEAF) as console:
        await console.shows("72.0")
        console.hang_up()

        assert await console.ended() != 0


async def test_suspended_it_lends_the_terminal_and_draws_everything_when_it_returns(
    tmp_path: Path,
) -> None:
    async with serving() as server, at_terminal(server.url, tmp_path) as console:
        await console.shows("72.0")
        console.press("\x1a")  # ctrl+z
        await console.until(lambda _: is_stopped(console.pid), what="that it stops")
        console.read()
        assert ALTERNATE_SCREEN not in console.screen.modes

        console.screen = Screen(80, 24)
        os.kill(console.pid, signal.SIGCONT)
        await console.shows("72.0")
        await console.shows("Metadata only.")
        assert ALTERNATE_SCREEN in console.screen.modes
        console.press("q")
        assert await console.ended() == 0
        assert ALTERNATE_SCREEN not in console.screen.modes


@pytest.mark.parametrize("term", ["xterm", "screen-256color", "linux", "tmux-256color"])
async def test_it_looks_the_same_on_every_kind_of_terminal(term: str, tmp_path: Path) -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with at_terminal(server.url, tmp_path, TERM=term) as console:
            await console.shows("72.0")
            console.press("2")
            await console.shows(">● on")

            assert console.screen.colour_codes > 0
            assert "bi_dashboard" in console.screen.text


async def test_a_dumb_terminal_gets_lines_in_words(tmp_path: Path) -> None:
    async with serving() as server, at_terminal(server.url, tmp_path, TERM="dumb") as console:
        await console.shows("readiness: 72.0, mature, ok")
        os.kill(console.pid, signal.SIGTERM)

        assert await console.ended() == 0
        assert b"\x1b" not in console.sent


async def test_a_crash_is_one_line_without_a_value_in_it(tmp_path: Path) -> None:
    async with (
        serving() as server,
        at_terminal(server.url, tmp_path, "-c", CRASHING) as console,
    ):
        await console.shows("72.0")
        console.press("\x12")  # ctrl+r

        assert await console.ended() == EXIT_CRASHED
        assert ALTERNATE_SCREEN not in console.screen.modes
        assert b"because of a mistake of its own" in console.sent
        assert b"topsecret" not in console.sent
        assert b"Traceback" not in console.sent

    log = tmp_path / ".local" / "state" / "guardian" / "console-crash.log"
    assert "action_refetch" in log.read_text() or "fail" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


async def test_no_color_means_not_one_colour_code(tmp_path: Path) -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with at_terminal(server.url, tmp_path, NO_COLOR="1") as console:
            await console.shows("72.0")
            console.press("2")
            await console.shows(">● on")
            console.press("q")
            await console.ended()

    assert console.screen.colour_codes == 0


@pytest.mark.parametrize("command", [("-m", "tui"), ("-m", "tui", "--full-paint")])
async def test_both_ways_of_painting_show_the_same(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    async with serving() as server:
        server.integrations = [an_integration()]
        async with at_terminal(server.url, tmp_path, *command) as console:
            await console.shows("72.0")
            console.press("2")
            await console.shows(">● on")
            console.press("?")
            await console.shows("Keys valid here")
            console.press("q")
            await console.shows("Last error")

            assert console.screen.lines[2].split() == [
                *("State", "Integration", "Scopes", "24", "h"),
                *("Wait", "Fail", "Disc", "Delivered"),
            ]
            assert "Keys valid" not in console.screen.text


async def test_a_server_that_is_no_guardian_is_said_at_a_real_terminal(tmp_path: Path) -> None:
    async with serving() as server:
        server.override = lambda asked: Reply(200, b"<html>", "text/html")
        async with at_terminal(server.url, tmp_path) as console:
            await console.shows("is the address right?")


async def test_where_the_locale_is_not_utf_8_every_character_is_ascii(tmp_path: Path) -> None:
    async with serving() as server:
        server.integrations = [an_integration(label="Übersicht")]
        async with at_terminal(server.url, tmp_path, LANG="C", LC_ALL="C") as console:
            await console.shows("72.0")
            console.press("2")
            await console.shows(">* on")
            console.press("4")
            await console.shows("`---")
            console.press("q")
            await console.ended()

    assert console.sent.isascii()
