"""A receiver on this machine that checks each signature and tells what arrives."""

import argparse
import asyncio
import json
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import uvicorn

from shared.domain.signing import SignatureError, verify
from shared.errors import MalformedError, StartError

# A Guardian body is far smaller; what is longer is not read on.
MAX_BODY_BYTES = 1024 * 1024

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Arrival(NamedTuple):
    """One request as it came in.

    Attributes:
        at: the receiver's clock.
        type: the event's type, `?` when the body does not say.
        verdict: `verified`, `unverified` without any secret, or `refused: …`.
        webhook_id: the header of that name.
        size: bytes of the body.
    """

    at: datetime
    type: str
    verdict: str
    webhook_id: str
    size: int

    def as_line(self) -> str:
        """For a person."""
        when = self.at.strftime("%H:%M:%S")
        return f"{when}  {self.type:<28} {self.verdict:<12} {self.webhook_id}  {self.size} bytes"

    def as_json(self) -> str:
        """For a script."""
        return json.dumps({**self._asdict(), "at": self.at.isoformat()})


class Rehearsal(NamedTuple):
    """How to misbehave, so that a sender's patience can be watched.

    Attributes:
        status: answered to the first `failures` arrivals that are not refused anyway.
        delay_s: before each answer.
    """

    status: int = 503
    failures: int = 0
    delay_s: float = 0.0


class Receiver:
    """An ASGI application that answers 204 to what it can verify and 401 to what it cannot."""

    def __init__(
        self,
        secrets: Callable[[], Sequence[str]],
        *,
        clock: Callable[[], datetime],
        tell: Callable[[Arrival], None],
        rehearsal: Rehearsal = Rehearsal(),  # noqa: B008 - frozen
    ) -> None:
        """`secrets` is asked at each arrival; any match verifies, none at all verifies nothing."""
        self._secrets = secrets
        self._clock = clock
        self._tell = tell
        self._rehearsal = rehearsal
        self._failures_left = rehearsal.failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        body = await _read(receive)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        status = await self._take(headers, body) if scope["method"] == "POST" else 405
        await asyncio.sleep(self._rehearsal.delay_s)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _take(self, headers: Mapping[str, str], body: bytes) -> int:
        if len(body) > MAX_BODY_BYTES:
            return 413
        now = self._clock()
        verdict = judge(headers, body, secrets=self._secrets(), now=now)
        self._tell(
            Arrival(
                at=now,
                type=_printable(_event_type(headers, body)),
                verdict=verdict,
                webhook_id=_printable(headers.get("webhook-id", "-")),
                size=len(body),
            )
        )
        if verdict.startswith("refused"):
            return 401
        if self._failures_left:
            self._failures_left -= 1
            return self._rehearsal.status
        return 204


def judge(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime) -> str:
    """Whether any of `secrets` signed this: `verified`, `refused: why`, or `unverified` without."""
    if not secrets:
        return "unverified"
    reason = ""
    for secret in secrets:
        try:
            verify(
                secret,
                message_id=headers.get("webhook-id", ""),
                timestamp=headers.get("webhook-timestamp", ""),
                signature=headers.get("webhook-signature", ""),
                body=body,
                now=now,
            )
        except SignatureError as error:
            reason = str(error)
        else:
            return "verified"
    return f"refused: {reason}"


def command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian listen`."""
    listen(
        port=options.port,
        secrets=options.secret,
        secret_file=options.secret_file,
        is_json=options.json,
        rehearsal=_rehearsal(options),
    )
    return 0


def verify_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian verify`: exit 0 when the signature is genuine and fresh."""
    try:
        body = sys.stdin.buffer.read() if str(options.body) == "-" else options.body.read_bytes()
    except OSError as error:
        raise MalformedError(
            f"{options.body} cannot be read: {(error.strerror or 'unknown').lower()}."
        ) from None
    headers = {
        "webhook-id": options.id,
        "webhook-timestamp": options.timestamp,
        "webhook-signature": options.signature,
    }
    verdict = judge(headers, body, secrets=[options.secret], now=datetime.now(UTC))
    sys.stdout.write(f"{verdict}\n")
    return 0 if verdict == "verified" else 1


def _rehearsal(options: argparse.Namespace) -> Rehearsal:
    status, failures = options.fail or (503, 0)
    return Rehearsal(status, failures, options.delay)


def listen(
    *,
    port: int,
    secrets: Sequence[str],
    secret_file: Path | None,
    is_json: bool,
    rehearsal: Rehearsal = Rehearsal(),  # noqa: B008 - frozen
) -> None:
    """Listen on 127.0.0.1 until SIGTERM or Ctrl-C; `port` 0 takes a free one and says which.

    Raises:
        StartError: the port is taken.
    """

    def all_secrets() -> list[str]:
        kept = secret_file.read_text(encoding="utf-8").split() if secret_file else []
        return [*secrets, *kept]

    def tell(arrival: Arrival) -> None:
        sys.stdout.write((arrival.as_json() if is_json else arrival.as_line()) + "\n")
        sys.stdout.flush()

    endpoint = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        endpoint.bind(("127.0.0.1", port))
    except (OSError, OverflowError):
        endpoint.close()
        raise StartError(f"Port {port} is taken: choose another with --port.") from None
    url = f"http://127.0.0.1:{endpoint.getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": url}) + "\n" if is_json else f"listening on {url}\n")
    sys.stdout.flush()
    receiver = Receiver(
        all_secrets, clock=lambda: datetime.now(UTC), tell=tell, rehearsal=rehearsal
    )
    config = uvicorn.Config(
        cast("Any", receiver),
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    with endpoint:
        uvicorn.Server(config).run(sockets=[endpoint])


async def _read(receive: Receive) -> bytes:
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _event_type(headers: Mapping[str, str], body: bytes) -> str:
    if "ce-type" in headers:
        return headers["ce-type"]
    try:
        content = json.loads(body)
    except ValueError:
        return "?"
    kind = cast("dict[str, object]", content).get("type") if isinstance(content, dict) else None
    return kind if isinstance(kind, str) else "?"


def _printable(text: str) -> str:
    """A stranger's text must not move the cursor or colour the terminal."""
    return re.sub(r"[^\x20-\x7e]", "?", text)[:128]
