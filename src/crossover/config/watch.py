"""Hot reload: notices that ``crossover.toml`` changed, and hands out what it says now.

No thread and no event of the operating system: the gateway asks once a second. A file is read when it has stood still
for a moment, so that one which is being written is not taken for a shorter one. A bad file is said once and changes
nothing; what ran before goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from crossover.config.load import MOST_BYTES, Loaded
from crossover.config.settings import Settings
from crossover.errors import FileError
from crossover.textfile import open_file

SETTLE_SECONDS = 0.5
# What the gateway takes at its start and never again.
FIXED = ("host", "port", "tls_cert", "tls_key", "body_limit", "header_limit", "header_timeout", "body_timeout",
         "connections")  # fmt: skip


class Watcher:
    """Looks after one file and those it names. ``clock`` gives seconds that only rise."""

    def __init__(
        self, path: Path, loader: Callable[[Path], Loaded], clock: Callable[[], float], loaded: Loaded | None = None
    ) -> None:
        self._path = path
        self._loader = loader
        self._clock = clock
        self._files: tuple[Path, ...] = ()
        self._runs = self._state()  # the state whose settings are in force
        if loaded is not None:
            self._takes(loaded)
        self._seen = self._runs
        self._since = clock()
        self._complaint = ""  # what was said of a bad file; it is said once

    def poll(self) -> Loaded | FileError | None:
        """New settings, or what is wrong with the file now (once a change), or None: nothing new."""
        state = self._state()
        if state != self._seen:
            self._seen, self._since = state, self._clock()
            return None
        if state == self._runs:
            self._complaint = ""
            return None
        if self._clock() - self._since < SETTLE_SECONDS:
            return None
        try:  # also while the file is bad: what it lacks may be another file, which came meanwhile
            loaded = self._loader(self._path)
        except FileError as error:
            if error.sentence() == self._complaint:
                return None
            self._complaint = error.sentence()
            return error
        self._takes(loaded)
        self._complaint = ""
        return loaded

    def _takes(self, loaded: Loaded) -> None:
        """These settings are in force; by their digest, because the file may have changed since it was read."""
        self._files = loaded.files
        self._runs = self._seen = (loaded.digest, self._state()[1])

    def _state(self) -> tuple[str, tuple[str, ...]]:
        return _digest(self._path), tuple(_stamp(path) for path in self._files)


def _digest(path: Path) -> str:
    """The SHA-256 of a file's content without its byte-order mark, as in ``Loaded``; a word of its own without one."""
    try:
        with open_file(path) as file:
            return hashlib.sha256(file.read(MOST_BYTES + 1).removeprefix(b"\xef\xbb\xbf")).hexdigest()
    except (FileError, OSError):
        return "unreadable"


def _stamp(path: Path) -> str:
    """What changes when a file is written anew or replaced, or a folder gets another one."""
    try:
        found = path.stat()
    except OSError:
        return "unreadable"
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"


def needs_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Fields that changed and take effect only when the gateway starts again: ``server.port``."""
    late = [f"server.{name}" for name in FIXED if getattr(old.server, name) != getattr(new.server, name)]
    return (*late, *(["dashboard"] if old.dashboard != new.dashboard else []))


def changed(old: Settings, new: Settings) -> tuple[str, ...]:
    """The tables that differ, for one line of log: ``deployments.fast``, ``aliases.auto``, ``retries``."""
    found: list[str] = []
    for name in Settings.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, dict):
            found += [f"{name}.{key}" for key in _keys(before, after) if before.get(key) != after.get(key)]
        elif before != after:
            found.append(name)
    return tuple(found)


def _keys(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*before, *after]))
