"""The last gate before the network: every socket is opened here, for an address that was judged.

libcurl asks for a socket with the address it is about to connect to, after the name was resolved
and whatever the URL's spelling was. Between this judgement and the connection nothing is looked up
again, so a name that answers differently the second time gains nothing.
"""

import socket
from collections.abc import Sequence
from typing import Protocol

import pycurl

from shared.domain.addresses import Network, judge
from shared.errors import AddressRefusedError

_INTERNET_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class SocketAddress(Protocol):
    """What libcurl is about to connect to."""

    @property
    def family(self) -> int:
        """`AF_INET` or `AF_INET6`."""
        ...

    @property
    def socktype(self) -> int:
        """`SOCK_STREAM`, with the flags libcurl wants."""
        ...

    @property
    def protocol(self) -> int:
        """The protocol's number."""
        ...

    @property
    def addr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The address, the port, and for IPv6 the flow and the scope."""
        ...


class Gate:
    """Opens the sockets of one transfer at a time and remembers what it refused.

    Attributes:
        is_refused: whether an address of the present transfer was one not to send to.
        is_starved: whether this host had no socket left to give.
    """

    __slots__ = ("_allowed_nets", "is_refused", "is_starved")

    def __init__(self, allowed_nets: Sequence[Network]) -> None:
        """Let through public addresses and the operator's `allowed_nets`."""
        self._allowed_nets = tuple(allowed_nets)
        self.is_refused = False
        self.is_starved = False

    def reset(self) -> None:
        """Forget the previous transfer."""
        self.is_refused = False
        self.is_starved = False

    def open(self, _purpose: int, address: SocketAddress) -> int:
        """Give libcurl an unconnected socket for `address`, or `SOCKET_BAD`; it never raises.

        The descriptor is libcurl's to close, and no child process inherits it.
        """
        if address.family not in _INTERNET_FAMILIES:
            self.is_refused = True
            return pycurl.SOCKET_BAD
        try:
            judge(address.addr[0], allowed_nets=self._allowed_nets)
            return socket.socket(address.family, address.socktype, address.protocol).detach()
        except AddressRefusedError:
            self.is_refused = True
        except OSError:
            self.is_starved = True
        return pycurl.SOCKET_BAD
