"""How a state looks: glyph, then word, then colour, so that it reads without the colour."""

from shared.contracts.integrations import Integration
from shared.contracts.words import DeliveryStatus, Freshness, Severity
from tui.text import Span

_OF_DELIVERY = {
    DeliveryStatus.PENDING: Span("… pending", "warn"),
    DeliveryStatus.FAILED: Span("↻ failed", "warn"),
    DeliveryStatus.DELIVERED: Span("✓ delivered", "good"),
    DeliveryStatus.DISCARDED: Span("⊘ discarded", "bad"),
}
_OF_SEVERITY = {
    Severity.HIGH: Span("✗ high", "bad"),
    Severity.MEDIUM: Span("▲ medium", "warn"),
    Severity.LOW: Span("= low", "dim"),
}
SCOPE_LETTERS = {
    "readiness": "R",
    "uplift": "U",
    "editions": "E",
    "executive_reports": "X",
    "adoption": "A",
    "lifecycle": "L",
}


def delivery_mark(status: DeliveryStatus) -> Span:
    """Where a delivery stands; `failed` will be tried again, `discarded` will not."""
    return _OF_DELIVERY[status]


def integration_mark(integration: Integration) -> Span:
    """Whether it gets events; `tripped` means that Guardian switched it off."""
    if integration.is_enabled:
        return Span("● on", "good")
    return Span("■ tripped", "bad") if integration.disabled_reason else Span("○ off", "dim")


def severity_mark(severity: Severity) -> Span:
    """How much a risk matters."""
    return _OF_SEVERITY[severity]


def freshness_mark(status: Freshness, age: str) -> Span:
    """How far a block's data may be relied on."""
    if status is Freshness.MISSING:
        return Span("○ missing", "dim")
    return Span(f"▲ stale {age}", "warn") if status is Freshness.STALE else Span(age, "dim")


def scope_letters(integration: Integration) -> str:
    """`R U E X A L`, each at its own place, so that a column reads at a glance."""
    has = set(integration.scopes)
    return " ".join(letter if name in has else "·" for name, letter in SCOPE_LETTERS.items())
