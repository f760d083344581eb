"""Fetches GGUF files from a Hugging-Face-style hub: found, checked, resumed, never half-trusted.

What a hub must offer: ``/api/models/REPO/tree/REVISION?recursive=true`` (files with size and, for large ones, the
SHA-256 as ``lfs.oid``) and ``/REPO/resolve/REVISION/FILE``, which answers itself or redirects. The listing may be
missing where a file is named; then the headers ``x-linked-size`` and ``x-linked-etag`` say the same. Only https is
spoken, plain http to this machine alone; a token goes to the hub's own host and to no other.

A download grows as ``FILE.SHA.part`` beside its place and gets its name only when size, SHA-256 and structure are
right. What breaks off stays and is resumed.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from crossover.engines import gguf
from crossover.errors import CrossoverError, FileError, InputError, UnknownNameError

HUB = "https://huggingface.co"
MOST_REDIRECTS = 5
MOST_LISTING = 32 * 2**20
TIMEOUT_S = 30.0
PIECE = 2**20
SPARE = 64 * 2**20  # bytes left free on the disk
PREFERRED = ("Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q8_0")  # where a repository has many and none was asked for

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_FILE = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]{1,400}")
_SHA = re.compile(r"[0-9a-f]{64}")
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Report: TypeAlias = Callable[[int, int], None]


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A GGUF file of a repository; size 0 and sha256 empty where the hub does not say."""

    path: str
    size: int = 0
    sha256: str = ""


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """A file on this disk. ``verified``: its SHA-256 is the one the hub had named. ``fresh``: fetched just now."""

    path: Path
    size: int
    sha256: str
    verified: bool
    fresh: bool = True


def parse(text: str) -> tuple[str, str]:
    """``owner/name[:FILE or QUANT]`` as (repository, rest). Raises InputError for what is neither."""
    repo, _, rest = text.strip().partition(":")
    if not _REPO.fullmatch(repo) or ".." in repo:
        raise InputError(f"{repo!r} is no repository", hint="Write owner/name, for instance owner/name:Q4_K_M")
    return repo, rest.strip()


def files(repo: str, *, hub: str = HUB, token: str | None = None) -> tuple[RemoteFile, ...]:
    """The GGUF files of a repository, by name. Raises CrossoverError where the hub does not answer as one."""
    url = f"{_base(hub)}/api/models/{repo}/tree/main?recursive=true"
    with _opened(url, token, {}) as (answer, _):
        raw = answer.read(MOST_LISTING + 1)
    try:
        rows = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(raw) > MOST_LISTING:
        raise CrossoverError(f"{_place(url)} gave no list of files", hint="Is this the address of a hub?")
    found = [_remote(row) for row in rows if isinstance(row, dict) and row.get("type") == "file"]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.path))


def choose(found: tuple[RemoteFile, ...], wanted: str, repo: str) -> tuple[RemoteFile, ...]:
    """The file that was meant, with the other parts where it is split; ``wanted`` is a name, a quantisation or empty.

    Raises UnknownNameError with the nearest names, InputError where several fit.
    """
    if not found:
        raise InputError(f"{repo} holds no GGUF file", hint="Look for a repository whose name ends in -GGUF")
    firsts = [one for one in found if _part(one.path) in (None, 1)]
    fitting = [one for one in firsts if one.path == wanted] or _of_quantisation(firsts, wanted)
    if not fitting:
        raise UnknownNameError(f"file or quantisation of {repo}", wanted, [one.path for one in firsts])
    if len(fitting) > 1:
        some = ", ".join(one.path for one in fitting[:6])
        raise InputError(f"{wanted or repo!r} fits several files: {some}", hint="Name one of them after the colon")
    first = fitting[0]
    if _part(first.path) is None:
        return (first,)
    stem = _SPLIT.sub("", first.path)
    return tuple(one for one in found if _SPLIT.search(one.path) and _SPLIT.sub("", one.path) == stem)


def pull(
    repo: str, file: RemoteFile, folder: Path, *, hub: str = HUB, token: str | None = None, report: Report | None = None
) -> Pulled:
    """Fetch one file to ``folder/owner/name/FILE``; nothing is fetched where it is there already, whole.

    ``report(done, total)`` is called with bytes. Raises CrossoverError for what the hub or the network does (the part
    that came is kept and named), FileError for a disk that is full and for content that is not what was promised.
    """
    place = folder / repo / _safe(file.path)
    if place.is_file() and (not file.size or place.stat().st_size == file.size):
        recorded = sha256_of(place) or ""
        if not file.sha256 or recorded == file.sha256:
            return Pulled(path=place, size=place.stat().st_size, sha256=recorded, verified=bool(recorded), fresh=False)
    _mkdir(place.parent)
    url = f"{_base(hub)}/{repo}/resolve/main/{quote(file.path)}"
    try:
        part, told = _download(url, token, place, file, report)
    except (OSError, http.client.HTTPException) as error:
        raise _broken(error, url, place) from None
    found, size = _digest(part), part.stat().st_size
    if told.size and size != told.size:
        raise CrossoverError(
            f"{_place(url)} broke off: {size:,} of {told.size:,} bytes are kept in {part}", hint=_AGAIN
        )
    if told.sha256 and found != told.sha256:
        part.unlink()
        raise FileError(f"has the SHA-256 {found}, the hub promised {told.sha256}; it was deleted", file=str(part))
    gguf.read(part)
    part.replace(place)
    _record(place, {"repo": repo, "file": file.path, "hub": _base(hub), "sha256": found, "verified": bool(told.sha256)})
    return Pulled(path=place, size=size, sha256=found, verified=bool(told.sha256))


def pulled(folder: Path) -> tuple[Path, ...]:
    """The model files below the folder, without what is still coming."""
    return tuple(sorted(folder.rglob("*.gguf"))) if folder.is_dir() else ()


def sha256_of(path: Path) -> str | None:
    """The SHA-256 noted when a file was pulled; None where none was."""
    try:
        said = msgspec.json.decode(_note(path).read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    value = said.get("sha256") if isinstance(said, dict) else None
    return value if isinstance(value, str) else None


def remove(path: Path) -> int:
    """Delete a model file with its note and parts; bytes freed."""
    freed = 0
    for one in (path, _note(path), *path.parent.glob(f"{path.name}.*.part")):
        if one.is_file():
            freed += one.stat().st_size
            one.unlink()
    return freed


_AGAIN = "Run the same command again to go on from there"


def _download(
    url: str, token: str | None, place: Path, file: RemoteFile, report: Report | None
) -> tuple[Path, RemoteFile]:
    """Bring the part up to its end; the part and what the hub said of the file."""
    part = _part_file(place, file.sha256)
    have = part.stat().st_size if part.is_file() and file.sha256 else 0
    if file.size and have == file.size:
        return part, file
    if have > file.size > 0:
        have = 0
    ask = {"range": f"bytes={have}-"} if have else {}
    with _opened(url, token, ask) as (answer, linked):
        told = _told(file, linked)
        start = have if answer.status == 206 and _range_start(answer.headers.get("content-range")) == have else 0
        length = answer.headers.get("content-length")
        if length is not None and length.isdigit() and not told.size:
            told = msgspec.structs.replace(told, size=start + int(length))
        _room(place.parent, told.size - start)
        with part.open("r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            _copy(answer, out, start, told, part, report)
            out.flush()
            os.fsync(out.fileno())
    return part, told


def _copy(answer: Any, out: IO[bytes], done: int, told: RemoteFile, part: Path, report: Report | None) -> None:
    while True:
        try:
            piece = answer.read(PIECE)
        except http.client.IncompleteRead as error:  # what came before the break is kept
            out.write(error.partial)
            return
        if not piece:
            return
        if done == 0 and not piece.startswith(gguf.MAGIC):
            part.unlink()
            raise FileError("what the hub sent is no GGUF file", file=str(part), hint="Is the file's name right?")
        done += len(piece)
        if told.size and done > told.size:
            part.unlink()
            raise FileError(f"is longer than the {told.size:,} bytes the hub promised; deleted", file=str(part))
        out.write(piece)
        if report is not None:
            report(done, told.size)


@contextmanager
def _opened(url: str, token: str | None, headers: dict[str, str]) -> Iterator[tuple[Any, dict[str, str]]]:
    """The final answer (200 or 206) and the ``x-linked-`` headers met on the way; redirects are followed here."""
    tls = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    direct = (urllib.request.ProxyHandler({}),) if urlsplit(url).hostname in _LOOPBACK else ()
    opener = urllib.request.build_opener(_NoRedirect(), tls, *direct)
    home, linked = urlsplit(url).netloc, dict[str, str]()
    for _ in range(MOST_REDIRECTS + 1):
        _permitted(url)
        own = {"user-agent": "crossover", "accept-encoding": "identity", **headers}
        if token is not None and urlsplit(url).netloc == home:
            own["authorization"] = f"Bearer {token}"
        request = urllib.request.Request(url, headers=own)  # noqa: S310 - _permitted has looked at it
        try:
            answer = opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            with closing(error):
                _note_linked(linked, error)
                location = error.headers.get("location")
                if error.code not in (301, 302, 303, 307, 308) or not location:
                    raise _refused(url, error.code, token is not None) from None
                url = urljoin(url, location)
                continue
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            raise CrossoverError(f"{_place(url)} cannot be reached: {why}") from None
        with closing(answer):
            _note_linked(linked, answer)
            yield answer, linked
        return
    raise CrossoverError(f"{_place(url)} redirects more than {MOST_REDIRECTS} times")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects come back as errors: whether to follow, and with which headers, is decided above."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


def _permitted(url: str) -> None:
    """https, or http to this machine. Raises InputError."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise InputError("the hub's address holds credentials", hint="A token is set as HF_TOKEN")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise InputError(f"{_place(url)} is not https; models are fetched over https, or from this machine")


def _note_linked(linked: dict[str, str], answer: Any) -> None:
    for name in ("x-linked-size", "x-linked-etag"):
        value = answer.headers.get(name)
        if value is not None:
            linked.setdefault(name, value.strip('"'))


def _told(file: RemoteFile, linked: dict[str, str]) -> RemoteFile:
    """The listing's word, and the headers' where the listing was silent."""
    size, sha = linked.get("x-linked-size", ""), linked.get("x-linked-etag", "").lower()
    return RemoteFile(
        path=file.path,
        size=file.size or (int(size) if size.isdecimal() else 0),
        sha256=file.sha256 or (sha if _SHA.fullmatch(sha) else ""),
    )


def _remote(row: dict[str, Any]) -> RemoteFile | None:
    path, lfs = row.get("path"), row.get("lfs")
    if not isinstance(path, str) or not path.lower().endswith(".gguf"):
        return None
    large = lfs if isinstance(lfs, dict) else {}
    size, sha = large.get("size", row.get("size")), large.get("oid")
    return RemoteFile(
        path=path,
        size=size if isinstance(size, int) and size > 0 else 0,
        sha256=sha.lower() if isinstance(sha, str) and _SHA.fullmatch(sha.lower()) else "",
    )


def _of_quantisation(found: list[RemoteFile], wanted: str) -> list[RemoteFile]:
    """Files of a quantisation; without one the only file, or the first preferred quantisation there is."""
    if not wanted:
        if len(found) == 1:
            return found
        return next((fit for kind in PREFERRED if (fit := _of_quantisation(found, kind))), found)
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(wanted)}(?![A-Za-z0-9_])", re.IGNORECASE)
    return [one for one in found if word.search(one.path)]


def _part(path: str) -> int | None:
    match = _SPLIT.search(path)
    return int(match[1]) if match else None


def _safe(path: str) -> Path:
    """A hub's file name as a path that stays in its folder. Raises InputError."""
    pure = PurePosixPath(path)
    if not _FILE.fullmatch(path) or pure.is_absolute() or ".." in pure.parts or "." in pure.parts:
        raise InputError(f"{path!r} is no file name this machine will write")
    return Path(*pure.parts)


def _part_file(place: Path, sha256: str) -> Path:
    return place.with_name(f"{place.name}.{sha256[:12] or 'unnamed'}.part")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _record(place: Path, facts: dict[str, object]) -> None:
    _note(place).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _range_start(value: str | None) -> int | None:
    match = re.match(r"bytes (\d{1,18})-", value or "")
    return int(match[1]) if match else None


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise FileError(
            f"has {free // 2**20:,} MiB free, the model needs {needed // 2**20:,} MiB more and some to spare",
            file=str(folder),
            hint="Free some space, or set CROSSOVER_MODELS to a folder on a larger disk",
        )


def _mkdir(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot be made: {error.strerror}", file=str(folder)) from None


def _base(hub: str) -> str:
    _permitted(hub)
    return hub.rstrip("/")


def _place(url: str) -> str:
    """Host and path for people: what a redirect signs into its query stays out."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{host}:{parts.port}{parts.path}" if parts.port else f"{host}{parts.path}"


def _refused(url: str, code: int, with_token: bool) -> CrossoverError:
    if code == 404:
        return InputError(f"{_place(url)} does not exist", hint="Check owner, name and file")
    if code in (401, 403):
        hint = "The token may not read it" if with_token else "Set HF_TOKEN to a token that may read it"
        return CrossoverError(f"{_place(url)} may not be read ({code})", hint=hint)
    return CrossoverError(f"{_place(url)} answered {code}")


def _broken(error: OSError | http.client.HTTPException, url: str, place: Path) -> CrossoverError:
    """A broken connection or a disk error, with what is kept."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FileError("the disk is full", file=str(place.parent), hint="The part that came is kept; free some space")
    kept = sorted(place.parent.glob(f"{place.name}.*.part"))
    size = f"; {kept[0].stat().st_size:,} bytes are kept in {kept[0]}" if kept else ""
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return CrossoverError(f"{_place(url)} broke off: {what}{size}", hint=_AGAIN if kept else None)
