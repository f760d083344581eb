"""Where things are: the one room that reads the environment.

Search order for each place, first hit wins (all documented in docs/settings.md):

1. the environment variable named below,
2. ``CROSSOVER_HOME`` with a fixed sub-folder,
3. the user's own folder of the platform (XDG on Linux, ``~/Library/Application Support`` on macOS, ``%APPDATA%``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

SETTINGS: dict[str, str] = {
    "CROSSOVER_HOME": "one folder for everything below it: config/, data/, models/",
    "CROSSOVER_CONFIG": "folder of crossover.toml and of catalog/*.toml (your own rows)",
    "CROSSOVER_DATA": "folder of the ledger and of recorded evidence",
    "CROSSOVER_MODELS": "folder of downloaded model files",
    "HF_TOKEN": "token of a hub, for models that not everyone may pull; sent to the hub alone",
    "CROSSOVER_API_KEY": "the key with which `crossover chat --url` and the Python client ask a gateway",
    "CROSSOVER_DEBUG": "1: print the traceback of an unexpected error",
    "NO_COLOR": "any value: no colour in the terminal",
}


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """The folders Crossover uses; none is created before something is written to it."""

    config: Path
    data: Path
    models: Path


def paths(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Paths:
    """The folders in force for this environment and platform."""
    env = os.environ if environ is None else environ
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    base = env.get("CROSSOVER_HOME")
    if base:
        config, data = Path(base) / "config", Path(base) / "data"
    elif platform == "darwin":
        config = data = home / "Library" / "Application Support" / "crossover"
    elif platform == "win32":
        config = data = Path(env.get("APPDATA") or home / "AppData" / "Roaming") / "crossover"
    else:
        config = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "crossover"
        data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share") / "crossover"
    models = Path(base) / "models" if base else data / "models"
    return Paths(
        config=Path(env.get("CROSSOVER_CONFIG") or config),
        data=Path(env.get("CROSSOVER_DATA") or data),
        models=Path(env.get("CROSSOVER_MODELS") or models),
    )


def debug(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user asked for tracebacks."""
    return (os.environ if environ is None else environ).get("CROSSOVER_DEBUG", "") not in ("", "0")


def colour_wanted(environ: Mapping[str, str] | None = None) -> bool:
    """False where the user set NO_COLOR (https://no-color.org)."""
    return not (os.environ if environ is None else environ).get("NO_COLOR")


def hub_token(environ: Mapping[str, str] | None = None) -> str | None:
    """The token for pulling models; None where none is set."""
    return (os.environ if environ is None else environ).get("HF_TOKEN", "").strip() or None


def api_key(environ: Mapping[str, str] | None = None) -> str | None:
    """The key for asking a gateway; None where none is set."""
    return (os.environ if environ is None else environ).get("CROSSOVER_API_KEY", "").strip() or None


def environment() -> Mapping[str, str]:
    """The environment of this process, for whoever looks up secrets."""
    return os.environ
