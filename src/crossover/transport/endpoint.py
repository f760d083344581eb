"""Where a model answers, and the fixed first part of every request to it."""

from __future__ import annotations

import base64
import csv
import functools
import ipaddress
import re
import socket
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from crossover.errors import FileError, InputError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS: dict[str, int] = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_HOST = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z._-]*[0-9A-Za-z_])?")
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")  # printable ASCII without blank and '#'
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# What this client says itself, or cannot do: a caller's own would contradict it.
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "expect", "te", "trailer"}
    | {"proxy-authorization", "proxy-connection"}
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go. Connections are shared between equal endpoints and never between different ones.

    ``base`` is a path prefix (``/v1``). ``ca_file`` holds the certificates to trust *instead of* the system's.
    ``proxy`` is an ``http://`` proxy, credentials allowed. ``uds`` is the path of a Unix socket to use in place of
    host and port.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    base: str = ""
    ca_file: str | None = None
    proxy: str | None = None
    uds: str | None = None

    @property
    def label(self) -> str:
        """``host:port``, for people; never credentials."""
        return f"{_bracketed(self.host)}:{self.port}"

    def __repr__(self) -> str:
        via = ", via a proxy" if self.proxy else ""
        return f"Endpoint({self.scheme}://{self.label}{self.base}{via})"


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy taken apart. ``authorization`` is the value of its header, None without credentials."""

    host: str
    port: int
    authorization: str | None

    def __repr__(self) -> str:
        return f"Proxy({_bracketed(self.host)}:{self.port})"


def endpoint(url: str, *, ca_file: str | None = None, proxy: str | None = None) -> Endpoint:
    """The endpoint of a base URL such as ``https://api.example.com/v1``.

    Raises InputError for what is no plain http(s) URL, for credentials, a query or a fragment in it, and for addresses
    that are never connected to; FileError for a ``ca_file`` that is not there.
    """
    parts, port = _split(url, "URL")
    if parts.scheme not in ("http", "https"):
        raise InputError(f"the URL's scheme must be http or https, not {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise InputError("the URL holds credentials", hint="Keys belong in the configuration, as a secret")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise InputError("the URL must end with its path: no query and no fragment")
    base = parts.path.rstrip("/")
    if base and not _TARGET.fullmatch(base):
        raise InputError("the URL's path holds blanks or characters that are not ASCII", hint="Percent-encode them")
    host = _host(parts, "URL")
    reason = blocked(host)
    if reason is not None:
        raise InputError(f"{host} is never connected to: {reason}")
    if ca_file is not None and not Path(ca_file).is_file():
        raise FileError("no such file of certificates", file=ca_file)
    if proxy is not None:
        proxy_of(proxy)
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Endpoint(scheme=scheme, host=host, port=port or _PORTS[scheme], base=base, ca_file=ca_file, proxy=proxy)


def proxy_of(url: str) -> Proxy:
    """A proxy URL taken apart: ``http://user:password@host:port``. Raises InputError, which never shows the URL."""
    parts, port = _split(url, "proxy's URL")
    if parts.scheme != "http":
        raise InputError(f"a proxy's URL must begin with http://, not {parts.scheme!r}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InputError("a proxy's URL is a host and a port, nothing more")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    host = _host(parts, "proxy's URL")
    reason = blocked(host)
    if reason is not None:
        raise InputError(f"the proxy {host} is never connected to: {reason}")
    return Proxy(host=host, port=port or 8080, authorization=authorization)


def head(ep: Endpoint, method: str, path: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """Request line and headers as bytes, without content-length and the empty line: the same for every call.

    ``path`` is below ``ep.base`` and may carry a query. Raises InputError for anything that could end a line early
    (CR, LF, NUL, other control characters) and for headers that are this client's own business.
    """
    if not _TOKEN.fullmatch(method) or method in ("HEAD", "CONNECT"):
        raise InputError(f"{method!r} is no method this client can send")
    target = ep.base + path
    if not _TARGET.fullmatch(target):
        raise InputError("the path of a request must begin with / and be printable ASCII without blanks")
    if not _HOST.fullmatch(ep.host) and literal(ep.host) is None:
        raise InputError(f"{ep.host!r} is no host name")
    host = _bracketed(ep.host) if ep.port == _PORTS[ep.scheme] else ep.label
    lines = [f"host: {host}"]
    if ep.proxy is not None and ep.scheme == "http":
        target = f"http://{host}{target}"  # RFC 9112 3.2.2: absolute-form, to a proxy only
        authorization = proxy_of(ep.proxy).authorization
        if authorization is not None:
            lines.append(f"proxy-authorization: {authorization}")
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise InputError(f"{name!r} is no name of a header")
        if name.lower() in _OWN_HEADERS:
            raise InputError(f"the header {name.lower()} is written by the client itself")
        if not _VALUE.fullmatch(value) or value != value.strip():
            raise InputError(f"the header {name.lower()} holds a line break, a control character or an outer blank")
        lines.append(f"{name}: {value}")
    if not any(name.lower() == "accept-encoding" for name, _ in headers):
        lines.append("accept-encoding: identity")
    return "\r\n".join((f"{method} {target} HTTP/1.1", *lines, "")).encode("latin-1")


def blocked(host: str) -> str | None:
    """Why a host name or address is never connected to; None where it may be. Looks at the text only, no DNS."""
    names, networks = _blocked()
    plain = host.lower().rstrip(".")
    if plain in names:
        return names[plain]
    address = literal(plain)
    if address is None:
        return None
    for one in (address, *_inside(address)):
        for network, reason in networks:
            if one.version == network.version and one in network:
                return reason
    return None


def literal(host: str) -> Address | None:
    """The address that a host *is*, in any spelling the C library accepts (``0xa9fea9fe``); None for names."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if _HOST.fullmatch(host) else None
    except OSError:
        return None


def _inside(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address carries: mapped, 6to4, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(found)


@functools.cache
def _blocked() -> tuple[dict[str, str], tuple[tuple[Network, str], ...]]:
    text = resources.files("crossover.transport").joinpath("data/blocked.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names = {row["what"]: row["reason"] for row in rows if row["kind"] == "name"}
    networks = tuple((ipaddress.ip_network(row["what"]), row["reason"]) for row in rows if row["kind"] == "network")
    return names, networks


def _split(url: str, what: str) -> tuple[SplitResult, int | None]:
    if any(char <= " " or char == "\x7f" for char in url):
        raise InputError(f"the {what} holds blanks or control characters")
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise InputError(f"the {what} cannot be read: its host or port is malformed") from None


def _host(parts: SplitResult, what: str) -> str:
    host = parts.hostname or ""
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise InputError(f"the {what} holds a host that is no name") from None
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host).compressed
        except ValueError:
            raise InputError(f"the {what} holds a malformed IPv6 address") from None
    host = host.rstrip(".")
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise InputError(f"the {what} holds no host name", hint="Write it like https://api.example.com/v1")
    return host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
