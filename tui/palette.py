"""The tones and the theme, from the 256-colour cube, so that every terminal shows the same."""

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

TONES = {
    "": Style(),
    "bold": Style(bold=True),
    "dim": Style(color="#8a8a8a"),
    "good": Style(color="#5fd75f"),
    "warn": Style(color="#ffaf00"),
    "bad": Style(color="#ff5f5f", bold=True),
    "accent": Style(color="#5fafff"),
    "title": Style(bold=True, underline=True),
    "reverse": Style(reverse=True),
}
STALE = TONES["dim"]
SELECTED = Style(reverse=True)

THEME = Theme(
    name="guardian",
    primary="#5fafff",
    secondary="#5f87af",
    accent="#ffaf00",
    warning="#ffaf00",
    error="#ff5f5f",
    success="#5fd75f",
    foreground="#d0d0d0",
    background="#121212",
    surface="#121212",
    panel="#262626",
    dark=True,
)


class Colourless(LineFilter):
    """Takes every colour away and leaves bold, dim and reverse: what NO_COLOR asks for."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text without colour codes."""
        return [
            Segment(text, None if style is None else _without_colour(style), control)
            for text, style, control in segments
        ]


@lru_cache(1024)
def _without_colour(style: Style) -> Style:
    return style.without_color
