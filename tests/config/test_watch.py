"""Hot reload: a change is taken once it stands still; a bad file is said once and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from crossover.config.load import Loaded, load
from crossover.config.settings import Settings
from crossover.config.watch import SETTLE_SECONDS, Watcher, changed, needs_restart
from crossover.errors import FileError
from tests.config.files import BASE, ENVIRON, KEY, write
from tests.config.files import changed as edited


class Times:
    """A clock that goes on by a second whenever somebody asks for a poll."""

    def __init__(self, path: Path, start: Loaded | None = None) -> None:
        self.now = 100.0
        self.loads = 0
        self.watcher = Watcher(path, self.read, lambda: self.now, start)

    def read(self, path: Path) -> Loaded:
        self.loads += 1
        return load(path, ENVIRON)

    def poll(self, seconds: float = 1.0) -> Loaded | FileError | None:
        self.now += seconds
        return self.watcher.poll()

    def polls(self) -> list[Loaded | FileError]:
        """All that five seconds bring."""
        return [found for found in (self.poll() for _ in range(5)) if found is not None]


def test_a_change_is_taken_once(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    assert times.polls() == []
    assert times.loads == 0
    write(tmp_path, edited('policy = "local_first"', 'policy = "cheapest"'))
    found = times.polls()
    assert len(found) == 1
    assert isinstance(found[0], Loaded)
    assert found[0].settings.policy == "cheapest"


def test_the_same_size_and_time_hide_no_change(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.stat()
    times = Times(path, load(path, ENVIRON))
    write(tmp_path, edited("port = 4000", "port = 4001"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(times.polls()) == 1


def test_touching_is_no_change(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    os.utime(path, (1, 1))
    assert times.polls() == []
    assert times.loads == 0


def test_a_bad_file_is_said_once_and_a_better_one_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    write(tmp_path, edited("port = 4000", "port = -1"))
    found = times.polls()
    assert [type(each) for each in found] == [FileError]
    assert "-1 is out of range" in str(found[0])
    write(tmp_path, edited("port = 4000", "port = -2"))
    assert "-2 is out of range" in str(times.polls())
    write(tmp_path, edited("port = 4000", "port = 5"))
    taken = times.polls()
    assert isinstance(taken[0], Loaded)
    assert taken[0].settings.server.port == 5


def test_going_back_to_what_runs_is_nothing_new_and_the_same_mistake_is_said_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    for _ in range(2):
        write(tmp_path, "nonsense")
        assert len(times.polls()) == 1
        write(tmp_path)
        assert times.polls() == []


def test_a_half_written_file_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    whole = edited("[aliases.auto]", "[aliases.more]\ndeployments = ['gpt-4.1']\n[aliases.auto]")
    for end in range(0, len(whole), 40):  # a slow writer: every cut is another file, some of them good ones
        write(tmp_path, whole[:end])
        assert times.poll(SETTLE_SECONDS / 2) is None
    write(tmp_path, whole)
    found = times.polls()
    assert len(found) == 1
    assert isinstance(found[0], Loaded)
    assert "more" in found[0].settings.aliases


def test_a_file_that_goes_and_comes_back(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    path.unlink()
    assert "there is no such file" in str(times.polls())
    write(tmp_path, edited("port = 4000", "port = 5"))
    assert isinstance(times.polls()[0], Loaded)


def test_a_file_that_comes_later(tmp_path: Path) -> None:
    times = Times(tmp_path / "crossover.toml")
    assert times.polls() == []
    write(tmp_path)
    assert isinstance(times.polls()[0], Loaded)


def test_a_change_between_load_and_watch_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path)
    start = load(path, ENVIRON)
    write(tmp_path, edited("port = 4000", "port = 5"))
    assert isinstance(Times(path, start).polls()[0], Loaded)


def test_a_secret_that_is_renewed(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(KEY)
    path = write(tmp_path, edited("${OPENAI_API_KEY}", "file:key"))
    times = Times(path, load(path, ENVIRON))
    secret.write_text("another-one")
    found = times.polls()
    assert len(found) == 1
    assert isinstance(found[0], Loaded)
    key = found[0].settings.deployments["gpt-4.1"].api_key
    assert key is not None
    assert key.value == "another-one"


def test_what_a_file_lacked_may_come_without_a_change_of_it(tmp_path: Path) -> None:
    path = write(tmp_path)
    times = Times(path, load(path, ENVIRON))
    write(tmp_path, edited("${OPENAI_API_KEY}", "file:key"))
    assert "there is no such file" in str(times.polls())
    (tmp_path / "key").write_text(KEY)
    assert isinstance(times.polls()[0], Loaded)


def test_what_a_change_is() -> None:
    old = load(BASE, ENVIRON).settings
    new = load(
        edited("port = 4000", "port = 5") + "[timeouts]\ngap = 5\n[aliases.b]\ndeployments = ['gpt-4.1']\n", ENVIRON
    )
    assert needs_restart(old, new.settings) == ("server.port",)
    assert changed(old, new.settings) == ("server", "aliases.b", "timeouts")
    assert changed(old, Settings()) == (
        "zones.local", "zones.openai", "deployments.llama3.1:8b", "deployments.gpt-4.1", "aliases.auto"
    )  # fmt: skip
    assert needs_restart(old, old) == changed(old, old) == ()
