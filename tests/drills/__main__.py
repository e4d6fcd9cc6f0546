"""`python -m tests.drills`: play failures on servers of its own, and count what was lost.

Every drill ends with its account: deliveries promised minus deliveries received. It is 0, or the
drill has failed.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from shutil import rmtree

from tests.drills import cut_off, pooled, rolling, supervised

ROOT = Path(__file__).parents[2]

Drill = Callable[[Path], Awaitable[str]]


async def _supervised(folder: Path) -> str:
    return await supervised.play(folder, supervised.Size())


async def _restore(_: Path) -> str:
    """It is a journey of the suite, and played as it stands there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "tests/journeys/test_restore.py"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said[-2000:]
    return next(line for line in said.splitlines() if line.startswith("restore: "))


DRILLS: dict[str, Drill] = {
    "supervised": _supervised,
    "rolling": rolling.play,
    "restore": _restore,
    "cut-off": cut_off.play,
    "pooled": pooled.play,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is named, everything when nothing is; 1 when any of it fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(DRILLS), help="all by default")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(DRILLS)
    if unknown:
        parser.error(f"there is no drill called {', '.join(sorted(unknown))}")
    failed: list[str] = []
    for name, drill in DRILLS.items():
        if options.names and name not in options.names:
            continue
        if not _play(name, drill):
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _play(name: str, drill: Drill) -> bool:
    folder = Path(tempfile.mkdtemp(prefix=f"guardian-drill-{name}-"))
    folder.chmod(0o755)
    began = time.monotonic()
    try:
        account = asyncio.run(_awaited(drill, folder))
    except (AssertionError, OSError, RuntimeError) as error:
        print(f"{name}: FAILED: {error}; what was said is in {folder}", flush=True)
        return False
    print(f"{account} ({time.monotonic() - began:.0f} s)", flush=True)
    rmtree(folder, ignore_errors=True)
    return True


async def _awaited(drill: Drill, folder: Path) -> str:
    return await drill(folder)


if __name__ == "__main__":
    sys.exit(main())
