"""How the tenant stands, in words: the narrative with its source and age, and every risk whole."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual import work
from textual.binding import BindingType

from shared.contracts.changes import ChangeKind
from shared.contracts.narrative import Narrative, NarrativeSettings, NarrativeSettingsChange, Source
from shared.contracts.success import Overview, Risk
from shared.errors import ForbiddenError, GuardianError
from tui.desk import Desk
from tui.keys import IN_TEXTS, bindings
from tui.marks import severity_mark
from tui.messages import Asked, Said
from tui.screens.pane import DOMAINS, Copy
from tui.screens.text_pane import TextPane
from tui.text import Line, Span, age, evidence, number, visible, words, wrap_words


class StoryPane(TextPane):
    """Opened from the overview."""

    PLACES = ("story", IN_TEXTS)
    KINDS = DOMAINS | {ChangeKind.NARRATIVE}
    BINDINGS: ClassVar[list[BindingType]] = bindings("story")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start without words."""
        super().__init__(desk, id=id)
        self._narrative: Narrative | None = None
        self._overview: Overview | None = None
        self._settings: NarrativeSettings | None = None

    async def ask(self) -> None:
        """The narrative, the risks, and whether a model may choose the words."""
        self._narrative = await self.desk.server.narrative()
        self._overview = await self.desk.server.overview()
        try:
            self._settings = await self.desk.server.narrative_settings()
        except ForbiddenError:
            self._settings = None  # a reader reads the words without the switch

    def forget(self) -> None:
        """Another tenant has another story."""
        super().forget()
        self._narrative = self._overview = self._settings = None

    def text(self, width: int) -> Sequence[Line] | None:
        """The words, then who chose them, then the risks."""
        if self._narrative is None:
            return None
        now = self.desk.clock()
        room = max(20, min(100, width - 4))
        lines = [(), *story_lines(self._narrative, now, room)]
        if self._settings is not None:
            lines += [(), *_setting_lines(self._settings)]
        risks = self._overview.risks if self._overview else ()
        lines += [(), (Span(" Risks", "bold"), Span(f"  {number(len(risks))}", "dim"))]
        for risk in risks:
            lines += _risk_lines(risk, now)
        return lines

    def copies(self) -> Sequence[Copy]:
        """The words as plain text."""
        told = self._narrative
        if told is None:
            return ()
        parts = [told.headline, *(f"- {one}" for one in told.bullets), told.commentary]
        return (Copy("story", "\n".join([*parts, told.action_text or ""]).strip()),)

    def resource(self) -> object:
        """The narrative."""
        return self._narrative

    def action_switch_model(self) -> None:
        """Let a model choose the words, after a question that says what leaves the house."""
        if self._settings is None:
            self.tell(Said("✗ Only an admin says who chooses the words.", "bad"))
        elif self._settings.is_ai_enabled:
            question = "Let the rules choose the words again?"
            self.tell(Asked(question, lambda: self._switch(is_ai_enabled=False)))
        else:
            question = "Let a model choose the words? Numbers and keys go to its provider."
            self.tell(Asked(question, lambda: self._switch(is_ai_enabled=True)))

    @work(group="change")
    async def _switch(self, *, is_ai_enabled: bool) -> None:
        change = NarrativeSettingsChange(is_ai_enabled=is_ai_enabled)
        try:
            self._settings = await self.desk.server.change_narrative_settings(change)
        except GuardianError as error:
            self.tell(Said(f"✗ Not changed: {visible(error.detail)}", "bad"))
            return
        chosen = "a model may choose" if self._settings.is_ai_enabled else "the rules choose"
        self.tell(Said(f"✓ From now on {chosen} the words.", "good"))
        self.refetch()


def story_lines(told: Narrative, now: datetime, width: int) -> list[Line]:
    """The words in lines of at most `width` cells, and who chose them when."""
    lines: list[Line] = [
        (Span(f" {part}", "bold"),) for part in wrap_words(visible(told.headline), width)
    ]
    for bullet in told.bullets:
        first, *rest = wrap_words(visible(bullet), width - 2)
        lines += [(Span(f" · {first}"),), *((Span(f"   {part}"),) for part in rest)]
    if told.commentary:
        lines += [(Span(f" {part}"),) for part in wrap_words(visible(told.commentary), width)]
    if told.action_text:
        first, *rest = wrap_words(visible(told.action_text), width - 2)
        lines += [
            (Span(f" → {first}", "accent"),),
            *((Span(f"   {part}", "accent"),) for part in rest),
        ]
    return [*lines, source_line(told, now)]


def source_line(told: Narrative, now: datetime) -> Line:
    """Who chose the words, how long ago, and why not the model."""
    who = f"model {visible(told.model or '')}" if told.source is Source.AI else "rules"
    why = f", since the model is: {words(told.fallback_reason)}" if told.fallback_reason else ""
    return (Span(f" Words by {who}, {age(told.generated_at, now)} ago{why}", "dim"),)


def _setting_lines(settings: NarrativeSettings) -> list[Line]:
    if not settings.is_ai_enabled:
        return [(Span(" ○ off", "dim"), Span("  a model may not choose the words; m lets it"))]
    calls = number(settings.calls_this_month)
    cost = number(settings.cost_usd_this_month, digits=2)
    return [(Span(" ● on", "good"), Span(f"  {calls} calls, {cost} USD this month; m ends it"))]


def _risk_lines(risk: Risk, now: datetime) -> list[Line]:
    mark = severity_mark(risk.severity)
    since = f"  for {age(risk.since, now)}" if risk.since else ""
    return [
        (Span(f" {mark.text}  ", mark.tone), Span(words(risk.code), "bold"), Span(since, "dim")),
        *(
            (Span(f"     {words(name)} {evidence(value)}", "dim"),)
            for name, value in risk.evidence.items()
        ),
        (Span(f"     → {words(risk.action_code)}", "accent"),),
    ]
