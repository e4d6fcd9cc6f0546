"""Every key in one table: the footer, the help, the palette and the documentation read it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from textual.binding import Binding, BindingType

from shared.errors import SettingError

MOST_HINTS = 7


class Key(NamedTuple):
    """One command and the keys that give it.

    Attributes:
        id: by which the configuration names it, unique in its place.
        keys: as Textual spells them, separated by commas.
        action: what runs.
        does: in a word or two.
        shown: how the footer writes the key; otherwise as it is spelled.
        is_hinted: whether the footer has a place for it.
    """

    id: str
    keys: str
    action: str
    does: str
    shown: str = ""
    is_hinted: bool = False


def _hint(id: str, keys: str, action: str, does: str, shown: str = "") -> Key:
    """A command that the footer has a place for."""
    return Key(id, keys, action, does, shown, is_hinted=True)


EVERYWHERE = "everywhere"
IN_LISTS = "in lists"
IN_TEXTS = "in texts"

TABLE: Mapping[str, tuple[Key, ...]] = {
    EVERYWHERE: (
        Key("overview", "1", "go('overview')", "overview"),
        Key("integrations", "2", "go('integrations')", "integrations"),
        Key("deliveries", "3", "go('deliveries')", "deliveries"),
        Key("history", "4", "go('history')", "history"),
        Key("replays", "5", "go('replays')", "replays"),
        Key("keys", "6", "go('keys')", "API keys"),
        Key("audit", "7", "go('audit')", "audit"),
        Key("portfolio", "8", "go('portfolio')", "portfolio (operators)"),
        Key("refetch", "ctrl+r", "refetch", "ask now"),
        Key("redraw", "ctrl+l", "redraw", "draw everything anew"),
        Key("copy", "y", "copy", "copy"),
        Key("copy-menu", "Y", "copy_menu", "choose what to copy"),
        Key("open", "o", "open", "open as JSON in the pager"),
        Key("export", "x", "export", "export what is shown to a file"),
        Key("theme", "ctrl+t", "theme", "next theme: dark, light, contrast"),
        Key("suspend", "ctrl+z", "suspend_process", "to the shell; fg comes back"),
        Key("help", "question_mark", "keys", "keys that are valid here", "?"),
        Key("commands", "colon,ctrl+p", "commands", "commands", ":"),
        Key("leave", "q", "leave", "back, or leave"),
        Key("quit", "ctrl+q", "quit", "leave at once"),
    ),
    IN_LISTS: (
        Key("next", "j,down", "move(1)", "next row"),
        Key("previous", "k,up", "move(-1)", "row before"),
        Key("page-down", "ctrl+d,pagedown", "page(1)", "page down"),
        Key("page-up", "ctrl+u,pageup", "page(-1)", "page up"),
        Key("first", "g,home", "jump(0)", "first row"),
        Key("last", "G,end", "jump(1)", "last row"),
        Key("sort", "s", "sort", "sort by the next column"),
        Key("reverse", "S", "reverse", "the other way round"),
    ),
    IN_TEXTS: (
        Key("down", "j,down", "scroll(1)", "down"),
        Key("up", "k,up", "scroll(-1)", "up"),
        Key("page-down", "ctrl+d,pagedown", "scroll(15)", "page down"),
        Key("page-up", "ctrl+u,pageup", "scroll(-15)", "page up"),
        Key("top", "g,home", "scroll(-1000000)", "top"),
        Key("end", "G,end", "scroll(1000000)", "end"),
        Key("find", "slash", "find", "find in the text", "/"),
        Key("next-match", "n", "find_next(1)", "next match"),
        Key("previous-match", "N", "find_next(-1)", "match before"),
        Key("back", "escape", "back", "back", "esc"),
    ),
    "overview": (
        _hint("integrations", "enter", "app.go('integrations')", "integrations"),
        _hint("story", "a", "story", "the story in full"),
    ),
    "story": (_hint("model", "m", "switch_model", "let a model choose the words, or no longer"),),
    "integrations": (
        _hint("switch", "space", "switch", "on/off"),
        _hint("test", "t", "test", "test"),
        Key("test-all", "T", "test_all", "test all"),
        _hint("edit", "e", "edit", "edit"),
        _hint("create", "c", "create", "create"),
        _hint("preview", "p", "preview", "preview"),
        Key("rotate", "K", "rotate", "rotate the secret"),
        Key("delete", "D", "delete", "delete"),
        Key("undo", "u", "undo", "undo the last switch"),
        _hint("deliveries", "enter", "deliveries", "deliveries"),
    ),
    "preview": (
        _hint("next-type", "right_square_bracket", "step(1)", "event type", "[ ]"),
        Key("previous-type", "left_square_bracket", "step(-1)", "event type before", "["),
    ),
    "deliveries": (
        _hint("open", "enter", "open", "open"),
        _hint("redeliver", "r", "redeliver", "redeliver"),
        _hint("replay", "R", "replay", "replay"),
        _hint("filter", "slash", "filter", "filter", "/"),
        _hint("follow", "F", "follow", "follow"),
        Key("clear", "escape", "clear", "clear the filter", "esc"),
    ),
    "delivery": (
        _hint("redeliver", "r", "redeliver", "redeliver"),
        _hint("edit", "e", "edit", "edit its integration"),
    ),
    "history": (
        _hint("series", "right_square_bracket", "series(1)", "series", "[ ]"),
        Key("previous-series", "left_square_bracket", "series(-1)", "series before", "["),
        _hint("grain", "i", "grain", "day/week/month"),
        _hint("earlier", "comma", "shift(1)", "earlier", ","),
        _hint("later", "full_stop", "shift(-1)", "later", "."),
        Key("before", "h,left", "read(1)", "period before"),
        Key("after", "l,right", "read(-1)", "period after"),
    ),
    "replays": (
        _hint("new", "R", "replay", "new replay"),
        _hint("cancel", "D", "cancel", "cancel"),
    ),
    "keys": (
        _hint("create", "c", "create", "create"),
        _hint("revoke", "D", "revoke", "revoke"),
    ),
    "audit": (_hint("target", "enter", "target", "what it changed"),),
    "portfolio": (
        _hint("view", "right_square_bracket", "view(1)", "view", "[ ]"),
        Key("previous-view", "left_square_bracket", "view(-1)", "view before", "["),
        _hint("choose", "enter", "choose", "look at this tenant"),
    ),
    "tenants": (_hint("choose", "enter", "choose", "look at this tenant"),),
    "form": (
        _hint("save", "ctrl+s", "save", "save"),
        _hint("next", "tab", "app.focus_next", "next field"),
        Key("previous", "shift+tab", "app.focus_previous", "field before"),
        _hint("back", "escape", "back", "back", "esc"),
    ),
    "secret": (_hint("back", "escape", "back", "back", "esc"),),
    "sign-in": (
        _hint("submit", "enter", "submit", "sign in"),
        _hint("next", "tab", "app.focus_next", "next field"),
        _hint("leave", "escape", "app.quit", "leave", "esc"),
    ),
    "commands": (
        _hint("run", "enter", "choose", "run"),
        _hint("back", "escape", "back", "back", "esc"),
        _hint("find", "slash", "type", "find", "/"),
        Key("next", "down", "move(1)", "next"),
        Key("previous", "up", "move(-1)", "before"),
    ),
}


def bindings(*places: str) -> list[BindingType]:
    """The keys of some places as Textual wants them."""
    return [
        Binding(
            one.keys,
            one.action,
            one.does,
            show=one.is_hinted,
            key_display=one.shown or None,
            priority=one.id == "quit",
            id=f"{place}.{one.id}",
        )
        for place in places
        for one in TABLE[place]
    ]


def written(key: Key, keymap: Mapping[str, str], place: str) -> str:
    """The keys of a command as a person reads them, the user's own instead of ours."""
    own = keymap.get(f"{place}.{key.id}")
    spelled = own or key.shown or key.keys
    return ", ".join(_NAMES.get(one, one) for one in spelled.split(","))


def checked_keymap(wanted: Mapping[str, object]) -> dict[str, str]:
    """The user's own keys, by the command's place and id.

    Raises:
        SettingError: a command does not exist, or two of one place would share a key.
    """
    keymap: dict[str, str] = {}
    for name, keys in wanted.items():
        place, _, command = name.rpartition(".")
        if command not in {one.id for one in TABLE.get(place, ())}:
            raise SettingError(f"keys: there is no command {name}; docs/console.md lists them.")
        if not isinstance(keys, str) or not keys:
            raise SettingError(f"keys: {name} needs the name of a key, such as ctrl+o.")
        keymap[name] = keys
    for place, commands in TABLE.items():
        taken: dict[str, str] = {}
        for one in commands:
            for key in keymap.get(f"{place}.{one.id}", one.keys).split(","):
                other = taken.setdefault(key, one.id)
                if other != one.id:
                    raise SettingError(f"keys: {place}.{other} and {place}.{one.id} share {key}.")
    return keymap


def as_markdown() -> str:
    """The table for the documentation."""
    return "\n".join(_markdown(place, commands) for place, commands in TABLE.items())


def _markdown(place: str, commands: Iterable[Key]) -> str:
    lines = [f"### {place[0].upper()}{place[1:]}", "", "| keys | does | id |", "|---|---|---|"]
    lines += [
        f"| `{written(one, {}, place)}` | {one.does} | `{place}.{one.id}` |" for one in commands
    ]
    return "\n".join([*lines, ""])


_NAMES = {
    "escape": "esc",
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "full_stop": ".",
    "comma": ",",
}
