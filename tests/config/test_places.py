"""Where things are: three places in order, each overridable, nothing created by looking."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.config import SETTINGS, api_key, colour_wanted, debug, environment, paths
from crossover.config.places import hub_token


def test_linux_follows_xdg() -> None:
    found = paths({"HOME": "/h"}, "linux")
    assert (found.config, found.data) == (Path("/h/.config/crossover"), Path("/h/.local/share/crossover"))
    assert found.models == Path("/h/.local/share/crossover/models")
    moved = paths({"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"}, "linux")
    assert (moved.config, moved.data) == (Path("/c/crossover"), Path("/d/crossover"))


def test_macos_and_windows() -> None:
    mac = paths({"HOME": "/h"}, "darwin")
    assert mac.config == mac.data == Path("/h/Library/Application Support/crossover")
    windows = paths({"USERPROFILE": "/u", "APPDATA": "/u/Roaming"}, "win32")
    assert windows.config == Path("/u/Roaming/crossover")
    assert paths({"USERPROFILE": "/u"}, "win32").config == Path("/u/AppData/Roaming/crossover")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_one_folder_for_everything(platform: str) -> None:
    found = paths({"HOME": "/h", "CROSSOVER_HOME": "/x"}, platform)
    assert (found.config, found.data, found.models) == (Path("/x/config"), Path("/x/data"), Path("/x/models"))


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_variable_of_its_own_wins(platform: str) -> None:
    environ = {
        "HOME": "/h",
        "CROSSOVER_HOME": "/x",
        "CROSSOVER_CONFIG": "/1",
        "CROSSOVER_DATA": "/2",
        "CROSSOVER_MODELS": "/3",
    }
    found = paths(environ, platform)
    assert (found.config, found.data, found.models) == (Path("/1"), Path("/2"), Path("/3"))


def test_an_empty_variable_counts_as_not_set() -> None:
    assert paths({"HOME": "/h", "CROSSOVER_HOME": "", "CROSSOVER_CONFIG": ""}, "linux") == paths(
        {"HOME": "/h"}, "linux"
    )


def test_models_lie_with_the_data_that_was_moved() -> None:
    assert paths({"HOME": "/h", "CROSSOVER_DATA": "/d"}, "linux").data == Path("/d")


def test_looking_creates_nothing(tmp_path: Path) -> None:
    paths({"HOME": str(tmp_path), "CROSSOVER_HOME": str(tmp_path / "x")}, "linux")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "wanted"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_tracebacks_on_demand(value: str | None, wanted: bool) -> None:
    assert debug({} if value is None else {"CROSSOVER_DEBUG": value}) is wanted


def test_no_color() -> None:
    assert colour_wanted({})
    assert colour_wanted({"NO_COLOR": ""})
    assert not colour_wanted({"NO_COLOR": "1"})


def test_the_environment_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSOVER_CONFIG", str(tmp_path))
    monkeypatch.setenv("CROSSOVER_DEBUG", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert paths().config == tmp_path
    assert debug()
    assert not colour_wanted()
    assert environment()["CROSSOVER_CONFIG"] == str(tmp_path)


def test_every_setting_that_is_read_is_listed() -> None:
    read: set[str] = set()

    class Spy(dict[str, str]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            read.add(key)
            return super().get(key, default)

    paths(Spy(HOME="/h"), "linux")
    debug(Spy())
    colour_wanted(Spy())
    hub_token(Spy())
    api_key(Spy())
    assert {name for name in read if name.startswith("CROSSOVER") or name in SETTINGS} == set(SETTINGS)
