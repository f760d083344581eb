"""The dashboard beside a gateway: its listener, its own process, and the narrow way between the two.

The pages run in a process of their own with a lower priority, because rendering them and adding up a ledger must not
make a request wait, not even for the interpreter. It is started by the first visitor and ends when nobody has come for
a while. It asks the gateway through a socket pair, a line of JSON each way: how do you stand, drain this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from crossover.config.settings import Settings
from crossover.dashboard.words import Limit, Live, Place
from crossover.dispatch import Plant
from crossover.errors import InputError, StoreError
from crossover.ledger.chain import add_audit
from crossover.ledger.words import PICO
from crossover.runtime.dashboard import listen
from crossover.runtime.errand import Asked, Task, Told
from crossover.runtime.station import Station, stand

_LOG = logging.getLogger("crossover")
_AGAIN_S = 2.0  # before a process that ended badly may be started again
_LINE = 1 << 20
_END_S = 3.0
READY = sys.platform != "win32"  # a socket cannot be handed to another process there by its number


class Admin:
    """The dashboard of one gateway. ``open`` it; ``aclose`` ends it with its process."""

    def __init__(self, station: Station, data: Path, listener: socket.socket) -> None:
        self._station = station
        self._url = ""
        self._data = data
        self._since = time.time()
        self._listener = listener
        self._port = int(listener.getsockname()[1])
        self._work: asyncio.Task[int] | None = None
        self._closing = False

    def open(self, url: str) -> str:
        """Wait for the first visitor of the gateway at ``url``; the address of its dashboard."""
        self._url = url
        self._arm()
        return f"http://127.0.0.1:{self._port}"

    async def aclose(self) -> None:
        """End the pages."""
        self._closing = True
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    def _arm(self) -> None:
        if not self._closing:
            asyncio.get_running_loop().add_reader(self._listener.fileno(), self._visited)

    def _visited(self) -> None:
        """Somebody wants in: start the process, which finds them waiting at the listener."""
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self._work = asyncio.create_task(self._run(), name="the dashboard")
        self._work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Task[int]) -> None:
        """The process has ended: wait for the next visitor, after a moment where it did not end well."""
        if self._closing or work.cancelled():
            return
        error = work.exception()
        if error is not None or work.result():
            why = type(error).__name__ if error is not None else f"code {work.result()}"
            _LOG.error("the dashboard has ended (%s); it starts again with the next visitor", why)
        asyncio.get_running_loop().call_later(_AGAIN_S if error is not None or work.result() else 0.0, self._arm)

    async def _run(self) -> int:
        """Run the process of the pages to its end; its exit code."""
        ours, theirs = socket.socketpair()
        task = Task(
            listener=self._listener.fileno(), control=theirs.fileno(), ledger=str(self._station.ledger.path),
            data=str(self._data), port=self._port,
        )  # fmt: skip
        with ours:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "crossover.runtime.visitors", msgspec.json.encode(task).decode(),
                    stdin=asyncio.subprocess.DEVNULL, pass_fds=(task.listener, task.control), start_new_session=True,
                )  # fmt: skip
            try:
                await self._answer(ours)
                return await process.wait()
            finally:
                await _end(process)

    async def _answer(self, control: socket.socket) -> None:
        """Answer the pages until they end."""
        control.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=control, limit=_LINE)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self.told(msgspec.json.decode(line, type=Asked))) + b"\n")
        except (ConnectionError, ValueError, msgspec.MsgspecError):  # it died in the middle of a line
            return
        finally:
            writer.close()

    async def told(self, asked: Asked) -> Told:
        """The answer to one line."""
        station = self._station
        if asked.ask == "look":
            return Told(live=live(station, self._url, self._since))
        breaker = station.dispatcher.plant.health.breakers.get(asked.name)
        if breaker is None:
            return Told(against=f"there is no deployment {asked.name!r}")
        if breaker.drained != asked.on:
            breaker.drained = asked.on
            action = "deployment drained" if asked.on else "deployment used again"
            _LOG.info("%s: %s", action, asked.name)
            try:
                await station.writer.change(
                    lambda connection: add_audit(connection, action, {"deployment": asked.name}, time.time())
                )
            except StoreError as error:  # it is drained all the same: that may be just what is needed now
                _LOG.warning("the audit does not know of it: %s", error.sentence())
        return Told()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that has not ended: in order, else at once."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def bind(settings: Settings, port: int) -> tuple[socket.socket | None, str]:
    """The listener of the dashboard of a gateway at ``port``; None and why, where it is not shown.

    Raises InputError where the port that the configuration states is taken: one that nobody stated is no reason not to
    serve.
    """
    stated = settings.dashboard.port
    if not settings.dashboard.enabled:
        return None, ""
    if not READY:
        return None, "the dashboard beside a gateway needs Unix; `crossover dashboard` shows the ledger"
    try:
        import jinja2  # noqa: F401 - only whether they are there
        import starlette  # noqa: F401
    except ImportError:
        return None, "the dashboard needs: pip install 'crossover-llm[dashboard]'"
    wanted = stated if stated is not None else min(65_535, port + 1) if settings.server.port else 0
    try:
        return listen(wanted), ""
    except InputError as error:
        if stated is not None:
            raise InputError(error.message, hint="Write another one", field="dashboard.port") from None
        return None, f"no dashboard: {error.message}; write another port as dashboard.port"


# ------------------------------------------------------------------------------------------------------- how it stands


def live(station: Station, url: str, since: float) -> Live:
    """The gateway at this moment."""
    plant, settings = station.dispatcher.plant, station.settings
    return Live(
        url=url,
        since=since,
        places=tuple(place(name, plant, settings) for name in plant.targets),
        ledger=station.writer.health(),
        aliases={
            name: (route.policy, route.targets) for name, route in plant.routes.items() if name in settings.aliases
        },
        budgets=tuple(
            Limit(name=name, period=row.period, limit=int(row.usd * PICO), keys=row.keys, aliases=row.aliases)
            for name, row in settings.budgets.items()
        ),
        doubts={}
        if plant.watch is None
        else {name: why for name in settings.aliases if (why := plant.watch.doubt(name))},
        profile=settings.privacy.profile,
        bodies=settings.retention.bodies,
        keys_needed=bool(station.keys) if settings.require_keys is None else settings.require_keys,
    )


def place(name: str, plant: Plant, settings: Settings) -> Place:
    """One deployment at this moment."""
    now = time.monotonic()
    target, breaker, places = plant.targets[name], plant.health.breakers[name], plant.places[name]
    seconds = plant.health.seconds(name, now, streamed=True)
    state = stand(breaker, now)
    one: Any = settings.deployments.get(name)
    per_hour = None if one is None else one.price.per_hour
    return Place(
        name=name, provider=target.provider, model=target.wire_model, zone=target.deployment.zone.name,
        operator=target.deployment.zone.operator, local=target.local, state=state,
        why="no new request goes there" if breaker.drained else breaker.why if state != "up" else "",
        rests_s=0.0 if breaker.drained else breaker.rests_for(now), flying=places.flying, limit=places.limit,
        waiting=places.waiting, queue=places.queue, answer_s=seconds,
        per_hour=0 if per_hour is None else int(per_hour * PICO),
    )  # fmt: skip
