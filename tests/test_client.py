"""The Python client: the same calls here and against a gateway, whole, streamed and embedded, blocking and not."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from crossover import AsyncClient, Client
from crossover.chat import ChatChunk, Message, Text
from crossover.engines.tickets import LABELS
from crossover.errors import (
    ContradictionError,
    CrossoverError,
    FileError,
    InputError,
    NoTargetError,
    RequestError,
    UnknownNameError,
    UpstreamError,
)
from crossover.ledger import keys
from crossover.ledger.store import open_ledger
from crossover.providers.answers import Answer
from crossover.providers.faulty import Fault, FaultyServer, Script
from crossover.usage import Usage
from tests.cli.shell import quiet_home
from tests.docs_examples import rerun
from tests.serving import config, gateway, in_thread, rows, run

COST = Decimal(12 * 2 + 4 * 8) / 10**6  # of the fake's answer: 12 tokens in, 4 out
WHERE = ["here", "remote"]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.delenv("CROSSOVER_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


class House:
    """A client, what is behind it, and the ledger that its requests are written to."""

    def __init__(self, client: AsyncClient, upstream: FaultyServer, ledger: Path) -> None:
        self.client = client
        self.upstream = upstream
        self.ledger = ledger


@asynccontextmanager
async def house(where: str, folder: Path, script: Script = (), **options: object) -> AsyncIterator[House]:
    """A client in this process, or one of a gateway; behind both the same upstream."""
    async with FaultyServer("openai", script=script) as upstream:
        text = config(upstream.url)
        if where == "here":
            (folder / "crossover.toml").write_text(text)
            ledger = folder / "client.db"
            async with AsyncClient(ledger=ledger, **options) as client:
                yield House(client, upstream, ledger)
            return
        async with gateway(folder, text) as opened, AsyncClient(opened.url, **options) as client:
            yield House(client, upstream, folder / "gateway.db")


async def gathered(client: AsyncClient, model: str = "auto") -> list[ChatChunk]:
    return [chunk async for chunk in client.stream(model, "Hello")]


def said(chunks: list[ChatChunk]) -> str:
    return "".join(delta.text for chunk in chunks for delta in chunk.deltas)


# -------------------------------------------------------------------------------------------- the same in both places


@pytest.mark.parametrize("where", WHERE)
def test_a_whole_answer_says_what_it_used_where_it_came_from_and_what_it_cost(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with house(where, tmp_path) as home:
            answer = await home.client.chat("auto", "Hello", temperature=0.5, max_tokens=20)
            assert answer.text == "All is well."
            assert answer.usage == Usage(input=12, output=4)
            served = answer.served
            assert served is not None
            assert (served.deployment, served.zone, served.local, served.attempts) == ("api", "cloud", False, 1)
            assert served.cost == COST
            assert served.reason.startswith("local_first: api")
            asked = home.upstream.journal[0].tree
            assert (asked["model"], asked["temperature"]) == ("the-model", 0.5)
            assert asked["messages"] == [{"role": "user", "content": "Hello"}]
            request_id = served.request_id
        (row,) = rows(home.ledger)
        assert (row.id, row.status, row.door) == (request_id, "ok", "python" if where == "here" else "openai")

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_a_stream_says_first_where_it_comes_from_and_last_what_it_cost(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with house(where, tmp_path) as home:
            chunks = await gathered(home.client)
        assert said(chunks) == "All is well."
        first, last = chunks[0].served, chunks[-1].served
        assert first is not None
        assert (first.deployment, first.cost) == ("api", None)
        assert last is not None
        assert (last.cost, last.request_id) == (COST, first.request_id)
        assert [chunk.last for chunk in chunks].count(True) == 1
        assert chunks[-1].last
        assert [chunk.usage for chunk in chunks if chunk.usage is not None] == [Usage(input=12, output=4)]

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_vectors_come_in_the_order_of_the_inputs(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with house(where, tmp_path) as home:
            one = await home.client.embed("embed", "a")
            several = await home.client.embed("embed", ["a", "b", "c"])
        assert [tuple(vector) for vector in one.vectors] == [(0.25, -0.5, 1.0)]
        assert len(several.vectors) == 3
        assert several.served is not None
        assert several.served.deployment == "api"
        assert several.served.cost is not None
        assert several.served.cost > 0

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_leaving_a_stream_early_cancels_the_call(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        stalling = Fault(kind="stall", after=2, answer=Answer(text="one two three four"))
        async with house(where, tmp_path, stalling) as home:
            stream = home.client.stream("auto", "Hello")
            async for chunk in stream:
                if said([chunk]):
                    break
            await stream.aclose()
            await home.upstream.journal[0].gone.wait()
        (row,) = rows(home.ledger)
        assert (row.status, row.http_status) == ("cancelled", 499)

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_errors_have_their_type_and_their_facts(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        script = [Fault(kind="bad_request"), Fault(kind="server_error"), Fault(kind="cut", after=2)]
        async with house(where, tmp_path, script) as home:
            client = home.client
            with pytest.raises(RequestError) as unknown:
                await client.chat("nobody", "Hello")
            assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
            with pytest.raises(NoTargetError) as nobody:
                await client.chat("auto", "Hello", sensitivity="hard")
            assert nobody.value.status == 422
            assert "labelled hard" in str(nobody.value)
            with pytest.raises(CrossoverError, match="temperature must be between 0 and 2"):
                await client.chat("auto", "Hello")
            with pytest.raises(UpstreamError):
                await client.chat("auto", "Hello")
            with pytest.raises(UpstreamError):
                await gathered(client)
        assert len(home.upstream.journal) == 3

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_policy_and_label_of_the_client_and_of_one_call(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with house(where, tmp_path, policy="fastest", sensitivity="none") as home:
            first = await home.client.chat("auto", "Hello")
            second = await home.client.chat("auto", "Hello", policy="cheapest")
            assert first.served is not None
            assert second.served is not None
            assert (first.served.policy, second.served.policy) == ("fastest", "cheapest")
            for label in ("hard", "local_only", "health"):
                with pytest.raises(CrossoverError):
                    await home.client.chat("auto", "Hello", sensitivity=label)
            with pytest.raises(RequestError, match="cheep"):
                await home.client.chat("auto", "Hello", policy="cheep")
            with pytest.raises(RequestError, match="hrd"):
                await home.client.chat("auto", "Hello", sensitivity="hrd")
        async with house(where, tmp_path, sensitivity="hard") as home:
            with pytest.raises(CrossoverError):
                await home.client.chat("auto", "Hello", sensitivity="none")
            assert home.upstream.journal == [], "a label of one call cannot lower the client's"

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_no_answer_is_waited_for_longer_than_was_said(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with house(where, tmp_path, Fault(kind="hang"), timeout_s=0.2) as home:
            with pytest.raises(UpstreamError):
                await home.client.chat("auto", "Hello")
            with pytest.raises(UpstreamError):
                await gathered(home.client)

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_many_at_once(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with house(where, tmp_path, lambda seen: Answer(text=seen.tree["messages"][0]["content"])) as home:
            asked = [f"number {number}" for number in range(40)]
            answers = await asyncio.gather(*(home.client.chat("auto", words) for words in asked))
        assert [answer.text for answer in answers] == asked
        assert len({row.id for row in rows(home.ledger)}) == 40

    run(work())


# ------------------------------------------------------------------------------------------------ what may be handed in


def test_messages_are_a_text_plain_dicts_or_words(tmp_path: Path) -> None:
    async def work() -> None:
        async with house("here", tmp_path) as home:
            dicts = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
            words = [Message("system", (Text("Be brief."),)), Message("user", (Text("Hello"),))]
            for messages in (dicts, words, tuple(words)):
                await home.client.chat("auto", messages)
            assert [seen.tree["messages"] for seen in home.upstream.journal] == [dicts] * 3
            with pytest.raises(InputError, match="not both"):
                await home.client.chat("auto", [words[0], dicts[1]])
            for wrong in ([], [{"role": "nobody", "content": "x"}], [3]):
                with pytest.raises(RequestError):
                    await home.client.chat("auto", wrong)
            with pytest.raises(RequestError):
                await home.client.chat("auto", "Hello", max_tokens="many")

    run(work())


@pytest.mark.parametrize("where", WHERE)
def test_what_no_json_can_hold_is_said_before_anything_is_sent(where: str, tmp_path: Path) -> None:
    async def work() -> None:
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        async with house(where, tmp_path) as home:
            for bad in ("half \ud800 of a pair", [Message("user", (Text("\udfff"),))]):
                with pytest.raises(RequestError, match="not valid Unicode"):
                    await home.client.chat("auto", bad)
            with pytest.raises(RequestError, match="not valid Unicode"):
                await home.client.embed("embed", ["\ud800"])
            for odd in (object(), deep):
                with pytest.raises(RequestError, match="cannot be written as JSON"):
                    await home.client.chat("auto", "Hello", metadata={"a": odd})
            assert not home.upstream.journal

    run(work())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"url": "http://127.0.0.1:1", "config": "a.toml"}, ContradictionError, "its own configuration"),
        ({"url": "http://127.0.0.1:1", "ledger": "a.db"}, ContradictionError, "its own configuration"),
        ({"url": "ftp://nowhere"}, InputError, "ftp"),
        ({"timeout_s": 0}, InputError, "timeout_s"),
        ({"timeout_s": -1.0}, InputError, "timeout_s"),
        ({"timeout_s": float("nan")}, InputError, "timeout_s"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], error: type[InputError], words: str) -> None:
    before = threading.active_count()
    for make in (AsyncClient, Client):
        with pytest.raises(error) as found:
            make(**options)
        assert words in found.value.sentence()
    assert threading.active_count() == before


def test_a_configuration_that_cannot_be_used_is_said_and_can_be_put_right(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "crossover.toml").write_text("policy = 3")
        async with AsyncClient(ledger=tmp_path / "a.db") as client, FaultyServer("openai") as upstream:
            with pytest.raises(FileError, match="policy"):
                await client.chat("auto", "Hello")
            (tmp_path / "crossover.toml").write_text(config(upstream.url))
            assert (await client.chat("auto", "Hello")).text == "All is well."
        with pytest.raises(FileError):
            async with AsyncClient(config=tmp_path / "absent.toml") as client:
                await client.chat("auto", "Hello")

    run(work())


def test_the_key_is_the_one_handed_in_else_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(tmp_path / "gateway.db") as book:
        _, secret = keys.create(book, "mine")

    async def work() -> None:
        async with FaultyServer("openai") as upstream, gateway(tmp_path, config(upstream.url)) as opened:
            async with AsyncClient(opened.url) as client:
                with pytest.raises(RequestError) as refused:
                    await client.chat("auto", "Hello")
                assert refused.value.status == 401
            async with AsyncClient(f"{opened.url}/v1", api_key=secret) as client:
                assert (await client.chat("auto", "Hello")).text == "All is well."
            monkeypatch.setenv("CROSSOVER_API_KEY", secret)
            async with AsyncClient(opened.url.removeprefix("http://")) as client:
                assert (await client.chat("auto", "Hello")).text == "All is well."
                assert secret not in repr(vars(client))
        assert all(row.key for row in rows(tmp_path / "gateway.db") if row.status == "ok")

    run(work())


def test_a_server_that_is_no_gateway_is_answered_for_all_the_same(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as server, AsyncClient(server.url) as client:
            answer = await client.chat("any-model", "Hello")
            assert (answer.text, answer.served) == ("All is well.", None)
            assert said(await gathered(client)) == "All is well."

    run(work())


def test_nobody_answers_at_the_address() -> None:
    async def work() -> None:
        async with FaultyServer("openai", "refuse") as server, AsyncClient(server.url) as client:
            with pytest.raises(UpstreamError) as error:
                await client.chat("auto", "Hello")
            assert error.value.upstream == "refused"

    run(work())


@pytest.mark.parametrize("wrote", ["sensitivty", "Policy", "usr"])
def test_a_misspelt_option_is_told_before_anything_is_opened(wrote: str) -> None:
    """A label that was misspelt and then ignored would let out what must stay."""

    async def work() -> None:
        async with AsyncClient(config="nowhere.toml") as client:
            for call in (
                client.chat("auto", "Hello", **{wrote: 0}),
                anext(client.stream("auto", "Hello", **{wrote: 0})),
                client.embed("auto", "Hello", **{wrote: 0}),
            ):
                with pytest.raises(UnknownNameError) as caught:
                    await call
                assert (caught.value.name, caught.value.field, len(caught.value.nearest)) == (wrote, wrote, 1)

    run(work())
    with Client(config="nowhere.toml") as blocking, pytest.raises(InputError, match="Did you mean temperature"):
        blocking.chat("auto", "Hello", temprature=0)


def test_an_option_that_only_its_server_knows_travels(tmp_path: Path) -> None:
    async def work() -> None:
        async with house("here", tmp_path) as home:
            await home.client.chat("auto", "Hello", min_p=0.1)
            assert home.upstream.journal[0].tree["min_p"] == 0.1

    run(work())


def test_what_is_closed_stays_closed(tmp_path: Path) -> None:
    async def work() -> None:
        async with house("here", tmp_path) as home:
            await home.client.chat("auto", "Hello")
            await home.client.aclose()
            await home.client.aclose()
            with pytest.raises(CrossoverError, match="closed"):
                await home.client.chat("auto", "Hello")

    run(work())


# ------------------------------------------------------------------------------------------------------------- blocking


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[FaultyServer]:
    """An upstream on a loop in a thread, and a crossover.toml that names it."""
    with in_thread(lambda: FaultyServer("openai", lambda seen: script(seen.tree["messages"][0]["content"]))) as (
        server,
        _,
    ):
        (tmp_path / "crossover.toml").write_text(config(server.url))
        yield server


def script(words: str) -> Answer | Fault:
    """What the upstream does: it stalls after two words where it is asked to, else it says the words again."""
    answer = Answer(text=words)
    return Fault(kind="stall", after=2, answer=answer) if words.startswith("stall") else answer


def test_the_blocking_client(upstream: FaultyServer, tmp_path: Path) -> None:
    with Client(ledger=tmp_path / "a.db") as client:
        answer = client.chat("auto", "one two")
        assert answer.text == "one two"
        assert answer.served is not None
        assert answer.served.cost == COST
        assert said(list(client.stream("auto", "one two three"))) == "one two three"
        with pytest.raises(RequestError):
            client.chat("nobody", "Hello")
        with pytest.raises(RequestError):
            list(client.stream("nobody", "Hello"))
    assert [row.status for row in rows(tmp_path / "a.db")] == ["ok", "ok", "refused", "refused"]
    with pytest.raises(CrossoverError, match="closed"):
        client.chat("auto", "Hello")
    with pytest.raises(CrossoverError, match="closed"):
        next(client.stream("auto", "Hello"))
    client.close()


def test_the_blocking_client_embeds(tmp_path: Path) -> None:
    with in_thread(lambda: FaultyServer("openai")) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url))
        with Client(ledger=tmp_path / "a.db") as client:
            assert len(client.embed("embed", ["a", "b"]).vectors) == 2


def test_leaving_the_loop_over_a_stream_cancels_the_call(upstream: FaultyServer, tmp_path: Path) -> None:
    with Client(ledger=tmp_path / "a.db") as client:
        for chunk in client.stream("auto", "stall here for ever"):
            if said([chunk]):
                break
    (row,) = rows(tmp_path / "a.db")
    assert row.status == "cancelled"


def test_closing_ends_a_stream_that_was_left_open(upstream: FaultyServer, tmp_path: Path) -> None:
    with Client(ledger=tmp_path / "a.db") as client:
        stream = client.stream("auto", "stall here for ever")
        next(stream)
    (row,) = rows(tmp_path / "a.db")
    assert row.status == "cancelled"
    stream.close()


def test_a_stream_that_the_collector_ends_in_the_clients_own_thread_holds_nobody_up(
    upstream: FaultyServer, tmp_path: Path
) -> None:
    """A stream in a cycle of references is closed by whichever thread collects: also by the one that runs the loop."""
    client = Client(ledger=tmp_path / "a.db")
    stream = client.stream("auto", "stall here for ever")
    next(stream)
    closed = threading.Event()

    def collect() -> None:
        stream.close()
        closed.set()

    client._loop.call_soon_threadsafe(collect)
    assert closed.wait(30)
    client.close()
    (row,) = rows(tmp_path / "a.db")
    assert row.status == "cancelled"


def test_several_threads_share_a_client(upstream: FaultyServer, tmp_path: Path) -> None:
    found: dict[int, str] = {}
    with Client(ledger=tmp_path / "a.db") as client:

        def ask(number: int) -> None:
            found[number] = client.chat("auto", f"number {number}").text

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: f"number {number}" for number in range(8)}


FORGETFUL = """
from crossover import Client
client = Client(ledger="a.db")
print(client.chat("auto", "one").text)
stream = client.stream("auto", "stall here for ever")
print(next(stream).served.deployment)
"""


def test_a_program_that_forgets_to_close_ends_and_loses_no_row(upstream: FaultyServer, tmp_path: Path) -> None:
    env = {"CROSSOVER_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("one\napi\n", "")
    assert [row.status for row in rows(tmp_path / "a.db")][:1] == ["ok"]


# ------------------------------------------------------------------------------------------------------- a real engine


def test_the_embedded_model_without_any_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    from crossover.config.defaults import default_settings

    async def nothing_found() -> object:
        return default_settings((), {})

    monkeypatch.setattr("crossover.runtime.found.defaults", nothing_found)
    schema = {"type": "object", "properties": {"label": {"enum": list(LABELS)}}, "required": ["label"]}
    form = {"type": "json_schema", "json_schema": {"name": "label", "schema": schema, "strict": True}}
    with Client(ledger=tmp_path / "a.db") as client:
        answer = client.chat("auto", "classify: The invoice is wrong.", max_tokens=8)
        facts = client.chat("auto", "classify: Where is my parcel?", max_tokens=32, response_format=form)
        vectors = client.embed("embed", ["one", "another"]).vectors
    assert answer.text
    assert answer.served is not None
    assert (answer.served.deployment, answer.served.local, answer.served.cost) == ("embedded", True, None)
    assert json.loads(facts.text)["label"] in LABELS
    first, second = vectors
    assert len(first) == len(second) > 8
    assert [row.local for row in rows(tmp_path / "a.db")] == [True] * 3


def test_images_and_tools_travel(tmp_path: Path) -> None:
    pixel = "data:image/png;base64," + base64.b64encode(b"not a real picture").decode()
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": pixel}}]
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}

    async def work() -> None:
        async with FaultyServer("openai") as upstream:
            file = tmp_path / "open.toml"  # what nobody can read stays at home, unless the policy says otherwise
            file.write_text(config(upstream.url) + '[privacy]\nprofile = "open"\n')
            async with AsyncClient(config=file, ledger=tmp_path / "client.db") as client:
                await client.chat("auto", [{"role": "user", "content": content}], tools=[tool])
            asked = upstream.journal[0].tree
        assert asked["messages"][0]["content"] == content
        assert asked["tools"] == [tool]

    run(work())


# ------------------------------------------------------------------------------------------------------------ the page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "client.md"
GATEWAY = "http://127.0.0.1:4000"


def test_the_page_prints_what_its_code_prints(tmp_path: Path) -> None:
    """With the gateway of the page at an address of its own."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(GATEWAY) == 1
    with (
        in_thread(lambda: FaultyServer("openai")) as (server, _),
        in_thread(lambda: gateway(tmp_path, config(server.url))) as (opened, _),
    ):
        (tmp_path / "crossover.toml").write_text(config(server.url))
        page = tmp_path / "client.md"
        page.write_text(text.replace(GATEWAY, opened.url), encoding="utf-8")
        printed = rerun(page)
    assert printed.replace(opened.url, GATEWAY) == text
