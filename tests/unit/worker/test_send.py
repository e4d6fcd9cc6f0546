"""One POST against real servers on this host: what goes out, and what each answer becomes.

It is what every transport has to pass: who makes another one adds it to `TRANSPORTS`.
"""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

import pycurl
import pytest
import trustme
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.addresses import EgressRules
from shared.domain.formats.answers import SAYS_OK, AcceptanceRule
from tests.bench.aiohttp_transport import AiohttpTransport
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport, Transport, excerpt_of
from worker.delivery.target import Gate

LOOPBACK = EgressRules(
    allowed_nets=(ip_network("127.0.0.0/8"),), is_http_allowed=True, allowed_ports=None
)
CLOSED = EgressRules(is_http_allowed=True, allowed_ports=None)
BODY = b'{"type":"test"}'
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Maker(Protocol):
    """Makes a transport, as the worker does."""

    def __call__(
        self,
        rules: EgressRules,
        *,
        clock: Callable[[], datetime],
        ca_file: str | None,
        deadline_s: float,
    ) -> Transport: ...


TRANSPORTS: dict[str, Maker] = {"libcurl": CurlTransport, "aiohttp": AiohttpTransport}
_under_test: list[Maker] = [CurlTransport]


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport_under_test(request: pytest.FixtureRequest) -> Generator[None]:
    _under_test[0] = TRANSPORTS[request.param]
    yield
    _under_test[0] = CurlTransport


class Endpoint:
    """A receiver that answers every request alike and keeps what it got."""

    def __init__(self, answer: bytes | Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(_header(head, b"content-length") or b"0")
                self.requests.append(head + await reader.readexactly(length))
                if isinstance(self.answer, bytes):
                    writer.write(self.answer)
                else:
                    await self.answer(writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the test is over, or the sender hung up
        finally:
            writer.close()

    async def aclose(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return None


@asynccontextmanager
async def listening(
    answer: bytes | Answer = OK, *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Endpoint]:
    endpoint = Endpoint(answer)
    server = await asyncio.start_server(endpoint.accept, "127.0.0.1", 0, ssl=tls)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        await endpoint.aclose()


@asynccontextmanager
async def sending(
    rules: EgressRules = LOOPBACK, *, deadline_s: float = 15.0, ca_file: str | None = None
) -> AsyncGenerator[Transport]:
    transport = _under_test[0](rules, clock=_now, ca_file=ca_file, deadline_s=deadline_s)
    try:
        yield transport
    finally:
        await transport.aclose()


def _now() -> datetime:
    return datetime.now(tz=UTC)


def _request(url: str, *headers: tuple[str, str], body: bytes = BODY) -> Prepared:
    return Prepared(url, (("content-type", "application/json"), *headers), body)


async def _post(
    endpoint: Endpoint, *, rules: EgressRules = LOOPBACK, deadline_s: float = 15.0
) -> Outcome:
    async with sending(rules, deadline_s=deadline_s) as transport:
        return await transport.post(_request(endpoint.url))


async def _hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def test_the_body_and_the_headers_arrive_as_they_were_prepared_and_nothing_else() -> None:
    async with listening() as endpoint, sending() as transport:
        outcome = await transport.post(
            _request(endpoint.url, ("user-agent", "Guardian-Webhooks/1"), ("x-empty", ""))
        )

    [request] = endpoint.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == BODY
    assert head.split(b"\r\n")[0] == b"POST /hook HTTP/1.1"
    # Blanks after a header's colon and at its end mean nothing; transports differ in them.
    assert sorted(line.rstrip(b" ").lower() for line in head.split(b"\r\n")[1:]) == [
        b"accept: */*",
        b"content-length: 15",
        b"content-type: application/json",
        f"host: 127.0.0.1:{endpoint.port}".encode(),
        b"user-agent: guardian-webhooks/1",
        b"x-empty:",
    ]
    assert (outcome.status_code, outcome.fault, outcome.excerpt) == (200, None, "ok")
    assert outcome.started_at <= outcome.ended_at <= _now() + timedelta(seconds=1)


async def test_connections_are_kept_and_reused() -> None:
    async with listening() as endpoint, sending() as transport:
        for number in range(20):
            body = b"x" * number
            outcome = await transport.post(_request(endpoint.url, body=body))
            assert outcome.status_code == 200
            assert endpoint.requests[-1].endswith(b"\r\n\r\n" + body)

        assert endpoint.connections == 1


async def test_many_requests_travel_at_once_and_none_gets_the_answer_of_another() -> None:
    async with listening() as one, listening(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n") as two:
        async with sending() as transport:
            outcomes = await asyncio.gather(
                *(transport.post(_request([one, two][turn % 2].url)) for turn in range(100))
            )

        assert [outcome.status_code for outcome in outcomes] == [200, 500] * 50
        assert len(one.requests) == len(two.requests) == 50


async def test_a_connection_the_receiver_closed_meanwhile_is_replaced() -> None:
    async with listening() as endpoint, sending() as transport:
        await transport.post(_request(endpoint.url))
        await endpoint.aclose()
        outcome = await transport.post(_request(endpoint.url))

        assert (outcome.status_code, outcome.fault) == (200, None)
        assert endpoint.connections == 2


async def test_a_request_that_meets_the_end_of_a_kept_connection_is_sent_again() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        endpoint.answer = OK
        writer.close()

    async with listening() as endpoint, sending() as transport:
        await transport.post(_request(endpoint.url))
        endpoint.answer = hang_up
        outcome = await transport.post(_request(endpoint.url))

        assert (outcome.status_code, outcome.fault) == (200, None)
        assert (endpoint.connections, len(endpoint.requests)) == (2, 3)


async def test_a_redirect_is_an_answer_and_never_followed() -> None:
    async with listening() as secret:
        redirect = f"HTTP/1.1 302 X\r\nlocation: {secret.url}\r\ncontent-length: 0\r\n\r\n"
        async with listening(redirect.encode()) as endpoint:
            outcome = await _post(endpoint)

        assert (outcome.status_code, outcome.fault) == (302, None)
        assert secret.connections == 0


@pytest.mark.parametrize("status", [204, 400, 410, 500, 503])
async def test_a_status_is_reported_as_it_came(status: int) -> None:
    async with listening(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode()) as endpoint:
        outcome = await _post(endpoint)

    assert (outcome.status_code, outcome.fault, outcome.excerpt) == (status, None, "")


async def test_retry_after_is_read_from_a_refusal_and_not_from_a_success() -> None:
    slow = b"HTTP/1.1 %d X\r\nRETRY-AFTER:  120 \r\ncontent-length: 0\r\n\r\n"
    async with listening(slow % 429) as refusing, listening(slow % 200) as accepting:
        assert (await _post(refusing)).retry_after == timedelta(seconds=120)
        assert (await _post(accepting)).retry_after is None


async def test_a_retry_after_that_means_nothing_is_none() -> None:
    async with listening(
        b"HTTP/1.1 503 X\r\nretry-after: so\xf6n\r\ncontent-length: 0\r\n\r\n"
    ) as endpoint:
        assert (await _post(endpoint)).retry_after is None


async def test_a_handle_does_not_remember_the_previous_answer() -> None:
    async with listening(
        b"HTTP/1.1 503 X\r\nretry-after: 9\r\ncontent-length: 4\r\n\r\nbusy"
    ) as endpoint:
        async with sending() as transport:
            first = await transport.post(_request(endpoint.url))
            endpoint.answer = b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"
            second = await transport.post(_request(endpoint.url))

        assert (first.retry_after, first.excerpt) == (timedelta(seconds=9), "busy")
        assert (second.retry_after, second.excerpt, second.status_code) == (None, "", 500)


async def test_a_receiver_that_never_answers_ends_at_the_deadline() -> None:
    async with listening(_hang) as endpoint:
        outcome = await _post(endpoint, deadline_s=0.3)

    assert (outcome.status_code, outcome.fault) == (None, Fault.TIMEOUT)
    assert 250 <= outcome.duration_ms < 5000


async def test_a_hang_on_a_kept_connection_is_a_timeout_too() -> None:
    async with listening() as endpoint, sending(deadline_s=0.3) as transport:
        await transport.post(_request(endpoint.url))
        endpoint.answer = _hang
        outcome = await transport.post(_request(endpoint.url))

        assert (endpoint.connections, outcome.fault) == (1, Fault.TIMEOUT)


async def test_a_body_that_drips_is_cut_off_at_the_deadline_and_is_no_success() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(drip) as endpoint:
        outcome = await _post(endpoint, deadline_s=0.3)

    assert (outcome.status_code, outcome.fault) == (200, Fault.TOO_SLOW)
    assert outcome.duration_ms < 5000


async def test_a_head_that_drips_is_cut_off_at_the_deadline() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(drip) as endpoint:
        outcome = await _post(endpoint, deadline_s=0.3)

    assert outcome.fault is Fault.TOO_SLOW


async def test_an_endless_body_is_read_to_the_cap_and_judged_by_its_status() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with listening(flood) as endpoint:
        outcome = await _post(endpoint)

    assert (outcome.status_code, outcome.fault) == (200, None)
    assert outcome.duration_ms < 5000


async def test_a_body_that_matters_is_read_whole_and_one_that_goes_on_too_long_is_refused() -> None:
    rule = AcceptanceRule(path=("result",), equals=True)
    padded = b'{"pad":"%s","result":true}' % (b"x" * 10_000)
    endless = b'{"pad":"%s","result":true}' % (b"x" * 20_000)
    outcomes: list[Outcome] = []
    async with listening() as endpoint, sending() as transport:
        for body in (padded, endless, b'{"result":false}', b"ok"):
            endpoint.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            request = replace(_request(endpoint.url), rule=rule)
            outcomes.append(await transport.post(request))
        after = await transport.post(_request(endpoint.url))

    assert [one.is_refused for one in outcomes] == [False, True, True, True]
    assert all(one.fault is None and len(one.excerpt) <= 256 for one in outcomes)
    assert not after.is_refused


async def test_a_refusal_by_status_is_no_matter_of_the_body() -> None:
    answer = b"HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\nok"
    async with listening(answer) as endpoint, sending() as transport:
        outcome = await transport.post(replace(_request(endpoint.url), rule=SAYS_OK))

    assert (outcome.status_code, outcome.is_refused, outcome.token) == (500, False, "http_500")


async def test_ten_megabytes_of_refusal_are_not_kept() -> None:
    size = 10 * 1024 * 1024
    answer = b"HTTP/1.1 500 X\r\ncontent-length: %d\r\n\r\n" % size + b"no " * (size // 3 + 1)
    async with listening(answer[: len(answer) - 2]) as endpoint, sending() as transport:
        outcome = await transport.post(_request(endpoint.url))
        endpoint.answer = OK
        again = await transport.post(_request(endpoint.url))

    assert (outcome.status_code, outcome.fault) == (500, None)
    assert outcome.excerpt == ("no " * 86)[:256]
    assert (again.status_code, again.excerpt) == (200, "ok")


async def test_a_compressed_body_is_left_alone() -> None:
    bomb = gzip.compress(b"no " * 2_000_000)
    answer = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
        + bomb
    )
    async with listening(answer) as endpoint:
        outcome = await _post(endpoint)

    assert (outcome.status_code, outcome.fault) == (200, None)
    assert _header(endpoint.requests[0], b"accept-encoding") is None
    assert "no no" not in outcome.excerpt


async def test_a_reset_is_a_reset() -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with listening(reset) as endpoint:
        outcome = await _post(endpoint)

    assert (outcome.status_code, outcome.fault) == (None, Fault.RESET)


async def test_an_answer_that_breaks_off_is_a_reset_and_no_success() -> None:
    async def break_off(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    async with listening(break_off) as endpoint:
        outcome = await _post(endpoint)

    assert (outcome.status_code, outcome.fault) == (200, Fault.RESET)


async def test_what_is_not_http_is_a_protocol_fault() -> None:
    async with listening(b"220 mail.example ESMTP\r\n") as endpoint:
        outcome = await _post(endpoint)

    assert (outcome.status_code, outcome.fault) == (None, Fault.PROTOCOL)


async def test_nobody_listening_is_a_connect_fault() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        async with sending() as transport:
            outcome = await transport.post(
                _request(f"http://127.0.0.1:{reserved.getsockname()[1]}/")
            )

    assert (outcome.status_code, outcome.fault) == (None, Fault.CONNECT)


async def test_a_name_that_does_not_exist_is_a_dns_fault() -> None:
    async with sending() as transport:
        outcome = await transport.post(_request("http://nobody.invalid/"))

    assert (outcome.status_code, outcome.fault) == (None, Fault.DNS)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",  # noqa: S104 - dialled, not bound to
    ],
)
async def test_a_refused_address_is_never_dialled_however_it_is_spelled(host: str) -> None:
    async with listening() as endpoint, sending(CLOSED) as transport:
        outcome = await transport.post(_request(f"http://{host}:{endpoint.port}/"))

        assert (outcome.status_code, outcome.fault) == (None, Fault.ADDRESS_REFUSED)
        assert endpoint.connections == 0


async def test_a_name_with_a_refused_and_an_allowed_address_reaches_the_allowed_one() -> None:
    """`localhost` is `::1` and `127.0.0.1`, and only the latter is allowed here."""
    async with listening() as endpoint, sending(LOOPBACK) as transport:
        outcome = await transport.post(_request(f"http://localhost:{endpoint.port}/"))

    assert (outcome.status_code, outcome.fault) == (200, None)


async def test_http_is_not_sent_where_the_operator_did_not_allow_it() -> None:
    rules = EgressRules(allowed_nets=LOOPBACK.allowed_nets)
    async with listening() as endpoint:
        outcome = await _post(endpoint, rules=rules)

        assert (outcome.status_code, outcome.fault) == (None, Fault.PROTOCOL)
        assert endpoint.connections == 0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
async def test_no_other_protocol_is_spoken(url: str) -> None:
    async with sending() as transport:
        outcome = await transport.post(_request(url))

    assert (outcome.status_code, outcome.fault) == (None, Fault.PROTOCOL)


async def test_a_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as endpoint:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        outcome = await _post(endpoint)

        assert (outcome.status_code, proxy.connections) == (200, 0)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_is_spoken_with_the_operators_authority_and_connections_are_kept(
    authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with (
        listening(tls=_tls(authority, "localhost")) as endpoint,
        sending(ca_file=str(ca_file)) as transport,
    ):
        for _ in range(3):
            outcome = await transport.post(_request(f"https://localhost:{endpoint.port}/"))
            assert (outcome.status_code, outcome.fault) == (200, None)

        assert endpoint.connections == 1


async def test_an_unknown_authority_is_a_tls_fault(authority: trustme.CA) -> None:
    async with listening(tls=_tls(authority, "localhost")) as endpoint, sending() as transport:
        outcome = await transport.post(_request(f"https://localhost:{endpoint.port}/"))

        assert (outcome.status_code, outcome.fault) == (None, Fault.TLS)
        assert endpoint.requests == []


async def test_a_certificate_for_another_name_is_a_tls_fault(
    authority: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with (
        listening(tls=_tls(authority, "other.example")) as endpoint,
        sending(ca_file=str(ca_file)) as transport,
    ):
        outcome = await transport.post(_request(f"https://localhost:{endpoint.port}/"))

        assert (outcome.status_code, outcome.fault) == (None, Fault.TLS)
        assert endpoint.requests == []


async def test_plain_http_behind_an_https_url_is_a_tls_fault() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, sending() as transport:
        outcome = await transport.post(
            _request(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        )

    assert (outcome.status_code, outcome.fault) == (None, Fault.TLS)


async def test_a_tls_handshake_that_hangs_ends_at_the_deadline() -> None:
    hung = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        async with sending(deadline_s=0.3) as transport:
            outcome = await transport.post(
                _request(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
            )
        hung.set()

    assert (outcome.status_code, outcome.fault) == (None, Fault.TLS)


async def test_a_connection_that_is_never_accepted_is_a_connect_fault() -> None:
    with socket.socket() as full, socket.socket() as filler, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for crowd in (filler, second):
            crowd.settimeout(0)
            crowd.connect_ex(full.getsockname())
        async with sending(deadline_s=0.5) as transport:
            outcome = await transport.post(_request(f"http://127.0.0.1:{full.getsockname()[1]}/"))

    assert (outcome.status_code, outcome.fault) == (None, Fault.CONNECT)


@pytest.mark.parametrize(
    "header",
    [("x-a", "1\r\nx-b: 2"), ("x-a", "1\n"), ("x-a\r", "1"), ("x-a", "\u00e4"), ("x\na", "")],
)
async def test_a_header_cannot_smuggle_another(header: tuple[str, str]) -> None:
    async with listening() as endpoint, sending() as transport:
        with pytest.raises(ValueError, match="one line of ASCII"):
            await transport.post(_request(endpoint.url, header))

        assert endpoint.connections == 0


async def test_a_cancelled_attempt_lets_go_of_its_connection_and_the_next_one_works() -> None:
    async with listening(_hang) as endpoint, sending() as transport:
        attempt = asyncio.create_task(transport.post(_request(endpoint.url)))
        await _until(lambda: len(endpoint.requests) == 1)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        endpoint.answer = OK

        assert (await transport.post(_request(endpoint.url))).status_code == 200


async def test_closing_ends_what_is_under_way_as_a_fault_of_ours() -> None:
    async with listening(_hang) as endpoint, sending() as transport:
        attempt = asyncio.create_task(transport.post(_request(endpoint.url)))
        await _until(lambda: len(endpoint.requests) == 1)
        await transport.aclose()

        assert (await attempt).fault is Fault.INTERNAL
        assert (await transport.post(_request(endpoint.url))).fault is Fault.INTERNAL


async def _until(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_met():  # noqa: ASYNC110 - the server side has no event to wait for
            await asyncio.sleep(0)


def test_it_runs_on_uvloop_too() -> None:
    async def exchange() -> tuple[int, list[int | None]]:
        async with listening() as endpoint, sending() as transport:
            outcomes = [await transport.post(_request(endpoint.url)) for _ in range(5)]
            return endpoint.connections, [outcome.status_code for outcome in outcomes]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(exchange()) == (1, [200] * 5)


class Dialled:
    """An address as libcurl hands it over."""

    def __init__(self, family: int, address: str) -> None:
        self.family = family
        self.socktype = int(socket.SOCK_STREAM)
        self.protocol = 0
        self.addr = (address, 443)


def test_the_gate_opens_no_socket_of_another_family() -> None:
    gate = Gate(())

    assert gate.open(0, Dialled(socket.AF_UNIX, "/run/postgresql")) == pycurl.SOCKET_BAD
    assert gate.is_refused


def test_a_host_without_sockets_is_our_fault_and_not_the_receivers() -> None:
    gate = Gate(())
    impossible = Dialled(socket.AF_INET, "8.8.8.8")
    impossible.socktype = 99

    assert gate.open(0, impossible) == pycurl.SOCKET_BAD
    assert gate.is_starved
    assert not gate.is_refused
    gate.reset()
    assert not gate.is_starved


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (b"ok", "ok"),
        (b"  two\r\n\twords\x00\x1b[31m ", "two words [31m"),
        (b"no route for jane.doe@example.com here", "no route for \u2026 here"),
        (b"see https://example.com/?key=1 please", "see \u2026 please"),
        (b"call +43 664 123 45 67 now", "call \u2026now"),
        (b"order 1234567 failed", "order \u2026 failed"),
        (b"key sk_live_abcdefghijklmnopqrstu is bad", "key \u2026 is bad"),
        (b'{"error":"invalid_payload"}', '{"error":"invalid_payload"}'),
        ("ung\u00fcltig \U0001f600".encode(), "ung\u00fcltig \U0001f600"),
        (b"\xff\xfe bytes", "bytes"),
    ],
)
def test_an_excerpt_is_printable_and_blotted(answer: bytes, kept: str) -> None:
    assert excerpt_of(answer) == kept


def test_what_is_secret_is_blotted_where_a_receiver_repeats_it() -> None:
    hidden = ("/services/T0/B1", "s3cr3t")

    assert excerpt_of(b"Cannot POST /services/T0/B1 (x-key: s3cr3t)", hidden) == (
        "Cannot POST \u2026 (x-key: \u2026)"
    )
    cut_in_two = b" " * 1002 + b"the key is wrong: s3cr3t"
    assert excerpt_of(cut_in_two, hidden) == "the key is wrong:"


@given(answer=st.binary(max_size=4000))
def test_an_excerpt_is_short_and_printable_whatever_came(answer: bytes) -> None:
    kept = excerpt_of(answer)

    assert len(kept) <= 256
    assert kept.isprintable()
    assert "@" not in kept
