"""Which Host and Origin headers are accepted: a page from elsewhere must not reach a gateway on this machine.

DNS rebinding makes a browser send requests for an attacker's name to 127.0.0.1; the Host header then holds that name.
A page may also post to 127.0.0.1 directly; the Origin header then holds its address.
"""

from __future__ import annotations

from collections.abc import Iterable

from crossover.errors import RequestError

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Hosts:
    """Names under which this gateway is known, without ports."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in (*_LOOPBACK, *names))
        self._good: set[bytes] = set()  # headers seen and found good; names are few, ports too

    def check(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Raises RequestError 421 for a foreign or missing Host, 403 for a foreign Origin."""
        seen = 0
        for name, value in headers:
            if name == b"host":
                seen += 1
                if value not in self._good:
                    self._learn(value)
            elif name == b"origin":
                self._origin(value)
        if seen != 1:
            raise RequestError("exactly one Host header is needed", status=400, code="invalid_host")

    def _learn(self, value: bytes) -> None:
        host = _name(value.decode("latin-1"))
        if host not in self._names:
            raise RequestError(
                f"this gateway is not known as {host[:100]!r}",
                status=421,
                code="invalid_host",
                hint="Add the name to server.hosts",
            )
        if len(self._good) < 1000:
            self._good.add(value)

    def _origin(self, value: bytes) -> None:
        _, _, place = value.decode("latin-1").partition("://")
        if _name(place) not in self._names:
            raise RequestError("pages from elsewhere may not call this gateway", status=403, code="foreign_origin")


def _name(host: str) -> str:
    """A host without its port, in lower case."""
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and port.isdigit() else host.strip().lower()
