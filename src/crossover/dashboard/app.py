"""The pages by their addresses. Figures are asked for beside the loop, so one slow page makes no other one wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from crossover.dashboard import deployments, keys, overview, plan, privacy, quality, requests
from crossover.dashboard.door import Door, cookie_of, no_cookie
from crossover.dashboard.periods import CHOICES
from crossover.dashboard.render import ASSETS, asset, page
from crossover.dashboard.session import Sessions
from crossover.dashboard.words import Gate, Live, Source
from crossover.errors import CrossoverError, InputError

PAGES = (
    ("/", "Overview"), ("/requests", "Requests"), ("/deployments", "Deployments"), ("/quality", "Quality"),
    ("/plan", "Plan"), ("/privacy", "Privacy"), ("/keys", "Keys & budgets"),
)  # fmt: skip
_TIMED = frozenset({"/", "/requests", "/deployments", "/privacy"})  # pages of a chosen period
# A report holds scripts of its own, allowed by their hashes in the page; here it is locked into a corner.
_SANDBOX = "sandbox allow-scripts; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
Build = Callable[[Source, Mapping[str, str], "Live | None"], dict[str, Any]]
Handler = Callable[[Request], Awaitable[Response]]


class Pages:
    """The handlers of all pages, over one source and one gate."""

    def __init__(self, source: Source, gate: Gate, sessions: Sessions, cookie: str) -> None:
        self._source = source
        self._gate = gate
        self._sessions = sessions
        self._cookie = cookie

    def routes(self) -> list[Route]:
        """Every address."""
        shown: tuple[tuple[str, str, Build], ...] = (
            ("/", "overview.html", overview.overview),
            ("/overview/now", "now.html", lambda source, _asked, live: overview.now_of(source, live)),
            ("/requests", "requests.html", lambda source, asked, _live: requests.requests(source, asked)),
            ("/deployments", "deployments.html", deployments.deployments),
            ("/deployments/now", "loads.html", lambda _source, _asked, live: {"live": live}),
            ("/quality", "quality.html", quality.quality),
            ("/plan", "plan.html", lambda source, asked, _live: plan.plan(source, asked)),
            ("/privacy", "privacy.html", privacy.privacy),
            ("/privacy/audit", "audit.html", lambda source, _asked, _live: {"chain": source.chain()}),
            ("/keys", "keys.html", keys.keys),
        )
        return [
            *(Route(path, self._page(template, build), methods=["GET"]) for path, template, build in shown),
            Route("/requests/find", self.find, methods=["GET"]),
            Route("/requests/{id}", self.story, methods=["GET"]),
            Route("/quality/report", self.report, methods=["GET"]),
            Route("/deployments/{name}/drain", self.drain, methods=["POST"]),
            Route("/privacy/audit", self.check, methods=["POST"]),
            Route("/keys", self.create_key, methods=["POST"]),
            Route("/keys/{id}/limits", self.change_key, methods=["POST"]),
            Route("/keys/{id}/revoke", self.revoke_key, methods=["POST"]),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/static/{name}", self.static, methods=["GET"]),
        ]

    # ------------------------------------------------------------------------------------------------------- showing

    def _page(self, template: str, build: Build) -> Handler:
        async def show(request: Request) -> Response:
            live = await self._gate.look()
            return await run_in_threadpool(self._shown, template, build, request, live)

        return show

    def _shown(self, template: str, build: Build, request: Request, live: Live | None) -> Response:
        """A page; a figure that cannot be had is a sentence on it, not a stack of calls."""
        try:
            context = build(self._source, request.query_params, live)
        except InputError as error:
            return self._said(request, 400, error, live)
        except CrossoverError as error:
            return self._said(request, 503, error, live)
        return self._html(request, template, {"live": live, **context})

    def _html(self, request: Request, template: str, context: Mapping[str, Any], status: int = 200) -> Response:
        path = request.url.path
        common = {
            "house": self._source.house,
            "pages": PAGES,
            "path": path,
            "timed": path in _TIMED,
            "timed_pages": _TIMED,
            "choices": CHOICES,
            "asked": dict(request.query_params),
        }
        return HTMLResponse(page(template, {**common, **context}), status)

    def _said(self, request: Request, status: int, error: CrossoverError, live: Live | None = None) -> Response:
        context = {"title": error.message, "hint": error.hint or "", "live": live, "now": self._source.now()}
        return self._html(request, "said.html", context, status)

    async def find(self, request: Request) -> Response:
        """Go to the request that somebody typed the id of, or its beginning."""
        typed = request.query_params.get("id", "")[:100]
        found, ids = await run_in_threadpool(requests.found_id, self._source, typed)
        if found is not None:
            return RedirectResponse(f"/requests/{found}", 303)
        hint = f"Several begin so: {', '.join(ids)}" if ids else "Twelve characters of its beginning are enough"
        return self._said(request, 404, InputError(f"no request is known as {typed!r}", hint=hint))

    async def story(self, request: Request) -> Response:
        """One request whole."""
        id_ = request.path_params["id"][:100]
        live = await self._gate.look()

        def build(source: Source, _asked: Mapping[str, str], _live: Live | None) -> dict[str, Any]:
            record = source.request(id_)
            if record is None:
                raise InputError(
                    f"there is no request {id_!r}",
                    hint="Its row is there a quarter of a second after its answer; old months are dropped",
                )
            return requests.story(source, record)

        return await run_in_threadpool(self._shown, "story.html", build, request, live)

    async def report(self, request: Request) -> Response:
        """The page of an evaluation, which holds prompts and answers: only where those may be shown."""
        wanted = request.query_params.get("of", "")[:500]
        try:
            found = await run_in_threadpool(self._source.report, wanted)
        except CrossoverError as error:
            return self._said(request, 404, error)
        if found is None:
            hint = "Its folder has moved, or prompts and answers are not shown here (retention.bodies)"
            return self._said(request, 404, InputError("this report cannot be shown here", hint=hint))
        return HTMLResponse(found, headers={"content-security-policy": _SANDBOX})

    # ------------------------------------------------------------------------------------------------------- changing

    async def drain(self, request: Request) -> Response:
        """Take a deployment out, or back in."""
        form = await _form(request)
        against = await self._gate.drain(request.path_params["name"], form.get("on") == "1")
        if against:
            return self._said(request, 409, InputError(against))
        return RedirectResponse("/deployments", 303)

    async def check(self, request: Request) -> Response:
        """Begin to verify the audit."""
        await run_in_threadpool(self._source.check_chain)
        return await self._page("audit.html", lambda source, _asked, _live: {"chain": source.chain()})(request)

    async def create_key(self, request: Request) -> Response:
        """Make a key, and show it this one time."""
        form = await _form(request)

        def make() -> dict[str, Any]:
            facts = keys.wanted(form, self._source.now())
            key, secret = self._source.create_key(form.get("name", ""), facts)
            return {"made": key, "secret": secret}

        return await self._changed(request, form, make)

    async def change_key(self, request: Request) -> Response:
        """Change what a key may do."""
        form = await _form(request)

        def change() -> dict[str, Any]:
            facts = keys.wanted(form, self._source.now())
            facts.pop("expires")
            return {"changed": self._source.change_key(request.path_params["id"], facts)}

        return await self._changed(request, form, change)

    async def revoke_key(self, request: Request) -> Response:
        """Revoke a key."""
        return await self._changed(request, {}, lambda: {"revoked": self._source.revoke_key(request.path_params["id"])})

    async def _changed(self, request: Request, form: Mapping[str, str], do: Callable[[], dict[str, Any]]) -> Response:
        """The page of keys with what was done, or with what is wrong at its field."""
        live = await self._gate.look()

        def work() -> Response:
            said: dict[str, Any] = {"made": None, "changed": None, "revoked": None, "wrong": None, "form": {}}
            status = 200
            try:
                said |= do()
            except CrossoverError as error:
                said |= {"wrong": error, "form": dict(form)}
                status = 422 if isinstance(error, InputError) else 503
            try:
                context = keys.keys(self._source, {}, live)
            except CrossoverError as error:
                return self._said(request, 503, error, live)
            return self._html(request, "keys.html", {**context, **said, "path": "/keys"}, status)

        return await run_in_threadpool(work)

    # -------------------------------------------------------------------------------------------------------- sessions

    async def login(self, request: Request) -> Response:
        """Ask for the token; a cookie for whoever knows it."""
        wrong = False
        if request.method == "POST":
            cookie = self._sessions.begin((await _form(request)).get("token", ""))
            if cookie is not None:
                return RedirectResponse("/", 303, headers=cookie_of(cookie, self._cookie))
            wrong = True
        context = {"wrong": wrong, "house": self._source.house}
        return HTMLResponse(await run_in_threadpool(page, "login.html", context), 403 if wrong else 200)

    async def logout(self, request: Request) -> Response:
        """End the session in this browser."""
        del request
        return RedirectResponse("/login", 303, headers=no_cookie(self._cookie))

    async def static(self, request: Request) -> Response:
        """An asset of the package; kept for ever, because its address holds its hash."""
        name = request.path_params["name"]
        if name not in ASSETS:
            return PlainTextResponse("There is nothing here\n", 404)
        body, kind = asset(name)
        return Response(body, media_type=kind, headers={"cache-control": "private, max-age=31536000, immutable"})


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each once."""
    text = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))


def application(source: Source, gate: Gate, sessions: Sessions, cookie: str) -> ASGIApp:
    """All pages behind their door. ``cookie`` is the name of the session's cookie."""
    pages = Pages(source, gate, sessions, cookie)

    async def lost(request: Request, _error: Exception) -> Response:
        return pages._said(request, 404, InputError("there is no page here", hint="The menu leads to all there are"))

    return Door(Starlette(routes=pages.routes(), exception_handlers={404: lost}), sessions, cookie)
