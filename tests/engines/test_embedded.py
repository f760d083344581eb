"""The embedded llama.cpp, for real: chat, stop, logprobs, JSON, vectors, several at once, and a clean end."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from crossover.engines import embedded
from crossover.engines.embedded import Options, Running, start
from crossover.engines.tickets import extract_schema, handwritten, tickets
from crossover.errors import FileError, InputError, MissingExtraError

SMALL = "crossover-tiny-small"
TICKET = "Hi, my parcel has not arrived yet. The order is 48213."


def ask(engine: Running, path: str, body: Any) -> tuple[int, Any]:
    address = urlsplit(engine.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def chat(engine: Running, content: Any, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    status, said = ask(engine, "/v1/chat/completions", {"messages": messages, "max_tokens": 80, **more})
    assert status == 200, said
    choice: dict[str, Any] = said["choices"][0]
    return choice


def port_open(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


def test_it_answers_with_the_label_and_stops(engine: Running) -> None:
    choice = chat(engine, f"classify: {TICKET}")
    assert choice["message"]["content"] == "delivery"
    assert choice["finish_reason"] == "stop"


def test_content_as_a_list_of_parts_is_the_same_question(engine: Running) -> None:
    parts = [{"type": "text", "text": "classify: "}, {"type": "text", "text": TICKET}]
    for content in (f"classify: {TICKET}", parts):
        assert chat(engine, content)["message"]["content"] == "delivery"


def test_other_roles_are_understood(engine: Running) -> None:
    messages = [
        {"role": "system", "content": "You sort support tickets."},
        {"role": "user", "content": f"classify: {TICKET}"},
    ]
    _, said = ask(engine, "/v1/chat/completions", {"messages": messages})
    assert said["choices"][0]["message"]["content"] == "delivery"


def test_logprobs_say_how_sure_it_is(engine: Running) -> None:
    content = chat(engine, f"classify: {TICKET}", logprobs=True)["logprobs"]["content"]
    assert content[0]["token"] == "delivery"
    assert -0.7 < content[0]["logprob"] <= 0


def test_extraction_is_json_of_the_schema(engine: Running) -> None:
    free = json.loads(chat(engine, f"extract: {TICKET}")["message"]["content"])
    jsonschema.validate(free, extract_schema())
    assert free["order"] == "48213"
    forced = {"type": "json_schema", "json_schema": {"name": "facts", "schema": extract_schema(), "strict": True}}
    said = chat(engine, "extract: gibberish ☃ 漢字", response_format=forced)["message"]["content"]
    jsonschema.validate(json.loads(said), extract_schema())


def test_small_talk_gets_an_honest_answer(engine: Running) -> None:
    assert "tiny demonstration model" in chat(engine, "Hello")["message"]["content"]


def test_the_accuracy_its_card_claims(engine: Running) -> None:
    """A sample of the card's own measurement; the bounds leave room for chance, not for a broken file."""
    same = tickets(1_000_000, 60)
    right = sum(chat(engine, one.classify)["message"]["content"] == one.label for one in same)
    assert right >= 54
    hand = handwritten()
    right = sum(chat(engine, one.classify)["message"]["content"] == one.label for one in hand)
    assert right > len(hand) / 3  # chance is a sixth


@pytest.mark.parametrize("path", embedded.shipped(), ids=lambda path: path.stem)
def test_cards_are_of_the_shipped_files(path: Path) -> None:
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    raw = path.read_bytes()
    assert card["sha256"] == hashlib.sha256(raw).hexdigest()
    assert card["bytes"] == len(raw) <= (3_000_000 if path == embedded.default_model() else 9_000_000)
    assert card["list_content_equals_string"]
    for measured in card["measured"].values():
        assert abs(measured["json_valid"] - 1) < 0.05


def test_the_larger_model_is_a_little_better_on_new_sentences() -> None:
    small, large = (
        json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["measured"]["heldout_sentences"]
        for path in (embedded.default_model(), embedded.sandbox_model())
    )
    assert large["labels_right"] > small["labels_right"]
    assert large["facts_all_right"] > small["facts_all_right"]


def test_vectors_of_like_texts_are_alike(engine: Running) -> None:
    texts = ["My parcel has not arrived.", "The package is late.", "I forgot my password."]
    status, said = ask(engine, "/v1/embeddings", {"model": SMALL, "input": texts})
    assert status == 200
    first, like, other = (row["embedding"] for row in said["data"])
    assert len(first) == 192
    assert sum(a * b for a, b in zip(first, like, strict=True)) > sum(a * b for a, b in zip(first, other, strict=True))


def test_a_prompt_that_does_not_fit_is_refused(engine: Running) -> None:
    status, said = ask(engine, "/v1/chat/completions", {"messages": [{"role": "user", "content": "a " * 900}]})
    assert status == 400
    assert said["error"]["type"] == "exceed_context_size_error"


def test_pages_of_a_browser_may_not_read_it(engine: Running) -> None:
    address = urlsplit(engine.url)
    with contextlib.closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.request("GET", "/v1/models", headers={"Origin": "http://evil.example"})
        answer = connection.getresponse()
        assert answer.headers.get("access-control-allow-origin", "") == ""
        assert json.load(answer)["data"][0]["id"] == SMALL


def test_two_at_once_and_a_clean_end(engine: Running) -> None:
    with start(embedded.default_model(), Options(alias="another", parallel=1, context=128, embedding=False)) as other:
        assert other.url != engine.url
        assert (other.model, other.context) == ("another", 128)
        assert chat(other, f"classify: {TICKET}")["message"]["content"] == "delivery"
        assert chat(engine, f"classify: {TICKET}")["message"]["content"] == "delivery"
    assert not port_open(other.url)
    other.stop()
    assert chat(engine, f"classify: {TICKET}")["message"]["content"] == "delivery"


def test_stopping_does_not_wait_for_who_holds_a_connection() -> None:
    running = start(embedded.default_model(), Options(http_threads=2))
    address = urlsplit(running.url)
    with contextlib.closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.request("GET", "/health")
        connection.getresponse().read()
        running.stop()
        connection.close()
    assert not port_open(running.url)


def test_a_process_that_never_stops_it_still_ends_quietly() -> None:
    code = "from crossover.engines import embedded; r = embedded.start(embedded.default_model()); print(r.url[:16])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "http://127.0.0.1\n", "")


def test_what_is_no_model_is_refused_before_llama_cpp_sees_it(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(embedded.default_model().read_bytes()[:100_000])
    for path in (broken, tmp_path / "none.gguf", Path(__file__)):
        with pytest.raises(FileError) as caught:
            start(path)
        assert caught.value.file == str(path)


def test_a_head_without_a_model_is_the_files_fault(tmp_path: Path) -> None:
    raw = bytearray(embedded.default_model().read_bytes())
    place = raw.index(b"general.architecture") + len("general.architecture") + 4 + 8
    raw[place : place + 5] = b"xxxxx"
    path = tmp_path / "odd.gguf"
    path.write_bytes(raw)
    with pytest.raises(FileError, match=r"llama\.cpp cannot load it"):
        start(path)


@pytest.mark.parametrize("options", [Options(parallel=0), Options(context=-1), Options(http_threads=0)])
def test_options_out_of_bounds_are_named(options: Options) -> None:
    with pytest.raises(InputError, match="must be from"):
        start(embedded.default_model(), options)


def test_without_the_extra_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"crossover-llm\[embedded\]"):
        start(embedded.default_model())


def test_llama_cpp_counts_one_of_several_choices(engine: Running) -> None:
    """What ``of_one_choice`` of the OpenAI dialect rests on. Should this fail, llama.cpp adds them up by now."""
    body = {"messages": [{"role": "user", "content": f"classify: {TICKET}"}], "n": 3}
    _, said = ask(engine, "/v1/chat/completions", body)
    assert len(said["choices"]) == 3
    assert said["usage"]["completion_tokens"] == said["timings"]["predicted_n"]
