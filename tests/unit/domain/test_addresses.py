"""No request leaves for a forbidden address, however it is spelled."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.addresses import EgressRules, Target, check_url, judge
from shared.errors import AddressRefusedError, InvalidError, SettingError

PUBLIC = EgressRules()
OPEN_PORTS = EgressRules(is_http_allowed=True, allowed_ports=None)
LOOPBACK = EgressRules(
    allowed_nets=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
    is_http_allowed=True,
    allowed_ports=None,
)
PRIVATE = EgressRules(allowed_nets=(ip_network("10.1.0.0/16"),))

REFUSED = [
    ("0.0.0.0", "unspecified"),  # noqa: S104 - judged, not bound to
    ("0.1.2.3", "unspecified"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "carrier"),
    ("100.100.100.200", "carrier"),
    ("100.127.255.255", "carrier"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud"),
    ("169.254.169.254", "link-local"),
    ("169.254.170.2", "link-local"),
    ("192.0.0.1", "protocol"),
    ("192.0.0.192", "protocol"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.9", "documentation"),
    ("192.88.99.1", "6to4"),
    ("198.18.0.1", "benchmark"),
    ("198.19.255.255", "benchmark"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::127.0.0.1", "IPv4-compatible"),
    ("::169.254.169.254", "IPv4-compatible"),
    ("::8.8.8.8", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:7f00:1", "loopback"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:100.64.0.1", "carrier"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:0:127.0.0.1", "unassigned"),
    ("64:ff9b::a9fe:a9fe", "link-local"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b:1::1", "translated"),
    ("64:ff9b:1:fffe::a9fe:a9fe", "translated"),
    ("100::1", "discard"),
    ("2001::1", "protocol"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "protocol"),
    ("2001:1ff::1", "protocol"),
    ("2001:db8::1", "documentation"),
    ("2002:a9fe:a9fe::", "6to4"),
    ("2002:7f00:1::1", "6to4"),
    ("3fff::1", "documentation"),
    ("3fff:fff::1", "documentation"),
    ("4000::1", "unassigned"),
    ("5f00::1", "unassigned"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
]
ACCEPTED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00:1450:4001:82f::200e",
    "3ffe::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_an_address_inside_is_refused_by_its_kind(address: str, kind: str) -> None:
    with pytest.raises(AddressRefusedError, match=kind):
        judge(address, allowed_nets=())
    with pytest.raises(AddressRefusedError, match=kind):
        judge(ip_address(address), allowed_nets=())


@pytest.mark.parametrize("address", ACCEPTED)
def test_a_public_address_is_accepted(address: str) -> None:
    judge(address, allowed_nets=())


@given(address=st.ip_addresses(v=6))
def test_nothing_outside_the_public_block_of_ipv6_is_dialled(address: IPv6Address) -> None:
    is_inside = int(address) >> 125 == 1
    is_v4_in_v6 = address.ipv4_mapped is not None or int(address) >> 32 == 0x64FF9B << 64
    try:
        judge(address, allowed_nets=())
    except AddressRefusedError:
        return
    assert is_inside or is_v4_in_v6


@given(address=st.ip_addresses(v=4))
def test_a_mapped_and_a_translated_address_share_the_fate_of_the_plain_one(
    address: IPv4Address,
) -> None:
    def is_dialled(text: str) -> bool:
        try:
            judge(text, allowed_nets=())
        except AddressRefusedError:
            return False
        return True

    plain = is_dialled(str(address))

    assert is_dialled(f"::ffff:{address}") == plain
    assert is_dialled(f"64:ff9b::{address}") == plain
    if address.is_private or address.is_loopback or address.is_link_local:
        assert not plain


@given(
    address=st.one_of(
        st.ip_addresses(network="127.0.0.0/8"), st.ip_addresses(network="fd00:1::/32")
    )
)
def test_the_operator_may_allow_a_network_of_the_inside(
    address: IPv4Address | IPv6Address,
) -> None:
    judge(address, allowed_nets=(ip_network("127.0.0.0/8"), ip_network("fd00:1::/32")))


def test_an_allowed_network_opens_no_other() -> None:
    with pytest.raises(AddressRefusedError, match="private"):
        judge("10.2.0.1", allowed_nets=PRIVATE.allowed_nets)
    with pytest.raises(AddressRefusedError, match="loopback"):
        judge("::1", allowed_nets=PRIVATE.allowed_nets)


def test_a_mapped_spelling_of_an_allowed_address_is_allowed() -> None:
    judge("::ffff:10.1.2.3", allowed_nets=PRIVATE.allowed_nets)


@pytest.mark.parametrize("text", ["", "example.com", "127.1", "1.2.3.4.5"])
def test_what_is_no_address_is_never_dialled(text: str) -> None:
    with pytest.raises(AddressRefusedError, match="not an IP address"):
        judge(text, allowed_nets=())


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "address_refused"),
        ("127.0.0.1.", "address_refused"),
        ("127.1", "address_refused"),
        ("127.0.1", "address_refused"),
        ("0", "address_refused"),
        ("0x", "address_refused"),
        ("0x7f.1", "address_refused"),
        ("0X7F.0.0.1", "address_refused"),
        ("0x7f000001", "address_refused"),
        ("0177.0.0.1", "address_refused"),
        ("0177.0.0.01", "address_refused"),
        ("017700000001", "address_refused"),
        ("2130706433", "address_refused"),
        ("127.0x1", "address_refused"),
        ("169.254.43518", "address_refused"),
        ("\uff11\uff12\uff17.\uff10.\uff10.\uff11", "address_refused"),
        ("\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "address_refused"),
        ("127\u30020\u30020\u30021", "address_refused"),
        ("127\uff0e0\uff610\uff0e1", "address_refused"),
        ("\U0001d7cf\U0001d7d0\U0001d7d5.1", "address_refused"),
        ("[::1]", "address_refused"),
        ("[::]", "address_refused"),
        ("[0:0:0:0:0:0:0:1]", "address_refused"),
        ("[::ffff:127.0.0.1]", "address_refused"),
        ("[::ffff:7f00:1]", "address_refused"),
        ("[::127.0.0.1]", "address_refused"),
        ("[64:ff9b::a9fe:a9fe]", "address_refused"),
        ("[fd00:ec2::254]", "address_refused"),
        ("[\uff1a:1]", "address_refused"),
        ("[fe80::1%eth0]", "malformed"),
        ("[fe80::1%25eth0]", "malformed"),
        ("[2606:4700::1111%1]", "malformed"),
        ("[::1", "malformed"),
        ("[]", "malformed"),
        ("[v1.x]", "malformed"),
        ("[127.0.0.1]", "malformed"),
        ("[::1]x", "malformed"),
        ("1.2.3.4.5", "malformed"),
        ("256.1.1.1", "malformed"),
        ("1.256.1.1", "malformed"),
        ("4294967296", "malformed"),
        ("089.1.1.1", "malformed"),
        ("example.1", "malformed"),
        ("example.0x1f", "malformed"),
        ("127.0.0.1..", "malformed"),
        ("%31%32%37.0.0.1", "malformed"),
        ("user@127.0.0.1", "userinfo_refused"),
        ("user:pw@example.com", "userinfo_refused"),
        ("example.com\uff20127.0.0.1", "userinfo_refused"),
        ("localhost", "host_refused"),
        ("LOCALHOST.", "host_refused"),
        ("\uff4c\uff4f\uff43alhost", "host_refused"),
        ("localhost.localdomain", "host_refused"),
        ("a.localhost", "host_refused"),
        ("printer.local", "host_refused"),
        ("metadata.google.internal", "host_refused"),
        ("metadata.google.internal.", "host_refused"),
        ("nas.home.arpa", "host_refused"),
        ("intranet", "host_refused"),
        ("", "malformed"),
        (".", "malformed"),
        ("example..com", "malformed"),
        (".example.com", "malformed"),
        ("-a.example.com", "malformed"),
        ("exa mple.com", "malformed"),
        ("exa\u200bmple.com", "malformed"),
        ("exa\u00admple.com", "malformed"),
        ("example.com\\@127.0.0.1", "malformed"),
        ("example.com\t", "malformed"),
        ("example.com\r\nhost: x", "malformed"),
        ("exa!mple.com", "malformed"),
        ("\u2100.com", "malformed"),
        ("\u00e4!.com", "malformed"),
        ("a" * 64 + ".com", "malformed"),
        ("\u00e4" * 64 + ".com", "malformed"),
        (".".join(["a" * 60] * 5), "malformed"),
    ],
)
def test_a_host_in_disguise_is_refused_when_it_is_saved(host: str, kind: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_url(f"https://{host}/hook", PUBLIC)

    [refused] = caught.value.errors
    assert refused.kind == kind
    assert refused.path == "config.webhook_url"
    assert len(host) <= 1 or f"{host}/hook" not in caught.value.detail


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("https://example.com/", Target("https", "example.com", 443, "/")),
        ("HTTPS://EXAMPLE.com./a?b=c", Target("https", "example.com", 443, "/a?b=c")),
        ("https://example.com?b=c", Target("https", "example.com", 443, "/?b=c")),
        ("https://example.com:443/x", Target("https", "example.com", 443, "/x")),
        ("https://b\u00fccher.example/x", Target("https", "xn--bcher-kva.example", 443, "/x")),
        ("https://stra\u00dfe.example/x", Target("https", "xn--strae-oqa.example", 443, "/x")),
        ("https://\uff45xample\u3002com/x", Target("https", "example.com", 443, "/x")),
        ("https://r3---sn.example.com/x", Target("https", "r3---sn.example.com", 443, "/x")),
        ("https://a_b.example.com/x", Target("https", "a_b.example.com", 443, "/x")),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x")),
        ("https://134744072/x", Target("https", "8.8.8.8", 443, "/x")),
        ("https://[2606:4700:0::1111]/x", Target("https", "2606:4700::1111", 443, "/x")),
        ("https://example.com/\u00fc%20%zz", Target("https", "example.com", 443, "/%C3%BC%20%zz")),
        ("https://example.com//a/../b", Target("https", "example.com", 443, "//a/../b")),
    ],
)
def test_an_ordinary_url_is_taken_apart_and_normalised(url: str, target: Target) -> None:
    assert check_url(url, PUBLIC) == target


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://Example.com:80", "http://example.com/"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://[2606:4700::1111]:8443/a", "https://[2606:4700::1111]:8443/a"),
        ("https://example.com:80/a", "https://example.com:80/a"),
    ],
)
def test_the_url_that_is_dialled_is_put_together_again(url: str, normal: str) -> None:
    assert check_url(url, OPEN_PORTS).url == normal
    assert check_url(normal, OPEN_PORTS).url == normal


@given(url=st.text(max_size=60).map(lambda tail: f"https://{tail}"))
def test_whatever_is_accepted_is_plain_ascii_and_stays_as_it_is(url: str) -> None:
    try:
        target = check_url(url, OPEN_PORTS)
    except InvalidError:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert " " not in target.url
    assert check_url(target.url, OPEN_PORTS) == target


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://example.com/", "scheme_refused"),
        ("ftp://example.com/", "scheme_refused"),
        ("file:///etc/passwd", "scheme_refused"),
        ("gopher://example.com/", "scheme_refused"),
        ("https://example.com/#top", "fragment_refused"),
        ("https://example.com#", "fragment_refused"),
        ("https://example.com:8443/", "port_refused"),
        ("https://example.com:22/", "port_refused"),
        ("https://example.com:80/", "port_refused"),
        ("https://example.com:0/", "malformed"),
        ("https://example.com:65536/", "malformed"),
        ("https://example.com:/", "malformed"),
        ("https://example.com:-1/", "malformed"),
        ("https://example.com:443:443/", "malformed"),
        ("https:/example.com", "malformed"),
        ("https:example.com", "malformed"),
        ("//example.com/", "malformed"),
        ("example.com", "malformed"),
        ("", "malformed"),
        (" https://example.com", "malformed"),
        ("https://example.com/a b", "malformed"),
        ("https://example.com/" + "a" * 2048, "too_long"),
        ("https://example.com/" + "\u00fc" * 1000, "too_long"),
    ],
)
def test_a_url_that_could_never_be_sent_is_refused_when_it_is_saved(url: str, kind: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_url(url, PUBLIC, path="config.auth.token_url")

    [refused] = caught.value.errors
    assert (refused.path, refused.kind) == ("config.auth.token_url", kind)


def test_http_and_its_own_port_come_together() -> None:
    rules = EgressRules.parse(nets="", is_http_allowed=True, ports="443")

    assert check_url("http://example.com/", rules).port == 80
    with pytest.raises(InvalidError, match="port"):
        check_url("http://example.com:8080/", rules)
    with pytest.raises(InvalidError, match="`https` or `http`"):
        check_url("ftp://example.com/", rules)


@pytest.mark.parametrize(
    "url", ["http://localhost:9000/x", "http://a.localhost/x", "http://127.1:1/", "http://[::1]/"]
)
def test_the_own_host_is_accepted_once_the_operator_allows_loopback(url: str) -> None:
    assert check_url(url, LOOPBACK).scheme == "http"


def test_a_name_of_the_inside_is_accepted_once_the_operator_allows_a_network() -> None:
    assert check_url("https://n8n/x", PRIVATE).host == "n8n"
    assert check_url("https://n8n.internal/x", PRIVATE).host == "n8n.internal"
    with pytest.raises(InvalidError, match="own host"):
        check_url("https://localhost/x", PRIVATE)


def test_the_rules_are_read_from_the_settings() -> None:
    rules = EgressRules.parse(
        nets=" 10.1.0.0/16, fd00::/8 ,", is_http_allowed=True, ports="443, 8443"
    )

    assert rules == EgressRules(
        allowed_nets=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")),
        is_http_allowed=True,
        allowed_ports=frozenset({443, 8443}),
    )
    assert EgressRules.parse(nets="", is_http_allowed=False, ports="*").allowed_ports is None


@pytest.mark.parametrize("nets", ["10.1.0.1/16", "everything", "10.0.0.0/33"])
def test_a_wrong_network_stops_the_start(nets: str) -> None:
    with pytest.raises(SettingError, match="GUARDIAN_EGRESS_ALLOW_NETS"):
        EgressRules.parse(nets=nets, is_http_allowed=False, ports="443")


@pytest.mark.parametrize("ports", ["", ",", "0", "65536", "https", "443;80"])
def test_a_wrong_port_stops_the_start(ports: str) -> None:
    with pytest.raises(SettingError, match="GUARDIAN_EGRESS_ALLOW_PORTS"):
        EgressRules.parse(nets="", is_http_allowed=False, ports=ports)
