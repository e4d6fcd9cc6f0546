"""`python -m tests.site FOLDER`: the pages as a site of plain HTML; a dead link fails the build."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.site.building import DeadLinks, build

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; 1 when a link leads nowhere."""
    parser = argparse.ArgumentParser(prog="python -m tests.site", description=__doc__)
    parser.add_argument("folder", type=Path, help="what is in it is overwritten")
    options = parser.parse_args(arguments)
    try:
        pages = build(ROOT, options.folder)
    except DeadLinks as error:
        sys.stderr.write("".join(f"{one}\n" for one in error.links))
        return 1
    print(f"{len(pages)} pages, no dead link: {options.folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
