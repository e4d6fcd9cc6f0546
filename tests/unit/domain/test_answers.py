"""Which answers count as accepted."""

import pytest

from shared.contracts.templates import AcceptedWhen, Template
from shared.contracts.words import PayloadFormat, ReadyTemplate
from shared.domain.formats.answers import (
    ANY_SUCCESS,
    SAYS_OK,
    AcceptanceRule,
    acceptance_rule,
    answer_path,
    is_accepted,
)
from shared.domain.formats.rendering import shape_of

RESULT = acceptance_rule(AcceptedWhen(path="$.result", equals=True))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_counts_when_nothing_else_was_asked_for(status: int) -> None:
    assert is_accepted(ANY_SUCCESS, status_code=status, body=b"whatever")


@pytest.mark.parametrize("rule", [ANY_SUCCESS, SAYS_OK, RESULT, AcceptanceRule(status=200)])
@pytest.mark.parametrize("status", [100, 199, 300, 400, 500])
def test_nothing_counts_outside_2xx(rule: AcceptanceRule, status: int) -> None:
    assert not is_accepted(rule, status_code=status, body=b"ok")


@pytest.mark.parametrize(
    ("body", "counts"),
    [(b"ok", True), (b"ok\n", True), (b"invalid_payload", False), (b"", False), (b"okay", False)],
)
def test_slack_must_say_ok(body: bytes, *, counts: bool) -> None:
    assert is_accepted(SAYS_OK, status_code=200, body=body) is counts


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        (b'{"result":true,"errorCode":null}', True),
        (b'{"result":false,"errorCode":"GSOBJ_1"}', False),
        (b'{"result":1}', False),
        (b'{"result":"true"}', False),
        (b'{"errorCode":null}', False),
        (b"[true]", False),
        (b"<html>", False),
        (b"", False),
        (b"\xff\xfe", False),
        (b'{"result":true', False),
    ],
)
def test_gainsight_must_answer_that_the_result_is_true(body: bytes, *, counts: bool) -> None:
    template = Template(ready=ReadyTemplate.GAINSIGHT, account="acme-1")
    rule = shape_of(PayloadFormat.TEMPLATE, template=template).rule

    assert is_accepted(rule, status_code=200, body=body) is counts


def test_hubspot_must_not_answer_that_only_some_of_it_worked() -> None:
    template = Template(ready=ReadyTemplate.HUBSPOT, account="acme-1")
    rule = shape_of(PayloadFormat.TEMPLATE, template=template).rule

    assert is_accepted(rule, status_code=200, body=b"{}")
    assert not is_accepted(rule, status_code=207, body=b"{}")


def test_a_path_leads_through_names_and_positions() -> None:
    rule = acceptance_rule(AcceptedWhen(path="$.results[1].state", equals="done"))

    body = b'{"results":[{"state":"failed"},{"state":"done"}]}'
    assert is_accepted(rule, status_code=200, body=body)
    assert not is_accepted(rule, status_code=200, body=b'{"results":[{"state":"done"}]}')


def test_numbers_are_compared_as_numbers() -> None:
    rule = acceptance_rule(AcceptedWhen(path="$.errors", equals=0))

    assert is_accepted(rule, status_code=200, body=b'{"errors":0.0}')
    assert not is_accepted(rule, status_code=200, body=b'{"errors":false}')


@pytest.mark.parametrize("text", ["", "result", "$result", "$.a..b", "$[x]", "$.a[", "$.a "])
def test_what_is_no_path_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="a path looks like"):
        answer_path(text)


def test_a_rule_of_ones_own_replaces_the_ready_one() -> None:
    template = Template(
        ready=ReadyTemplate.GAINSIGHT, account="acme-1", accepted_when=AcceptedWhen(status=202)
    )

    rule = shape_of(PayloadFormat.TEMPLATE, template=template).rule

    assert is_accepted(rule, status_code=202, body=b"")


def test_the_other_formats_ask_for_2xx_only() -> None:
    for one in set(PayloadFormat) - {PayloadFormat.SLACK}:
        assert shape_of(one).rule == ANY_SUCCESS
    assert shape_of(PayloadFormat.SLACK).rule == SAYS_OK
