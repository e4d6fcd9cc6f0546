"""Where Guardian may send: every address is judged when it is dialled, every URL when it is saved.

A tenant names the URL and Guardian's host makes the request, so an unjudged URL would let a tenant
reach whatever that host can reach. The judgement at dial time is the one that protects; the one at
save time only tells the tenant early. `ipaddress.is_global` is not asked: it calls several of the
networks below public, and which ones differs between versions of Python.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import quote

import idna

from shared.errors import AddressRefusedError, FieldError, InvalidError, SettingError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAXIMUM_URL_LENGTH = 2048
MAXIMUM_HOST_LENGTH = 253

NETS_SETTING = "GUARDIAN_EGRESS_ALLOW_NETS"
PORTS_SETTING = "GUARDIAN_EGRESS_ALLOW_PORTS"

_DEFAULT_PORTS = {"http": 80, "https": 443}

_REFUSED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(net), kind)
    for net, kind in (
        ("0.0.0.0/8", "an unspecified"),
        ("10.0.0.0/8", "a private"),
        ("100.64.0.0/10", "a carrier's internal"),
        ("127.0.0.0/8", "a loopback"),
        ("168.63.129.16/32", "a cloud platform's internal"),
        ("169.254.0.0/16", "a link-local"),
        ("172.16.0.0/12", "a private"),
        ("192.0.0.0/24", "a protocol-internal"),
        ("192.0.2.0/24", "a documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private"),
        ("198.18.0.0/15", "a benchmarking"),
        ("198.51.100.0/24", "a documentation"),
        ("203.0.113.0/24", "a documentation"),
        ("224.0.0.0/4", "a multicast"),
        ("240.0.0.0/4", "a reserved"),
    )
)
_REFUSED_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(net), kind)
    for net, kind in (
        ("::/128", "an unspecified"),
        ("::1/128", "a loopback"),
        ("::/96", "an IPv4-compatible"),
        ("64:ff9b:1::/48", "a translated private"),
        ("100::/64", "a discard-only"),
        ("2001::/23", "a protocol-internal"),
        ("2001:db8::/32", "a documentation"),
        ("2002::/16", "a 6to4"),
        ("3fff::/20", "a documentation"),
        ("fc00::/7", "a private"),
        ("fe80::/10", "a link-local"),
        ("fec0::/10", "a site-local"),
        ("ff00::/8", "a multicast"),
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

# Names that no public resolver answers, or answers with whatever the host's own network says.
_INTERNAL_NAME = re.compile(r"(?:[^.]+|.+\.(?:local|internal|home\.arpa))")
_LOOPBACK_NAME = re.compile(r"(?:.+\.)?localhost(?:\.localdomain)?")

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_IPV4_BYTES = 4
_PORT = re.compile(r"[0-9]{1,5}")
_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
_ASCII_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class EgressRules:
    """What the operator allows beyond public addresses over https on port 443.

    Attributes:
        allowed_nets: networks that may be dialled although they are private.
        is_http_allowed: whether `http` is accepted; its own port 80 then is, too.
        allowed_ports: the ports a URL may name; None allows all.
    """

    allowed_nets: tuple[Network, ...] = ()
    is_http_allowed: bool = False
    allowed_ports: frozenset[int] | None = frozenset({443})

    @classmethod
    def parse(cls, *, nets: str, is_http_allowed: bool, ports: str) -> "EgressRules":
        """Read the settings: networks and ports separated by commas, `*` for every port.

        Raises:
            SettingError: names the setting and the entry that is not a network or a port.
        """
        return cls(
            allowed_nets=tuple(_network(net) for net in _entries(nets)),
            is_http_allowed=is_http_allowed,
            allowed_ports=None if ports.strip() == "*" else _ports(ports),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart and normalised, so that nothing is left for a second parser to interpret.

    Attributes:
        scheme: `http` or `https`.
        host: lower-case ASCII name without a trailing dot, or an address in its usual spelling.
        port: always given, the scheme's own where the URL named none.
        path: path and query, beginning with a slash, percent-encoded ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL to store and to dial."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def judge(address: str | Address, *, allowed_nets: Sequence[Network]) -> None:
    """Return quietly when `address` may be dialled.

    An IPv4 address inside an IPv6 one (mapped, or NAT64) is judged as that IPv4 address.

    Args:
        address: what the socket is about to connect to, never a name.
        allowed_nets: the operator's exceptions.

    Raises:
        AddressRefusedError: the sentence says which kind of address it is.
    """
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            raise AddressRefusedError("This is not an IP address.") from None
    plain = _embedded(address)
    if any(plain in net for net in allowed_nets if net.version == plain.version):
        return
    kind = _refused_kind(plain)
    if kind is not None:
        raise AddressRefusedError(f"Guardian does not send to {kind} address.")


def check_url(url: str, rules: EgressRules, *, path: str = "config.webhook_url") -> Target:
    """Take a tenant's URL apart before it is saved, and refuse early what could never be sent.

    Names are not resolved: what they resolve to later is judged when it is dialled.

    Args:
        url: as typed; IP literals in every spelling are judged at once.
        rules: the operator's.
        path: the field to name in the refusal.

    Raises:
        InvalidError: with one `FieldError` at `path` that never repeats the URL, since it may be a
            credential.
    """
    try:
        return _checked(url, rules)
    except _UrlRefusedError as error:
        raise InvalidError(errors=[FieldError(path, error.kind, error.message)]) from None


class _UrlRefusedError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def _checked(url: str, rules: EgressRules) -> Target:
    if len(url) > MAXIMUM_URL_LENGTH:
        raise _UrlRefusedError(
            "too_long", f"A URL has {MAXIMUM_URL_LENGTH} characters at the most."
        )
    # Parsers disagree on what blanks, controls and backslashes mean, so none is interpreted.
    if any(sign == "\\" or sign.isspace() or unicodedata.category(sign)[0] == "C" for sign in url):
        raise _UrlRefusedError(
            "malformed", "A URL has no spaces, backslashes or invisible characters."
        )
    match = _URL.fullmatch(url)
    if match is None:
        raise _UrlRefusedError(
            "malformed", "A full URL is expected, such as `https://example.com/hook`."
        )
    scheme, authority, rest, fragment = match.groups()
    scheme = scheme.lower()
    if scheme != "https" and not (scheme == "http" and rules.is_http_allowed):
        allowed = "`https` or `http`" if rules.is_http_allowed else "`https`"
        raise _UrlRefusedError("scheme_refused", f"The URL must begin with {allowed}.")
    if fragment is not None:
        raise _UrlRefusedError("fragment_refused", "A fragment (`#…`) is never sent: leave it out.")
    host_text, port_text = _host_and_port(unicodedata.normalize("NFKC", authority))
    port = _port(port_text, scheme=scheme, rules=rules)
    host = _host(host_text, rules)
    tail = rest if rest.startswith("/") else f"/{rest}"
    path = quote(tail, safe=_ASCII_PRINTABLE)
    target = Target(scheme=scheme, host=host, port=port, path=path)
    if len(target.url) > MAXIMUM_URL_LENGTH:
        raise _UrlRefusedError(
            "too_long", f"Percent-encoded, the URL exceeds {MAXIMUM_URL_LENGTH} characters."
        )
    return target


def _host_and_port(authority: str) -> tuple[str, str | None]:
    if "@" in authority:
        raise _UrlRefusedError(
            "userinfo_refused", "Put the user name and the password into `auth`, not into the URL."
        )
    if authority.startswith("["):
        host, bracket, port_part = authority.partition("]")
        host += bracket
        if port_part and not port_part.startswith(":"):
            raise _UrlRefusedError("malformed", "After `]` only a port may follow.")
        return host, port_part[1:] if port_part else None
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _port(text: str | None, *, scheme: str, rules: EgressRules) -> int:
    if text is not None and not (_PORT.fullmatch(text) and 0 < int(text) < 1 << 16):
        raise _UrlRefusedError("malformed", "The port must be a number from 1 to 65535.")
    port = _DEFAULT_PORTS[scheme] if text is None else int(text)
    is_http_port = scheme == "http" and port == _DEFAULT_PORTS["http"]
    if rules.allowed_ports is not None and port not in rules.allowed_ports and not is_http_port:
        raise _UrlRefusedError(
            "port_refused",
            "The operator of this Guardian does not allow that port; allowed: "
            + ", ".join(map(str, sorted(rules.allowed_ports)))
            + ".",
        )
    return port


def _host(text: str, rules: EgressRules) -> str:
    literal = _literal(text)
    if literal is None:
        return _name(text, rules)
    try:
        judge(literal, allowed_nets=rules.allowed_nets)
    except AddressRefusedError as error:
        raise _UrlRefusedError("address_refused", error.detail) from None
    return str(literal)


def _literal(text: str) -> Address | None:
    """Read an address in any spelling that some resolver would understand; None for a name.

    By the rule of the URL standard: a host that ends in a number is an IPv4 address or wrong.
    """
    if text.startswith("["):
        try:
            # A zone names an interface of the sender's own host.
            address = IPv6Address(text[1:-1] if text.endswith("]") and "%" not in text else "")
        except ValueError:
            raise _UrlRefusedError(
                "malformed", "Between brackets an IPv6 address is expected, without a zone."
            ) from None
        return address
    labels = text.lower().translate(_DOTS).removesuffix(".").split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return None
    address = _ipv4(labels)
    if address is None:
        raise _UrlRefusedError(
            "malformed", "A host that ends in a number must be an IPv4 address, and it is none."
        )
    return address


def _ipv4(labels: list[str]) -> IPv4Address | None:
    """Add up one to four parts, decimal, octal or hexadecimal, the last filling what is left."""
    if len(labels) > _IPV4_BYTES or not all(map(_NUMBER.fullmatch, labels)):
        return None
    try:
        *head, last = [_number(label) for label in labels]
        return IPv4Address(bytes(head) + last.to_bytes(_IPV4_BYTES - len(head)))
    except (ValueError, OverflowError):
        return None


def _number(label: str) -> int:
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8 if label.startswith("0") else 10)


def _name(text: str, rules: EgressRules) -> str:
    dotted = text.translate(_DOTS).removesuffix(".").lower()
    if not dotted.isascii():
        try:
            dotted = idna.encode(dotted, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise _UrlRefusedError("malformed", "The host is not a valid domain name.") from None
    if len(dotted) > MAXIMUM_HOST_LENGTH or not all(map(_LABEL.fullmatch, dotted.split("."))):
        raise _UrlRefusedError("malformed", "The host is not a valid domain name.")
    if _LOOPBACK_NAME.fullmatch(dotted):
        if not any(own.overlaps(net) for own in _LOOPBACK for net in _same(own, rules)):
            raise _UrlRefusedError("host_refused", "Guardian does not send to its own host.")
    elif _INTERNAL_NAME.fullmatch(dotted) and not rules.allowed_nets:
        raise _UrlRefusedError(
            "host_refused",
            "A public domain name is expected, with a dot and outside `.local` and `.internal`.",
        )
    return dotted


def _same(own: Network, rules: EgressRules) -> list[Network]:
    return [net for net in rules.allowed_nets if net.version == own.version]


def _embedded(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _refused_kind(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((kind for net, kind in _REFUSED_V4 if address in net), None)
    named = next((kind for net, kind in _REFUSED_V6 if address in net), None)
    if named is None and address not in _PUBLIC_V6:
        return "an unassigned"
    return named


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise SettingError(
            f"{NETS_SETTING} names `{text}`, which is not a network such as `10.1.0.0/16`."
        ) from None


def _ports(text: str) -> frozenset[int]:
    entries = _entries(text)
    if not entries:
        raise SettingError(f"{PORTS_SETTING} names no port: give `443`, a list, or `*`.")
    for entry in entries:
        if not (_PORT.fullmatch(entry) and 0 < int(entry) < 1 << 16):
            raise SettingError(f"{PORTS_SETTING} names `{entry}`, which is not a port.")
    return frozenset(map(int, entries))
