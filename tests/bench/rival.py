"""A worker that sends with aiohttp: `python -m tests.bench.rival`, like `python -m worker` else."""

import sys

from tests.bench.aiohttp_transport import AiohttpTransport
from worker import __main__, resources


def main() -> int:
    """Work like `python -m worker`, and send with aiohttp."""
    resources.__dict__["CurlTransport"] = AiohttpTransport
    return __main__.main([])


if __name__ == "__main__":
    sys.exit(main())
