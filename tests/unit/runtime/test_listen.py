import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shared.domain.signing import new_secret, sign

GUARDIAN = Path(sys.executable).with_name("guardian")
SECRET = new_secret(bytes(32))
OTHER = new_secret(bytes([1] * 32))
BODY = b'{"type":"guardian.readiness.updated","data":{}}'


def test_a_signed_message_is_verified_by_any_of_the_secrets() -> None:
    with _listening("--secret", OTHER, "--secret", SECRET) as (url, told):
        answer = httpx.post(url, content=BODY, headers=_signed(BODY))

        assert answer.status_code == 204
        arrival = json.loads(told.readline())
    assert arrival["verdict"] == "verified"
    assert arrival["type"] == "guardian.readiness.updated"
    assert arrival["webhook_id"] == "evt_1"
    assert arrival["size"] == len(BODY)


@pytest.mark.parametrize("tampered", [BODY + b" ", b""])
def test_an_altered_body_is_refused_and_said_so(tampered: bytes) -> None:
    with _listening("--secret", SECRET) as (url, told):
        answer = httpx.post(url, content=tampered, headers=_signed(BODY))

        assert answer.status_code == 401
        assert json.loads(told.readline())["verdict"].startswith("refused: ")


def test_without_a_secret_nothing_is_verified_but_all_is_taken() -> None:
    with _listening() as (url, told):
        assert httpx.post(url, content=b"not json").status_code == 204

        arrival = json.loads(told.readline())
    assert (arrival["verdict"], arrival["type"]) == ("unverified", "?")


def test_secrets_added_to_the_file_count_from_the_next_arrival(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(OTHER)
    with _listening("--secret-file", str(file)) as (url, _):
        assert httpx.post(url, content=BODY, headers=_signed(BODY)).status_code == 401
        file.write_text(f"{OTHER}\n{SECRET}\n")

        assert httpx.post(url, content=BODY, headers=_signed(BODY)).status_code == 204


def test_a_rehearsal_fails_the_first_and_takes_the_next() -> None:
    with _listening("--fail", "503:2", "--delay", "0.05") as (url, told):
        answers = [httpx.post(url, content=BODY) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [503, 503, 204]
        assert all(answer.elapsed >= timedelta(seconds=0.05) for answer in answers)
        assert json.loads(told.readline())["verdict"] == "unverified"


@pytest.mark.parametrize("wrong", ["503", "200:1", "a:b", ":2"])
def test_a_rehearsal_that_cannot_be_read_is_wrong_usage(wrong: str) -> None:
    done = subprocess.run(
        [GUARDIAN, "listen", "--fail", wrong], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "503:2" in done.stderr


def test_a_strangers_text_cannot_move_the_cursor() -> None:
    with _listening() as (url, told):
        httpx.post(url, content='{"type":"\x1b[2J"}'.replace("\x1b", "\\u001b").encode())

        assert json.loads(told.readline())["type"] == "?[2J"


def test_a_taken_port_is_one_sentence() -> None:
    with _listening() as (url, _):
        port = url.rsplit(":", 1)[1]
        second = subprocess.run(
            [GUARDIAN, "listen", "--port", port],
            env={},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    assert second.returncode == 1
    assert second.stderr == f"guardian: Port {port} is taken: choose another with --port.\n"


@pytest.mark.parametrize(
    ("age", "verdict", "code"),
    [(timedelta(0), "verified\n", 0), (timedelta(minutes=6), "refused: ", 1)],
)
def test_verify_checks_one_message_by_hand(
    age: timedelta, verdict: str, code: int, tmp_path: Path
) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(BODY)
    headers = _signed(BODY, age=age)

    told = subprocess.run(
        [
            *(GUARDIAN, "verify", "--secret", SECRET, "--body", body),
            *("--id", headers["webhook-id"], "--timestamp", headers["webhook-timestamp"]),
            *("--signature", headers["webhook-signature"]),
        ],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert told.returncode == code
    assert told.stdout.startswith(verdict)


class Told:
    """What the receiver prints, a line at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def readline(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def _listening(*options: str) -> Generator[tuple[str, Told]]:
    process = subprocess.Popen(
        [GUARDIAN, "listen", "--port", "0", "--json", *options],
        env={"PATH": os.defpath},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told = Told(process)
        yield json.loads(told.readline())["url"], told
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def _signed(body: bytes, *, age: timedelta = timedelta(0)) -> dict[str, str]:
    return sign([SECRET], message_id="evt_1", sent_at=datetime.now(UTC) - age, body=body)
