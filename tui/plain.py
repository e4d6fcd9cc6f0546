"""`guardian tui --plain`: lines that are only ever added to, in words alone.

For screen readers, terminals that cannot be drawn on, and logs: what is said once never changes.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from datetime import datetime

from shared.client import GuardianClient
from shared.contracts.deliveries import Delivery
from shared.contracts.success import Overview
from shared.errors import GuardianError, UnauthenticatedError
from tui.deliveries_told import Tail, told
from tui.settings import Server
from tui.text import clock_time, number, visible, words

BANNER = "Metadata only. No core or personal data is shown or sent."
EXIT_REFUSED = 1


async def watch(
    server: Server,
    *,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
    interval_s: float = 5.0,
) -> int:
    """Say how the tenant stands, then what changes, until SIGINT or SIGTERM; the exit code.

    Args:
        server: whom to ask; it has a key.
        clock: now, in UTC.
        say: takes one line, without its end.
        interval_s: seconds between two looks.
    """
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number_, is_over.set)
    say(BANNER)
    figures: Mapping[str, str] = {}
    trouble = ""
    async with GuardianClient(server.url, server.key or "") as client:
        tail = Tail(client, first=5)
        while not is_over.is_set():
            try:
                overview, deliveries = await client.overview(), await tail.news()
            except UnauthenticatedError as error:
                say(visible(f"signed out: {error.detail}"))
                return EXIT_REFUSED
            except GuardianError as error:
                if error.detail != trouble:
                    say(f"{clock_time(clock())} no answer, what was said is old: {error.detail}")
                trouble = error.detail
            else:
                if trouble or not figures:
                    say(f"{clock_time(clock())} {'back at' if trouble else 'at'} {client.base_url}")
                trouble = ""
                for line in news(figures, overview, deliveries):
                    say(line)
                figures = in_words(overview)
            await _rest(is_over, interval_s)
    return 0


def news(before: Mapping[str, str], overview: Overview, deliveries: list[Delivery]) -> list[str]:
    """What is to be said after a look."""
    now = in_words(overview)
    changed = [f"{name}: {says}" for name, says in now.items() if before.get(name) != says]
    return [*changed, *(f"delivery: {told(one)}" for one in deliveries)]


def in_words(overview: Overview) -> dict[str, str]:
    """Each figure in words; one that is missing says so and is never a zero."""
    readiness, adoption, uplift = overview.readiness, overview.adoption, overview.uplift
    best = overview.editions.items[0] if overview.editions.items else None
    told_of = {
        "readiness": (
            readiness.status,
            f"{number(readiness.overall_score, digits=1)}, {words(readiness.band or '')}",
        ),
        "adoption": (
            adoption.status,
            f"{number(adoption.overall_score, digits=1)}, {words(adoption.overall_status)}",
        ),
        "uplift": (
            uplift.status,
            f"{number(uplift.tasks_done)} of {number(uplift.tasks_total)} tasks",
        ),
        "editions": (
            overview.editions.status,
            f"{visible(best.label)} {number(best.fit_score, digits=1)}" if best else "none",
        ),
        "reports": (
            overview.executive.status,
            f"{number(overview.executive.reports_last_90d)} in 90 days",
        ),
        "lifecycle": (
            overview.lifecycle.status,
            f"{number(overview.lifecycle.total_compacted)} compacted",
        ),
    }
    lines = {
        name: "missing" if status == "missing" else f"{says}, {status}"
        for name, (status, says) in told_of.items()
    }
    risks = ", ".join(f"{words(one.code)} {one.severity}" for one in overview.risks)
    return {**lines, "risks": risks or "none"}


async def _rest(is_over: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await is_over.wait()
    except TimeoutError:
        return
