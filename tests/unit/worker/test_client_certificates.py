"""Client certificates against a real TLS server that asks for them."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from shared.domain.credentials import ClientCertificate
from shared.domain.oauth2 import Grant
from tests.unit.worker.conftest import AGENT, LOOPBACK
from tests.unit.worker.test_send import Endpoint, _now, listening
from worker.delivery.outcome import Fault
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport
from worker.delivery.tokens import TokenTransport

TOKEN = b'{"access_token":"one","token_type":"Bearer","expires_in":3600}'


@dataclass(frozen=True)
class Authorities:
    """Who vouches for servers, and who for clients."""

    server: trustme.CA
    client: trustme.CA
    ca_file: str

    def pair(self, name: str = "guardian.example.com") -> ClientCertificate:
        issued = self.client.issue_cert(name)
        chain = "".join(one.bytes().decode() for one in issued.cert_chain_pems)
        return ClientCertificate(
            certificate=chain, private_key=issued.private_key_pem.bytes().decode()
        )


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    server = trustme.CA()
    ca_file: Path = tmp_path_factory.mktemp("authorities") / "ca.pem"
    server.cert_pem.write_to_path(str(ca_file))
    return Authorities(server, trustme.CA(), str(ca_file))


@asynccontextmanager
async def asking(
    authorities: Authorities,
    answer: bytes = b"ok",
    *,
    verify: ssl.VerifyMode = ssl.CERT_REQUIRED,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> AsyncGenerator[Endpoint]:
    """A receiver that asks for a certificate of the clients' authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.verify_mode = verify
    authorities.server.issue_cert("localhost").configure_cert(context)
    authorities.client.configure_trust(context)
    length = b"content-length: %d\r\n\r\n" % len(answer)
    async with listening(b"HTTP/1.1 200 OK\r\n" + length + answer, tls=context) as endpoint:
        yield endpoint


@asynccontextmanager
async def sending(authorities: Authorities) -> AsyncGenerator[CurlTransport]:
    transport = CurlTransport(LOOPBACK, clock=_now, ca_file=authorities.ca_file)
    try:
        yield transport
    finally:
        await transport.aclose()


def request(endpoint: Endpoint, pair: ClientCertificate | None) -> Prepared:
    url = f"https://localhost:{endpoint.port}/"
    return Prepared(url, (), b"{}", client_certificate=pair)


async def test_a_receiver_that_wants_a_certificate_is_shown_it_and_the_connection_is_kept(
    authorities: Authorities,
) -> None:
    pair = authorities.pair()
    async with asking(authorities) as endpoint, sending(authorities) as transport:
        for _ in range(3):
            outcome = await transport.post(request(endpoint, pair))
            assert (outcome.status_code, outcome.fault) == (200, None)

        assert endpoint.connections == 1


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_it_or_with_a_strangers_nothing_arrives(
    authorities: Authorities, newest: ssl.TLSVersion
) -> None:
    stranger = Authorities(authorities.server, trustme.CA(), "").pair()
    async with asking(authorities, newest=newest) as endpoint, sending(authorities) as transport:
        bare = await transport.post(request(endpoint, None))
        foreign = await transport.post(request(endpoint, stranger))

        assert endpoint.requests == []
    assert {bare.fault, foreign.fault} <= {Fault.TLS, Fault.RESET}


async def test_who_has_no_certificate_never_travels_on_the_connection_of_one_who_has(
    authorities: Authorities,
) -> None:
    ours, theirs = authorities.pair("a.example.com"), authorities.pair("b.example.com")
    async with (
        asking(authorities, verify=ssl.CERT_OPTIONAL) as endpoint,
        sending(authorities) as transport,
    ):
        for pair in (ours, None, theirs, ours, None, theirs):
            assert (await transport.post(request(endpoint, pair))).status_code == 200

        assert endpoint.connections == 3


async def test_a_pair_that_does_not_match_is_a_tls_fault_and_costs_the_next_nothing(
    authorities: Authorities,
) -> None:
    one, two = authorities.pair(), authorities.pair()
    mixed = ClientCertificate(certificate=one.certificate, private_key=two.private_key)
    async with asking(authorities) as endpoint, sending(authorities) as transport:
        outcome = await transport.post(request(endpoint, mixed))
        again = await transport.post(request(endpoint, one))

    assert (outcome.status_code, outcome.fault) == (None, Fault.TLS)
    assert again.status_code == 200


async def test_the_authorization_server_is_shown_the_certificate_too(
    authorities: Authorities,
) -> None:
    async with (
        asking(authorities) as endpoint,
        asking(authorities, TOKEN) as server,
        sending(authorities) as curl,
    ):
        transport = TokenTransport(curl, clock=_now, user_agent=AGENT)
        grant = Grant(
            token_url=f"https://localhost:{server.port}/token",
            client_id="guardian",
            client_secret="s3cret",
        )
        bare = request(endpoint, authorities.pair())
        outcome = await transport.post(
            Prepared(bare.url, (), b"{}", grant=grant, client_certificate=bare.client_certificate)
        )

        assert (outcome.status_code, outcome.fault) == (200, None)
        assert b"authorization: Bearer one" in endpoint.requests[0]
