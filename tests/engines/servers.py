"""Small HTTP servers on loopback for tests: a table of paths and answers, served from a thread."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeAlias


class Said(NamedTuple):
    """One answer: status, body (JSON unless bytes), headers."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = {}

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Asked(NamedTuple):
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server(NamedTuple):
    url: str
    port: int
    asked: list[Asked]


Answer: TypeAlias = Callable[[Asked], Said]


@contextlib.contextmanager
def serving(answer: Answer | Mapping[str, Said], server_name: str = "test") -> Iterator[Server]:
    """Serve a function or a table of paths (others are 404) until the block ends."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            one = Asked(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            asked.append(one)
            said = answer(one) if callable(answer) else answer.get(self.path, Said(404))
            headers = {"content-length": str(len(said.raw)), **said.headers}
            self.send_response_only(said.status)
            for name, value in {"server": server_name, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(said.raw)

        do_GET = do_POST = _reply  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    port = httpd.server_address[1]
    try:
        yield Server(f"http://127.0.0.1:{port}", port, asked)
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
