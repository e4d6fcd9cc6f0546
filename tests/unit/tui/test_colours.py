"""The colour is never the only sign: every state reads without it."""

from datetime import UTC, datetime, timedelta

from shared.contracts.words import DeliveryStatus, Freshness, Severity
from shared.errors import UnauthenticatedError, UnavailableError
from tests.unit.tui.loopback import an_integration
from tui.link import Link
from tui.marks import delivery_mark, freshness_mark, integration_mark, severity_mark

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def differ(words: list[str]) -> bool:
    return len(set(words)) == len(words)


def test_the_states_of_deliveries_risks_and_data_differ_without_colours() -> None:
    assert differ([delivery_mark(one).text for one in DeliveryStatus])
    assert differ([severity_mark(one).text for one in Severity])
    assert differ([freshness_mark(one, "3 d").text for one in Freshness])
    assert differ([integration_mark(an_integration(is_enabled=one)).text for one in (True, False)])


def test_the_states_of_the_link_differ_without_colours() -> None:
    words: list[str] = []
    for error in (None, UnavailableError("."), UnauthenticatedError()):
        link = Link(5.0, lambda: 0.5)
        words.append(link.word(NOON).text)
        link.answered(NOON)
        if error is None:
            words += [link.word(NOON).text, link.word(NOON + timedelta(minutes=1)).text]
            continue
        link.failed(error, NOON)
        words.append(link.word(NOON).text)

    assert len(set(words)) == 5
