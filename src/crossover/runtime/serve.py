"""``crossover serve``: a station behind an HTTP door, with its sweeper, its reloads and its orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from crossover.config import Paths
from crossover.config.load import Loaded
from crossover.config.settings import ServerSettings, Settings
from crossover.config.watch import Watcher, changed, needs_restart
from crossover.errors import CrossoverError, FileError, InputError
from crossover.gateway.app import Access, Gateway
from crossover.gateway.hosts import Hosts
from crossover.gateway.http import Limits, tls
from crossover.gateway.keyring import KeyRing
from crossover.gateway.server import Server
from crossover.runtime.admin import Admin, bind
from crossover.runtime.desk import header_rules
from crossover.runtime.station import Station, open_station

_LOG = logging.getLogger("crossover")
_BACKLOG = 2048
LOOK_S = 1.0  # how often the configuration file is looked at
AGAIN_S = 5.0  # … and one that lacked something else is tried again
_NOT_TAKEN = "the configuration was not taken, the old one goes on"


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """What is told when the door is open."""

    url: str
    station: Station
    dashboard: str = ""  # its address; "": there is none
    note: str = ""  # why there is none


async def serve(
    loaded: Loaded,
    paths: Paths,
    *,
    ledger: Path | None = None,
    loader: Callable[[Path], Loaded] | None = None,
    on_open: Callable[[Open], None] = lambda _opened: None,
    stop: asyncio.Event | None = None,
) -> signal.Signals | None:
    """Serve until a signal or ``stop``; gives that signal. ``loader`` reads the configuration anew when it changes.

    Raises CrossoverError where the door cannot be opened. Every answered request is in the ledger when it returns.
    """
    server = loaded.settings.server
    context = _context(server)
    listener = _listen(server)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(listener))
        pages, note = bind(loaded.settings, listener.getsockname()[1])
        if pages is not None:
            stack.enter_context(contextlib.closing(pages))
        station = await open_station(loaded, paths, ledger=ledger)
        stack.push_async_callback(station.aclose)
        beside = Beside(None if pages is None else Admin(station, paths.data, pages), note)
        return await _serve(station, server, listener, context, loader, on_open, stop or asyncio.Event(), beside)


class Beside(NamedTuple):
    """The dashboard, or why there is none."""

    admin: Admin | None
    note: str


async def _serve(
    station: Station,
    settings: ServerSettings,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    loader: Callable[[Path], Loaded] | None,
    on_open: Callable[[Open], None],
    stop: asyncio.Event,
    pages: Beside,
) -> signal.Signals | None:
    gateway = Gateway(
        station.dispatcher,
        access(station.settings, station),
        metrics=station.metrics,
        tick=time.monotonic,
        ready=station.ready,
        started=int(time.time()),
    )
    server = Server(gateway, _limits(settings))
    hurry = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        heard = _on_signals(stack, stop, hurry)
        beside = {"the watch over engines": station.watch_engines(), "the end of old months": station.forget()}
        if loader is not None and station.loaded.file is not None:
            beside["the reload"] = _reload(station, gateway, station.loaded.file, loader)
        for name, work in beside.items():
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(_say_why)
            stack.callback(task.cancel)
        gc.collect()
        gc.freeze()  # what was made at the start stays: the collector need not look at it again
        await server.open(listener, context)
        host, port = listener.getsockname()[:2]
        scheme = "http" if context is None else "https"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        shown = ""
        if pages.admin is not None:
            shown = pages.admin.open(url)
            stack.push_async_callback(pages.admin.aclose)
        on_open(Open(url=url, station=station, dashboard=shown, note=pages.note))
        await stop.wait()
        await server.close(settings.drain, hurry)
    return heard[0] if heard else None


def access(settings: Settings, station: Station) -> Access:
    """Who may come in, by these settings."""
    ring = KeyRing(lambda: station.keys, required=settings.require_keys, wall=time.time)
    names = (*settings.server.hosts, settings.server.host)
    return Access(
        keys=ring,
        hosts=Hosts(names),
        policy_header=settings.policy_header,
        sensitivity_header=settings.sensitivity_header,
        labels=header_rules(settings),
    )


def _limits(settings: ServerSettings) -> Limits:
    return Limits(
        header_bytes=settings.header_limit,
        body_bytes=settings.body_limit,
        header_s=settings.header_timeout,
        body_s=settings.body_timeout,
        connections=settings.connections,
    )


def _context(settings: ServerSettings) -> ssl.SSLContext | None:
    """TLS, where the configuration names a certificate and its key."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return tls(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise FileError(f"cannot be used for TLS: {error.strerror or error}", file=settings.tls_cert) from None


def _listen(settings: ServerSettings) -> socket.socket:
    """The listening socket, bound before anything is started: a taken port costs nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(
            f"{settings.host}:{settings.port} cannot be listened on: {getattr(error, 'strerror', None) or error}",
            hint="Choose another with --port (0: any free one)",
            field="server.port",
        ) from None
    return listener


def _on_signals(stack: contextlib.AsyncExitStack, stop: asyncio.Event, hurry: asyncio.Event) -> list[signal.Signals]:
    """The first signal ends in order, the second at once. The signals heard, as they come."""
    loop = asyncio.get_running_loop()
    heard: list[signal.Signals] = []

    def end(name: signal.Signals) -> None:
        heard.append(name)
        (hurry if stop.is_set() else stop).set()

    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):  # not in the main thread, or no loop
            loop.add_signal_handler(name, end, name)
            stack.callback(loop.remove_signal_handler, name)
    return heard


def _say_why(task: asyncio.Task[None]) -> None:
    """What goes on beside the requests should never end by itself; where it does, somebody must hear of it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("%s has ended: %s", task.get_name(), type(error).__name__)


async def _reload(station: Station, gateway: Gateway, file: Path, loader: Callable[[Path], Loaded]) -> None:
    """Take a changed configuration file; a bad one changes nothing and is said once.

    One that is good and lacks something else, such as a model file, is tried again: that may come.
    """
    watcher = Watcher(file, loader, time.monotonic, station.loaded)
    waiting: Loaded | None = None
    complaint, again = "", 0.0
    while True:
        await asyncio.sleep(LOOK_S)
        found = watcher.poll()
        if isinstance(found, FileError):
            waiting = None
            _LOG.error("%s: %s", _NOT_TAKEN, found.sentence())
        elif found is not None:
            waiting, complaint, again = found, "", 0.0
        if waiting is not None and time.monotonic() >= again:
            lacks = await _take(station, gateway, waiting)
            if lacks is None:
                waiting = None
            elif lacks != complaint:
                _LOG.error("%s: %s", _NOT_TAKEN, lacks)
            complaint, again = lacks or "", time.monotonic() + AGAIN_S


async def _take(station: Station, gateway: Gateway, found: Loaded) -> str | None:
    """These settings are in force from now on; or a sentence that says why they cannot be."""
    before = station.settings
    try:
        await station.reload(found)
    except CrossoverError as error:
        return error.sentence()
    gateway.access = access(found.settings, station)
    _LOG.info("new configuration: %s", ", ".join(changed(before, found.settings)) or "what the files it names say now")
    if late := needs_restart(before, found.settings):
        _LOG.warning("%s will count after a restart", ", ".join(late))
    return None
