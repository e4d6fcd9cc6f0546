import resource
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime.settings_page import settings_page

GUARDIAN = Path(sys.executable).with_name("guardian")
COMMANDS = [
    [],
    ["up"],
    ["api"],
    ["worker"],
    ["tui"],
    ["migrate"],
    ["doctor"],
    ["tenants"],
    ["tenants", "create"],
    ["tenants", "list"],
    ["tenants", "delete"],
    ["keys"],
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "revoke"],
    ["listen"],
    ["verify"],
    ["settings"],
]


def _processor_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_comes_at_once(command: list[str]) -> None:
    # The processor's time, not the wall's: another test may have taken the processor.
    times: list[float] = []
    for _ in range(3):
        began = _processor_s_of_children()
        told = _guardian(*command, "--help")
        times.append(_processor_s_of_children() - began)
        assert told.returncode == 0
        assert told.stdout.startswith(f"usage: {' '.join(['guardian', *command])}")
        if times[-1] < 0.3:
            break
    assert min(times) < 0.3


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["up", "--port", "70000"],
        ["up", "--fast"],
        ["keys", "create", "--role", "admin", "--label", "no tenant"],
        ["tenants", "delete", "not-an-id"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_and_says_why(arguments: list[str]) -> None:
    told = _guardian(*arguments)

    assert told.returncode == 2
    assert told.stdout == ""
    assert "error: " in told.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "sentence"),
    [
        (
            ["doctor"],
            {"GUARDIAN_DATA_DIRR": "/x"},
            "GUARDIAN_DATA_DIRR is not a setting of Guardian. Did you mean GUARDIAN_DATA_DIR?",
        ),
        (
            ["tenants", "list", "--data-dir", "/proc/none"],
            {},
            "DATABASE_URL is not set.",
        ),
        (
            ["tenants", "list"],
            {"DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/x"},
            "DATABASE_URL does not lead to a usable PostgreSQL",
        ),
        (
            ["migrate", "--data-dir", "/proc/none"],
            {},
            "DATABASE_ADMIN_URL is not set. Migrating needs the login that owns the tables.",
        ),
        (
            [
                "verify",
                "--secret=x",
                "--body=/proc/none",
                "--id=a",
                "--timestamp=1",
                "--signature=v",
            ],
            {},
            "/proc/none cannot be read: no such file or directory.",
        ),
    ],
)
def test_a_failure_is_exit_1_and_one_sentence(
    arguments: list[str], env: dict[str, str], sentence: str
) -> None:
    told = _guardian(*arguments, env=env)

    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr.startswith(f"guardian: {sentence}")
    assert told.stderr.count("\n") == 1
    assert "hush" not in told.stderr


def test_the_page_of_settings_is_what_the_code_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "settings.md"

    assert page.read_text(encoding="utf-8") == settings_page(), (
        "run `guardian settings > docs/settings.md`"
    )


def _guardian(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GUARDIAN, *arguments],
        env=env or {},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
