"""A small configuration that is good, and a way to change one line of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.config.load import Loaded, load
from crossover.errors import FileError

KEY = "sk-proj-4f7a-not-to-be-seen"
ENVIRON = {"OPENAI_API_KEY": KEY, "TOKEN": "tok-9e1b-not-to-be-seen"}
BASE = """\
policy = "local_first"

[server]
port = 4000

[zones.local]
operator = "own"

[zones.openai]
operator = "provider"
party = "openai"
agreements = ["dpa"]

[deployments."llama3.1:8b"]
provider = "ollama"
model = "llama3.1:8b"
zone = "local"

[deployments."gpt-4.1"]
provider = "openai"
model = "gpt-4.1"
zone = "openai"
api_key = "${OPENAI_API_KEY}"

[aliases.auto]
deployments = ["llama3.1:8b", "gpt-4.1"]
"""


def changed(old: str, new: str, text: str = BASE) -> str:
    """The text with its only ``old`` replaced."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def loaded(text: str, environ: dict[str, str] | None = None) -> Loaded:
    """What a text says."""
    return load(text, ENVIRON if environ is None else environ)


def refused(text: str, environ: dict[str, str] | None = None) -> FileError:
    """The error of a text that must be refused; it never holds a secret."""
    with pytest.raises(FileError) as caught:
        loaded(text, environ)
    error = caught.value
    for secret in ENVIRON.values():
        assert secret not in f"{error!r} {error} {error.as_dict()}"
    assert error.file == "crossover.toml"
    return error


def write(folder: Path, text: str = BASE) -> Path:
    """The text as ``crossover.toml`` of a folder."""
    path = folder / "crossover.toml"
    path.write_text(text, encoding="utf-8")
    return path
