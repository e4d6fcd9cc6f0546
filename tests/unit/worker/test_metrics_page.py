"""docs/metrics.md lists every metric there is; the board and the alerts use no other."""

import re
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from api.metrics import Metrics as ApiMetrics
from tests.unit.worker.conftest import Builder, engine
from worker.metrics import Metrics as WorkerMetrics

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `(guardian_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", re.MULTILINE)
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def _rows() -> set[tuple[str, str, str, str]]:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").replace("| |", "|  |")
    return {(name, kind, labels.strip(), text) for name, kind, labels, text in ROW.findall(page)}


def _told(registry: CollectorRegistry) -> set[tuple[str, str, str, str]]:
    collectors = cast("set[object]", set(registry._collector_to_names))
    return {
        (
            getattr(one, "_name"),  # noqa: B009 - the library has no public word for it
            getattr(one, "_type"),  # noqa: B009
            ", ".join(f"`{label}`" for label in getattr(one, "_labelnames")),  # noqa: B009
            getattr(one, "_documentation"),  # noqa: B009
        )
        for one in collectors
    }


async def test_the_page_lists_what_is_told(builder: Builder) -> None:
    async with engine(builder) as running:
        told = _told(ApiMetrics().registry) | _told(WorkerMetrics(running.pump).registry)

    assert _rows() == told


@pytest.mark.parametrize("name", ["alerts.yml", "dashboard.json"])
def test_what_is_watched_exists_with_these_labels(name: str) -> None:
    series = {
        f"{metric}{suffix}": {*re.findall(r"`(\w+)`", labels), "le"}
        for metric, kind, labels, _ in _rows()
        for suffix in SUFFIXES[kind]
    }
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8").replace('\\"', '"')
    used = re.findall(r"\b(guardian_\w+)(?:\{(\w+)[=!])?", text)

    assert len(used) > 8
    assert [one for one, _ in used if one not in series] == []
    assert [one for one, label in used if label and label not in series[one]] == []


def test_every_metric_is_on_the_board() -> None:
    board = (ROOT / "deploy" / "dashboard.json").read_text(encoding="utf-8")

    assert [name for name, *_ in _rows() if name not in board] == []


def test_every_alert_has_its_section_in_the_runbook() -> None:
    alerts = (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8")
    names = re.findall(r"- alert: (\w+)", alerts)
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    anchors = [one.lower() for one in re.findall(r"^#+ (Guardian\w+)$", page, re.MULTILINE)]

    assert re.findall(r"operations\.md#(\w+)", alerts) == [name.lower() for name in names]
    assert anchors == [name.lower() for name in names]
