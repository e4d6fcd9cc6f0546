"""What authors of receivers are promised is what the engine does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from worker.delivery.outcome import Delivered, Discard, Outcome, RetryAt, judge
from worker.delivery.retry import SCHEDULE

PAGE = Path(__file__).parents[2] / "docs" / "receivers.md"
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def _in_words(wait: timedelta) -> str:
    seconds = int(wait.total_seconds())
    parts = (seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s")
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _schedule_table() -> str:
    lines = ["| attempt | waits | goes about |", "|---|---|---|", "| 1 |  | at once |"]
    after = timedelta(0)
    for number, wait in enumerate(SCHEDULE, start=2):
        after += wait
        lines.append(f"| {number} | {_in_words(wait)} | {_in_words(after)} after the first |")
    return "\n".join(lines)


def test_the_schedule_on_the_page_is_the_one_that_is_kept() -> None:
    table = _schedule_table()

    assert table in PAGE.read_text(encoding="utf-8"), f"docs/receivers.md should hold:\n{table}"


@pytest.mark.parametrize(
    ("row", "statuses", "verdict", "later"),
    [
        ("| 2xx within 15 s in all | delivered", (200, 202, 204, 299), Delivered, Delivered),
        ("| 3xx | failed", (301, 302, 307, 308), RetryAt, RetryAt),
        (
            "| 400, 413, 415, 422 | failed; discarded after three",
            (400, 413, 415, 422),
            RetryAt,
            Discard,
        ),
        ("| 410 | discarded", (410,), Discard, Discard),
        ("| 429, 502, 503, 504 | failed, and the whole", (429, 502, 503, 504), RetryAt, RetryAt),
        ("| anything else, or nothing | failed", (401, 403, 404, 409, 500, None), RetryAt, RetryAt),
    ],
)
def test_an_answer_means_what_the_page_says(
    row: str, statuses: tuple[int | None, ...], verdict: type, later: type
) -> None:
    assert row in PAGE.read_text(encoding="utf-8")
    for status in statuses:
        outcome = Outcome(NOON, 5, status_code=status)
        first = judge(outcome, attempt_number=1, spread=0.5)
        third = judge(outcome, attempt_number=3, spread=0.5)

        assert (type(first), type(third)) == (verdict, later)
        is_slowed = isinstance(first, RetryAt) and first.slow_until is not None
        assert is_slowed == row.startswith("| 429")
