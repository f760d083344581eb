"""``crossover eval vote``: people say which of two answers they prefer, on a page of this machine.

The page is served on 127.0.0.1 under a path that nobody can guess. Requests for another host, from pages elsewhere, or
without the path get nothing; there is no cookie. The door is the gateway's (deadlines, sizes, hostile bytes).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossover.errors import InputError, RequestError, StoreError

if TYPE_CHECKING:
    from crossover.evaluation.booth import Booth, Press
    from crossover.evaluation.tally import Tally
    from crossover.evaluation.votes import Poll, Votes
    from crossover.gateway.http import Connection, Request

HOST = "127.0.0.1"
_BODY = 4096  # bytes of a vote at most
_HEADERS = (
    b"cache-control: no-store\r\nx-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
    b"cross-origin-resource-policy: same-origin\r\nx-frame-options: DENY\r\n"
)
Opened = Callable[[str], None]


class _Vote(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    choice: str


def now() -> str:
    """This moment, as it is written beside a vote."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


async def serve(
    booth: Booth, sentences: Callable[[], Sequence[str]], *, port: int = 0, token: str = "", opened: Opened
) -> None:
    """Serve the page until its reader ends it; ``opened`` is told the address.

    ``sentences`` gives the result, which is shown once the reader has ended the vote and not before. ``port`` 0 is any
    free one. Raises InputError where the port is taken.
    """
    from crossover.gateway.http import Limits
    from crossover.gateway.server import Server

    ended = asyncio.Event()
    secret = token or secrets.token_urlsafe(16)
    door = _Door(booth, sentences, ended, secret)
    listener = _listener(port)
    address = f"http://{HOST}:{listener.getsockname()[1]}/{secret}/"
    server = Server(door.answer, Limits(body_bytes=_BODY, header_bytes=16 * 1024, connections=32))
    await server.open(listener)
    try:
        opened(address)
        await ended.wait()
    finally:
        await server.close(1.0)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        hint = "Choose another, or none"
        raise InputError(f"port {port} cannot be used: {error.strerror or error}", hint=hint, field="--port") from None
    return listener


class _Door:
    """Answers requests of the page."""

    def __init__(
        self, booth: Booth, sentences: Callable[[], Sequence[str]], ended: asyncio.Event, secret: str
    ) -> None:  # fmt: skip
        from crossover.gateway.hosts import Hosts
        from crossover.reports import vote_html

        self._booth = booth
        self._sentences = sentences
        self._ended = ended
        self._prefix = f"/{secret}/".encode()
        self._hosts = Hosts(())
        self._page = vote_html.page().encode()
        self._policy = f"{vote_html.policy()}; frame-ancestors 'none'".encode()

    async def answer(self, request: Request, connection: Connection) -> None:
        """Answer one request."""
        try:
            self._hosts.check(request.headers)
            path = request.path.partition(b"?")[0]
            if not secrets.compare_digest(path[: len(self._prefix)], self._prefix):
                raise RequestError("there is nothing here", status=404)
            self._known(request, path[len(self._prefix) :], connection)
        except RequestError as error:
            _say(connection, error.status, {"error": error.sentence()})
        except StoreError as error:
            _say(connection, 500, {"error": error.sentence()})

    def _known(self, request: Request, name: bytes, connection: Connection) -> None:
        """Answer a request that knows the path. Raises RequestError for one that is none of the page's."""
        if request.method in {b"GET", b"HEAD"}:
            if name == b"":
                kind = b"content-type: text/html; charset=utf-8\r\ncontent-security-policy: %b\r\n" % self._policy
                return connection.answer(200, kind + _HEADERS, self._page)
            if name == b"state":
                return _say(connection, 200, self._booth.shown())
            raise RequestError("there is nothing here", status=404)
        if request.method != b"POST":
            raise RequestError("this is for GET and POST", status=405)
        if request.headers.get(b"content-type", b"").partition(b";")[0].strip() != b"application/json":
            raise RequestError("a vote comes as application/json", status=415)
        if name == b"vote":
            vote = _read(request.body)
            self._booth.press(vote.key, _press(vote.choice))
            return _say(connection, 200, self._booth.shown())
        if name == b"undo":
            self._booth.undo()
            return _say(connection, 200, self._booth.shown())
        if name == b"end":
            _say(connection, 200, {"sentences": list(self._sentences())})
            self._ended.set()
            return None
        raise RequestError("there is nothing here", status=404)


def _read(body: bytes) -> _Vote:
    try:
        return msgspec.json.decode(body, type=_Vote)
    except (msgspec.DecodeError, ValueError):
        raise RequestError("this is no vote", status=400) from None


def _press(choice: str) -> Press:
    from crossover.evaluation.booth import PRESSES

    if choice not in PRESSES:
        raise RequestError("this is no vote", status=400)
    return PRESSES[choice]


def _say(connection: Connection, status: int, said: object) -> None:
    connection.answer(status, b"content-type: application/json\r\n" + _HEADERS, msgspec.json.encode(said))


# ------------------------------------------------------------------------------------------------------------- command


def register(app: typer.Typer) -> None:
    """Add ``vote`` to the commands of ``crossover eval``."""
    app.command("vote", help="People say which answer they prefer, blind, on a page of this machine; then a verdict.")(
        vote
    )  # fmt: skip


def vote(
    results: Annotated[Path, typer.Argument(help="The folder of results that crossover eval wrote.")],
    rater: Annotated[str, typer.Option(help="Who votes; every rater has an own order and own votes.")] = "",
    reference: Annotated[str | None, typer.Option(help="Compare with this candidate instead of the run's.")] = None,
    samples: Annotated[Path | None, typer.Option(help="The file of samples, where it is not where it was.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Put at most so many samples to a vote.")] = None,
    every_pair: Annotated[bool, typer.Option("--every-pair", help="Also candidates against each other.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Serve the page on this port; 0: any.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Count the votes there are; ask nobody.")] = False,
    labels: Annotated[Path | None, typer.Option(help="Write what people preferred to this file, for a judge.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the count as JSON.")] = False,
) -> None:
    """Show two answers at a time, keep every vote, count them."""
    from crossover.evaluation.folder import read_folder
    from crossover.evaluation.tally import tally
    from crossover.evaluation.votes import NAME, poll, read_votes
    from crossover.reports import votes as shown
    from crossover.reports.terminal import console

    found = read_folder(results, samples=samples)
    path, against, seed = results / NAME, reference or found.header.reference, found.header.seed

    def polled(who: str) -> Poll:
        return poll(
            found.samples, found.outcomes, found.names, against, rater=who, seed=seed,
            errors=found.errors, every_pair=every_pair, most=most,
        )  # fmt: skip

    def counted() -> Tally:
        votes = read_votes(path)
        polls = [polled(who) for who in votes.raters or (rater,)]
        return tally(polls, votes, against, margin=found.header.margin, seed=seed)

    if not count:
        asyncio.run(_sit(polled(rater), path, lambda: shown.sentences(counted()), port, browser=not no_open))
    if labels is not None:
        votes = read_votes(path)
        _write_labels(labels, [polled(who) for who in votes.raters], votes, found.names, against)
    if json:
        sys.stdout.write(msgspec.json.encode(counted()).decode() + "\n")
    else:
        shown.render(counted(), console())


async def _sit(polled: Poll, path: Path, sentences: Callable[[], Sequence[str]], port: int, *, browser: bool) -> None:
    """One sitting: until its reader ends it or Ctrl-C, which ends it too and loses nothing."""
    import signal
    import webbrowser

    from crossover.evaluation.booth import Booth

    def opened(address: str) -> None:
        sys.stderr.write(f"Vote on {address} (Ctrl-C ends it; every vote is kept)\n")
        sys.stderr.flush()
        if browser:
            webbrowser.open(address)

    task = asyncio.ensure_future(serve(Booth(polled, path, now), sentences, port=port, opened=opened))
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, RuntimeError):  # no signals on this system, or not the main thread
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError):
            loop.remove_signal_handler(signal.SIGINT)


def _write_labels(path: Path, polls: Sequence[Poll], votes: Votes, candidates: Sequence[str], reference: str) -> None:
    """What people preferred, as a judge's labels are read. Raises InputError for more candidates than one."""
    from crossover.evaluation.tally import labels
    from crossover.reports import files

    others = [name for name in candidates if name != reference]
    if len(others) != 1:
        raise InputError(f"labels are of one candidate, and this run has {len(others)}", field="--labels")
    found = labels(polls, votes, others[0], reference)
    rows = [msgspec.json.encode({"id": sample, "winner": winner}).decode() for sample, winner in sorted(found.items())]
    files.write(path, "".join(f"{row}\n" for row in rows))
