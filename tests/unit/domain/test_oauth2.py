"""Client credentials: what is asked, what is taken for a token, and for how long."""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.oauth2 import Grant, Token, TokenRefusedError, read_token, token_request

NOW = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
URL = "https://login.example.com/token"
GOOD = {"access_token": "abc.def-1", "token_type": "Bearer", "expires_in": 3600}


def read(status_code: int = 200, **changes: Any) -> Token:
    answer = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return read_token(status_code=status_code, body=json.dumps(answer).encode(), asked_at=NOW)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_the_id_the_secret_and_the_scope_hold_the_server_reads_the_same(
    client_id: str, client_secret: str, scope: str
) -> None:
    headers, body = token_request(
        Grant(token_url=URL, client_id=client_id, client_secret=client_secret, scope=scope)
    )

    pair = b64decode(dict(headers)["authorization"].removeprefix("Basic ")).decode()
    assert [unquote_plus(half) for half in pair.split(":")] == [client_id, client_secret]
    fields = parse_qs(body.decode(), strict_parsing=True)
    assert fields["grant_type"] == ["client_credentials"]
    assert fields.get("scope", [""]) == [scope]
    assert all(value.isascii() and "\n" not in value for _, value in headers)


def test_a_client_may_show_its_secret_in_the_body_and_name_an_audience() -> None:
    headers, body = token_request(
        Grant(
            token_url=URL,
            client_id="me",
            client_secret="s&=3",
            audience="https://api.example.com",
            is_in_body=True,
        )
    )

    assert "authorization" not in dict(headers)
    assert parse_qs(body.decode(), strict_parsing=True) == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": ["s&=3"],
        "audience": ["https://api.example.com"],
    }


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(3600, 3540), ("3600", 3540), (3600.5, 3540.5), (60, 30), (0, 0), (-5, 0), (10**12, 86340)],
)
def test_a_token_is_used_until_a_minute_before_its_end(expires_in: object, seconds: float) -> None:
    assert read(expires_in=expires_in).use_until == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("expires_in", [..., None, "soon", True, [], "9" * 40])
def test_a_token_that_does_not_say_how_long_it_lives_is_used_for_four_minutes(
    expires_in: object,
) -> None:
    assert read(expires_in=expires_in).use_until == NOW + timedelta(minutes=4)


def test_a_token_is_fresh_before_its_time_is_over_and_not_at_it() -> None:
    token = read()

    assert token.is_fresh(token.use_until - timedelta(microseconds=1))
    assert not token.is_fresh(token.use_until)


@pytest.mark.parametrize("value", [..., None, "", 7, "a b", "a\r\nx-evil: 1", "\u00e4", "x" * 8193])
def test_what_could_not_stand_in_a_header_is_no_token(value: object) -> None:
    with pytest.raises(TokenRefusedError, match="holds no token"):
        read(access_token=value)


@pytest.mark.parametrize("kind", [..., None, "mac", "DPoP", 1])
def test_only_bearer_tokens_are_understood(kind: object) -> None:
    with pytest.raises(TokenRefusedError, match="not a bearer token"):
        read(token_type=kind)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b"\xff", b'{"access_token":'])
def test_what_is_no_object_holds_no_token(body: bytes) -> None:
    with pytest.raises(TokenRefusedError, match="holds no token"):
        read_token(status_code=200, body=body, asked_at=NOW)


def test_a_known_error_code_is_told_and_nothing_else_of_the_answer() -> None:
    with pytest.raises(TokenRefusedError) as known:
        read(401, error="invalid_client", error_description="s3cret")
    with pytest.raises(TokenRefusedError) as unknown:
        read(400, error="s3cret")

    assert str(known.value) == "The authorization server answered 401, invalid_client."
    assert str(unknown.value) == "The authorization server answered 400."
