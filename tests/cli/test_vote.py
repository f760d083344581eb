from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from crossover.cli import vote
from crossover.evaluation.booth import Booth
from crossover.evaluation.log import VERSION, Answer, Failure, Header, line_of
from crossover.evaluation.samples.read import read_samples
from crossover.evaluation.votes import NAME, poll, read_votes
from crossover.reports import html, vote_html
from tests.evaluation.answered import run

HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.exe"


class Page:
    """A client that speaks plain bytes."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/[\w-]+/)", address)
        assert found is not None
        self.port, self.path = int(found[1]), found[2]

    async def ask(self, name: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of one request; ``name`` beginning with / is a whole path."""
        path = name if name.startswith("/") else self.path + name
        sent = {"host": f"127.0.0.1:{self.port}", "connection": "close"}
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(data))}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items())]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        raw = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        head, _, rest = raw.partition("\r\n\r\n")
        first, *rows = head.split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, _, v in (row.partition(": ") for row in rows)}, rest

    async def said(self, name: str, body: object = None) -> dict[str, Any]:
        status, _, text = await self.ask(name, body)
        assert status == 200, text
        found: dict[str, Any] = json.loads(text)
        return found


def with_page(path: Path, work: Callable[[Page], Awaitable[None]], *, count: int = 3) -> None:
    """Serve ``count`` ballots, do the work, end the page."""

    async def all_of_it() -> None:
        said = {name: [f"{HOSTILE} {name} {number}" for number in range(count)] for name in ("small", "large")}
        samples, outcomes = run(said)
        booth = Booth(poll(samples, outcomes, ("small",), "small") if not count else
                      poll(samples, outcomes, ("small", "large"), "large"), path, vote.now)  # fmt: skip
        opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(vote.serve(booth, lambda: ["The verdict."], opened=opened.set_result))
        await asyncio.wait((serving, opened), return_when=asyncio.FIRST_COMPLETED)
        try:
            await work(Page(opened.result()))
        finally:
            if not serving.done():
                serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(all_of_it())


def test_votes_are_taken_and_the_result_comes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / NAME

    async def work(page: Page) -> None:
        state = await page.said("state")
        assert (state["done"], state["total"], state["undo"]) == (0, 3, False)
        for choice in ("left", "tie", "bad"):
            state = await page.said("vote", {"key": state["key"], "choice": choice})
        assert (state["key"], state["done"]) == (None, 3)
        state = await page.said("undo", {})
        assert (state["done"], state["undo"]) == (2, True)
        assert await page.said("end", {}) == {"sentences": ["The verdict."]}

    with_page(path, work)
    assert len(read_votes(path).cast) == 2


def test_the_page_has_the_policy_and_nothing_of_the_answers(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        status, headers, text = await page.ask("")
        assert status == 200
        assert text == vote_html.page()
        assert headers["content-security-policy"] == f"{vote_html.policy()}; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
        _, headers, text = await page.ask("state")
        assert headers["content-type"] == "application/json"
        assert "small" not in json.loads(text)["rater"]

    with_page(tmp_path / NAME, work)
    assert "unsafe" not in vote_html.policy()
    assert html.hashed(html.asset("vote.js")) in vote_html.policy()


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        ("/", None, {}, 404),
        ("/state", None, {}, 404),
        ("/wrong/state", None, {}, 404),
        ("nothing", None, {}, 404),
        ("nothing", {}, {}, 404),
        ("state", None, {"host": "evil.example:80"}, 421),
        ("state", None, {"origin": "http://evil.example"}, 403),
        ("vote", {"key": "x", "choice": "left"}, {"origin": "null"}, 403),
        ("vote", {"key": "x", "choice": "left"}, {"content_type": "text/plain"}, 415),
        ("vote", b"{", {}, 400),
        ("vote", b"[]", {}, 400),
        ("vote", {"key": "x", "choice": "mine"}, {}, 400),
        ("vote", {"key": 1, "choice": "left"}, {}, 400),
        ("vote", b"x" * 5000, {}, 413),
    ],
)
def test_what_is_no_vote_is_refused(
    tmp_path: Path, name: str, body: object, headers: dict[str, str], status: int
) -> None:
    async def work(page: Page) -> None:
        assert (await page.ask(name, body, **headers))[0] == status
        assert (await page.said("state"))["done"] == 0

    with_page(tmp_path / NAME, work)


def test_a_vote_for_what_is_not_shown_changes_nothing(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        before = await page.said("state")
        assert await page.said("vote", {"key": "elsewhere", "choice": "left"}) == before

    with_page(tmp_path / NAME, work)


def test_a_full_disk_is_told_to_the_page(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        state = await page.said("state")
        status, _, text = await page.ask("vote", {"key": state["key"], "choice": "left"})
        assert status == 500
        assert "cannot be written" in json.loads(text)["error"]
        assert await page.said("state") == state

    with_page(tmp_path / "no-such-folder" / NAME, work)


# ------------------------------------------------------------------------------------------------------------- command


def results(folder: Path, *, extra: int = 0) -> Path:
    """A folder as a run leaves it: five samples, one of them failed at a candidate."""
    file = folder / "tickets.jsonl"
    rows = [{"id": f"t{number}", "prompt": f"Ticket {number}", "expected": "yes"} for number in range(5 + extra)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    samples = read_samples(file).samples[:5]
    header = Header(
        version=VERSION, started="2026-11-27T08:00:00+00:00", file=str(file),
        samples={sample.id: sample.fingerprint() for sample in samples}, candidates=("small",), reference="large",
        scorer="exact", margin=0.05, errors="as-wrong", seed=3,
    )  # fmt: skip
    written = [line_of(header)]
    for sample in samples:
        for name in ("small", "large"):
            key = f"{sample.id} {name}"
            if key == "t4 small":
                written.append(line_of(Failure(key=key, asked=name, sample="t4", code="timeout", message="too long")))
            else:
                written.append(line_of(Answer(key=key, asked=name, sample=sample.id, text=f"{name} {sample.id}")))
    out = folder / "out"
    out.mkdir()
    (out / "answers.jsonl").write_bytes(b"".join(written))
    return out


def command(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    vote.register(app)
    found = CliRunner().invoke(app, list(words))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


def cast(out: Path, presses: str) -> None:
    """Vote as somebody at the page would."""
    from crossover.evaluation.folder import read_folder

    found = read_folder(out)
    made = poll(found.samples, found.outcomes, found.names, "large", rater="ada", seed=3)
    booth = Booth(made, out / NAME, vote.now)
    for press in presses.split():
        booth.press(str(booth.shown().key), press)  # type: ignore[arg-type]


def test_votes_are_counted_from_a_folder(tmp_path: Path) -> None:
    out = results(tmp_path, extra=2)
    cast(out, "left right tie bad")
    code, text = command(str(out), "--count", "--json")
    assert code == 0
    found = json.loads(text)
    assert (found["votes"], found["raters"], found["asked"]) == (4, {"ada": 4}, 4)
    (one,) = found["preferences"]
    assert one["won"] + one["lost"] == 2
    assert one["settled"] == {"one of them failed": 1}
    assert one["comparison"]["n"] == 5
    code, text = command(str(out), "--count")
    assert code == 0
    assert "small against large: inconclusive" in text


def test_labels_are_written_for_a_judge(tmp_path: Path) -> None:
    from crossover.evaluation.controls import read_labels

    out = results(tmp_path)
    cast(out, "tie tie bad tie")
    command(str(out), "--count", "--labels", str(tmp_path / "labels.jsonl"))
    assert read_labels(tmp_path / "labels.jsonl") == dict.fromkeys(("t0", "t1", "t2", "t3"), "tie")
