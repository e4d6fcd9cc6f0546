"""Spellings of places inside, and a listener that counts who gets there."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

LOOPBACK = (
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "127.65535",
    "0",
    "0.0.0.0",  # noqa: S104 - dialled, not bound to
    "0x0",
    "00",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "2130706433",
    "127.0x1",
    "127.000.000.001",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff610\uff0e1",
    "\U0001d7cf\U0001d7d0\U0001d7d5.1",
    "user@127.0.0.1",
    "user:pw@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com:80@127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "LocalHost.",
    "%6cocalhost",
    "\uff4c\uff4f\uff43alhost",
    "user@localhost",
    "a.localhost",
    "b.a.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0.0.0.0]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::1%25lo]",
    "[::1%lo]",
    "[::1%1]",
)
"""Most of them lead a resolver or a socket to this host."""

BEYOND = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2001::1]",
    "[2001:db8::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[::169.254.169.254]",
)
"""Nobody must try: the metadata of clouds, private and reserved networks."""


class Listener:
    """Listens at every address of this host, and counts."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted: list[str] = []

    def accept(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.append(str(writer.get_extra_info("sockname")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        writer.close()


@asynccontextmanager
async def listening() -> AsyncGenerator[Listener]:
    """Listen on IPv4, and on the same port of IPv6 where this host has it."""
    listener = Listener()
    four = await asyncio.start_server(listener.accept, "0.0.0.0", 0)  # noqa: S104 - to count
    listener.port = four.sockets[0].getsockname()[1]
    servers = [four]
    if socket.has_ipv6:
        with suppress(OSError):  # switched off in this kernel
            servers.append(await asyncio.start_server(listener.accept, "::", listener.port))
    try:
        yield listener
    finally:
        for server in servers:
            server.close()
