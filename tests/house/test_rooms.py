"""Each room carries only what it may; a fresh interpreter sees what a library drags in sideways."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    "tui": ("piccolo", "asyncpg", "litestar", "arq", "redis", "pycurl"),
    "api.app": ("textual", "anthropic", "shared.runtime", "shared.client"),
    "worker.delivery": ("litestar", "textual", "httpx", "shared.runtime"),
    "shared.contracts.success": ("piccolo", "httpx", "litestar", "textual", "cryptography"),
    "shared.runtime.cli": ("piccolo", "asyncpg", "httpx", "litestar", "textual", "arq", "pycurl"),
}


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_nothing_that_is_another_rooms(room: str) -> None:
    code = (
        f"import importlib, sys; importlib.import_module({room!r}); print('\\n'.join(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    assert [name for name in FORBIDDEN[room] if name in loaded] == []


def test_the_root_holds_only_the_rooms() -> None:
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - git is what made this checkout
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    folders = {top for top in tops if (ROOT / top).is_dir() and not top.startswith(".")}

    assert folders <= {"api", "deploy", "docs", "shared", "tests", "tui", "worker"}


def test_no_file_is_called_after_nothing() -> None:
    names = {"utils", "helpers", "common", "core", "misc", "manager", "base"}
    strays = [
        str(path.relative_to(ROOT))
        for room in ("api", "worker", "tui", "shared", "tests")
        for path in (ROOT / room).rglob("*.py")
        if path.stem in names
    ]

    assert strays == []
