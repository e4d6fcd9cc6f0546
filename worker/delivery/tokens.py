"""Bearer tokens for receivers that want one of OAuth 2.0: asked for, kept, renewed once on a 401.

A token is asked for over the same transport as a webhook, so its URL is judged at dial time, no
redirect is followed and the same deadlines hold. Whoever needs the same token at the same moment
waits for the same answer. Without a token nothing is sent: the attempt has failed under a name of
its own and is tried again on the schedule; what the authorization server answers, be it 410 or a
redirect, is never taken for the receiver's answer.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from shared.domain.credentials import ClientCertificate
from shared.domain.oauth2 import Grant, Token, TokenRefusedError, read_token, token_request
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared
from worker.delivery.send import CurlTransport

_FAULTS = {
    Fault.INTERNAL: Fault.INTERNAL,
    Fault.ADDRESS_REFUSED: Fault.GRANT_ADDRESS_REFUSED,
}
_PASSING_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_SERVER_ERRORS = 500


class _Source(NamedTuple):
    """Where a token comes from; a server may bind it to the certificate it was asked with."""

    grant: Grant
    client_certificate: ClientCertificate | None


class TokenTransport:
    """Sends, with a token where the request has a grant; all else goes straight through."""

    def __init__(
        self, transport: CurlTransport, *, clock: Callable[[], datetime], user_agent: str
    ) -> None:
        """Hold no token yet.

        Args:
            transport: sends webhooks and asks for tokens; it is closed together with this.
            clock: says whether a token is still fresh.
            user_agent: of the requests for tokens.
        """
        self._transport = transport
        self._clock = clock
        self._user_agent = user_agent
        self._tokens: dict[_Source, Token] = {}
        self._asking: dict[_Source, asyncio.Task[Token | Outcome]] = {}

    def post(self, request: Prepared) -> Coroutine[Any, Any, Outcome]:
        """Send once, after a 401 to a token once more with a new one; see `CurlTransport.post`."""
        if request.grant is None:
            return self._transport.post(request)
        return self._post_with_token(request, _Source(request.grant, request.client_certificate))

    async def aclose(self) -> None:
        """Give up what is under way and let go of every connection."""
        await self._transport.aclose()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _post_with_token(self, request: Prepared, source: _Source) -> Outcome:
        loop = asyncio.get_running_loop()
        started_at, began = self._clock(), loop.time()
        token = await self._token(source)
        if isinstance(token, Outcome):
            outcome = token
        else:
            outcome = await self._transport.post(_bearing(request, token))
            if outcome.fault is None and outcome.status_code == HTTPStatus.UNAUTHORIZED:
                self._forget(source, token)
                renewed = await self._token(source)
                if isinstance(renewed, Token):
                    outcome = await self._transport.post(_bearing(request, renewed))
        duration_ms = round((loop.time() - began) * 1000)
        return replace(outcome, started_at=started_at, duration_ms=duration_ms)

    async def _token(self, source: _Source) -> Token | Outcome:
        """A token to use, or why there is none."""
        kept = self._tokens.get(source)
        if kept is not None and kept.is_fresh(self._clock()):
            return kept
        asking = self._asking.get(source)
        if asking is None:
            asking = asyncio.create_task(self._ask(source))
            self._asking[source] = asking
            asking.add_done_callback(lambda _: self._asking.pop(source, None))
        # Who is cancelled leaves; the others still get their answer.
        return await asyncio.shield(asking)

    def _forget(self, source: _Source, token: Token) -> None:
        """Use `token` no more; a newer one that somebody else fetched meanwhile stays."""
        if self._tokens.get(source) is token:
            del self._tokens[source]

    async def _ask(self, source: _Source) -> Token | Outcome:
        headers, body = token_request(source.grant)
        request = Prepared(
            source.grant.token_url,
            (*headers, ("user-agent", self._user_agent)),
            body,
            client_certificate=source.client_certificate,
        )
        answer = bytearray()
        asked_at = self._clock()
        outcome = await self._transport.post(request, answer=answer)
        if outcome.fault is not None or outcome.status_code is None:
            fault = _FAULTS.get(outcome.fault or Fault.PROTOCOL, Fault.GRANT_UNANSWERED)
            said = f"The authorization server gave no answer: {outcome.token}."
            return Outcome(asked_at, outcome.duration_ms, fault=fault, excerpt=said)
        status = outcome.status_code
        try:
            token = read_token(status_code=status, body=bytes(answer), asked_at=asked_at)
        except TokenRefusedError as error:
            is_passing = status >= _SERVER_ERRORS or status in _PASSING_STATUSES
            return Outcome(
                asked_at,
                outcome.duration_ms,
                fault=Fault.GRANT_UNANSWERED if is_passing else Fault.GRANT_REFUSED,
                retry_after=outcome.retry_after if is_passing else None,
                excerpt=str(error),
            )
        self._tokens = {one: old for one, old in self._tokens.items() if old.is_fresh(asked_at)}
        self._tokens[source] = token
        return token


def _bearing(request: Prepared, token: Token) -> Prepared:
    bearer = ("authorization", f"Bearer {token.value}")
    return replace(
        request, headers=(*request.headers, bearer), hidden=(token.value, *request.hidden)
    )
