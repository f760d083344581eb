"""Secrets of ``crossover.toml``: names of variables and of files in the text, values only in memory.

``"${NAME}"`` is a variable of the environment, ``"file:PATH"`` a file that holds nothing else. Only ``api_key`` and the
values of ``headers`` may say so; a key written out in the file is refused. No message here holds a value.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from crossover.config.settings import Secret
from crossover.errors import InputError
from crossover.textfile import open_file

ANY_KEY = "none"  # for engines that want a key and take any
TEXT = "text"  # the origin of a header's value that is no secret
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HOW = 'Write api_key = "${NAME}" and set that variable, or "file:PATH" of a file that holds the key'
_MOST_BYTES = 64 * 1024
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
_SECRET_WORDS = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token)\s+\S", re.IGNORECASE)
# What the makers of keys put at their head, or a word too long to be one.
_LOOKS_SECRET = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|key|ghp|pat)[-_]|AIza|AKIA|eyJ|[A-Za-z0-9+/_-]{40,}")
_WRITTEN_OUT = "holds a secret itself; a secret never stands in the file"


class Finder:
    """Where secrets are looked up: the environment, and files beside ``folder``; notes and files read are kept."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self.folder = folder
        self.notes: list[str] = []
        self.files: list[Path] = []

    def api_key(self, text: str, *, read: bool) -> Secret:
        """The secret that ``text`` names; with ``read`` False only its form is checked. Raises InputError."""
        if text == ANY_KEY:
            return Secret(ANY_KEY, ANY_KEY)
        if REFERENCE.fullmatch(text) or text.startswith("file:"):
            return self._named(text, read=read)
        if text.startswith("$"):
            raise InputError("names no variable", hint='Write "${NAME}", of letters, digits and underscores')
        raise InputError(_WRITTEN_OUT, hint=_HOW)

    def header(self, name: str, text: str, *, read: bool) -> Secret:
        """The value of a header: a secret by name, a text with ``${NAME}`` in it, or a plain text."""
        if text.startswith("file:"):
            return self._named(text, read=read)
        rest = REFERENCE.sub("", text)
        if "${" in rest:
            raise InputError("names no variable", hint='Write "${NAME}", of letters, digits and underscores')
        hint = 'Write "${NAME}" and set that variable, or "file:PATH"'
        if _LOOKS_SECRET.search(rest) or _SCHEME.match(rest):
            raise InputError(_WRITTEN_OUT, hint=hint)
        if rest != text:
            value = REFERENCE.sub(lambda found: self._variable(found[1]), text) if read else ""
            return Secret(_sendable(value, "the text"), text)
        if name.casefold() in _SECRET_HEADERS or _SECRET_WORDS.search(name):
            raise InputError(_WRITTEN_OUT, hint=hint)
        return Secret(_sendable(text, "the text"), TEXT)

    def _named(self, text: str, *, read: bool) -> Secret:
        if any(char < " " or char == "\x7f" for char in text):
            raise InputError("holds a line break or a control character")
        if not read:
            return Secret("", text)
        found = REFERENCE.fullmatch(text)
        return Secret(self._variable(found[1]) if found else self._file(text.removeprefix("file:")), text)

    def _variable(self, name: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            raise InputError(
                f"the variable {name} is not set", hint="Set it before the start, or write enabled = false"
            )
        return _sendable(value, f"the variable {name}")

    def _file(self, name: str) -> str:
        path = self.folder / name
        with open_file(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise InputError(f"{path} is too large for a secret", hint="Name a file that holds the secret alone")
        value = raw.decode("utf-8", errors="replace").strip()
        if not value:
            raise InputError(f"{path} is empty", hint="Write the secret into it, alone")
        self.files.append(path)
        if os.name == "posix" and mode & stat.S_IROTH:
            self.notes.append(f"{path} holds a secret and can be read by everybody on this machine: chmod 600 {path}")
        return _sendable(value, str(path))


def _sendable(value: str, what: str) -> str:
    """The value, where it can stand in one header line; a line break in it would write headers of its own."""
    if not all(" " <= char <= "~" for char in value):
        raise InputError(f"{what} holds a line break or a character that no header can carry")
    return value
