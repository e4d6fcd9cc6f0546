"""Where the servers' programs are: in wheels, whose own launchers are not used.

Those launchers trust every local user, open the folders above the data to the world, and leave the
server behind. Even importing the packages has effects, so they are only looked up.
"""

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

from shared.errors import StartError
from shared.runtime.folder import ROOT_DATA_DIR, DataFolder, refusal, remove_tree


def locate(package: str, pattern: str, *, what: str, instead: str) -> Path:
    """The program that matches `pattern` inside the installed `package`.

    Raises:
        StartError: it is not installed; the sentence names `what` and the setting to use `instead`.
    """
    spec = importlib.util.find_spec(package)
    roots = (spec.submodule_search_locations if spec else None) or []
    for root in roots:
        for program in sorted(Path(root).glob(pattern)):
            return program
    name = package.replace("_", "-")
    raise StartError(
        f"There is no {what} to start: install the package {name} again, or set {instead}."
    )


def within_reach(program: Path, *, package: str, folder: DataFolder) -> Path:
    """`program` where the servers' account can run it: in place, or in a copy.

    A virtual environment below a closed home is out of reach for the account that stands in for
    root. The copy takes the package and the `.libs` folder beside it, which programs find by
    relative path; it lands in the data folder, or in root's usual one when that is closed too.

    Raises:
        StartError: there is no place for the copy.
    """
    account = folder.account
    if account.can_enter(program.resolve().parent):
        return program
    root = next(parent for parent in program.parents if parent.name == package)
    status = program.stat()
    identity = f"{program} {status.st_size} {status.st_mtime_ns}"
    base = folder.path if account.can_enter(folder.path) else ROOT_DATA_DIR
    copy = base / "programs" / f"{package}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    try:
        if not copy.exists():
            _copy(root, copy)
        is_reached = account.can_enter(copy)
    except OSError as error:
        raise refusal(copy, error) from None
    if not is_reached:
        raise StartError(
            f"The user `{account.name}`, who runs {package} in root's place, cannot enter {copy}: "
            f"name another folder with --data-dir."
        )
    return copy / program.relative_to(root.parent)


def _copy(root: Path, target: Path) -> None:
    """Copy beside the place, then rename: another process may be doing the same right now."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    remove_tree(unfinished)
    try:
        unfinished.mkdir(parents=True)
        for source in (root, root.with_name(f"{root.name}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.name, symlinks=True)
        unfinished.chmod(0o755)
        target.parent.chmod(0o755)
        target.parent.parent.chmod(target.parent.parent.stat().st_mode | 0o011)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        remove_tree(unfinished)
