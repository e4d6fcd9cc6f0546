"""Which characters the terminal can show: dots of braille, blocks, or nothing beyond ASCII."""

from collections.abc import Mapping
from enum import StrEnum

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

KNOWN_TO_DRAW_BRAILLE = ("xterm-kitty", "alacritty", "foot", "xterm-ghostty", "wezterm")
STAND_INS = str.maketrans("✓✗⊘↻…●○■▲▼◐→·▁▂▃▄▅▆▇█│└─", "+x0~.*o#^vc>.__..--##|`-")
"""One for each character the console draws itself, and each as wide."""

STRANGE = "?"


class Glyphs(StrEnum):
    """The ladder, from the finest."""

    BRAILLE = "braille"
    BLOCKS = "blocks"
    ASCII = "ascii"


def choose_glyphs(env: Mapping[str, str]) -> Glyphs:
    """What this terminal shows for sure, as far as its environment tells."""
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    if "utf8" not in locale.lower().replace("-", ""):
        return Glyphs.ASCII
    if env.get("TERM", "").startswith(KNOWN_TO_DRAW_BRAILLE):
        return Glyphs.BRAILLE
    return Glyphs.BLOCKS


class Ascii(LineFilter):
    """Draws every character beyond ASCII as a stand-in, in as many cells."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in ASCII."""
        return [
            one if one.text.isascii() else Segment(plain(one.text), one.style, one.control)
            for one in segments
        ]


def plain(text: str) -> str:
    """`text` in ASCII; a stranger's character becomes a question mark for each of its cells."""
    return "".join(
        one if one.isascii() else STRANGE * cell_len(one) for one in text.translate(STAND_INS)
    )
