"""Which Host and Origin headers are accepted: a page from elsewhere must not reach a gateway on this machine.

DNS rebinding makes a browser send requests for an attacker's name to 127.0.0.1; the Host header then holds that name.
A page may also post to 127.0.0.1 directly; the Origin header then holds its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crossover.errors import RequestError

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Hosts:
    """Names under which this gateway is known, without ports."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in (*_LOOPBACK, *names))
        self._good: set[bytes] = set()  # headers seen and found good; names are few, ports too

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises RequestError 421 for a foreign Host, 400 for none, 403 for a foreign Origin."""
        host = headers.get(b"host")
        if host is None:
            raise RequestError("a Host header is needed", code="invalid_host")
        if host not in self._good:
            self._learn(host)
        if b"origin" in headers:
            self._origin(headers[b"origin"])

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
