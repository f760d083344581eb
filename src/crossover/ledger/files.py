"""The file of the ledger: opening it, what is refused, who writes to it, and what a database error means in words."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from crossover.errors import StoreError

BUSY_S = 2.0  # how long to wait for another process that writes
WAL_LIMIT = 64 * 1024 * 1024

# Shared memory between processes, which WAL needs, does not work over these (https://sqlite.org/wal.html#overview).
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "ocfs2", "gfs2",
     "glusterfs", "davfs", "ncpfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph-fuse",
     "fuse.gcsfuse", "fuse.davfs", "fuse.juicefs"}
)  # fmt: skip

DAMAGED = "the ledger is damaged"
_REPAIR = "`crossover ledger repair` saves what can be read; the old file is kept"
# The start of SQLite's name of an error → what it means to the user, and what to do (https://sqlite.org/rescode.html).
_MEANINGS: tuple[tuple[str, str, str | None], ...] = (
    ("SQLITE_NOTADB", "this is not a ledger", "Name another file, or restore a backup"),
    ("SQLITE_CORRUPT", DAMAGED, _REPAIR),
    ("SQLITE_FULL", "the disk is full", "Free some space; nothing that was committed is lost"),
    ("SQLITE_READONLY", "the ledger is read-only", "Give this user the right to write to it and to its folder"),
    ("SQLITE_CANTOPEN", "the ledger cannot be opened", "Check that the folder exists and may be written"),
    ("SQLITE_PERM", "the ledger may not be opened", "Check the rights of the file and of its folder"),
    ("SQLITE_BUSY", f"another process has kept the ledger busy for {BUSY_S:g} s", "Try again"),
    ("SQLITE_LOCKED", "the ledger is locked", "Try again"),
    ("SQLITE_IOERR", "the disk failed while the ledger was read or written", "Check the disk and its free space"),
)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the database or the disk raises inside into one sentence: StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise meaning(error, path) from error


def meaning(error: sqlite3.Error | OSError | UnicodeDecodeError, path: Path) -> StoreError:
    """A database or disk error in the user's words. SQLite's words may hold damaged text, which cannot be decoded."""
    if isinstance(error, UnicodeDecodeError) or str(error).startswith("Could not decode"):
        return StoreError(DAMAGED, hint=_REPAIR, file=str(path))
    if isinstance(error, OSError):
        return StoreError(f"the ledger cannot be used: {error.strerror or error}", file=str(path))
    name = getattr(error, "sqlite_errorname", "") or ""
    for start, text, hint in _MEANINGS:
        if name.startswith(start):
            return StoreError(text, hint=hint, file=str(path))
    return StoreError(f"the ledger cannot be used: {error}", file=str(path))


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction that may write: committed at the end, rolled back where anything at all is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # something was raised, or the commit failed
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def no_ledger(path: Path) -> StoreError:
    """There is no file to read."""
    hint = "`crossover serve` writes one; --ledger names another file"
    return StoreError("there is no ledger here yet", hint=hint, file=str(path))


def connect(path: Path, *, write: bool, any_thread: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode. Raises StoreError; a file is created only where ``write`` is set."""
    with told(path):
        if write:
            refuse_network(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            own_file(path)
        elif not path.is_file():
            raise no_ledger(path)
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?{_mode(path, write)}", uri=True, isolation_level=None, timeout=BUSY_S,
            check_same_thread=not any_thread, cached_statements=256,
        )  # fmt: skip
        with closed_on_error(connection):
            connection.execute("PRAGMA cache_size = -8000")
            connection.execute("PRAGMA temp_store = memory")
            if write:
                _prepare_writing(connection, path)
    return connection


@contextlib.contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the connection where anything is raised inside."""
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        yield
        stack.pop_all()


def own_file(path: Path) -> None:
    """Make an empty file where there is none, for its owner only: names of keys and models are nobody else's."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _mode(path: Path, write: bool) -> str:
    """A reader needs a folder it may write to for the WAL's index, unless nobody can be writing: then none is used."""
    if write:
        return "mode=rw"
    log = path.with_name(path.name + "-wal")
    quiet = not log.exists() or log.stat().st_size == 0
    return "mode=ro&immutable=1" if quiet and not os.access(path.parent, os.W_OK) else "mode=ro"


def _prepare_writing(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(
            f"the ledger needs a write-ahead log, and this file system gives {mode!r}",
            hint="Put it on a local disk with --ledger or CROSSOVER_DATA", file=str(path),
        )  # fmt: skip
    # NORMAL: a commit survives the death of the process; only a power cut can take the last ones back.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
    connection.execute("PRAGMA secure_delete = FAST")


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """StoreError where the file would lie on a network file system (seen on Linux, and by UNC paths on Windows)."""
    place = path.absolute()
    kind = "a network share" if str(place).startswith("\\\\") else file_system(place, mounts)
    if kind is not None and (kind in NETWORK or kind == "a network share"):
        raise StoreError(
            f"the ledger cannot lie on a network file system ({kind})",
            hint="Put it on a local disk with --ledger or CROSSOVER_DATA", file=str(path),
        )  # fmt: skip


def file_system(place: Path, mounts: str | None = None) -> str | None:
    """The kind of file system that holds a place, from the text of ``/proc/self/mounts``; None where nobody says."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    resolved = Path(os.path.realpath(place))
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        where = Path(parts[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if where in (resolved, *resolved.parents) and (best is None or len(str(where)) >= best[0]):
            best = (len(str(where)), parts[2])
    return best[1] if best else None


class Presence:
    """A sign that one writer lives: a small file beside the ledger that is locked until its process ends.

    The operating system takes the lock away when the process dies, however it dies; ids of processes are used again
    and mean nothing across containers. SQLite's own locks are used because they work everywhere it does.
    """

    def __init__(self, ledger: Path) -> None:
        while True:
            self.token = secrets.token_hex(8)
            self._path = _sign(ledger, self.token)
            with told(ledger):
                self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0)
                try:
                    self._connection.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError:  # someone is looking whether we live: they take the file away
                    self._connection.close()
                    continue
            if self._path.exists():  # else someone took it for a dead one before it was locked
                return
            self._connection.close()

    def leave(self) -> None:
        """Take the sign down."""
        self._connection.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def _sign(ledger: Path, token: str) -> Path:
    return ledger.with_name(f"{ledger.name}-writer-{token}")


def lives(ledger: Path, token: str) -> bool:
    """Whether the writer with this token still runs; the sign of a dead one is taken away."""
    sign = _sign(ledger, token)
    if not sign.exists():
        return False
    connection = sqlite3.connect(sign, isolation_level=None, timeout=0)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    with contextlib.suppress(OSError):
        sign.unlink()
    return False


def writers(ledger: Path) -> list[str]:
    """The tokens of the writers that run now."""
    start = f"{ledger.name}-writer-"
    if not ledger.parent.is_dir():
        return []
    names = [path.name for path in ledger.parent.iterdir()]
    tokens = [name.removeprefix(start) for name in names if name.startswith(start)]
    return [token for token in tokens if token.isalnum() and lives(ledger, token)]
