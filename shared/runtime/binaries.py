"""Where the servers' programs are: in wheels, whose own launchers are not used.

Those launchers trust every local user, open the folders above the data to the world, and leave the
server behind. Even importing the packages has effects, so they are only looked up.
"""

import hashlib
import importlib.util
import shutil
from pathlib import Path

from shared.errors import StartError
from shared.runtime.folder import Account, DataFolder, refusal, remove_tree


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
    """`program` where the servers' account can run it: in place, or a copy in the data folder.

    A virtual environment below a closed home is out of reach for the account that stands in for
    root. The copy takes the package and the `.libs` folder beside it, which programs find by
    relative path.
    """
    if folder.account.can_enter(program.resolve().parent):
        return program
    root = next(parent for parent in program.parents if parent.name == package)
    status = program.stat()
    identity = f"{program} {status.st_size} {status.st_mtime_ns}"
    shelf = folder.path / "programs" / package
    copy = shelf / hashlib.sha256(identity.encode()).hexdigest()[:12]
    if not copy.exists():
        _copy(root, copy, account=folder.account)
        for other in shelf.iterdir():
            if other != copy:
                remove_tree(other)
    return copy / program.relative_to(root.parent)


def _copy(root: Path, target: Path, *, account: Account) -> None:
    unfinished = target.with_suffix(".unfinished")
    remove_tree(unfinished)
    try:
        unfinished.mkdir(parents=True)
        for source in (root, root.with_name(f"{root.name}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.name, symlinks=True)
        for parent in (unfinished, *unfinished.parents[:2]):
            parent.chmod(0o755)
        unfinished.rename(target)
    except OSError as error:
        raise refusal(target, error) from None
    if not account.can_enter(target):
        raise StartError(f"The copied programs in {target} are out of reach for `{account.name}`.")
