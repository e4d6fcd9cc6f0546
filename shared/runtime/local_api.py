"""The little that `guardian up` asks of the API that it has just started."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from shared.errors import StartError
from shared.runtime.kept import TenantCredentials

BASE = "/api/guardian/meta"
TIMEOUT_SECONDS = 10


class Answer(NamedTuple):
    """A status and the JSON that came with it."""

    status: int
    body: Any


class LocalApi:
    """The API at `url`, such as `http://127.0.0.1:8080`."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet."""
        self._url = url
        # A proxy that the environment names does not lead to this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def is_ready(self) -> bool:
        """Whether it answers and reaches its database."""
        try:
            return self._send("GET", "/health/ready").status == http.client.OK
        except StartError:
            return False

    def accepts(self, key: str) -> bool:
        """Whether `key` opens anything."""
        if not key:
            return False
        return self._send("GET", f"{BASE}/event-types", key=key).status != http.client.UNAUTHORIZED

    def has_tenants(self, operator_key: str) -> bool:
        """Whether there is any tenant."""
        return bool(self._expect("GET", f"{BASE}/tenants?limit=1", key=operator_key)["items"])

    def create_tenant(self, operator_key: str, name: str) -> TenantCredentials:
        """Make a tenant with a key for its admin."""
        tenant = self._expect("POST", f"{BASE}/tenants", key=operator_key, body={"name": name})
        made = self._expect(
            "POST",
            f"{BASE}/keys?workspaceId={tenant['id']}",
            key=operator_key,
            body={"role": "admin", "label": "first admin"},
        )
        return {"id": tenant["id"], "name": name, "admin_key": made["key"]}

    def _expect(self, method: str, path: str, *, key: str, body: object = None) -> Any:
        answer = self._send(method, path, key=key, body=body)
        if answer.status >= http.client.BAD_REQUEST:
            raise StartError(
                f"The API refused {method} {path} with {answer.status}: {json.dumps(answer.body)}"
            )
        return answer.body

    def _send(self, method: str, path: str, *, key: str = "", body: object = None) -> Answer:
        request = urllib.request.Request(  # noqa: S310 - the address is our own
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        if key:
            request.add_header("authorization", f"Bearer {key}")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return Answer(response.status, _json(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _json(error.read()))
        except (OSError, http.client.HTTPException) as error:
            raise StartError(f"The API on {self._url} does not answer: {error}.") from None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
