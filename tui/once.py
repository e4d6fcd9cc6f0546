"""`guardian status`, `tail` and `get`: one question to the API, for scripts and for a quick look.

What was asked for goes to stdout and everything else to stderr; nothing is read from stdin. Exit
codes: 0 answered, 1 refused or out of reach with a sentence why, 2 called the wrong way.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from shared.client import GuardianClient
from shared.contracts.words import DeliveryStatus
from shared.errors import GuardianError, SettingError, UnavailableError
from tui.deliveries_told import Tail, told
from tui.exporting import as_csv
from tui.settings import find_server
from tui.text import number, visible, words

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
MOST = 200
TRY_AGAIN_S = 5.0

Ask = Callable[[GuardianClient, argparse.Namespace], Awaitable[object]]

ONE: Mapping[str, Ask] = {
    "overview": lambda client, _: client.overview(),
    "history": lambda client, _: client.history(),
    "narrative": lambda client, _: client.narrative(),
    "portfolio": lambda client, _: client.portfolio(),
    "stats": lambda client, _: client.stats(),
    "delivery": lambda client, options: client.delivery(_needed(options)),
    "integration": lambda client, options: client.integration(_needed(options)),
    "replay": lambda client, options: client.replay(_needed(options)),
}
MANY: Mapping[str, Ask] = {
    "integrations": lambda client, options: client.integrations(limit=options.limit),
    "deliveries": lambda client, options: client.deliveries(
        status=options.status, limit=options.limit
    ),
    "replays": lambda client, options: client.replays(limit=options.limit),
    "audit": lambda client, options: client.audit(limit=options.limit),
    "keys": lambda client, options: client.keys(limit=options.limit),
    "tenants": lambda client, options: client.tenants(limit=options.limit),
    "event-types": lambda client, _: client.event_types(),
}

EVERY: Mapping[str, Ask] = {**MANY, **ONE}


def main(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one command, the first of `arguments`; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_ask(options, env))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except GuardianError as error:
        sys.stderr.write(f"guardian {options.command}: {visible(error.detail)}\n")
        return EXIT_FAILED


async def _ask(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    server = find_server(env)
    if server is None or server.key is None:
        raise SettingError("Nobody is signed in: set GUARDIAN_API_URL and GUARDIAN_API_KEY.")
    async with GuardianClient(server.url, server.key, workspace_id=options.tenant) as client:
        match options.command:
            case "status":
                _write(await _status(client, options))
            case "get":
                _write(await _get(client, options))
            case _:
                await _tail(client, options)
    return 0


async def _status(client: GuardianClient, options: argparse.Namespace) -> str:
    overview = await client.overview()
    if options.json:
        return _json(overview)
    blocks = {
        "readiness": (overview.readiness, overview.readiness.overall_score),
        "adoption": (overview.adoption, overview.adoption.overall_score),
        "uplift": (overview.uplift, overview.uplift.completion_percentage),
        "editions": (
            overview.editions,
            overview.editions.items[0].fit_score if overview.editions.items else None,
        ),
        "executive": (overview.executive, overview.executive.overall_health_score),
        "lifecycle": (overview.lifecycle, overview.lifecycle.total_compacted),
    }
    rows: list[dict[str, object]] = [
        {
            "domain": name,
            "status": str(block.status),
            "value": None if value is None else float(value),
            "change_4w": block.delta_4w,
            "as_of": None if block.as_of is None else block.as_of.isoformat(),
        }
        for name, (block, value) in blocks.items()
    ]
    if options.csv:
        return as_csv(rows)
    integrations = (await client.integrations(limit=MOST)).items
    stats = [one.webhook_stats for one in integrations]
    lines = [
        f"{name:<12}{number(value, digits=1):>8}  {block.status}"
        for name, (block, value) in blocks.items()
    ]
    lines += [
        f"{'risks':<12}{len(overview.risks):>8}  "
        + (", ".join(words(risk.code) for risk in overview.risks) or "none"),
        (
            f"{'integrations':<12}{len(integrations):>8}  "
            f"{sum(one.is_enabled for one in integrations)} on"
        ),
        (
            f"{'deliveries':<12}{sum(one.total_events for one in stats):>8}  "
            f"{sum(one.pending for one in stats)} pending, "
            f"{sum(one.failed for one in stats)} failed, "
            f"{sum(one.discarded for one in stats)} discarded"
        ),
    ]
    return "".join(f"{visible(line)}\n" for line in lines)


async def _get(client: GuardianClient, options: argparse.Namespace) -> str:
    answer = await EVERY[options.what](client, options)
    if not options.csv:
        return _json(answer)
    value = msgspec.to_builtins(answer)
    return as_csv(value["items"] if options.what in MANY else [value])


async def _tail(client: GuardianClient, options: argparse.Namespace) -> None:
    tail = Tail(client, status=options.status, first=options.lines)
    count = 0
    while True:
        try:
            for delivery in await tail.news():
                line = msgspec.json.encode(delivery).decode() if options.json else told(delivery)
                _write(f"{line}\n")
                count += 1
                if count == options.count:
                    return
            rest_s = options.every
        except UnavailableError as error:
            sys.stderr.write(f"guardian tail: {visible(error.detail)} Trying again.\n")
            rest_s = max(TRY_AGAIN_S, options.every)
        await asyncio.sleep(rest_s)


def _json(answer: object) -> str:
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _needed(options: argparse.Namespace) -> UUID:
    if options.id is None:
        raise SettingError(f"`guardian get {options.what}` needs the id as its last argument.")
    return options.id


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guardian", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    server = "The server is GUARDIAN_API_URL with GUARDIAN_API_KEY, else the saved one."
    status = commands.add_parser("status", description=f"How the tenant stands. {server}")
    get = commands.add_parser("get", description=f"One answer of the API, as JSON. {server}")
    get.add_argument("what", choices=sorted(EVERY), metavar="WHAT", help="|".join(EVERY))
    get.add_argument("id", nargs="?", type=UUID, help="of the one that is wanted")
    get.add_argument("--limit", type=int, default=50, help="of a list: 1 to 200 (%(default)s)")
    tail = commands.add_parser("tail", description=f"Deliveries as they go. {server}")
    tail.add_argument("--lines", type=int, default=10, metavar="N", help="begin with the last N")
    tail.add_argument("--count", type=int, metavar="N", help="end after N lines")
    tail.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="%(default)s")
    for one in (get, tail):
        one.add_argument("--status", type=DeliveryStatus, choices=list(DeliveryStatus))
    for one in (status, get, tail):
        one.add_argument("--tenant", type=UUID, metavar="ID", help="whose; operators name one")
        one.add_argument("--json", action="store_true", help="for a script")
    for one in (status, get):
        one.add_argument("--csv", action="store_true", help="for a spreadsheet")
    return parser


if __name__ == "__main__":
    sys.modules["httpx._main"] = None  # pyright: ignore[reportArgumentType] - its command line is slow
    sys.exit(main(sys.argv[1:], os.environ))
