"""Which headers an integration may have sent along, name by name."""

import pytest

from api.services.headers import Place, header_problems
from shared.domain.credentials import Credentials
from shared.domain.requests import fixed_headers

RESERVED = [
    *("Host", "Content-Length", "content-type", "Content-Encoding", "transfer-encoding"),
    *("Connection", "keep-alive", "TE", "Trailer", "Upgrade", "Expect", "Proxy-Authorization"),
    *("proxy-connection", "Cookie", "Set-Cookie", "Forwarded", "X-Forwarded-For", "X-Real-IP"),
    *("Webhook-Id", "webhook-signature", "webhook-anything", "ce-id", "CE-Source", "User-Agent"),
    *("Accept-Encoding", "Authorization", "traceparent", "TraceState"),
]
MALFORMED = ["", "X B", "X:B", "x\r\ny", "x\0", "ü", "x" * 65, "a/b", "(x)"]


def told(headers: dict[str, str], secret: dict[str, str] | None = None) -> list[str]:
    places = [Place("headers", headers), Place("secret_headers", secret or {})]
    return [problem.kind for problem in header_problems(places, auth_header=None)]


@pytest.mark.parametrize("name", RESERVED)
def test_guardians_own_headers_and_those_of_http_are_reserved_in_any_case(name: str) -> None:
    assert told({name: "x"}) == ["reserved"]
    assert told({}, {name: "x"}) == ["reserved"]


@pytest.mark.parametrize("name", ["Accesskey", "sharedSecret", "X-Api-Key", "accept", "x" * 64])
def test_what_vendors_invent_is_taken(name: str) -> None:
    assert told({name: "x"}) == []


@pytest.mark.parametrize("name", MALFORMED)
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    assert told({name: "x"}) == ["malformed"]


@pytest.mark.parametrize("value", ["", " x", "x ", "a\r\nx-evil: 1", "a\tb", "é", "\x7f", "a\0"])
def test_a_value_is_one_line_of_visible_ascii(value: str) -> None:
    assert told({"x-a": value}) == ["malformed"]


def test_twenty_headers_in_all_and_no_name_twice() -> None:
    ten = {f"x-{n}": "v" for n in range(10)}
    others = {f"y-{n}": "v" for n in range(10)}

    assert told(ten, others) == []
    assert told(ten, others | {"z": "v"}) == ["out_of_range"]
    assert told({"X-A": "1"}, {"x-a": "2"}) == ["duplicate"]


@pytest.mark.parametrize("name", ["Traceparent", "webhook-id", "User-Agent", "content-type"])
def test_even_a_reserved_header_that_was_stored_is_not_sent(name: str) -> None:
    sent = fixed_headers(
        {name: "mine"}, Credentials(url="https://a.b/"), content_type="x/y", user_agent="us"
    )

    assert "mine" not in dict(sent).values()
