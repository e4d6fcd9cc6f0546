"""What becomes a header of a webhook, and what no integration can replace."""

from base64 import b64encode

import pytest

from shared.contracts.words import AuthKind
from shared.domain.credentials import Credentials
from shared.domain.requests import fixed_headers

JSON = "application/json"
URL = "https://bi.example.com/hook"


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (Credentials(url=URL), {}),
        (
            Credentials(url=URL, auth_kind=AuthKind.BEARER, token="t0ken"),
            {"authorization": "Bearer t0ken"},
        ),
        (
            Credentials(url=URL, auth_kind=AuthKind.BASIC, username="u", password="p:w"),
            {"authorization": f"Basic {b64encode(b'u:p:w').decode()}"},
        ),
        (
            Credentials(url=URL, auth_kind=AuthKind.HEADER, name="X-Key", value="v"),
            {"x-key": "v"},
        ),
        (Credentials(url=URL, secret_headers={"X-Api-Key": "s"}), {"x-api-key": "s"}),
    ],
)
def test_each_way_to_convince_the_receiver_becomes_a_header(
    credentials: Credentials, expected: dict[str, str]
) -> None:
    headers = fixed_headers(
        {"X-Env": "prod"}, credentials, content_type=JSON, user_agent="Guardian-Webhooks/1"
    )

    assert dict(headers) == {
        "x-env": "prod",
        "content-type": "application/json",
        "user-agent": "Guardian-Webhooks/1",
        **expected,
    }


def test_headers_of_an_integration_never_replace_ours() -> None:
    plain = {"Content-Type": "text/plain", "Webhook-Id": "mine"}
    secret = Credentials(url=URL, secret_headers={"USER-AGENT": "me", "webhook-signature": "v1,x"})

    headers = dict(
        fixed_headers(plain, secret, content_type=JSON, user_agent="Guardian-Webhooks/1")
    )

    assert headers == {"content-type": "application/json", "user-agent": "Guardian-Webhooks/1"}
