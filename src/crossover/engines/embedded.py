"""llama.cpp inside this process: a model file becomes an OpenAI-compatible server on a loopback port.

Needs the extra ``embedded`` (xllamacpp). Nothing is started, loaded or imported before :func:`start`. The two tiny
models that are shipped are described in docs/embedded.md.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crossover.engines import gguf
from crossover.errors import CrossoverError, FileError, InputError, MissingExtraError

DATA = Path(__file__).with_name("data")
TINY = 64 * 2**20  # bytes of weights
READY_S = 120.0  # a large model is read from disk within this time, or the start has failed


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is served. Zero means: what the engine or the file itself says.

    ``context`` tokens for each of the ``parallel`` requests at once (0: what the model was trained for, at most
    4,096). ``threads`` compute (0: one for a tiny model, whose threads would wait for each other longer than they
    compute; llama.cpp's choice for others). ``http_threads`` hold connections: each takes one while it is kept alive,
    so they are many. ``embedding`` serves vectors (mean over the tokens) beside chat, on the same port.
    ``temperature`` counts where a request says none: 0 makes answers repeatable. ``alias`` is the model's name on the
    wire (empty: the file's name without its ending).
    """

    context: int = 0
    parallel: int = 4
    threads: int = 0
    http_threads: int = 32
    embedding: bool = True
    temperature: float = 0.0
    alias: str = ""


DEFAULTS = Options()


class Running:
    """A server in this process. Leaving a ``with`` block, or :meth:`stop`, ends it; ``stop`` may be called twice."""

    def __init__(self, url: str, model: str, context: int, server: Any) -> None:
        self.url = url
        self.model = model
        self.context = context
        self._server = server

    def __repr__(self) -> str:
        return f"Running({self.model} at {self.url})"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port, break off what still runs, free the model. Blocks for about a tenth of a second."""
        self._server = None  # the server ends with its last reference


def default_model() -> Path:
    """The small model that answers where nothing is configured."""
    return _shipped("crossover-tiny-small.gguf")


def sandbox_model() -> Path:
    """The larger tiny model, which stands in for a hosted API in demonstrations."""
    return _shipped("crossover-tiny-large.gguf")


def shipped() -> tuple[Path, ...]:
    """Every model file that comes with Crossover."""
    return tuple(sorted(DATA.glob("*.gguf")))


def start(path: str | Path, options: Options = DEFAULTS, *, api_key: str = "") -> Running:
    """Serve a GGUF file on 127.0.0.1 and an ephemeral port; back when the server answers.

    With an ``api_key`` only who knows it is answered: other users of this machine reach its ports, too.

    Raises FileError for a file that is no GGUF or that llama.cpp cannot load, InputError for options out of bounds,
    MissingExtraError without the extra. Blocking: a tiny model takes 50 ms, a large one as long as its disk.
    """
    facts = gguf.read(path)
    _check(options)
    params_of = _engine()
    context = options.context or min(facts.context or 4096, 4096)
    alias = options.alias or Path(path).stem
    if not options.threads and facts.weight_bytes < TINY:
        options = msgspec.structs.replace(options, threads=1)
    try:
        server = params_of(str(path), options, context, alias, api_key)
    except RuntimeError as error:
        raise FileError(f"llama.cpp cannot load it: {error}", file=str(path)) from None
    running = Running(server.listening_address, alias, context, server)
    del server
    _wait(running, {"authorization": f"Bearer {api_key}"} if api_key else {})
    return running


def _check(options: Options) -> None:
    bounds = {"context": (0, 2**20), "parallel": (1, 256), "threads": (0, 1024), "http_threads": (1, 1024)}
    for name, (low, high) in bounds.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise InputError(f"must be from {low} to {high}, not {value}", field=name)


def _engine() -> Callable[[str, Options, int, str, str], Any]:
    """The function that makes a server, where the extra is installed."""
    try:
        xllamacpp = import_module("xllamacpp")
    except ImportError:
        raise MissingExtraError("embedded", "the embedded llama.cpp") from None

    def make(path: str, options: Options, context: int, alias: str, api_key: str) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = path
        params.model_alias = {alias}
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.n_parallel = options.parallel
        params.n_ctx = context * options.parallel  # llama.cpp divides it among the requests
        params.n_threads_http = options.http_threads
        if options.threads:
            params.cpuparams.n_threads = options.threads
            params.cpuparams_batch.n_threads = options.threads
        if options.embedding:  # llama.cpp then serves chat and vectors alike
            params.embedding = True
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.sampling.temp = options.temperature
        params.endpoint_metrics = True
        params.ui = False
        params.cors_origins = ""  # no page in a browser may read its answers
        params.cache_ram_mib = 0  # prompts are not kept beyond their slot
        params.verbosity = 0
        if api_key:
            params.api_keys = [api_key]
        return xllamacpp.Server(params)

    return make


def _wait(running: Running, headers: dict[str, str]) -> None:
    """Until the engine works on its queue.

    /health says 503 while the model loads. Its first 200 is not enough: a server that is stopped before its loop has
    begun never ends. /metrics is answered from inside the loop.
    """
    until = time.monotonic() + READY_S
    for path in ("/health", "/metrics"):
        while _status(running, path, headers) != 200:
            if time.monotonic() > until:
                raise CrossoverError(f"the embedded llama.cpp is still loading after {READY_S:.0f} s")
            time.sleep(0.05)


def _status(running: Running, path: str, headers: dict[str, str]) -> int:
    address = urlsplit(running.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=READY_S)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise CrossoverError(f"the embedded llama.cpp does not answer: {error}") from None
    finally:
        connection.close()


def _shipped(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        raise FileError("the shipped model is missing", file=str(path), hint="Install Crossover again")
    return path
