"""Copying over SSH: every route that may work is taken, and the sentence says which did."""

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path

MOST_OSC52 = 74_994
"""Bytes in base64; more, some terminals cut off silently."""

TMUX_PATIENCE_S = 2.0


async def copy(
    text: str, env: Mapping[str, str], write: Callable[[str], None], *, is_secret: bool = False
) -> str:
    """Offer `text` to tmux, to the terminal and to a file; returns what to tell.

    Args:
        text: what is copied.
        env: `TMUX`, `STY` and the state folder are looked up in it.
        write: sends bytes to the terminal.
        is_secret: keep it out of files.
    """
    routes: list[str] = []
    if env.get("TMUX") and await _by_tmux(text, env):
        routes.append("tmux's buffer")
    encoded = base64.b64encode(text.encode()).decode()
    if len(encoded) <= MOST_OSC52:
        write(_osc52(encoded, env))
        routes.append("the terminal (OSC 52, if it listens)")
    if not is_secret:
        path = state_folder(env) / "copied.txt"
        if write_private(path, text):
            routes.append(str(path))
    count = f"{len(text):,}".replace(",", " ")
    if not routes:
        return f"✗ Not copied: {count} characters are too many for this terminal."
    return f"✓ Copied {count} characters to {', '.join(routes)}."


def state_folder(env: Mapping[str, str]) -> Path:
    """Where the console keeps what it may lose."""
    home = env.get("XDG_STATE_HOME") or Path(env.get("HOME", "/nonexistent"), ".local", "state")
    return Path(home, "guardian")


def write_private(path: Path, text: str) -> bool:
    """Write a file that only its owner can read; False if that cannot be."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return False
    return True


def _osc52(encoded: str, env: Mapping[str, str]) -> str:
    sequence = f"\x1b]52;c;{encoded}\x07"
    # GNU screen hands on only what is wrapped for it.
    return f"\x1bP{sequence}\x1b\\" if env.get("STY") else sequence


async def _by_tmux(text: str, env: Mapping[str, str]) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "load-buffer",
            "-w",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(env),
        )
        async with asyncio.timeout(TMUX_PATIENCE_S):
            await process.communicate(text.encode())
    except (OSError, TimeoutError):
        return False
    return process.returncode == 0
