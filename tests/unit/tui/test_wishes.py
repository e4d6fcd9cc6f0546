"""The console as its user wants it: theme, keys, and where the last session ended."""

from pathlib import Path

import pytest

from shared.errors import SettingError
from tests.unit.tui.loopback import a_delivery, an_integration, serving
from tests.unit.tui.screenful import Screenful, looking
from tui.keys import TABLE, as_markdown, checked_keymap
from tui.settings import Wishes, read_wishes, save_server

ROOT = Path(__file__).parents[3]
BEGINS, ENDS = "<!-- keys -->\n", "<!-- end of keys -->"


def in_home(home: Path, text: str) -> dict[str, str]:
    (home / "guardian").mkdir()
    (home / "guardian" / "console.toml").write_text(text)
    return {"XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)}


def grounds(console: Screenful) -> set[str]:
    strips = console.console.screen._compositor.render_strips()
    styles = (segment.style for strip in strips for segment in strip)
    return {style.bgcolor.name for style in styles if style is not None and style.bgcolor}


def test_a_users_own_key_takes_the_place_of_ours(tmp_path: Path) -> None:
    wishes = read_wishes(in_home(tmp_path, 'theme = "light"\n[keys]\n"integrations.test" = "v"\n'))

    assert wishes == Wishes("light", {"integrations.test": "v"}, "", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('theme = "pink"', "theme must be one of dark, light, contrast."),
        ('[keys]\n"integrations.tset" = "v"', "there is no command integrations.tset"),
        ('[keys]\n"integrations.test" = "e"', "integrations.test and integrations.edit share e."),
        ('[keys]\n"integrations.test" = 5', "integrations.test needs the name of a key"),
        ("theme", "cannot be read"),
        ('colours = "dark"', "there is no setting colours; did you mean"),
    ],
)
def test_a_wrong_wish_names_its_file_and_what_is_wrong(
    text: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=r"console\.toml") as refused:
        read_wishes(in_home(tmp_path, text))

    assert says in refused.value.detail


def test_saving_a_server_leaves_the_other_wishes_as_they_are(tmp_path: Path) -> None:
    env = in_home(tmp_path, '# mine\ntheme = "light"\nurl = "http://old"\n')
    save_server(env, "http://new", "k1")

    text = (tmp_path / "guardian" / "console.toml").read_text()
    assert text == 'url = "http://new"\n# mine\ntheme = "light"\n'


def test_no_two_commands_of_a_place_share_a_key() -> None:
    assert checked_keymap({}) == {}
    assert all(len({one.id for one in commands}) == len(commands) for commands in TABLE.values())


def test_the_pages_keys_are_those_of_the_table() -> None:
    page = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")

    assert page.partition(BEGINS)[2].partition(ENDS)[0] == as_markdown()


async def test_a_users_own_key_works_and_is_what_the_footer_says() -> None:
    wishes = Wishes(keymap={"integrations.test": "v"})
    async with serving() as server:
        server.integrations = [an_integration()]
        async with looking(server.url, wishes=wishes) as console:
            await console.press("2")
            await console.shows(">● on", "v test")
            await console.press("v")
            await console.shows("✓ delivered 204")


async def test_each_theme_paints_the_whole_screen_in_its_own_ground() -> None:
    async with serving() as server, looking(server.url) as console:
        await console.shows("72.0")
        assert grounds(console) == {"#121212"}
        await console.press("ctrl+t")
        await console.shows("Theme: light.")
        assert grounds(console) == {"#ffffff"}
        await console.press("ctrl+t")
        await console.shows("Theme: contrast.")
        assert grounds(console) == {"#000000"}


async def test_a_session_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    async with serving() as server:
        server.deliveries = [a_delivery(an_integration())]
        async with looking(server.url, home=tmp_path) as console:
            await console.press("3", "slash", *"deliv", "enter", "ctrl+t")
            await console.shows("esc clears")
        env = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
        wishes = read_wishes(env)
        assert wishes == Wishes("light", {}, "deliveries", "deliv")

        async with looking(server.url, home=tmp_path, wishes=wishes) as console:
            await console.shows("✓ delivered   1 shown", "esc clears")
