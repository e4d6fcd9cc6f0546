"""What changes is told by the server, and where it is not, looked for."""

import asyncio

import msgspec

from tests.unit.tui.loopback import ROOT, Loopback, a_delivery, an_integration, serving
from tests.unit.tui.screenful import looking

LIVE = ("live", '{"is_live":true}')
NOT_LIVE = ("live", '{"is_live":false}')


def counted(server: Loopback, path: str) -> int:
    return sum(one.path == ROOT + path for one in server.asked)


async def test_told_of_a_change_it_asks_for_that_alone_and_shows_it() -> None:
    async with serving(Loopback(told=asyncio.Queue())) as server:
        assert server.told is not None
        server.integrations = [an_integration()]
        async with looking(server.url) as console:
            await console.shows("72.0", "bi_dashboard")
            server.told.put_nowait(LIVE)
            await console.shows("● live")
            await console.settles()
            integrations = counted(server, "/integrations")

            block = msgspec.structs.replace(server.overview.readiness, overall_score=74)
            server.overview = msgspec.structs.replace(server.overview, readiness=block)
            server.told.put_nowait(("change", '{"kind":"readiness","id":null}'))
            await console.shows("74.0", "● live")

        assert counted(server, "/integrations") == integrations


async def test_a_list_on_screen_grows_as_it_is_told() -> None:
    async with serving(Loopback(told=asyncio.Queue())) as server:
        assert server.told is not None
        one = an_integration()
        server.deliveries = [a_delivery(one)]
        async with looking(server.url) as console:
            server.told.put_nowait(LIVE)
            await console.shows("● live")
            await console.press("3")
            await console.shows("1 shown")
            server.deliveries.insert(0, a_delivery(one))
            server.told.put_nowait(("change", '{"kind":"deliveries","id":null}'))
            await console.shows("2 shown")


async def test_when_nothing_is_told_any_more_it_looks_by_itself_again() -> None:
    async with serving(Loopback(told=asyncio.Queue())) as server:
        assert server.told is not None
        async with looking(server.url) as console:
            server.told.put_nowait(LIVE)
            await console.shows("● live")
            server.told.put_nowait(NOT_LIVE)
            await console.shows("◐ polling")
            server.told.put_nowait(LIVE)
            await console.shows("● live")
            server.told.put_nowait(("", ""))
            await console.shows("◐ polling")


async def test_a_server_without_a_stream_is_polled() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.shows("72.0", "◐ polling")
        await console.settles()
        assert counted(server, "/stream") == 1, "and it is not asked for again"
