"""The pages: every figure is there, every empty page teaches, and nothing that a client said becomes markup."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from crossover.dashboard.overview import ways
from crossover.dashboard.words import Planned
from crossover.ledger import keys
from crossover.ledger.hours import Sums
from crossover.ledger.pace import Pace
from crossover.ledger.store import open_ledger
from tests.dashboard import parts
from tests.dashboard.asking import Visit, asked

PAGES = ("/", "/requests", "/deployments", "/quality", "/plan", "/privacy", "/keys")
MARKUP = re.compile(r"<script>|<img (?!src=./static/icon)|\{\{|onerror=|\u202e|style=", re.IGNORECASE)


def words(html: str) -> str:
    """A page as text in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_itself_in_the_menu(week: Path, path: str) -> None:
    async def look(visit: Visit) -> None:
        page = await visit.text(path)
        assert page.count('aria-current="page"') == 1
        assert f'<a href="{path}" aria-current="page">' in page

    asked(week, look, live=parts.live())


@pytest.mark.parametrize("path", [*PAGES, "/requests?status=bad"])
def test_hostile_names_stay_text(week: Path, path: str) -> None:
    hostile = parts.live(
        places=(msgspec.structs.replace(parts.live().places[0], name=parts.HOSTILE, why=parts.HOSTILE),)
    )

    async def look(visit: Visit) -> None:
        assert not MARKUP.findall((await visit.text(path)).replace("{{7*7}}", ""))

    asked(week, look, live=hostile, ledger=parts.HOSTILE)


@pytest.mark.parametrize(
    "asked_for",
    [
        "/requests?status=<script>",
        "/requests?deployment=%22><img",
        "/?period=<b>",
        "/requests/find?id=<img src=x>",
        "/requests/%3Cscript%3E",
        "/requests?after=x",
        "/requests?after=2026_11.9999999999999999999",
        "/requests?where='",
    ],
)
def test_what_stands_in_an_address_stays_text(week: Path, asked_for: str) -> None:
    async def look(visit: Visit) -> None:
        answer = await visit.client.get(asked_for)
        assert answer.status_code in (200, 400, 404)
        assert not MARKUP.findall(answer.text.replace("{{7*7}}", ""))

    asked(week, look)


def test_the_overview_says_what_was_paid_and_what_it_would_have_cost(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = words(await visit.text("/?period=7d"))
        assert "In the last 7 days own machines answered" in page
        assert "APIs alone would have cost" in page
        for title in ("Paid to APIs", "Saved against APIs alone", "First token", "Errors", "Budgets", "drafts"):
            assert title in page
        assert "above the limit" in page  # $9 of $10, with three days to go
        assert "5/6" in page

    asked(week, look, live=parts.live())


def test_an_unknown_period_is_the_usual_one(week: Path) -> None:
    async def look(visit: Visit) -> None:
        assert "In the last 7 days" in await visit.text("/?period=fortnight")
        assert "In the last 24 hours" in await visit.text("/?period=24h")

    asked(week, look)


def test_empty_pages_teach(nothing: Path) -> None:
    async def look(visit: Visit) -> None:
        for path, command in (
            ("/", "crossover serve"),
            ("/requests", "crossover chat"),
            ("/deployments", "crossover init"),
            ("/quality", "crossover eval"),
            ("/plan", "crossover plan"),
            ("/privacy", "crossover serve"),
            ("/keys", "Without keys the gateway serves this machine only"),
        ):
            assert command in await visit.text(path)

    asked(nothing, look, planned=Planned(), hourly={})


def test_a_request_is_found_by_its_beginning_and_tells_its_story(week: Path) -> None:
    with open_ledger(week, readonly=True) as ledger:
        id_ = ledger.rows("SELECT id FROM records WHERE tier = 'hard' AND local = 1 LIMIT 1")[0][0]

    async def look(visit: Visit) -> None:
        found = await visit.client.get(f"/requests/find?id={id_[:20]}")
        assert found.headers["location"] == f"/requests/{id_}"
        page = words(await visit.text(f"/requests/{id_}"))
        for part in (
            "health data stays at home",
            "stays at home",
            "diagnosis",
            "local_first: box is local",
            "qwen3-32b",
        ):
            assert part in page
        assert "They are not kept, and not shown" in page
        assert (await visit.client.get("/requests/find?id=req_")).status_code == 404
        assert "no request" in await visit.text("/requests/req_none", 400)

    asked(week, look)


def test_attempts_stand_on_a_line_of_time(week: Path) -> None:
    with open_ledger(week, readonly=True) as ledger:
        id_ = ledger.rows("SELECT id FROM records WHERE attempts > 1 LIMIT 1")[0][0]

    async def look(visit: Visit) -> None:
        page = await visit.text(f"/requests/{id_}")
        assert 'class="step bad"' in page
        assert 'class="step answer"' in page
        assert "reset" in words(page)

    asked(week, look)


def test_the_list_is_filtered_and_goes_on(week: Path) -> None:
    async def look(visit: Visit) -> None:
        first = await visit.text("/requests")
        older = re.search(r'href="(\?[^"]*after=[^"]*)"', first)
        assert older is not None
        second = await visit.text("/requests" + older[1].replace("&amp;", "&"))
        ids = [re.findall(r'href="/requests/(req_\w+)"', page) for page in (first, second)]
        assert len(ids[0]) == 50
        assert not set(ids[0]) & set(ids[1])
        page = await visit.text("/requests?asked=patients&where=local")
        assert set(re.findall(r'<td data-label="Asked for" class="names">(\w+)</td>', page)) == {"patients"}
        assert "No request fits" in await visit.text("/requests?deployment=nowhere")

    asked(week, look)


def test_bodies_are_shown_only_where_the_house_shows_them(tmp_path: Path) -> None:
    path = parts.ledger_of_a_week(tmp_path / "ledger.db", 3)
    with open_ledger(path) as ledger:
        id_ = ledger.rows("SELECT id FROM records WHERE id LIKE 'req_0%' LIMIT 1")[0][0]
        writer = ledger.writer(flush_s=0.0)
        writer.keep_body(id_, parts.NOW, "what is <b>it</b>", "the answer")
        writer.close()

    async def hidden(visit: Visit) -> None:
        assert "the answer" not in await visit.text(f"/requests/{id_}")

    async def shown(visit: Visit) -> None:
        page = await visit.text(f"/requests/{id_}")
        assert "what is &lt;b&gt;it&lt;/b&gt;" in page
        assert "the answer" in page

    asked(path, hidden)
    asked(path, shown, bodies=True)


def test_a_deployment_says_what_its_tokens_really_cost(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = words(await visit.text("/deployments"))
        for part in (
            "2 of 4 deployments can answer now",
            "5 of 6 under way",
            "429: too many requests",
            "the rest stood idle",
            "Use again",
        ):
            assert part in page

    asked(week, look, live=parts.live())


def test_how_deployments_stand_is_asked_for_by_itself(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = await visit.text("/deployments/now")
        assert page.count("hx-swap-oob=true") == 4
        assert "5 of 6 under way" in words(page)
        visit.gate.found = None
        assert (await visit.text("/deployments/now")).strip() == ""

    asked(week, look, live=parts.live())


def test_a_deployment_is_drained_and_used_again(week: Path) -> None:
    async def look(visit: Visit) -> None:
        assert (await visit.post("/deployments/box/drain", on="1")).status_code == 303
        assert (await visit.post("/deployments/box/drain", on="0")).status_code == 303
        assert visit.gate.told == [("box", True), ("box", False)]
        assert "There is no deployment" in (await visit.post("/deployments/none/drain", on="1")).text

    asked(week, look, live=parts.live())


def test_quality_tells_verdict_interval_and_drift(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = words(await visit.text("/quality"))
        for part in (
            "box against large",
            "not worse by more than the margin",
            "−1.2 points (−3.6 to +1.2) on 412 samples",
            "No drift since",
            "worse by more than the margin",
            "crossover eval report runs/support-2",
        ):
            assert part in page

    asked(week, look)


def test_rules_in_use_show_what_they_lose_and_who_doubts_them(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = words(await visit.text("/quality"))
        for part in (
            "support by chance",
            "drafts in the shadow",
            "in doubt",
            "5 % were promised",
            "330 requests a paid model answered",
            "got another answer by box",
            "each would have saved",
        ):
            assert part in page

    asked(week, look, live=parts.live())


def test_a_report_that_nobody_may_see_is_not_read(week: Path, tmp_path: Path) -> None:
    async def look(visit: Visit) -> None:
        for source in ("crossover eval runs/support-2", f"crossover eval {tmp_path}", "/etc/passwd", ""):
            assert (await visit.client.get("/quality/report", params={"of": source})).status_code == 404

    asked(week, look)
    asked(week, look, bodies=True)


def test_the_plan_shows_today_on_its_curves(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = await visit.text("/plan")
        assert "Keep the API for now" in page
        assert re.search(r'data-volume="\d', page)
        assert "What would flip it" in page

    asked(week, look)


def test_a_plan_under_way_says_so(week: Path) -> None:
    async def look(visit: Visit) -> None:
        assert "The plan is being made" in await visit.text("/plan")

    asked(week, look, planned=Planned(working=True))


def test_privacy_says_what_stayed_and_under_which_rule(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = words(await visit.text("/privacy"))
        for part in (
            "balanced: identifiers/email redact",
            "balanced: health/diagnosis local_only",
            "cellar",
            "openai-eu",
            "not checked on this page yet",
        ):
            assert part in page

    asked(week, look, live=parts.live())


def test_keys_are_made_shown_once_limited_and_revoked(tmp_path: Path) -> None:
    path = parts.empty_ledger(tmp_path / "ledger.db")

    async def look(visit: Visit) -> None:
        made = await visit.post("/keys", name="desk", rpm="60", budget="2.50", period="week", aliases="support, drafts")
        secret = re.search(r"xo-[\w-]{43}", made.text)
        assert secret is not None
        page = await visit.text("/keys")
        assert secret[0] not in page
        assert "60 requests a minute; $2.50 a week; only support, drafts" in words(page)
        id_ = (re.search(r"/keys/(key_\w+)/revoke", page) or [""] * 2)[1]
        assert (await visit.post(f"/keys/{id_}/limits", tpm="1000")).status_code == 200
        assert "1,000 tokens a minute" in words(await visit.text("/keys"))
        assert "desk is revoked" in (await visit.post(f"/keys/{id_}/revoke")).text
        assert "revoked" in await visit.text("/keys?all=1")

    asked(path, look)
    with open_ledger(path, readonly=True) as ledger:
        (key,) = keys.listed(ledger)
        actions = [
            msgspec.json.decode(row[0])["action"] for row in ledger.rows("SELECT entry FROM audit ORDER BY number")
        ]
    assert (key.tpm, key.rpm, key.budget, key.revoked is not None) == (1000, 0, 0, True)
    assert actions == ["key created", "key changed", "key revoked"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("budget", "lots", "not an amount"),
        ("budget", "9999999999", "out of range"),
        ("rpm", "-1", "no whole number"),
        ("rpm", "1e9", "no whole number"),
        ("policy", "free", "unknown policy"),
        ("period", "year", "unknown period"),
        ("sensitivity", "huge", "unknown label"),
        ("days", "99999", "no whole number"),
        ("name", "", "a key needs a name"),
    ],
)
def test_what_is_wrong_in_a_form_is_said_and_makes_no_key(nothing: Path, field: str, value: str, said: str) -> None:
    async def look(visit: Visit) -> None:
        answer = await visit.post("/keys", **{"name": "x", field: value})
        assert answer.status_code == 422
        assert said in words(answer.text)
        assert "There is no key" in answer.text

    asked(nothing, look)


def test_a_ledger_to_be_read_only_changes_nothing(week: Path) -> None:
    async def look(visit: Visit) -> None:
        page = await visit.text("/keys")
        assert "New key" not in page
        assert (await visit.post("/keys", name="x")).status_code == 422

    asked(week, look, writable=False, live=None)


def test_a_ledger_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    async def look(visit: Visit) -> None:
        for path in PAGES[:3]:
            assert "there is no ledger here yet" in (await visit.text(path, 503)).lower()

    asked(tmp_path / "none.db", look)


def test_a_page_that_is_none_leads_back(week: Path) -> None:
    async def look(visit: Visit) -> None:
        assert "There is no page here" in await visit.text("/nothing", 404)

    asked(week, look)


def test_own_machines_alone_cost_the_hours_that_they_had_anyway() -> None:
    pace = Pace(read=10, rows=10, all=None, by={}, parts=(), faults={}, own=50, own_known=10)
    whole = Sums(requests=10)
    assert dict(ways(whole, 10, 0, pace)[-1].parts) == {"self": 50}
    idle = ways(whole, 10, 900, pace)[-1]
    assert dict(idle.parts) == {"self": 900}
    assert "idle ones included" in idle.note
