"""An integration as a row, for every list that shows one."""

from datetime import datetime

from shared.contracts.integrations import Integration
from tui.marks import integration_mark, scope_letters
from tui.text import Span, age, number, visible
from tui.widgets.rows import Column, Row

COLUMNS = (
    Column("State", 9),
    Column("Integration"),
    Column("Scopes", 11, from_width=72),
    Column("Host", 28, from_width=110),
    Column("24 h", 7, is_number=True),
    Column("Wait", 6, is_number=True),
    Column("Fail", 6, is_number=True),
    Column("Disc", 6, is_number=True),
    Column("Delivered", 9, is_number=True),
    Column("Last error", 36, from_width=140),
)
"""Wait: never tried; Fail: will be tried again; Disc: given up; Delivered: how long ago."""


def integration_row(integration: Integration, *, now: datetime, mark: Span | None = None) -> Row:
    """One row; `mark` stands in for the state while a change is on its way."""
    stats = integration.webhook_stats
    return Row(
        id=str(integration.id),
        cells=(
            mark or integration_mark(integration),
            Span(visible(integration.integration_key)),
            Span(scope_letters(integration), "dim"),
            Span(visible(integration.config_summary.webhook_host), "dim"),
            Span(number(stats.events_last_24h)),
            _count(stats.pending, "warn"),
            _count(stats.failed, "warn"),
            _count(stats.discarded, "bad"),
            Span(age(stats.last_delivered_at, now), "dim"),
            Span(visible(stats.last_error or "-"), "dim"),
        ),
    )


def _count(value: int, tone: str) -> Span:
    return Span(number(value), tone if value else "dim")
