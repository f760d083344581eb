"""What the ledger has no row of: what the door turned away. The metrics count it by its status."""

from __future__ import annotations

from pathlib import Path

from crossover.ledger.keys import create
from crossover.ledger.store import open_ledger
from crossover.providers.faulty import FaultyServer
from tests.gateway.house import chat, configured, deployed, house, records, run

ELSEWHERE: dict[str, str] = {"host": "elsewhere.example"}
BAD: tuple[tuple[int, bytes, dict[str, str]], ...] = (
    (400, b"{", {}),  # no JSON
    (400, b"[]", {}),
    (400, b'{"model": "auto"}', {}),  # nothing is asked
    (400, chat(temperature="warm"), {}),
    (400, chat(), {"x_crossover_deadline": "soon"}),
    (403, chat("a"), {}),  # not a name of this key
    (421, chat(), ELSEWHERE),
)


def test_what_the_door_turns_away_has_no_row_and_is_counted(tmp_path: Path) -> None:
    admitted = sum(headers is not ELSEWHERE for _, _, headers in BAD)
    with open_ledger(tmp_path / "ledger.db") as ledger:
        secret = create(ledger, "somebody", rpm=admitted + 1, aliases=("auto", "nothing"))[1]
        watcher = create(ledger, "who watches")[1]
    mine = {"authorization": f"Bearer {secret}"}

    async def work() -> None:
        async with FaultyServer("openai") as server:
            async with house(configured(deployed("a", server)), tmp_path, environ={"KEY": "k"}) as at:
                assert (await at.chat(chat())).status == 401
                for status, body, headers in BAD:
                    assert (await at.chat(body, **{**mine, **headers})).status == status
                assert (await at.ask("POST", "/v1/nowhere", b"{}", **mine)).status == 404
                assert (await at.chat(chat("nothing"), **mine)).status == 404  # understood, and then refused
                assert (await at.chat(chat(), **mine)).status == 429  # the key's own limit
                page = (await at.ask("GET", "/metrics", authorization=f"Bearer {watcher}")).body.decode()
            assert not server.journal
        for status, count in ((400, 5), (401, 1), (403, 1), (404, 2), (421, 1), (429, 1)):
            assert f'crossover_errors_total{{status="{status}"}} {count}\n' in page

    run(work())
    (row,) = records(tmp_path / "ledger.db")
    assert (row.status, row.http_status, row.asked) == ("refused", 404, "nothing")
