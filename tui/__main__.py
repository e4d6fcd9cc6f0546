"""`python -m tui`: the console on this terminal."""

import argparse
import gc
import os
import random
import sys
from datetime import UTC, datetime
from typing import NoReturn

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
    options = parser.parse_args()
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        sys.stderr.write("guardian tui: the console needs a terminal that can be drawn on.\n")
        return EXIT_USAGE

    # What is imported stays, so looking through it for garbage again and again is time lost.
    gc.disable()
    # The HTTP client's own command line, with all it brings along, is not wanted here.
    sys.modules["httpx._main"] = None  # pyright: ignore[reportArgumentType] - how Python bars one
    # Textual takes 0.3 s to import, which `--help` and a missing terminal need not wait for.
    from shared.errors import GuardianError  # noqa: PLC0415 - as said above
    from tui.app import Console  # noqa: PLC0415 - as said above
    from tui.glyphs import Glyphs, choose_glyphs  # noqa: PLC0415 - as said above
    from tui.settings import find_server  # noqa: PLC0415 - as said above

    refusal = ""
    server = None
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
        glyphs=Glyphs(options.glyphs) if options.glyphs else choose_glyphs(os.environ),
    )
    gc.freeze()
    gc.enable()
    console.run(mouse=options.mouse)
    if console.crash:
        sys.stderr.write(console.crash + "\n")
    return console.return_code or 0


def leave(code: int) -> NoReturn:
    """End the process without taking apart what the system takes back anyway, which takes 0.1 s."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
