"""Requests that nobody means well with: what they are made of, and whoever sends them."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

MARK = re.compile(r"zq[0-9a-f]{12}zq")
PATIENCE_S = 60.0
DEEP = 1000


class Raw(str):
    """What stands in a body as it is, JSON or not."""

    __slots__ = ()


TEXTS = (
    "'; DROP TABLE tenant; --",
    "1' OR '1'='1",
    "\\'; SELECT pg_sleep(10); --",
    "$1",
    "%s%n%x",
    "{0.__class__}",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/x}",
    "<script>alert(1)</script>",
    "[@click=app.quit]x[/]",
    "[/nope]",
    "[bold",
    "<!channel> <https://example.com|x>",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m\x85\x08\x7f",
    "x\r\nset-cookie: a=b",
    "\x00",
    "a\x00b",
    "\u202egnissecorp",
    "\u200b\u200d\ufeff",
    "\u2028\u2029",
    "e\u0301" * 200,
    "\ufdfa" * 200,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 50,
    "\u0130\u00df\ufb00",
    "\uff07 OR 1=1",
    "../../../../etc/passwd",
    "a" * 10_000,
    "a" * 100_000,
    " ",
    "",
    "null",
    "-0",
    "9" * 5000,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "2026-02-30T25:61:61Z",
    "2026-11-01T06:00:00+99:99",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "{01a2084e-6488-794a-89ba-87f998e7f98f}",
    "https://[::ffff:169.254.169.254]/",
    "=cmd|' /C calc'!A0",
)

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    101,
    1.5,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    [],
    {},
    [[]],
    [None] * 1000,
    {"a": {"b": {"c": []}}},
    Raw("NaN"),
    Raw("Infinity"),
    Raw("-Infinity"),
    Raw("1e400"),
    Raw("-1e400"),
    Raw("1e-400"),
    Raw("-0.0"),
    Raw("1" + "0" * 400),
    Raw("0x10"),
    Raw("01"),
    Raw("1."),
    Raw("'single'"),
    Raw('"\\ud800"'),
    Raw('"\\u0000"'),
    Raw('"\\x41"'),
    Raw('"\t"'),
    Raw("[" * DEEP + "]" * DEEP),
    Raw('{"a":' * DEEP + "1" + "}" * DEEP),
    Raw("undefined"),
    Raw(""),
    Raw("/* */ 1"),
)

BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"}",
    b"null",
    b"[]",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b'{"label": "\xff\xfe\xc3("}',
    b'{"label": "\xed\xa0\x80"}',
    b'{"a": 1, "a": 2, "a": 3}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'"' + b"\\u0041" * 20_000 + b'"',
    b"1" * 100_000,
    b'{"label": "' + b"x" * (2 * 1024 * 1024) + b'"}',
    b" " * (2 * 1024 * 1024),
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"label=x&role=admin",
    b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
    b'{"domain":"readiness"}\n{"domain":"nothing"}\nnull\n[]\n\n{"domain":',
    b"\n" * 100_000,
    b'{"domain":"readiness"}\n' * 300,
)

HEADS: tuple[bytes, ...] = (
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x-many: 1\r\n" * 1000 + b"\r\n",
    b"GET / HTTP/1.1\r\nx-long: " + b"a" * 50_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nx y: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\n x: 1\r\n\r\n",
    b"CONNECT 127.0.0.1:5432 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
)

PARAMETERS = (
    "limit",
    "cursor",
    "workspaceId",
    "since",
    "until",
    "from",
    "to",
    "granularity",
    "status",
    "event_type",
    "integration_id",
    "window",
    "updated_since",
    "updated_before",
    "format",
    "events",
    "integrationId",
    "nothing",
)

HEADERS = (
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-request-id",
    "x-forwarded-for",
    "traceparent",
    "last-event-id",
    "accept",
    "accept-encoding",
    "content-encoding",
    "range",
    "cookie",
    "x-http-method-override",
)

MEDIA_TYPES = (
    "application/json",
    "application/json; charset=utf-16",
    "application/x-ndjson",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; boundary=\x7f",
    "application/msgpack",
    "a" * 5000,
    "",
)


@dataclass(frozen=True)
class Target:
    """What can be asked for.

    Attributes:
        operations: methods and paths, with names in braces.
        keys: the texts of keys; every role should be there.
        bodies: of some operations, one that would be accepted.
        ids: that exist.
    """

    operations: list[tuple[str, str]]
    keys: list[str]
    bodies: Mapping[tuple[str, str], dict[str, Any]]
    ids: list[str]


@dataclass
class Report:
    """What became of the requests.

    Attributes:
        statuses: how often each was answered; 0 where the server hung up on what is no request.
        faults: what must not have happened.
        refused: the marks of the requests that were refused.
    """

    statuses: Counter[int] = field(default_factory=Counter[int])
    faults: list[str] = field(default_factory=list[str])
    refused: set[str] = field(default_factory=set[str])


class Attacker:
    """Makes one request after the other, the same ones for the same dice."""

    def __init__(self, target: Target, dice: Random) -> None:
        self._target = target
        self._dice = dice

    def request(self) -> tuple[bytes, str]:
        """The bytes of a request, and the mark that stands in each of its texts."""
        dice = self._dice
        mark = f"zq{dice.getrandbits(48):012x}zq"
        if dice.random() < 0.02:
            return dice.choice(HEADS), mark
        method, path = dice.choice(self._target.operations)
        template = self._target.bodies.get((method, path))
        content = b""
        if method in {"POST", "PUT", "PATCH"} or dice.random() < 0.05:
            content = self._body(template, mark)
        url = re.sub(r"\{\w+\}", lambda _: self._segment(), path) + self._query(mark)
        if dice.random() < 0.05:
            method = dice.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "X"])
        head = f"{method} {url} HTTP/1.1\r\nhost: guardian\r\n".encode("utf-8", "replace")
        for name, value in self._headers(mark):
            plain = re.sub(r"[\r\n\x00]", " ", value)[:9000]
            head += f"{name}: {plain}\r\n".encode("utf-8", "replace")
        return head + b"content-length: %d\r\n\r\n" % len(content) + content, mark

    def _segment(self) -> str:
        dice = self._dice
        if dice.random() < 0.5:
            return dice.choice(self._target.ids)
        if dice.random() < 0.3:
            return str(UUID(int=dice.getrandbits(128)))
        return quote(dice.choice(TEXTS)[:10_000], safe=dice.choice(["", "/", "'\"<>"])) or "%20"

    def _query(self, mark: str) -> str:
        dice = self._dice
        if dice.random() < 0.5:
            return ""
        pairs = [
            f"{dice.choice(PARAMETERS)}={quote(self._text(mark)[:5000], safe='')}"
            for _ in range(dice.randint(1, 4))
        ]
        return "?" + "&".join(pairs)

    def _headers(self, mark: str) -> Iterator[tuple[str, str]]:
        dice = self._dice
        chance = dice.random()
        if chance < 0.85:
            yield "authorization", f"Bearer {dice.choice(self._target.keys)}"
        elif chance < 0.95:
            yield "authorization", dice.choice(["Bearer ", "Basic ", ""]) + dice.choice(TEXTS)
        likely = dice.random() < 0.8
        yield "content-type", "application/json" if likely else dice.choice(MEDIA_TYPES)
        if dice.random() < 0.2:
            name = dice.choice(HEADERS)
            yield name, dice.choice(TEXTS) if name == "x-request-id" else self._text(mark)

    def _body(self, template: dict[str, Any] | None, mark: str) -> bytes:
        dice = self._dice
        if template is None or dice.random() < 0.1:
            return dice.choice(BODIES)
        marked = cast("dict[str, Any]", _marked(template, mark))
        for _ in range(dice.randint(0, 3)):
            marked = self._spoilt(marked, mark)
        text = dump(marked, repeated=dice.random() < 0.05)
        if dice.random() < 0.03:
            text = text[: dice.randrange(len(text) + 1)]
        return text.encode("utf-8", "replace")

    def _spoilt(self, value: Any, mark: str) -> Any:
        """The same with one place changed, left out or added."""
        dice = self._dice
        if isinstance(value, dict) and value and dice.random() < 0.85:
            made = dict(cast("dict[str, Any]", value))
            name = dice.choice(list(made))
            chance = dice.random()
            if chance < 0.1:
                del made[name]
            elif chance < 0.2:
                made[self._text(mark)[:300]] = made[name]
            else:
                made[name] = self._spoilt(made[name], mark)
            return made
        if isinstance(value, list) and value and dice.random() < 0.7:
            items = cast("list[Any]", value)
            many = dice.choice([1, 1, 2, 200]) if len(items) <= 2 else 1
            return [self._spoilt(items[0], mark), *items[1:]] * many
        return self._text(mark) if dice.random() < 0.5 else dice.choice(VALUES)

    def _text(self, mark: str) -> str:
        return f"{mark}{self._dice.choice(TEXTS)}"


def dump(value: Any, *, repeated: bool = False) -> str:
    """JSON, with raw pieces as they are, and with the first name of each object given twice."""
    match value:
        case Raw():
            return str(value)
        case dict():
            named = cast("dict[str, Any]", value)
            pairs = [f"{json.dumps(name)}: {dump(one)}" for name, one in named.items()]
            return "{" + ", ".join(pairs + pairs[:1] if repeated else pairs) + "}"
        case list():
            return "[" + ", ".join(dump(one) for one in cast("list[Any]", value)) + "]"
        case _:
            return json.dumps(value)


def _marked(value: Any, mark: str) -> Any:
    """The same with the mark in whatever is free text."""
    match value:
        case dict():
            named = cast("dict[str, Any]", value)
            free = {"label", "title", "name", "description"}
            return {
                key: f"{one} {mark}" if key in free else _marked(one, mark)
                for key, one in named.items()
            }
        case list():
            return [_marked(one, mark) for one in cast("list[Any]", value)]
        case _:
            return value


async def assault(port: int, attackers: Iterable[Attacker], *, requests: int) -> Report:
    """Send as many requests from each of the attackers, one after the other, each on its line."""
    report = Report()
    await asyncio.gather(*(_attack(port, one, report, requests) for one in attackers))
    return report


async def _attack(port: int, attacker: Attacker, report: Report, requests: int) -> None:
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    for _ in range(requests):
        request, mark = attacker.request()
        status, is_kept = 0, False
        try:
            async with asyncio.timeout(PATIENCE_S):
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                if request in HEADS:
                    # Half of them promise more than they say: that nothing comes, ends the waiting.
                    writer.write_eof()
                status, is_kept = await _answer(reader, is_head=request.startswith(b"HEAD "))
        except TimeoutError:
            report.faults.append(f"no answer within {PATIENCE_S:g} s: {request[:300]!r}")
        except (OSError, asyncio.IncompleteReadError):
            pass  # it hung up
        report.statuses[status] += 1
        if status >= 500:
            report.faults.append(f"{status}: {request[:2000]!r}")
        if not 200 <= status < 300:
            report.refused.add(mark)
        if not is_kept and writer is not None:
            writer.transport.abort()
            reader = writer = None
    if writer is not None:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, *, is_head: bool) -> tuple[int, bool]:
    """The status of an answer that was read to its end, and whether another may follow."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    if is_head or status in {204, 304}:
        pass
    elif length:
        await reader.readexactly(int(length[1]))
    elif b"transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return status, b"\r\nconnection: close" not in head
