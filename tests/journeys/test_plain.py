"""The console without a screen: words for people who listen, data for programs that read."""

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.contracts.words import Role
from tests.journeys.conftest import ROOT, System, eventually
from tests.receiver import Receiver

GUARDIAN = str(Path(sys.executable).with_name("guardian"))


def around(system: System, home: Path, role: Role = Role.ADMIN) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "GUARDIAN_API_URL": system.api_url,
        "GUARDIAN_API_KEY": system.keys[role],
    }


async def run(env: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run it with its standard input closed, and no terminal anywhere."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$@" <&-', "sh", GUARDIAN, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
    )
    out, told = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, out.decode(), told.decode()


async def observe(system: System, score: int) -> None:
    async with system.speak(Role.INGEST) as producer:
        answer = await producer.post(
            "/observations/readiness",
            json={
                "computed_at": datetime.now(UTC).isoformat(),
                "capabilities": [{"key": "guardian.core.rules", "score": score}],
            },
        )
        assert answer.status_code == 202


async def test_one_question_is_answered_as_words_json_or_csv_on_stdout(
    system: System, tmp_path: Path
) -> None:
    system.start("worker")
    env = around(system, tmp_path)
    async with Receiver(otherwise=204) as receiver:
        await system.connect(receiver.url)
        await observe(system, 72)

        (status, tail, as_json, as_csv, missing) = await asyncio.gather(
            run(env, "status"),
            run(env, "tail", "--count", "1", "--every", "0.1"),
            run(env, "status", "--json"),
            run(env, "get", "integrations", "--csv"),
            run(env, "get", "delivery", "01890000-0000-7000-8000-000000000000"),
        )

    assert (status[0], status[2]) == (0, "")
    assert "readiness       72.0  ok" in status[1]
    assert tail[0] == 0
    assert "readiness_updated  to bi_dashboard" in tail[1]
    assert json.loads(as_json[1])["readiness"]["overall_score"] == 72
    [row] = csv.DictReader(io.StringIO(as_csv[1]))
    assert row["integration_key"] == "bi_dashboard"
    assert missing[:2] == (1, "")
    assert missing[2].startswith("guardian get: ")


async def test_refusals_go_to_stderr_in_one_sentence_with_an_exit_code(
    system: System, tmp_path: Path
) -> None:
    env = around(system, tmp_path)
    nowhere = {name: value for name, value in env.items() if not name.startswith("GUARDIAN_")}

    wrong, unknown, refused, nobody, away = await asyncio.gather(
        run(env, "get", "nonsense"),
        run(env, "status", "--nonsense"),
        run(env | {"GUARDIAN_API_KEY": "gm_wrong"}, "status"),
        run(nowhere, "status"),
        run(env | {"GUARDIAN_API_URL": "http://127.0.0.1:1"}, "tui", "--plain", "--nonsense"),
    )

    assert [one[0] for one in (wrong, unknown, refused, nobody, away)] == [2, 2, 1, 1, 2]
    assert all(one[1] == "" for one in (wrong, unknown, refused, nobody, away))
    assert refused[2].count("\n") == nobody[2].count("\n") == 1
    assert "GUARDIAN_API_URL" in nobody[2]
    assert "gm_wrong" not in refused[2]


async def test_the_plain_console_adds_lines_in_words_and_leaves_at_a_signal(
    system: System, tmp_path: Path
) -> None:
    await observe(system, 72)
    said = tmp_path / "said.txt"
    with said.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(GUARDIAN, "tui", "--plain"),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=around(system, tmp_path),
        )
    try:
        await eventually(_says(said, "readiness: 72.0, mature, ok"), "the figures")
        await observe(system, 40)
        await eventually(_says(said, "readiness: 40.0"), "the change")
        [api] = system.running
        system.kill(api)
        await eventually(_says(said, "no answer, what was said is old"), "that it is old")
        system.start("api")
        await eventually(_says(said, "back at http"), "that it is back")
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 10)

    text = said.read_text()
    assert code == 0
    assert "\x1b" not in text
    assert text.count("adoption: missing") == 1, "what has not changed is not said again"


async def test_a_console_that_may_only_read_changes_nothing(system: System, tmp_path: Path) -> None:
    from tests.terminal import Process  # noqa: PLC0415 - the only one here with a terminal

    await system.connect("http://127.0.0.1:9/hook")
    env = around(system, tmp_path) | {"TERM": "xterm-256color"}
    console = Process([GUARDIAN, "tui", "--read-only"], env)
    try:
        await console.shows(" RO ")
        console.press("3" if "3 Integ" in console.screen.text else "2")
        await console.shows(">● on")
        console.press(" ")
        await console.shows("--read-only")
    finally:
        console.close()

    async with system.speak() as admin:
        [integration] = (await admin.get("/integrations")).json()["items"]
    assert integration["is_enabled"]


@pytest.mark.parametrize("command", ["status", "tail", "get"])
async def test_each_has_a_help_page(command: str, tmp_path: Path) -> None:
    code, out, told = await run({"PATH": os.environ["PATH"]}, command, "--help")

    assert (code, told) == (0, "")
    assert "GUARDIAN_API_URL" in out


def _says(path: Path, text: str):  # noqa: ANN202 - a condition to wait for
    async def is_so() -> bool:
        return text in await asyncio.to_thread(path.read_text)

    return is_so
