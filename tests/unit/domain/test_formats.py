"""Every event in every format, byte for byte; and what receivers' own libraries think of it.

After a change that is meant, `GOLDEN=rewrite pytest tests/unit/domain/test_formats.py` writes the
files anew; the difference is then read like any other.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from shared.contracts.payloads import (
    CapabilitySummary,
    EditionFitData,
    ExecutiveReportData,
    Payload,
    ReadinessData,
)
from shared.contracts.templates import Template
from shared.contracts.words import (
    Band,
    EventType,
    FitStatus,
    PayloadFormat,
    ReadyTemplate,
    Scope,
)
from shared.domain import pii
from shared.domain.formats.rendering import Shape, render, shape_of
from shared.domain.formats.template_checks import template_problems
from shared.domain.mappers import envelope
from shared.domain.signing import new_secret, sign
from tests.unit.domain.example_events import EVENT_ID, EXAMPLES, INSTANT, LARGEST

GOLDEN = Path(__file__).parent / "golden"
SUBJECT = UUID("9d5bb9f5-6cf6-4f7e-8c1f-2f6c5f9a1b3d")

OWN = Template(
    account="acme-1",
    bodies={
        "readiness_updated": {
            "customer": "$account",
            "score": "$data.overall_score",
            "band": "$data.band",
            "first": "$data.capabilities_summary[0].label",
            "rules": "$data.capabilities_summary[guardian.core.rules].score",
            "unscored": "$data.capabilities_summary[guardian.core.risk].score",
            "source": "guardian",
            "price": "$$5",
            "live": True,
            "weight": 1.5,
            "nothing": None,
        },
        "adoption_scores_computed": [
            {"of": "core", "score": "$data.dimensions[core].score!"},
            {"of": "meta", "score": "$data.dimensions[meta].score!"},
        ],
        "default": {"id": "$id", "about": "$subject", "what": "$type", "data": "$data"},
    },
)

SHAPES: dict[str, Shape] = {
    **{
        str(one): shape_of(one, subject=SUBJECT)
        for one in PayloadFormat
        if one is not PayloadFormat.TEMPLATE
    },
    "template": shape_of(PayloadFormat.TEMPLATE, subject=SUBJECT, template=OWN),
    **{
        f"template_{one}": shape_of(
            PayloadFormat.TEMPLATE, template=Template(ready=one, account="acme-1")
        )
        for one in ReadyTemplate
    },
}


def rendered(
    payload_format: PayloadFormat,
    event_type: EventType,
    data: Payload | None = None,
    *,
    subject: UUID | None = None,
) -> dict[str, Any]:
    body = envelope(event_type, INSTANT, data or EXAMPLES[event_type])
    return msgspec.json.decode(render(shape_of(payload_format, subject=subject), EVENT_ID, body))


@pytest.mark.parametrize("event_type", EventType)
@pytest.mark.parametrize("name", SHAPES)
def test_the_bytes_are_what_they_were(name: str, event_type: EventType) -> None:
    standard = envelope(event_type, INSTANT, EXAMPLES[event_type])
    body = render(SHAPES[name], EVENT_ID, standard)
    golden = GOLDEN / name / f"{event_type}.json"
    if os.environ.get("GOLDEN") == "rewrite":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_bytes(body + b"\n")

    assert body + b"\n" == golden.read_bytes()


def test_every_golden_file_is_checked() -> None:
    checked = {GOLDEN / name / f"{one}.json" for name in SHAPES for one in EventType}

    assert set(GOLDEN.rglob("*.*")) == checked


@pytest.mark.parametrize("event_type", EventType)
@pytest.mark.parametrize("name", SHAPES)
def test_nothing_personal_is_in_any_format(name: str, event_type: EventType) -> None:
    standard = envelope(event_type, INSTANT, EXAMPLES[event_type])
    body = msgspec.json.decode(render(SHAPES[name], EVENT_ID, standard))

    # The one link is the schema of adaptive cards.
    assert [text for text in texts(body) if "adaptive" not in text and pii.find(text)] == []


@pytest.mark.parametrize("event_type", EventType)
@pytest.mark.parametrize("name", SHAPES)
def test_every_body_is_small(name: str, event_type: EventType) -> None:
    standard = envelope(event_type, INSTANT, LARGEST.get(event_type, EXAMPLES[event_type]))

    assert len(render(SHAPES[name], EVENT_ID, standard)) < 20_000


@pytest.mark.parametrize("event_type", EventType)
@pytest.mark.parametrize("subject", [None, SUBJECT])
def test_the_cloudevents_library_reads_it(event_type: EventType, subject: UUID | None) -> None:
    standard = envelope(event_type, INSTANT, EXAMPLES[event_type])
    shape = shape_of(PayloadFormat.CLOUDEVENTS, subject=subject)
    sent = render(shape, EVENT_ID, standard)

    event = from_http_event(HTTPMessage({"content-type": shape.content_type}, sent))

    assert event.get_id() == str(EVENT_ID)
    assert event.get_type() == f"guardian.{event_type}"
    assert event.get_source() == "urn:guardian:webhooks"
    assert event.get_time() == INSTANT
    assert event.get_subject() == (None if subject is None else str(subject))
    assert event.get_data() == msgspec.json.decode(standard)["data"]


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.is_signed])
def test_a_standard_webhooks_library_accepts_every_signed_format(name: str) -> None:
    secret = new_secret(b"k" * 32)
    now = datetime.now(UTC)
    for event_type in EventType:
        standard = envelope(event_type, INSTANT, EXAMPLES[event_type])
        body = render(SHAPES[name], EVENT_ID, standard)
        headers = sign([secret], message_id=str(EVENT_ID), sent_at=now, body=body)

        Webhook(secret).verify(body, headers)


def test_only_chats_go_without_a_signature() -> None:
    unsigned = {name for name, shape in SHAPES.items() if not shape.is_signed}

    assert unsigned == {"slack", "teams"}


def test_the_standard_body_is_passed_on_unread() -> None:
    assert render(Shape(), EVENT_ID, b"not even JSON") == b"not even JSON"


def test_a_body_that_no_mapper_made_is_refused() -> None:
    body = envelope(EventType.TEST, INSTANT, EXAMPLES[EventType.TEST])
    stranger = body.replace(b'"data":{', b'"data":{"contact":"somebody",')

    with pytest.raises(msgspec.ValidationError):
        render(shape_of(PayloadFormat.FLAT), EVENT_ID, stranger)


def test_flat_has_one_level_and_names_what_a_score_is_of() -> None:
    for event_type in EventType:
        values = rendered(PayloadFormat.FLAT, event_type)
        assert not any(isinstance(value, dict | list) for value in values.values())

    readiness = rendered(PayloadFormat.FLAT, EventType.READINESS_UPDATED)
    adoption = rendered(PayloadFormat.FLAT, EventType.ADOPTION_SCORES_COMPUTED)
    plan = rendered(PayloadFormat.FLAT, EventType.UPLIFT_PLAN_CREATED)
    assert readiness["capability_guardian_core_rules_score"] == 70
    assert adoption["adoption_core_score"] == 75
    assert adoption["adoption_core_status"] == "regular"
    assert "tasks_total" in plan
    assert "subject" not in plan


def test_flat_loses_no_capability_whose_name_looks_like_another_once_flat() -> None:
    data = ReadinessData(
        overall_score=50,
        band=Band.OPERATIONAL,
        capability_count=2,
        capabilities_summary=[
            CapabilitySummary(key="a.b", label="One", score=1),
            CapabilitySummary(key="a-b", label="Two", score=2),
        ],
    )

    values = rendered(PayloadFormat.FLAT, EventType.READINESS_UPDATED, data)

    assert values["capability_a_b_score"] == 1
    assert values["capability_a-b_score"] == 2


def test_a_label_cannot_become_markup_in_slack() -> None:
    data = EditionFitData(
        edition_key="pro",
        edition_label="Pro & more",
        fit_score=78,
        fit_status=FitStatus.ALIGNED,
    )

    body = rendered(PayloadFormat.SLACK, EventType.EDITION_FIT_COMPUTED, data)

    assert body["text"].endswith("Edition: Pro &amp; more")
    assert not [text for text in texts(body) if "<" in text or ">" in text]
    assert typed(body["blocks"], "mrkdwn") == []


def test_slack_keeps_its_limits_when_everything_is_long() -> None:
    for event_type in EventType:
        data = LARGEST.get(event_type, EXAMPLES[event_type])
        body = rendered(PayloadFormat.SLACK, event_type, data)

        header, section, _ = body["blocks"]
        assert len(body["text"]) < 3000
        assert len(header["text"]["text"]) <= 150
        assert len(section["fields"]) <= 10
        assert all(len(one["text"]) <= 2000 for one in section["fields"])


def test_teams_shows_text_runs_only_within_28_kb() -> None:
    for event_type in EventType:
        data = LARGEST.get(event_type, EXAMPLES[event_type])
        body = rendered(PayloadFormat.TEAMS, event_type, data)
        [attachment] = body["attachments"]

        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        for block in attachment["content"]["body"]:
            assert block["type"] == "RichTextBlock"
            assert all(run["type"] == "TextRun" for run in block["inlines"])
        assert len(msgspec.json.encode(body)) < 28_000


def test_segment_hears_of_an_opaque_subject_and_can_tell_duplicates() -> None:
    for event_type in EventType:
        body = rendered(PayloadFormat.SEGMENT, event_type, subject=SUBJECT)
        group, track = body["batch"]

        assert (group["type"], track["type"]) == ("group", "track")
        assert group["groupId"] == track["context"]["groupId"] == str(SUBJECT)
        assert group["anonymousId"] == track["anonymousId"] == str(SUBJECT)
        assert track["messageId"] == str(EVENT_ID)
        assert group["messageId"] != track["messageId"]
        assert all(name.startswith("guardian_") for name in group["traits"])


def test_segment_needs_a_subject() -> None:
    with pytest.raises(ValueError, match="subject is needed"):
        rendered(PayloadFormat.SEGMENT, EventType.TEST)


def test_an_unknown_health_score_is_said_and_not_made_up() -> None:
    data = ExecutiveReportData(
        report_id=EVENT_ID,
        report_title="Executive report 2026-10",
        overall_health_score=None,
        period_start=INSTANT.date(),
        period_end=INSTANT.date(),
    )
    event_type = EventType.EXECUTIVE_REPORT_CREATED

    flat = rendered(PayloadFormat.FLAT, event_type, data)
    slack = rendered(PayloadFormat.SLACK, event_type, data)
    segment = rendered(PayloadFormat.SEGMENT, event_type, data, subject=SUBJECT)
    planhat = render(SHAPES["template_planhat"], EVENT_ID, envelope(event_type, INSTANT, data))
    gainsight = render(SHAPES["template_gainsight"], EVENT_ID, envelope(event_type, INSTANT, data))

    assert flat["overall_health_score"] is None
    assert "Health score: not known" in slack["text"]
    assert segment["batch"][0]["traits"] == {}
    assert planhat == b"[]"
    [record] = msgspec.json.decode(gainsight)["records"]
    assert record["guardian_account__gc"] == "acme-1"
    assert "guardian_health_score__gc" not in record


@pytest.mark.parametrize("ready", ReadyTemplate)
def test_the_ready_templates_pass_their_own_judgement(ready: ReadyTemplate) -> None:
    template = Template(
        bodies=dict(SHAPES[f"template_{ready}"].bodies),
        account="acme-1",
    )

    assert template_problems(template, scopes=list(Scope), has_subject=False, path="$") == []


def texts(value: Any) -> list[str]:
    return [one for one in parts(value) if isinstance(one, str)]


def typed(value: Any, kind: str) -> list[Any]:
    return [one for one in parts(value) if isinstance(one, dict) and one.get("type") == kind]


def parts(value: Any) -> list[Any]:
    """Everything inside `value`, itself included, names aside."""
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        inside = cast("list[Any]", value)
    return [value, *(part for one in inside for part in parts(one))]
