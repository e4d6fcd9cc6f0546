"""`python -m tui`: the console on this terminal."""

import argparse
import asyncio
import gc
import os
import random
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn, TextIO

EXIT_FAILED = 1
EXIT_USAGE = 2


def main() -> int:
    """Run the console; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="guardian tui",
        description="The terminal console, on GUARDIAN_API_URL with GUARDIAN_API_KEY, else on the "
        "saved server, else it asks. ? lists the keys, q leaves.",
    )
    parser.add_argument("--mouse", action="store_true", help="let clicks and the wheel through")
    parser.add_argument(
        "--full-paint", action="store_true", help="write whole regions, not only changed cells"
    )
    parser.add_argument(
        "--glyphs",
        choices=("braille", "blocks", "ascii"),
        help="what charts and marks are drawn with; otherwise what the terminal can show",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="lines in words that are only added to: for screen readers, logs, TERM=dumb",
    )
    parser.add_argument("--read-only", action="store_true", help="change nothing, whatever the key")
    options = parser.parse_args()
    if options.plain or os.environ.get("TERM") == "dumb":
        return speak(os.environ)
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        sys.stderr.write(
            "guardian tui: the console needs a terminal that can be drawn on; --plain needs none.\n"
        )
        return EXIT_USAGE

    # What is imported stays, so looking through it for garbage again and again is time lost.
    gc.disable()
    # The HTTP client's own command line, with all it brings along, is not wanted here.
    sys.modules["httpx._main"] = None  # pyright: ignore[reportArgumentType] - how Python bars one
    # Textual takes 0.3 s to import, which `--help` and a missing terminal need not wait for.
    from shared.errors import GuardianError  # noqa: PLC0415 - as said above
    from tui.app import Console  # noqa: PLC0415 - as said above
    from tui.glyphs import Glyphs, choose_glyphs  # noqa: PLC0415 - as said above
    from tui.settings import find_server, read_wishes  # noqa: PLC0415 - as said above

    refusal = ""
    server = None
    try:
        wishes = read_wishes(os.environ)
    except GuardianError as error:
        sys.stderr.write(f"guardian tui: {error.detail}\n")
        return EXIT_USAGE
    try:
        server = find_server(os.environ)
    except GuardianError as error:
        refusal = error.detail
    console = Console(
        server,
        clock=lambda: datetime.now(UTC),
        dice=random.random,
        env=dict(os.environ),
        refusal=refusal,
        is_full_paint=options.full_paint,
        is_read_only=options.read_only,
        wishes=wishes,
        glyphs=Glyphs(options.glyphs) if options.glyphs else choose_glyphs(os.environ),
    )
    gc.freeze()
    gc.enable()
    console.run(mouse=options.mouse)
    if console.crash:
        sys.stderr.write(console.crash + "\n")
    return console.return_code or 0


def speak(env: Mapping[str, str]) -> int:
    """Run the console in words; returns the exit code."""
    # What only this way needs is imported here, as above.
    from shared.errors import GuardianError  # noqa: PLC0415 - as said above
    from tui.plain import watch  # noqa: PLC0415 - as said above
    from tui.settings import find_server  # noqa: PLC0415 - as said above

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    try:
        server = find_server(env)
    except GuardianError as error:
        sys.stderr.write(f"guardian tui: {error.detail}\n")
        return EXIT_FAILED
    if server is None or server.key is None:
        sys.stderr.write(
            "guardian tui: nobody is signed in: set GUARDIAN_API_URL and GUARDIAN_API_KEY.\n"
        )
        return EXIT_FAILED
    try:
        return asyncio.run(watch(server, clock=lambda: datetime.now(UTC), say=say))
    except GuardianError as error:
        sys.stderr.write(f"guardian tui: {error.detail}\n")
        return EXIT_FAILED
    except BrokenPipeError:
        # Whoever listened has gone; nothing may be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _is_terminal(file: TextIO | None) -> bool:
    """A program may be started with its standard files closed."""
    return file is not None and file.isatty()


def leave(code: int) -> NoReturn:
    """End the process without taking apart what the system takes back anyway, which takes 0.1 s."""
    for file in (sys.stdout, sys.stderr):
        if file is not None:  # pyright: ignore[reportUnnecessaryComparison] - closed at the start
            file.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
