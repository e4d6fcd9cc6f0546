"""Run by `test_places.py` as root of namespaces of its own, where the whole network is this file.

The one address outside, 93.184.215.14, is on loopback here. A DNS server gives names whatever
address suits an attacker, and another one the next time.
"""

import asyncio
import fcntl
import socket
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parents[2]))

from shared.domain.addresses import EgressRules
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport

OUTSIDE = "93.184.215.14"
PORT = 8080
ROUNDS = 6
A, AAAA = 1, 28
RULES = EgressRules(is_http_allowed=True, allowed_ports=None)

ANSWERS: dict[str, dict[int, list[list[str]]]] = {
    "flips.example": {A: [[OUTSIDE], ["127.0.0.1"]]},
    "inside.example": {A: [["127.0.0.1"]], AAAA: [["::1"]]},
    "both.example": {A: [["127.0.0.1", OUTSIDE], [OUTSIDE, "127.0.0.1"]]},
    "eyeballs.example": {A: [[OUTSIDE]], AAAA: [["::1"]]},
    "mapped.example": {AAAA: [["::ffff:127.0.0.1"]]},
    "nat64.example": {AAAA: [["64:ff9b::7f00:1"]]},
    "zero.example": {A: [["0.0.0.1"]], AAAA: [["::"]]},
    "moves.example": {A: [[OUTSIDE]]},
}
"""Of each name and type what is answered, in turn."""


class Dns(asyncio.DatagramProtocol):
    """Answers each question once, without a time to live."""

    def __init__(self) -> None:
        self._turns = {
            (name, kind): cycle(turns)
            for name, kinds in ANSWERS.items()
            for kind, turns in kinds.items()
        }
        self.asked = Counter[str]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels: list[str] = []
        at = 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        name = ".".join(labels)
        (kind,) = struct.unpack("!H", data[at + 1 : at + 3])
        self.asked[name] += 1
        turns = self._turns.get((name, kind))
        records = [(kind, value) for value in (next(turns) if turns else ())]
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
        answer = head + data[12 : at + 5] + b"".join(_record(*one) for one in records)
        self._transport.sendto(answer, addr)


def _record(kind: int, value: str) -> bytes:
    if kind == A:
        data = socket.inet_pton(socket.AF_INET, value)
    else:
        data = socket.inet_pton(socket.AF_INET6, value)
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def _raise_network() -> None:
    """Switch loopback on and give it the address outside; send name look-ups here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, address in ((b"lo", "127.0.0.1"), (b"lo:1", OUTSIDE)):
            place = struct.pack("!2xH4s8x", 0, socket.inet_aton(address))
            request = struct.pack("16sH14s", name, socket.AF_INET, place[2:])
            fcntl.ioctl(control, 0x8916, request)  # SIOCSIFADDR
            fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", name, 0x41))  # SIOCSIFFLAGS
    folder = Path(tempfile.mkdtemp())
    for name, text in (
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ):
        made = folder / name
        made.write_text(text, encoding="ascii")
        if Path("/etc", name).exists():
            subprocess.run(["mount", "--bind", made, f"/etc/{name}"], check=True)  # noqa: S607


async def _main() -> None:
    _raise_network()
    loop = asyncio.get_running_loop()
    _, dns = await loop.create_datagram_endpoint(Dns, local_addr=("127.0.0.1", 53))
    accepted = Counter[str]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted[str(writer.get_extra_info("sockname")[0])] += 1
        head = await reader.readuntil(b"\r\n\r\n")
        to = b"http://127.0.0.1:8080/" if b"moves" in head else b""
        status = b"302 Found\r\nlocation: " + to if to else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    servers = [await asyncio.start_server(accept, host, PORT) for host in ("0.0.0.0", "::")]  # noqa: S104
    became: dict[str, Counter[str]] = {}
    for name in ANSWERS:
        became[name] = Counter[str]()
        for _ in range(ROUNDS):
            url = f"http://{name}:{PORT}/"
            # A new one each time: libcurl remembers an answer for a minute.
            transport = CurlTransport(RULES, clock=lambda: datetime.now(UTC))
            outcome = await transport.post(Prepared(url, (), b"{}"))
            await transport.aclose()
            became[name][str(outcome.fault or outcome.status_code)] += 1
    for server in servers:
        server.close()

    inside = {place: count for place, count in accepted.items() if place != OUTSIDE}
    assert not inside, f"reached {inside}: {became}"
    assert became["flips.example"]["200"], became
    assert became["flips.example"]["address_refused"], became
    assert became["both.example"]["200"], became
    assert became["moves.example"] == {"302": ROUNDS}, became
    for name in ("inside", "mapped", "nat64", "zero"):
        assert became[f"{name}.example"] == {"address_refused": ROUNDS}, became
    assert all(dns.asked[name] for name in ANSWERS), dns.asked
    sys.stdout.write(
        f"{len(ANSWERS)} names whose answers change, {dns.asked.total()} look-ups, "
        f"{accepted[OUTSIDE]} connections outside, 0 inside"
    )


asyncio.run(_main())
