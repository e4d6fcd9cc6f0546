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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    known = {one.name for one in variables()}
    named = re.findall(r"(?<!SUPERVISED_)\b(GUARDIAN_[A-Z_]+)", file.read_text(encoding="utf-8"))

    assert [name for name in named if not {name, name.removesuffix("_FILE")} & known] == []


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    text = (DEPLOY / unit).read_text(encoding="utf-8")
    made = tmp_path / unit.replace("@.", "@1.")
    # The program stands elsewhere on this machine.
    made.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text), encoding="utf-8")

    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(made)],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
    )

    assert (answer.returncode, answer.stderr) == (0, "")


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
