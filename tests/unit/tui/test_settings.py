"""Where the console looks for its server."""

from pathlib import Path

import pytest

from shared.errors import SettingError
from tui.settings import Server, find_server, save_server


def test_the_environment_comes_first(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    save_server(env, "http://saved", "k-saved")

    given = {"GUARDIAN_API_URL": "http://given", "GUARDIAN_API_KEY": "k-given"}
    assert find_server(env | given) == Server("http://given", "k-given")


def test_what_was_saved_is_found_and_the_key_is_the_owner_s_alone(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    folder = save_server(env, 'http://h/"quoted"', "k1")
    save_server(env, 'http://h/"quoted"', "k2")

    assert find_server(env) == Server('http://h/"quoted"', "k2")
    assert (folder / "console.key").stat().st_mode & 0o777 == 0o600
    assert "k2" not in (folder / "console.toml").read_text()
    assert "k2" not in repr(find_server(env))


def test_a_saved_key_is_never_sent_to_another_address(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    save_server(env, "http://saved", "k1")

    assert find_server(env | {"GUARDIAN_API_URL": "http://else"}) == Server("http://else", None)
    assert find_server(env | {"GUARDIAN_API_URL": "http://saved/"}) == Server("http://saved", "k1")


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert find_server({"XDG_CONFIG_HOME": str(tmp_path)}) is None


@pytest.mark.parametrize("text", ["url = ", "url = 1", "\x00"])
def test_a_broken_file_is_named(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "guardian"
    folder.mkdir()
    (folder / "console.toml").write_text(text)

    with pytest.raises(SettingError, match=r"console\.toml"):
        find_server({"XDG_CONFIG_HOME": str(tmp_path)})
