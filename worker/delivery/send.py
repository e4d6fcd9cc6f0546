"""The only POST: a signed request out, an `Outcome` back, and nothing else on the wire.

No redirect is followed, no proxy, cookie or password file of the environment is used, nothing is
decompressed. The answer's status decides, once its body has ended or 16 KiB of it were read,
whatever comes first: a receiver with more to say has answered long before, and one that drips is
cut off at the deadline and has not succeeded.

Connections are kept and reused for a minute: a reused one was judged when it was dialled, and an
open connection cannot change its address. When a kept connection turns out to have been closed by
the receiver before a byte of the answer came, libcurl sends the request again on a fresh one, with
the same `webhook-id`.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, Protocol

import certifi
import pycurl

from shared.domain.addresses import EgressRules
from shared.domain.formats.answers import ANY_SUCCESS, is_accepted
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.retry import retry_after
from worker.delivery.target import Gate
from worker.delivery.transfers import Transfers

DEADLINE_S = 15.0
CONNECT_DEADLINE_S = 5.0
ANSWER_CAP = 16 * 1024
CONNECTION_AGE_S = 60
IDLE_CONNECTIONS = 1024
EXCERPT_LENGTH = 256

_EXCERPT_BYTES = 1024
_SUCCESS_LIMIT = 300
_SUCCESS_CLASS = 2
_RETRY_AFTER = re.compile(rb"^retry-after:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
# Anything that could be an address, a link, a number of somebody, or a token. Wider than the rules
# for what may come in, since a receiver can echo anything and nobody misses a lost word here.
_BLOTTED = re.compile(r"\S*@\S*|\w+://\S*|\S*\d{5}\S*|\+?(?:\d[ ()./-]{0,2}){7,}|[\w+/=-]{24,}")

_OK = 0
_FAULTS: dict[int, Fault] = {
    pycurl.E_COULDNT_RESOLVE_HOST: Fault.DNS,
    pycurl.E_COULDNT_CONNECT: Fault.CONNECT,
    pycurl.E_SSL_CONNECT_ERROR: Fault.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Fault.TLS,
    pycurl.E_SSL_CERTPROBLEM: Fault.TLS,
    pycurl.E_BAD_FUNCTION_ARGUMENT: Fault.TLS,  # a key that does not belong to its certificate
    pycurl.E_SSL_CIPHER: Fault.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Fault.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Fault.TLS,
    pycurl.E_GOT_NOTHING: Fault.RESET,
    pycurl.E_SEND_ERROR: Fault.RESET,
    pycurl.E_RECV_ERROR: Fault.RESET,
    pycurl.E_PARTIAL_FILE: Fault.RESET,
    pycurl.E_OUT_OF_MEMORY: Fault.INTERNAL,
    pycurl.E_SSL_CACERT_BADFILE: Fault.INTERNAL,
}


class Transport(Protocol):
    """Something that sends."""

    def post(self, request: Prepared) -> Coroutine[Any, Any, Outcome]:
        """Send once and tell what came of it; an unhappy receiver is an outcome, not an error."""
        ...

    async def aclose(self) -> None:
        """Give up what is under way and let go of every connection."""
        ...


class CurlTransport:
    """Sends with libcurl on the running loop, asyncio's own or uvloop."""

    def __init__(
        self,
        rules: EgressRules,
        *,
        clock: Callable[[], datetime],
        ca_file: str | None = None,
        deadline_s: float = DEADLINE_S,
        connect_deadline_s: float = CONNECT_DEADLINE_S,
        idle_connections: int = IDLE_CONNECTIONS,
    ) -> None:
        """Prepare to send; the first `post` binds it to its loop.

        Args:
            rules: the operator's exceptions to public addresses over https.
            clock: dates the outcomes.
            ca_file: certificate authorities (PEM) to trust instead of certifi's.
            deadline_s: for the whole of an attempt.
            connect_deadline_s: of it, for the name, the connection and the TLS handshake.
            idle_connections: how many kept connections before the oldest is closed.
        """
        self._rules = rules
        self._clock = clock
        self._ca_file = ca_file or certifi.where()
        self._deadline_ms = round(deadline_s * 1000)
        self._connect_deadline_ms = round(connect_deadline_s * 1000)
        self._transfers = Transfers(idle_connections=idle_connections)
        self._spare: list[_Exchange] = []
        self._is_closed = False

    async def post(self, request: Prepared, *, answer: bytearray | None = None) -> Outcome:
        """Send once.

        Args:
            request: what is sent; its `grant` is somebody else's business.
            answer: is given the answer's body, as far as it is read.

        Raises:
            ValueError: a header holds a line break or is not ASCII, so that it would become another
                header.
        """
        started_at = self._clock()
        if self._is_closed:
            return Outcome(started_at, 0, fault=Fault.INTERNAL)
        # One that has shown a certificate is not used again: it must never be shown to others.
        is_spare = self._spare and request.client_certificate is None
        exchange = self._spare.pop() if is_spare else self._built()
        loop = asyncio.get_running_loop()
        began = loop.time()
        code = _OK
        try:
            exchange.load(request, is_kept=answer is not None)
            code = await self._transfers.perform(exchange.handle)
        except pycurl.error as error:
            code = int(error.args[0])
        except asyncio.CancelledError:
            exchange.handle.close()
            task = asyncio.current_task()
            if not self._is_closed or (task is not None and task.cancelling()):
                raise
            return Outcome(started_at, _milliseconds(loop.time() - began), fault=Fault.INTERNAL)
        outcome = exchange.outcome(
            code, started_at=started_at, duration_ms=_milliseconds(loop.time() - began)
        )
        if answer is not None:
            answer += exchange.body
        if request.client_certificate is None:
            self._spare.append(exchange)
        else:
            exchange.handle.close()
        return outcome

    async def aclose(self) -> None:
        """Close every connection; a `post` under way ends with an `internal` fault."""
        self._is_closed = True
        self._transfers.close()
        for exchange in self._spare:
            exchange.handle.close()
        self._spare.clear()

    def _built(self) -> "_Exchange":
        exchange = _Exchange(Gate(self._rules.allowed_nets))
        handle = exchange.handle
        http = pycurl.PROTO_HTTP if self._rules.is_http_allowed else 0
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS | http)
        handle.setopt(pycurl.CAINFO, self._ca_file)
        handle.setopt(pycurl.TIMEOUT_MS, self._deadline_ms)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, self._connect_deadline_ms)
        return exchange


class _Exchange:
    """An easy handle with what never changes set once, and the buffers of the answer."""

    __slots__ = ("_body", "_gate", "_head", "_hidden", "_keep", "_read", "_rule", "handle")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._head = BytesIO()
        self._body = bytearray()
        self._read = 0
        self._rule = ANY_SUCCESS
        self._hidden: tuple[str, ...] = ()
        self._keep = _EXCERPT_BYTES
        self.handle = pycurl.Curl()
        for option, value in (
            (pycurl.OPENSOCKETFUNCTION, gate.open),
            (pycurl.HEADERFUNCTION, self._head.write),
            (pycurl.WRITEFUNCTION, self._take),
            (pycurl.POST, 1),
            (pycurl.NOSIGNAL, 1),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),
            (pycurl.NETRC, 0),
            (pycurl.HTTP_CONTENT_DECODING, 0),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),
            (pycurl.PATH_AS_IS, 1),
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
            (pycurl.MAXAGE_CONN, CONNECTION_AGE_S),
            (pycurl.MAXLIFETIME_CONN, CONNECTION_AGE_S),
        ):
            self.handle.setopt(option, value)

    @property
    def body(self) -> bytes:
        """What was kept of the answer."""
        return bytes(self._body)

    def load(self, request: Prepared, *, is_kept: bool) -> None:
        """Set what belongs to this request and forget the previous one.

        Args:
            request: what is sent.
            is_kept: whether the whole answer is of interest, not only its beginning.
        """
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers]
        lines.append("Expect:")  # libcurl's way to leave a header of its own out
        text = "\n".join(lines)
        if not text.isascii() or "\r" in text or text.count("\n") >= len(lines):
            raise ValueError("a header is one line of ASCII")
        self._gate.reset()
        self._head.seek(0)
        self._head.truncate()
        self._body.clear()
        self._read = 0
        self._rule = request.rule
        self._hidden = request.hidden
        self._keep = ANSWER_CAP if is_kept or request.rule.reads_body else _EXCERPT_BYTES
        self.handle.setopt(pycurl.URL, request.url)
        self.handle.setopt(pycurl.HTTPHEADER, lines)
        self.handle.setopt(pycurl.POSTFIELDS, request.body)
        if request.client_certificate is not None:
            certificate = request.client_certificate
            self.handle.setopt(pycurl.SSLCERT_BLOB, certificate.certificate.encode())
            self.handle.setopt(pycurl.SSLKEY_BLOB, certificate.private_key.encode())

    def outcome(self, code: int, *, started_at: datetime, duration_ms: int) -> Outcome:
        """Read the end of a transfer that ended with libcurl's `code`."""
        status = int(self.handle.getinfo(pycurl.RESPONSE_CODE)) or None
        is_capped = code == pycurl.E_WRITE_ERROR and self._read >= ANSWER_CAP
        fault = None if code == _OK or is_capped else self._fault(code, status)
        asked: timedelta | None = None
        if status is not None and status >= _SUCCESS_LIMIT:
            values = _RETRY_AFTER.findall(self._head.getvalue())
            if values:
                ended_at = started_at + timedelta(milliseconds=duration_ms)
                asked = retry_after(values[-1].decode("latin-1"), now=ended_at)
        return Outcome(
            started_at,
            duration_ms,
            status_code=status,
            fault=fault,
            retry_after=asked,
            excerpt=excerpt_of(bytes(self._body), self._hidden) if self._body else "",
            is_refused=self._is_refused(status) if fault is None else False,
        )

    def _is_refused(self, status: int | None) -> bool:
        """Whether a 2xx answer says in its body, or by the very status, that it is none."""
        if self._rule is ANY_SUCCESS or status is None or status // 100 != _SUCCESS_CLASS:
            return False
        return not is_accepted(self._rule, status_code=status, body=bytes(self._body))

    def _take(self, chunk: bytes) -> int:
        room = self._keep - len(self._body)
        if room > 0:
            self._body += chunk[:room]
        self._read += len(chunk)
        return len(chunk) if self._read < ANSWER_CAP else 0

    def _fault(self, code: int, status: int | None) -> Fault:
        if self._gate.is_starved:
            return Fault.INTERNAL
        if self._gate.is_refused and code == pycurl.E_COULDNT_CONNECT:
            return Fault.ADDRESS_REFUSED
        if code != pycurl.E_OPERATION_TIMEDOUT:
            return _FAULTS.get(code, Fault.PROTOCOL)
        return Fault.TOO_SLOW if status is not None else self._missed_phase()

    def _missed_phase(self) -> Fault:
        """Say how far a transfer came that ran into a deadline before an answer began."""
        # libcurl dates each later phase with the end of a transfer that never reached it, so only a
        # request that went out and found no answer has the one date without the other.
        if self.handle.getinfo(pycurl.POSTTRANSFER_TIME_T) and not self.handle.getinfo(
            pycurl.STARTTRANSFER_TIME_T
        ):
            return Fault.TIMEOUT
        if not self.handle.getinfo(pycurl.NAMELOOKUP_TIME_T):
            return Fault.DNS
        if not self.handle.getinfo(pycurl.CONNECT_TIME_T):
            return Fault.CONNECT
        return Fault.TLS


def excerpt_of(answer: bytes, hidden: Sequence[str] = ()) -> str:
    """Make an answer's beginning fit to be kept: printable, blotted, at most 256 characters.

    Args:
        answer: its bytes, as far as they were read.
        hidden: the integration's secrets, which a receiver may repeat; the longest first.
    """
    text = answer[:_EXCERPT_BYTES].decode("utf-8", errors="ignore")
    for secret in hidden:
        text = text.replace(secret, "\u2026")
        # The end may have cut one in two.
        cut = next((n for n in range(len(secret) - 1, 3, -1) if text.endswith(secret[:n])), 0)
        text = text[: len(text) - cut]
    words = "".join(sign if sign.isprintable() else " " for sign in text).split()
    return _BLOTTED.sub("\u2026", " ".join(words))[:EXCERPT_LENGTH]


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
