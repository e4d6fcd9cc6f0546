from configparser import RawConfigParser
from pathlib import Path
from typing import Any, cast

import pytest
from supervisor.options import ServerOptions

from shared.runtime import kept
from shared.runtime.supervision import Program, configuration

PRODUCTION = Path(__file__).parents[3] / "deploy" / "supervisord.conf"
PROGRAMS = [
    Program("worker", ("--stop-with-parent",), {"DATABASE_URL_FILE": "/x y/%"}, 30, 10),
    Program("api", ("--stop-with-parent",), {}, 15, 20),
]
ENVIRONMENT = {
    "SUPERVISED_GUARDIAN": "/opt/guardian/bin/guardian",
    "SUPERVISED_USER": "root",
    "SUPERVISED_RUN_DIR": "/run",
    "SUPERVISED_API_DATABASE_URL_FILE": "/etc/guardian/api",
    "SUPERVISED_WORKER_DATABASE_URL_FILE": "/etc/guardian/worker",
    "SUPERVISED_WORKERS": "2",
    "SUPERVISED_WORKER_STOP_SECONDS": "30",
}


def test_production_and_up_supervise_alike(tmp_path: Path) -> None:
    ours = _parsed(configuration(PROGRAMS, tmp_path, tmp_path / "s"))
    theirs = _parsed(PRODUCTION.read_text(encoding="utf-8"))
    alike = (
        *("autostart", "autorestart", "startsecs", "startretries", "stopsignal", "stopasgroup"),
        *("killasgroup", "redirect_stderr", "priority"),
    )

    for program in ("program:worker", "program:api"):
        assert {key: ours[program][key] for key in alike} == {
            key: theirs[program][key] for key in alike
        }
        assert ours[program]["command"].split()[-2:] == theirs[program]["command"].split()[-2:]
    assert ours["unix_http_server"]["chmod"] == theirs["unix_http_server"]["chmod"]
    assert "inet_http_server" not in (*ours.sections(), *theirs.sections())


def test_supervisord_accepts_the_production_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    programs = _read(PRODUCTION)

    assert set(programs) == {"worker_00", "worker_01", "api"}
    assert programs["api"].environment == {"DATABASE_URL_FILE": "/etc/guardian/api"}
    assert programs["worker_01"].stopwaitsecs == 30


def test_supervisord_reads_unusual_paths_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "supervisord.conf"
    file.write_text(configuration(PROGRAMS, tmp_path, tmp_path / "s"))

    programs = _read(file)

    assert programs["worker"].environment == {"DATABASE_URL_FILE": "/x y/%"}
    assert programs["worker"].stdout_logfile == str(tmp_path / "worker.log")


def test_a_kept_environment_survives_the_shell_and_yields_to_the_given_one(tmp_path: Path) -> None:
    kept.write_environment(tmp_path, {"DATABASE_URL": "a b'c", "REDIS_URL": "unix:///x"})

    assert kept.kept_system({}, tmp_path)["DATABASE_URL"] == "a b'c"
    assert kept.kept_system({"REDIS_URL": "mine"}, tmp_path)["REDIS_URL"] == "mine"
    assert kept.kept_system({"DATABASE_URL": "mine"}, tmp_path) == {"DATABASE_URL": "mine"}
    assert (tmp_path / "environment").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["environment"]


def _parsed(text: str) -> RawConfigParser:
    parser = RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(text)
    return parser


def _read(file: Path) -> dict[str, Any]:
    options = cast("Any", ServerOptions())
    options.realize(["-c", str(file)], doc="supervisord")
    return {
        one.name: one for group in options.process_group_configs for one in group.process_configs
    }
