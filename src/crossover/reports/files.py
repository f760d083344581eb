"""Writing a report to a file: all of it or nothing, and one sentence where it cannot be written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from crossover.errors import FileError


def write(path: Path, text: str) -> Path:
    """Write ``text`` as UTF-8 and return the place written.

    The text goes into a new file beside the target and takes its name at the end: a full disk, a crash or Ctrl-C leaves
    an older report as it was. Devices and pipes are written directly. Raises FileError.
    """
    data = text.encode("utf-8")
    try:
        target = path.expanduser().resolve()
        if target.is_dir():
            raise FileError("this is a folder", hint="Give the name of a file, such as report.html", file=str(path))
        if target.exists() and not target.is_file():
            with target.open("wb", buffering=0) as device:
                device.write(data)
            return target
        _replace(target, data)
    except FileNotFoundError:
        raise FileError("its folder does not exist", hint="Create the folder first", file=str(path)) from None
    except NotADirectoryError:
        raise FileError("a part of this path is a file, not a folder", file=str(path)) from None
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a ring of links or no home; ValueError: a NUL
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileError(f"it cannot be written: {reason}", hint="Choose another place", file=str(path)) from None
    return target


def check(path: Path) -> None:
    """Raise the FileError that writing would raise, where that can be known before there is anything to write."""
    try:
        target = path.expanduser().resolve()
        if target.is_dir():
            raise FileError("this is a folder", hint="Give the name of a file, such as report.html", file=str(path))
        if not target.parent.exists():
            raise FileError("its folder does not exist", hint="Create the folder first", file=str(path))
        if not target.parent.is_dir():
            raise FileError("a part of this path is a file, not a folder", file=str(path))
        place = target if target.exists() else target.parent
        if not os.access(place, os.W_OK):
            raise FileError("it cannot be written: permission denied", hint="Choose another place", file=str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise FileError(f"it cannot be written: {error}", hint="Choose another place", file=str(path)) from None


def _replace(target: Path, data: bytes) -> None:
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "the file is read-only")
    # The name is cut so that a target of the longest allowed name still has a neighbour.
    beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.part")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
