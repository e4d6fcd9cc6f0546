"""What is said about a template when it is saved; what passes can always be filled in."""

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.templates import AcceptedWhen, Template
from shared.contracts.words import EventType, PayloadFormat, ReadyTemplate, Scope
from shared.domain import pii
from shared.domain.formats.paths import is_known
from shared.domain.formats.rendering import render, shape_of
from shared.domain.formats.template_checks import template_problems
from shared.domain.mappers import envelope
from shared.errors import FieldError
from tests.unit.domain.example_events import EVENT_ID, EXAMPLES, INSTANT

PATH = "$.config.template"


def problems(template: Template, *scopes: Scope) -> list[tuple[str, str]]:
    return [(one.path.removeprefix(PATH), one.kind) for one in judged(template, *scopes)]


def judged(template: Template, *scopes: Scope, has_subject: bool = False) -> list[FieldError]:
    return template_problems(
        template, scopes=scopes or list(Scope), has_subject=has_subject, path=PATH
    )


def of_default(shape: object, *, account: str | None = None) -> Template:
    return Template(bodies={"default": shape}, account=account)


def test_a_path_must_lead_somewhere_in_every_type_of_the_scopes() -> None:
    bodies = {
        "readiness_updated": {"score": "$data.overall_score"},
        "default": {"id": "$id"},
    }

    assert judged(Template(bodies=bodies), Scope.READINESS) == []


def test_an_unknown_path_is_refused_by_its_name() -> None:
    template = of_default({"traits": {"score": "$data.overall_score"}})

    [problem] = judged(template, Scope.READINESS)

    assert problem.path == f"{PATH}.bodies.default.traits.score"
    assert problem.kind == "unknown_path"
    assert problem.message == "There is no $data.overall_score in test."


@pytest.mark.parametrize(
    "path",
    [
        "$data.overall_scor",
        "$data.overall_score.value",
        "$data[0]",
        "$data.capabilities_summary.score",
        "$data.capabilities_summary[0].colour",
        "$type.name",
    ],
)
def test_a_path_that_misses_its_type_is_refused(path: str) -> None:
    template = Template(bodies={"readiness_updated": {"a": path}, "test": {}})

    [problem] = judged(template, Scope.READINESS)

    assert problem.kind == "unknown_path"
    assert path in problem.message


@pytest.mark.parametrize(
    ("event_type", "path"),
    [
        (EventType.READINESS_UPDATED, "$data"),
        (EventType.READINESS_UPDATED, "$data.capabilities_summary"),
        (EventType.READINESS_UPDATED, "$data.capabilities_summary[14].label"),
        (
            EventType.READINESS_UPDATED,
            "$data.capabilities_summary[guardian.qa.i_series.simulation]",
        ),
        (EventType.ADOPTION_SCORES_COMPUTED, "$data.dimensions[network_intelligence].status"),
        (EventType.EXECUTIVE_REPORT_CREATED, "$data.overall_health_score"),
        (EventType.UPLIFT_PLAN_UPDATED, "$data.tasks.blocked"),
    ],
)
def test_a_path_may_lead_through_objects_and_lists(event_type: EventType, path: str) -> None:
    assert is_known(path, event_type)


def test_a_dimension_that_does_not_exist_is_refused() -> None:
    template = Template(
        bodies={"adoption_scores_computed": {"a": "$data.dimensions[sales].score"}, "test": {}}
    )

    assert problems(template, Scope.ADOPTION) == [
        (".bodies.adoption_scores_computed.a", "unknown_path")
    ]


@pytest.mark.parametrize(
    "path", ["$", "$Data", "$data.", "$data..x", "$data[", "$a b", "$" + "a" * 300]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    [problem] = judged(of_default({"a": path}))

    assert problem.kind == "malformed"
    assert "looks like" in problem.message


def test_every_type_needs_a_body_and_the_missing_ones_are_named() -> None:
    [problem] = judged(Template(bodies={"readiness_updated": {}}), Scope.READINESS, Scope.EDITIONS)

    assert problem.path == f"{PATH}.bodies"
    assert "edition_fit_computed, test" in problem.message


def test_a_body_of_an_unknown_type_is_refused_without_repeating_its_name() -> None:
    [problem] = judged(Template(bodies={"default": {}, "jane@example.com": {}}))

    assert problem.kind == "unknown_field"
    assert "jane" not in problem.path + problem.message


@pytest.mark.parametrize("shape", ["$data", 1, None, "text"])
def test_a_body_is_an_object_or_a_list(shape: object) -> None:
    assert problems(of_default(shape)) == [(".bodies.default", "malformed")]


@pytest.mark.parametrize(
    "constant",
    ["jane@example.com", "+43 664 1234567", "https://example.com/jane", 4111111111111111],
)
def test_a_constant_that_looks_personal_is_refused_without_repeating_it(constant: object) -> None:
    [problem] = judged(of_default({"a": [{"b": constant}]}))

    assert problem.path == f"{PATH}.bodies.default.a[0].b"
    assert problem.kind == "personal_data"
    assert str(constant) not in problem.message


def test_a_name_that_looks_personal_is_refused_without_repeating_it() -> None:
    [problem] = judged(of_default({"jane@example.com": {"b": 1}}))

    assert problem.path == f"{PATH}.bodies.default"
    assert problem.kind == "personal_data"
    assert "jane" not in problem.message


@pytest.mark.parametrize("account", ["jane@example.com", "+43 664 1234567"])
def test_an_account_is_no_person(account: str) -> None:
    assert problems(of_default({}, account=account)) == [(".account", "personal_data")]


def test_subject_and_account_must_be_set_to_be_used() -> None:
    template = of_default({"a": "$subject", "b": "$account"})

    assert problems(template) == [
        (".bodies.default.a", "unknown_path"),
        (".bodies.default.b", "unknown_path"),
    ]
    whole = of_default({"a": "$subject", "b": "$account"}, account="acme-1")
    assert judged(whole, has_subject=True) == []


def test_either_a_ready_template_or_bodies_and_never_both() -> None:
    both = Template(ready=ReadyTemplate.VITALLY, bodies={"default": {}}, account="acme-1")

    assert problems(Template()) == [("", "malformed")]
    assert problems(both) == [("", "malformed")]


def test_a_ready_template_needs_the_account() -> None:
    assert problems(Template(ready=ReadyTemplate.VITALLY)) == [(".account", "missing")]


def test_only_an_entry_of_a_list_can_be_left_out() -> None:
    assert problems(of_default({"a": "$id!"})) == [(".bodies.default.a", "malformed")]
    assert problems(of_default({"a": [{"b": {"c": "$id!"}}]})) == []


def test_too_deep_too_many_too_long_and_too_large_are_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    many = {f"n{index}": index for index in range(201)}
    wholes = {f"n{index}": "$data" for index in range(3)}

    assert problems(of_default(deep)) == [(".bodies.default", "too_deep")]
    assert problems(of_default({"a": [[[[[[[[1]]]]]]]]})) == [(".bodies.default", "too_deep")]
    assert problems(of_default(many)) == [(".bodies.default", "too_large")]
    assert problems(of_default(wholes)) == [(".bodies.default", "too_large")]
    assert problems(of_default({"a": "x" * 257})) == [(".bodies.default.a", "too_long")]
    assert problems(of_default({"a": "x" * 20_000})) == [(".bodies", "too_large")]
    assert problems(of_default({"a" * 65: 1})) == [(".bodies.default", "out_of_range")]
    assert problems(of_default({"a": 2**60})) == [(".bodies.default.a", "out_of_range")]


def test_a_name_cannot_be_a_path() -> None:
    assert problems(of_default({"$type": 1})) == [(".bodies.default", "malformed")]


def test_a_rule_about_answers_is_judged_too() -> None:
    def of(rule: AcceptedWhen) -> Template:
        return Template(bodies={"default": {}}, accepted_when=rule)

    assert problems(of(AcceptedWhen(path="$.result", equals=True))) == []
    assert problems(of(AcceptedWhen(status=200))) == []
    assert problems(of(AcceptedWhen(path="result", equals=True))) == [
        (".accepted_when.path", "malformed")
    ]
    assert problems(of(AcceptedWhen(path="$.result"))) == [(".accepted_when", "malformed")]


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["$id", "$type", "$scope", "$account", "$data", "$data.message", "$data.message!", "$$x"]
    ),
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(SHAPES)
def test_whatever_passes_can_be_filled_in_and_says_nothing_personal(shape: object) -> None:
    template = Template(bodies={"test": shape, "default": {}}, account="acme-1")
    if judged(template):
        return

    body = envelope(EventType.TEST, INSTANT, EXAMPLES[EventType.TEST])
    filled = render(shape_of(PayloadFormat.TEMPLATE, template=template), EVENT_ID, body)

    assert [text for text in texts(msgspec.json.decode(filled)) if pii.find(text)] == []


def texts(value: Any) -> list[str]:
    """Every text and every name inside `value`."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return [*members, *(text for one in members.values() for text in texts(one))]
    if isinstance(value, list):
        return [text for one in cast("list[Any]", value) for text in texts(one)]
    return [value] if isinstance(value, str) else []
