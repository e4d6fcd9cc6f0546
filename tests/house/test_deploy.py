"""What stands in deploy/ fits what the programs and their settings are today."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from shared.settings import WorkerSettings, load, variables

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("guardian-api.service", "guardian-worker@.service")
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())

DIRECTIVES = {
    "Unit": {"Description", "Documentation", "Wants", "After", "StartLimitIntervalSec"},
    "Service": {
        *("Type", "ExecStart", "EnvironmentFile", "Environment", "LoadCredential"),
        *("Restart", "RestartSec", "KillMode", "TimeoutStopSec"),
        *("MemoryMax", "TasksMax", "LimitNOFILE", "UMask"),
        *("DynamicUser", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities"),
        *("ProtectSystem", "ProtectHome", "ProtectClock", "ProtectHostname", "ProtectProc"),
        *("ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs"),
        *("ProtectControlGroups", "PrivateTmp", "PrivateDevices", "RemoveIPC"),
        *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime"),
        *("RestrictSUIDSGID", "LockPersonality"),
        *("SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber"),
    },
    "Install": {"WantedBy"},
}
"""The directives of systemd that our units use: a misspelt one would silently do nothing."""

REPEATED = {"Environment", "LoadCredential", "SystemCallFilter"}
_YES = "yes"
_SECONDS = r"\d+"
SHAPES = {
    "Type": "exec",
    "ExecStart": r"/\S+/guardian (api|worker)",
    "EnvironmentFile": r"/\S+",
    "Environment": r"[A-Z_]+=\S+",
    "LoadCredential": r"[a-z-]+:/\S+",
    "Restart": "always",
    "RestartSec": _SECONDS,
    "TimeoutStopSec": _SECONDS,
    "KillMode": "mixed",
    "MemoryMax": r"\d+[MG]",
    "TasksMax": r"\d+",
    "LimitNOFILE": r"\d+",
    "UMask": "0077",
    "DynamicUser": _YES,
    "NoNewPrivileges": _YES,
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": _YES,
    "ProtectProc": "invisible",
    "PrivateTmp": _YES,
    "PrivateDevices": _YES,
    "RestrictNamespaces": _YES,
}
"""What the values look like, and least privilege among them."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    known = {one.name for one in variables()}
    named = re.findall(r"(?<!SUPERVISED_)\b(GUARDIAN_[A-Z_]+)", file.read_text(encoding="utf-8"))

    assert [name for name in named if not {name, name.removesuffix("_FILE")} & known] == []


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_say_nothing_that_systemd_does_not_know(unit: str, tmp_path: Path) -> None:
    sections = _unit(unit)

    assert set(sections) == {"Unit", "Service", "Install"}
    for section, lines in sections.items():
        names = [name for name, _ in lines]
        assert set(names) <= DIRECTIVES[section]
        assert [name for name in names if names.count(name) > 1 and name not in REPEATED] == []
    for name, value in sections["Service"]:
        assert re.fullmatch(SHAPES.get(name, ".*"), value), f"{name}={value}"
        assert set(re.findall(r"%(.)", value)) <= {"d", "i"}
    # In addition to our own reading, systemd's own where it is installed.
    if systemd := shutil.which("systemd-analyze"):
        assert _complaints(systemd, unit, tmp_path) == ""


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_give_each_secret_as_a_credential_and_as_nothing_else(unit: str) -> None:
    service = _unit(unit)["Service"]
    loaded = {value.partition(":")[0] for name, value in service if name == "LoadCredential"}
    named = dict(value.split("=", 1) for name, value in service if name == "Environment")
    files = {value for name, value in named.items() if name.endswith("_FILE")}

    assert files == {f"%d/{one}" for one in loaded}
    assert not any("://" in value for value in named.values())


def test_whoever_stops_a_worker_waits_for_longer_than_it_drains() -> None:
    drain_s = load(WorkerSettings, {}).guardian_worker_drain_seconds
    unit = (DEPLOY / "guardian-worker@.service").read_text(encoding="utf-8")
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
    [waits_s] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)

    assert float(waits_s) > drain_s
    assert float(compose["services"]["worker"]["stop_grace_period"].rstrip("s")) > drain_s


def test_every_container_of_ours_is_confined_and_its_log_is_bounded() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))["services"]
    for name in ("migrate", "api", "worker"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["logging"]["options"]["max-size"]
    for name in ("postgres", "valkey", "api", "worker"):
        assert services[name]["healthcheck"]["test"]


def test_the_image_copies_what_exists() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    copied = [
        source
        for words in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in words.split()[:-1]
    ]

    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_each_alert_waits_and_tells() -> None:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["expr"].strip()
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"].endswith(".")
        assert _has_balanced_brackets(rule["expr"])


def test_each_alert_has_its_page_in_the_runbook() -> None:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    runbook = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"]}

    assert [name for name in alerts if f"\n### {name}\n" not in runbook] == []
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"


def test_prometheus_itself_finds_the_alerts_right_where_it_is_installed(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    cases = shutil.copy(ROOT / "tests/house/alerts.test.yml", tmp_path)
    named = set(re.findall(r"alertname: (\w+)", Path(cases).read_text(encoding="utf-8")))
    known = set(re.findall(r"alert: (\w+)", (DEPLOY / "alerts.yml").read_text(encoding="utf-8")))

    assert named <= known
    # In addition to our own reading: Debian has it in its package `prometheus`.
    if promtool := shutil.which("promtool"):
        for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
            answer = subprocess.run(
                [promtool, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert answer.returncode == 0, answer.stdout + answer.stderr


def _has_balanced_brackets(expression: str) -> bool:
    plain = re.sub(r'"[^"]*"', "", expression)
    while (shorter := re.sub(r"\([^()]*\)|\[[^][]*\]|\{[^{}]*\}", "", plain)) != plain:
        plain = shorter
    return not set(plain) & set("()[]{}")


def _unit(name: str) -> dict[str, list[tuple[str, str]]]:
    """A unit's directives by section, in order; a line that is neither fails."""
    sections: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
            sections[section] = []
            continue
        directive, sign, value = line.partition("=")
        assert sign, f"{name}: {line}"
        sections[section].append((directive, value))
    return sections


def _complaints(systemd: str, unit: str, folder: Path) -> str:
    text = (DEPLOY / unit).read_text(encoding="utf-8")
    made = folder / unit.replace("@.", "@1.")
    # The program stands elsewhere on this machine.
    made.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text), encoding="utf-8")
    answer = subprocess.run(
        [systemd, "verify", "--man=no", str(made)], capture_output=True, text=True, check=False
    )
    return answer.stderr or f"exit code {answer.returncode}" * bool(answer.returncode)
