"""Starting, finding and stopping the server processes of an embedded Guardian."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from shared.errors import StartError
from shared.runtime import tether
from shared.runtime.folder import DataFolder

POLL_SECONDS = 0.01


def spawn(
    command: Sequence[str], *, folder: DataFolder, death_signal: signal.Signals, log: int
) -> subprocess.Popen[bytes]:
    """Start `command` as the account of `folder`, tied to this process, its output going to `log`.

    The tie belongs to the calling thread: call from one that lives as long as the server shall.
    """
    return subprocess.Popen(  # noqa: S603 - the command is ours
        tethered(command, death_signal=death_signal, folder=folder),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=plain_environment(),
        # A Ctrl-C at the terminal is for `guardian up`, which stops its servers in order.
        start_new_session=True,
        umask=0o077,
    )


def tethered(
    command: Sequence[str], *, death_signal: signal.Signals, folder: DataFolder | None = None
) -> list[str]:
    """`command`, preceded by what ties it to this process and, given a folder, drops root."""
    uid, gid = os.geteuid(), os.getegid()
    if folder is not None:
        uid, gid = folder.account.uid, folder.account.gid
    words = (death_signal.value, uid, gid, os.getpid(), folder.path if folder else "-")
    return [sys.executable, "-I", "-S", tether.__file__, *map(str, words), *command]


def plain_environment() -> dict[str, str]:
    """The little of the environment that servers get: no PG*, no locale, no secret."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **kept}


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, patience: float = 20) -> None:
    """Send each of `signals` in turn, SIGKILL at last, giving each `patience` seconds."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def end_orphan(pid: int, *, mark: str, signals: Sequence[signal.Signals], patience: float) -> None:
    """End the process `pid` that an earlier owner left behind, if it still is that process.

    Process ids repeat, in containers soon, so it must carry `mark` among its arguments.
    """
    for number in (*signals, signal.SIGKILL):
        if not is_running(pid, mark=mark):
            return
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while is_running(pid, mark=mark) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def is_running(pid: int, *, mark: str) -> bool:
    """Whether the living process `pid` has `mark` as one of its arguments. A zombie has none."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(mark) in arguments


def read_pid(path: Path) -> int | None:
    """The process id on the first line of `path`, or None."""
    try:
        return int(path.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def failure(what: str, *, folder: Path, log: Path, output: str) -> StartError:
    """One sentence from what a server printed before it gave up."""
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return StartError(f"{what} cannot start: the disk that holds {folder} is full.")
    complaints = re.findall(r"(?:FATAL|PANIC|ERROR|error|Fatal error)[^:\n]*: +(.+)", output)
    lines = complaints or [line for line in output.splitlines() if line.strip()]
    reason = lines[-1].strip().rstrip(".") if lines else "it ended without a word"
    for detail in re.findall(r"DETAIL: +(.+)", output)[-1:]:
        reason += f" ({detail.strip().rstrip('.')})"
    return StartError(f"{what} cannot start: {reason}. Its log is {log}.")


def output_since(log: Path, offset: int) -> str:
    """What was appended to `log` after `offset` bytes, at most its last 64 KiB."""
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - 65536))
        return file.read().decode("utf-8", "replace")
