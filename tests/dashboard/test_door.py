"""Who comes in: hosts, origins, sizes, sessions; and what every answer forbids the browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crossover.dashboard.door import MOST_BYTES, POLICY
from tests.dashboard import parts
from tests.dashboard.asking import BASE, Visit, asked

PAGES = ("/", "/requests", "/deployments", "/quality", "/plan", "/privacy", "/keys")


def test_nobody_sees_a_page_without_the_token(week: Path) -> None:
    async def look(visit: Visit) -> None:
        for path in (*PAGES, "/requests/req_1", "/overview/now", "/privacy/audit", "/quality/report?of=x", "/nothing"):
            answer = await visit.client.get(path)
            assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/login", "")
        for path in ("/keys", "/keys/x/revoke", "/keys/x/limits", "/deployments/box/drain", "/privacy/audit"):
            assert (await visit.post(path)).status_code == 303
        assert visit.gate.told == []

    asked(week, look, known=False, live=parts.live())


def test_a_part_of_a_page_sends_the_whole_page_to_the_door(week: Path) -> None:
    async def look(visit: Visit) -> None:
        answer = await visit.client.get("/overview/now", headers={"hx-request": "true"})
        assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")

    asked(week, look, known=False)


def test_the_wrong_token_gets_no_cookie(week: Path) -> None:
    async def look(visit: Visit) -> None:
        answer = await visit.post("/login", token="xod-wrong")
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert "not the token" in answer.text

    asked(week, look, known=False)


def test_the_cookie_is_for_this_site_and_no_script(week: Path) -> None:
    async def look(visit: Visit) -> None:
        cookie = (await visit.post("/login", token=visit.token)).headers["set-cookie"]
        assert cookie.startswith("crossover_session_4001=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        ended = (await visit.post("/logout")).headers["set-cookie"]
        assert "Max-Age=0" in ended

    asked(week, look, known=False)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:4001", "", "localhost:x", "127.0.0.1@evil"])
def test_a_foreign_host_is_refused(week: Path, host: str) -> None:
    async def look(visit: Visit) -> None:
        assert (await visit.client.get("/", headers={"host": host})).status_code == 421

    asked(week, look)


@pytest.mark.parametrize("host", ["localhost:4001", "127.0.0.1", "[::1]:4001", "LOCALHOST"])
def test_names_of_this_machine_are_hosts(week: Path, host: str) -> None:
    async def look(visit: Visit) -> None:
        assert (await visit.client.get("/login", headers={"host": host})).status_code == 200

    asked(week, look)


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:4000", "https://127.0.0.1:4001"]
)
def test_a_form_of_another_page_changes_nothing(week: Path, origin: str | None) -> None:
    async def look(visit: Visit) -> None:
        headers = {} if origin is None else {"origin": origin}
        answer = await visit.client.post("/deployments/box/drain", data={"on": "1"}, headers=headers)
        assert answer.status_code == 403
        assert visit.gate.told == []

    asked(week, look, live=parts.live())


def test_what_is_too_long_or_has_no_length_is_refused(week: Path) -> None:
    async def look(visit: Visit) -> None:
        assert (await visit.post("/login", token="x" * MOST_BYTES)).status_code == 413

        async def pieces() -> AsyncIterator[bytes]:
            yield b"token=x"

        answer = await visit.client.post("/login", content=pieces(), headers={"origin": BASE})
        assert answer.status_code == 413

    asked(week, look, known=False)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(week: Path, method: str) -> None:
    async def look(visit: Visit) -> None:
        assert (await visit.client.request(method, "/")).status_code == 405

    asked(week, look)


def test_every_answer_forbids_what_is_not_needed(week: Path) -> None:
    async def look(visit: Visit) -> None:
        for path in (*PAGES, "/login", "/nothing", "/static/dashboard.js", "/static/none"):
            headers = (await visit.client.get(path)).headers
            assert headers["content-security-policy"] == POLICY
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            kept = "immutable" if path == "/static/dashboard.js" else "no-store"
            assert kept in headers["cache-control"]

    asked(week, look)
    assert "unsafe" not in POLICY
    assert "'none'" in POLICY


def test_only_known_assets_are_served(week: Path) -> None:
    async def look(visit: Visit) -> None:
        for name in ("../app.py", "%2e%2e/app.py", "report.js", "LICENSE-htmx", "..%2fassets%2fdashboard.js"):
            assert (await visit.client.get(f"/static/{name}")).status_code in (303, 404)
        assert len(await visit.text("/static/echarts.common.min.js")) > 500_000

    asked(week, look)
