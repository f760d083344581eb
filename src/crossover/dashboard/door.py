"""The door before every page: Host, Origin, size, session, and the headers that keep a page to itself.

Pages from elsewhere must reach nothing here: a foreign name that leads to this machine (DNS rebinding) fails at the
Host header, a form of another site at the Origin header and at the cookie, which is never sent along from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from crossover.dashboard.session import LIFE_S, Sessions

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 * 1024  # of a form
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_OPEN = ("/login", "/static/")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with "no-referrer" a browser says "null" for the origin of its own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}


class Door:
    """Lets in who may come in. ``cookie`` is the name of the session's: it holds the port,
    because all ports of a host share their cookies."""

    def __init__(self, app: ASGIApp, sessions: Sessions, cookie: str) -> None:
        self._app = app
        self._sessions = sessions
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request; pass it on, or say why not."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        against = self._against(scope["method"], scope["path"], headers)
        await (against or self._app)(scope, _bounded(receive), _with_headers(send))

    def _against(self, method: str, path: str, headers: Headers) -> Response | None:
        if _host(headers) is None:
            return PlainTextResponse("This is a dashboard of this machine: open it as http://127.0.0.1\n", 421)
        if method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("Not possible here\n", 405, headers={"allow": "GET, HEAD, POST"})
        if method == "POST":
            if headers.getlist("origin") != [f"http://{headers['host']}"]:
                return PlainTextResponse("Only these pages may send something here\n", 403)
            if not headers.get("content-length", "").isdecimal() or int(headers["content-length"]) > MOST_BYTES:
                return PlainTextResponse("That is too long, or nobody says how long it is\n", 413)
        if path.startswith(_OPEN[1]) or path == _OPEN[0] or self._known(headers):
            return None
        if "hx-request" in headers:  # a part of a page that is open still: the whole page asks for the token
            return Response(status_code=401, headers={"hx-redirect": "/login"})
        return RedirectResponse("/login", 303)

    def _known(self, headers: Headers) -> bool:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return found is not None and self._sessions.holds(found.value)


def _host(headers: Headers) -> str | None:
    """The name in the only Host header, where it is one of this machine."""
    hosts = headers.getlist("host")
    if len(hosts) != 1:
        return None
    name, colon, port = hosts[0].lower().rpartition(":")
    name = name if colon and port.isdigit() else hosts[0].lower()
    return name if name in _LOOPBACK else None


def _bounded(receive: Receive) -> Receive:
    """The body, cut off where it is longer than it may be."""
    came = 0

    async def read() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        return message if came <= MOST_BYTES else {"type": "http.disconnect"}

    return read


def _with_headers(send: Send) -> Send:
    async def write(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return write


def cookie_of(value: str, name: str) -> Mapping[str, str]:
    """The header that gives a browser its session: no script reads it, no other site sends it."""
    return {"set-cookie": f"{name}={value}; Max-Age={int(LIFE_S)}; Path=/; HttpOnly; SameSite=Strict"}


def no_cookie(name: str) -> Mapping[str, str]:
    """The header that ends the session in this browser."""
    return {"set-cookie": f"{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"}
