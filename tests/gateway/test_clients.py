"""The clients that people have: the official SDK, LangChain, Pydantic AI and the ``llm`` command, unchanged.

They are given the gateway's address and nothing else. Models are fakes of several dialects; one pass at the end is
answered by the embedded engine.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossover.providers.answers import Answer as Said
from crossover.providers.answers import Call, FakeDialect
from crossover.providers.faulty import Fault, FaultyServer, Script, Seen, Step
from crossover.usage import Usage
from tests.gateway.house import Beside, beside, configured, deployed

openai = pytest.importorskip("openai", reason="the dependency group 'clients' is not installed")

ENV = {"KEY": "upstream-secret"}
HELLO: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "tells the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LOOK = Call(name="weather", arguments='{"city": "Paris"}', id="call_abc")


def answer(seen: Seen) -> Step:
    """As a model would: a tool call where there is a tool and no result yet, JSON where it is asked for, else words."""
    tree = seen.tree
    text = json.dumps(tree)
    usage = Usage(input=21, output=9)
    if tree.get("tools") and "sunny" not in text:
        return Said(text="", calls=(LOOK,), finish="tool_calls", usage=usage)
    if "response_format" in tree or "output_config" in tree or "format" in tree or "responseJsonSchema" in text:
        return Said(text='{"city": "Paris", "degrees": 21}', usage=usage)
    return Said(text="It is sunny and warm.", usage=usage)


def before(*servers: FaultyServer) -> str:
    return configured(*(deployed(f"d{number}", server) for number, server in enumerate(servers)))


@pytest.fixture(scope="module", params=["openai", "anthropic", "gemini", "ollama"])
def gate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """A gateway before a model of each dialect."""
    dialect: FakeDialect = request.param
    with beside(before, tmp_path_factory.mktemp("gate"), FaultyServer(dialect, answer), environ=ENV) as made:
        yield made


def sdk(url: str, **more: Any) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="any", **more)


# ----------------------------------------------------------------------------------------------------- the official SDK


def test_chat(gate: Beside) -> None:
    with sdk(gate.url) as client:
        raw = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
        assert raw.headers["x-crossover-deployment"] == "d0"
        completion = raw.parse()
        assert completion.choices[0].message.content == "It is sunny and warm."
        assert completion.choices[0].finish_reason == "stop"
        assert completion.usage.prompt_tokens == 21
        assert completion.usage.completion_tokens == 9


def test_streamed_chat(gate: Beside) -> None:
    with sdk(gate.url) as client:
        stream = client.chat.completions.create(
            model="auto", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == "It is sunny and warm."
        assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [9]
        assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
        assert len({chunk.id for chunk in chunks}) == 1


def test_the_helpers_of_the_sdk_for_streams(gate: Beside) -> None:
    with sdk(gate.url) as client, client.chat.completions.stream(model="auto", messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        assert "content.delta" in kinds
        assert "content.done" in kinds
        assert stream.get_final_completion().choices[0].message.content == "It is sunny and warm."


def test_asynchronous_chat(gate: Beside) -> None:
    async def work() -> None:
        async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="any") as client:
            answers = await asyncio.gather(
                *(client.chat.completions.create(model="auto", messages=HELLO) for _ in range(10))
            )
            assert {one.choices[0].message.content for one in answers} == {"It is sunny and warm."}
            stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
            parts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            assert "".join(parts) == "It is sunny and warm."

    asyncio.run(work())


def test_an_answer_of_a_type(gate: Beside) -> None:
    pydantic = pytest.importorskip("pydantic")
    weather = pydantic.create_model("Weather", city=(str, ...), degrees=(int, ...))
    with sdk(gate.url) as client:
        completion = client.chat.completions.parse(model="auto", messages=HELLO, response_format=weather)
        parsed = completion.choices[0].message.parsed
        assert (parsed.city, parsed.degrees) == ("Paris", 21)
        assert "degrees" in gate.servers[0].journal[-1].body.decode(), "the schema reached the model"


@pytest.mark.parametrize("stream", [True, False])
def test_tools_there_and_back(gate: Beside, stream: bool) -> None:
    with sdk(gate.url) as client:
        if stream:
            with client.chat.completions.stream(model="auto", messages=HELLO, tools=[TOOL]) as events:
                message = events.get_final_completion().choices[0].message
        else:
            first = client.chat.completions.create(model="auto", messages=HELLO, tools=[TOOL], tool_choice="auto")
            assert first.choices[0].finish_reason == "tool_calls"
            message = first.choices[0].message
        (call,) = message.tool_calls
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments) == {"city": "Paris"}
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        said = message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
        for row in said["tool_calls"]:
            row["function"].pop("parsed_arguments", None)
        body = [*HELLO, {"content": None, **said}, result]
        second = client.chat.completions.create(model="auto", messages=body, tools=[TOOL])
        seen = gate.servers[0].journal[-1].body.decode()
        assert "sunny" in seen
        assert second.choices[0].message.content in ("It is sunny and warm.", None, "")


def test_embeddings_in_the_base64_that_the_sdk_asks_for(tmp_path: Path) -> None:
    for dialect in ("openai", "ollama", "gemini"):
        folder = tmp_path / dialect
        folder.mkdir()
        with beside(before, folder, FaultyServer(dialect), environ=ENV) as at, sdk(at.url) as client:
            found = client.embeddings.create(model="auto", input=["one", "two"])
            assert [row.embedding for row in found.data] == [[0.25, -0.5, 1.0]] * 2
            plain = client.embeddings.create(model="auto", input="one", encoding_format="float")
            assert plain.data[0].embedding == [0.25, -0.5, 1.0]


def test_models(gate: Beside) -> None:
    with sdk(gate.url) as client:
        assert [model.id for model in client.models.list()] == ["auto", "d0", "model-of-d0"]
        assert client.models.retrieve("model-of-d0").owned_by == "crossover"


@pytest.mark.parametrize(
    ("script", "error", "calls"),
    [
        ("server_error", "InternalServerError", 1),
        ("unavailable", "InternalServerError", 2),  # the one retry is the gateway's own
        ("reset", "InternalServerError", 1),
        ("quota", "InternalServerError", 1),
        ("bad_request", "BadRequestError", 1),
        ("context_length", "BadRequestError", 1),
        ("empty", "InternalServerError", 1),
        ("rate_limited", "RateLimitError", 2),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_errors_are_the_sdks_own_and_retries_are_not_multiplied(
    tmp_path: Path, script: Script, error: str, calls: int, stream: bool
) -> None:
    def text(*servers: FaultyServer) -> str:
        return configured(deployed("a", servers[0]), top="[retries]\nbackoff = 0.001\n[breaker]\nfailures = 99")

    with (
        beside(text, tmp_path, FaultyServer("openai", lambda _seen: script), environ=ENV) as at,  # type: ignore[arg-type,return-value]
        sdk(at.url, max_retries=3) as client,
    ):
        with pytest.raises(getattr(openai, error)) as caught:
            client.chat.completions.create(model="auto", messages=HELLO, stream=stream)
        assert caught.value.body["message"]
        assert caught.value.code
        assert len(at.servers[0].journal) == calls


def test_what_a_client_did_wrong_is_told_in_the_sdks_own_errors(gate: Beside) -> None:
    with sdk(gate.url) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            client.chat.completions.create(model="autto", messages=HELLO)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError) as wrong:
            client.chat.completions.create(model="auto", messages=[{"role": "wizard", "content": "x"}])
        assert wrong.value.param == "messages[0].role"
        with pytest.raises(openai.NotFoundError):
            client.completions.create(model="auto", prompt="x")


def test_a_stream_that_breaks_is_an_error_and_no_short_answer(tmp_path: Path) -> None:
    step = Fault(kind="cut", after=3, answer=Said(text="one two three four five"))
    with beside(before, tmp_path, FaultyServer("openai", step), environ=ENV) as at, sdk(at.url) as client:
        stream = client.chat.completions.create(model="auto", messages=HELLO, stream=True)
        seen: list[str] = []
        with pytest.raises(openai.APIError) as caught:
            seen.extend(chunk.choices[0].delta.content or "" for chunk in stream)
        assert "".join(seen).strip() == "one two three"
        assert caught.value.body["code"] == "cut"


# ---------------------------------------------------------------------------------------------------------- frameworks


def test_langchain(gate: Beside) -> None:
    module = pytest.importorskip("langchain_openai", reason="the dependency group 'clients' is not installed")
    model = module.ChatOpenAI(base_url=f"{gate.url}/v1", api_key="any", model="auto", max_retries=0)
    try:
        said = model.invoke("What is the weather in Paris?")
        assert said.content == "It is sunny and warm."
        assert said.usage_metadata["output_tokens"] == 9
        parts = list(model.stream("What is the weather in Paris?"))
        assert "".join(part.content for part in parts) == "It is sunny and warm."
        called = model.bind_tools([TOOL]).invoke("What is the weather in Paris?")
        assert called.tool_calls[0]["args"] == {"city": "Paris"}
    finally:
        model.root_client.close()


def test_pydantic_ai(gate: Beside) -> None:
    ai = pytest.importorskip("pydantic_ai", reason="the dependency group 'clients' is not installed")
    models = pytest.importorskip("pydantic_ai.models.openai")
    providers = pytest.importorskip("pydantic_ai.providers.openai")
    asked: list[str] = []

    async def work() -> None:
        async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="any") as client:
            model = models.OpenAIChatModel("auto", provider=providers.OpenAIProvider(openai_client=client))
            agent = ai.Agent(model)

            @agent.tool_plain  # type: ignore[untyped-decorator]
            def weather(city: str) -> str:
                """Tell the weather."""
                asked.append(city)
                return "sunny"

            result = await agent.run("What is the weather in Paris?")
            assert result.output == "It is sunny and warm."
            assert asked == ["Paris"]
            assert result.usage.output_tokens == 18

    asyncio.run(work())


def test_the_llm_command(tmp_path: Path) -> None:
    pytest.importorskip("llm", reason="the dependency group 'clients' is not installed")
    environ = {"LLM_USER_PATH": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    command = [str(Path(sys.executable).with_name("llm")), "-m", "gate", "--key", "any", "What is the weather?"]
    with beside(before, tmp_path, FaultyServer("openai", answer), environ=ENV) as at:
        (tmp_path / "extra-openai-models.yaml").write_text(
            f"- model_id: gate\n  model_name: auto\n  api_base: {at.url}/v1\n  api_key_name: any\n"
        )
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("It is sunny and warm.", 0), done.stderr


# -------------------------------------------------------------------------------------------------- the embedded engine


def test_the_sdk_is_answered_by_the_embedded_engine(tmp_path: Path) -> None:
    """No configuration, no key, no engine: a real model all the same."""
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    from crossover.config.defaults import default_settings

    loaded = default_settings((), {})
    server = msgspec.structs.replace(loaded.settings.server, port=0)
    loaded = msgspec.structs.replace(loaded, settings=msgspec.structs.replace(loaded.settings, server=server))
    ticket = [{"role": "user", "content": "classify: Hi, my parcel has not arrived yet. The order is 48213."}]
    with beside(loaded, tmp_path) as at, sdk(at.url) as client:
        said = client.chat.completions.with_raw_response.create(model="auto", messages=ticket, max_tokens=20)
        assert said.headers["x-crossover-local"] == "1"
        assert said.parse().choices[0].message.content == "delivery"
        chunks = list(client.chat.completions.create(model="auto", messages=ticket, stream=True, max_tokens=20))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "delivery"
        vectors = client.embeddings.create(model="embed", input=["one parcel", "two parcels"]).data
        assert len(vectors[0].embedding) == len(vectors[1].embedding) > 8
