"""The tones and the theme, from the 256-colour cube, so that every terminal shows the same."""

from functools import lru_cache

from rich.color import Color as RichColor
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


DARK, LIGHT, CONTRAST = "dark", "light", "contrast"
THEMES = (DARK, LIGHT, CONTRAST)
_INSTEAD = {
    DARK: {},
    LIGHT: {
        "#d0d0d0": "#262626",
        "#121212": "#ffffff",
        "#262626": "#e4e4e4",
        "#8a8a8a": "#626262",
        "#5fd75f": "#005f00",
        "#ffaf00": "#875f00",
        "#ff5f5f": "#af0000",
        "#5fafff": "#005faf",
        "#5f87af": "#5f87af",
    },
    CONTRAST: {
        "#d0d0d0": "#ffffff",
        "#121212": "#000000",
        "#262626": "#303030",
        "#8a8a8a": "#d0d0d0",
        "#5fd75f": "#87ff87",
        "#ffaf00": "#ffff00",
        "#ff5f5f": "#ff8787",
        "#5fafff": "#87d7ff",
        "#5f87af": "#ffffff",
    },
}
"""What stands for each colour of the dark theme; all from the 256-colour cube."""


class Retoned(LineFilter):
    """Draws in another theme's colours."""

    def __init__(self, theme: str) -> None:
        """Name the theme."""
        super().__init__()
        self._colours = {
            Color.parse(dark).rgb: RichColor.parse(other) for dark, other in _INSTEAD[theme].items()
        }
        self._known: dict[Style, Style] = {}

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text in the theme's colours."""
        return [
            Segment(text, None if style is None else self._retoned(style), control)
            for text, style, control in segments
        ]

    def _retoned(self, style: Style) -> Style:
        known = self._known.get(style)
        if known is None:
            ink = Style.from_color(self._other(style.color), self._other(style.bgcolor))
            known = self._known[style] = style + ink
        return known

    def _other(self, colour: RichColor | None) -> RichColor | None:
        if colour is None or colour.triplet is None:
            return colour
        red, green, blue = colour.triplet
        return self._colours.get((red, green, blue), colour)


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
