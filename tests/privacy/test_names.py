"""People's names and postal addresses are found with their places, and what only looks like them is left."""

from __future__ import annotations

import gzip
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import FileError, InputError
from crossover.privacy import names as people
from crossover.privacy.names import Names


@pytest.fixture(scope="module")
def names() -> Names:
    return people.load()


def found(names: Names, text: str, field: str = "") -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in names.find(text, field)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Thandiwe Mokoena and my order is late", "Thandiwe Mokoena"),
        ("Please call Aoife Ní Bhriain about the invoice.", "Aoife Ní Bhriain"),
        ("😂 “Zoë’s plan” was written by Karl-Heinz Müller — today", "Karl-Heinz Müller"),
        ("my name is xiomara velázquez", "xiomara velázquez"),
        ("Is Mrs. Okafor in the office?", "Mrs. Okafor"),
        ("Kind regards,\nFatoumata", "Fatoumata"),
        ('{"customer_name": "Nguyễn Thị Lan", "plan": "gold"}', "Nguyễn Thị Lan"),
        ("The contract with Joaquim van der Berg was signed.", "Joaquim van der Berg"),
        ("Иван Петров живёт в Москве", "Иван Петров"),
    ],
)
def test_names_with_their_places(names: Names, text: str, name: str) -> None:
    assert ("person", name) in found(names, text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Send it to 14b Rosewood Crescent, Leeds, please.", "14b Rosewood Crescent, Leeds"),
        ("Musterstraße 12, 10115 Berlin", "Musterstraße 12, 10115 Berlin"),
        ("I live at 12 rue de la Paix, 75002 Paris", "12 rue de la Paix, 75002 Paris"),
        ("Ship to 4021 N Lamar Blvd Apt 7, Austin, TX 78756", "4021 N Lamar Blvd Apt 7, Austin, TX 78756"),
        ("Write to P.O. Box 4711", "P.O. Box 4711"),
        ("my zip code is 90210", "90210"),
        ("my address is PSC 4926, Box 7979\nAPO AA 63682", "PSC 4926, Box 7979\nAPO AA 63682"),
    ],
)
def test_addresses_with_their_places(names: Names, text: str, address: str) -> None:
    assert ("address", address) in found(names, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "Write a Python function that merges two sorted lists.",
        "How do I configure Kubernetes so that pods restart? I'm using Helm and Docker.",
        "The meeting on Tuesday was moved to Thursday, 4 March.",
        "What is the capital of Burkina Faso?",
        "The train from Lyon to Berlin leaves at 10:45.",
        "SELECT first_name, last_name FROM customers WHERE zip_code = '';",
        "const total = items.reduce((sum, item) => sum + item.price, 0);",
        "class PaymentProcessor:\n    def handle_refund(self, amount: int) -> None: ...",
        "Section 5, paragraph 3, line 12 of the report",
        "Windows Server 2019 and Python 3.12",
        "THIS IS NOT WHAT I ORDERED",
        "may i ask a question? will it rain? mark the box.",
    ],
)
def test_nothing_where_nobody_is_named(names: Names, text: str) -> None:
    assert found(names, text) == []


def test_the_name_of_the_field_counts(names: Names) -> None:
    assert found(names, "get_weather", "name") == []
    assert found(names, "Okonkwo", "lastName") == [("person", "Okonkwo")]
    assert all(one.start == 0 for one in names.find("Okonkwo", "lastName"))


def test_findings_are_personal_and_soft(names: Names) -> None:
    (one,) = names.find("Ask Priya Raghunathan.")
    assert (one.category, one.tier, one.rule) == ("personal", "soft", "names")
    assert 0.7 < one.score <= 1


def test_a_firm_named_after_somebody_is_no_person(names: Names) -> None:
    assert found(names, "We bought it from Anderson Ltd. in May.") == []


def test_a_name_anywhere_in_a_long_text_keeps_its_place(names: Names) -> None:
    name = "Dear Priya Raghunathan,"
    for before in (32_700, 32_760, 32_768, 70_001):
        text = ("the quick report ü was late " * 4000)[:before] + " " + name + " thank you"
        assert "Priya Raghunathan" in [text[one.start : one.end] for one in names.find(text)]


@given(st.text())
def test_any_text_is_survived_and_places_lie_within(text: str) -> None:
    for one in _SHARED.find(text, "name"):
        assert 0 <= one.start < one.end <= len(text)


_SHARED = people.load()


@pytest.mark.parametrize(
    "text", ["\ud800Anna Kowalska\udfff", "\x00" * 1000, "A" * 100_000, "\u202e" * 50, "🙂" * 9000]
)
def test_hostile_texts_are_survived(names: Names, text: str) -> None:
    assert all(0 <= one.start < one.end <= len(text) for one in names.find(text))


def test_many_strange_words_leave_no_more_behind_than_is_bounded() -> None:
    names = people.load()
    text = " ".join(
        f"Zor{chr(97 + a)}{chr(97 + b)}{chr(97 + c)}x" for a in range(26) for b in range(26) for c in range(15)
    )
    names.find(text + " and Dear Priya Raghunathan,")
    assert len(names._memory.rows) <= people._CACHED
    assert "Raghunathan" in str(found(names, "Dear Priya Raghunathan,"))


def test_what_was_seen_before_changes_nothing(names: Names) -> None:
    text = "Dear Priya Raghunathan, Tom lives at 14 Rosewood Crescent, Leeds. Regards, Olu"
    first = people.load().find(text)
    assert names.find(text) == first
    with ThreadPoolExecutor(4) as pool:
        assert all(result == first for result in pool.map(people.load().find, [text] * 40))


def test_a_saved_model_finds_the_same(names: Names, tmp_path: Path) -> None:
    people.save(names, tmp_path / "names.npz")
    text = "Dear Priya Raghunathan, I live at 14 Rosewood Crescent, Leeds."
    again = people.load(tmp_path / "names.npz")
    assert [(one.start, one.end) for one in again.find(text)] == [(one.start, one.end) for one in names.find(text)]


@pytest.mark.parametrize("content", [None, b"", b"no model", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "names.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match=r"names\.npz: is no names model"):
        people.load(path)


def test_a_model_that_lacks_something_or_has_another_shape_is_one_sentence(names: Names, tmp_path: Path) -> None:
    path = tmp_path / "names.npz"
    people.save(names, path)
    with np.load(path) as held:
        arrays: dict[str, Any] = dict(held)
    np.savez(path, **{**arrays, "bias": np.zeros(3)})
    with pytest.raises(FileError, match="another version"):
        people.load(path)
    del arrays["gaps"]
    np.savez(path, **arrays)
    with pytest.raises(FileError, match="it has no 'gaps'"):
        people.load(path)


class Example(NamedTuple):
    text: str
    spans: tuple[tuple[int, int, str], ...] = ()


def labelled(template: str, word: str) -> Example:
    at = template.index("{}")
    return Example(text=template.format(word), spans=((at, at + len(word), "person"),))


def test_a_refit_learns_what_the_user_calls_a_name(names: Names) -> None:
    templates = ["unit {} reports for duty", "we lost {} at dawn", "ask unit {} again", "{} is on patrol today"]
    words = ["falcon", "viper", "badger", "otter", "raven", "lynx"]
    assert found(names, "unit heron reports for duty") == []
    examples = [labelled(template, f"Agent{word}".capitalize()) for template in templates for word in words]
    own = people.train(examples, names)
    assert found(own, "ask unit Agentheron again") == [("person", "Agentheron")]
    assert found(own, "Dear Priya Raghunathan, thank you") == [("person", "Priya Raghunathan")]
    assert people.train(examples, names).find("ask unit Agentheron again") == own.find("ask unit Agentheron again")


def test_a_refit_needs_something_to_learn_from(names: Names) -> None:
    with pytest.raises(InputError, match="no text holds a word that could be a name"):
        people.train([Example(text="the report is late")], names)


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(folder / "privacy" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def shares(names: Names, texts: list[dict[str, Any]], label: str) -> tuple[float, float]:
    """Recall and precision of people's names, any overlap."""
    hit = wanted = right = seen = 0
    for row in texts:
        some = [one for one in names.find(row["text"]) if one.kind == "person"]
        spans = [span for span in row["spans"] if span["label"] == label]
        wanted += len(spans)
        seen += len(some)
        hit += sum(any(one.start < span["end"] and span["start"] < one.end for one in some) for span in spans)
        right += sum(any(one.start < span["end"] and span["start"] < one.end for span in spans) for one in some)
    return hit / wanted, right / seen


def test_sentences_never_trained_on(names: Names, shared_data: Path) -> None:
    texts = [
        row
        for row in rows(shared_data, "presidio_gen_large")
        if int(hashlib.sha256(str(row["template"]).encode()).hexdigest(), 16) % 5 == 0
    ]
    recall, precision = shares(names, texts, "PERSON")
    assert recall > 0.92
    assert precision > 0.86


def test_noisy_texts(names: Names, shared_data: Path) -> None:
    recall, precision = shares(names, rows(shared_data, "wnut17_dev"), "person")
    assert recall > 0.55
    assert precision > 0.6


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("鈴木一郎さんは来ません。", "鈴木一郎"),
        ("スミスさんに電話してください", "スミス"),
        ("박지훈 씨가 왔어요", "박지훈"),
        ("최수진 부장님께 보내 주세요", "최수진"),
        ("李明先生明天来", "李明"),
    ],
)
def test_a_word_of_respect_tells_a_name_without_capitals(names: Names, text: str, name: str) -> None:
    assert ("person", name) in found(names, text)


@pytest.mark.parametrize(
    "text", ["お客様へ", "皆様、多様な仕様", "看護師さん", "아저씨, 날씨가 좋네요", "老师好", "同様に"]
)
def test_a_word_of_respect_behind_no_name_tells_none(names: Names, text: str) -> None:
    assert found(names, text) == []


def test_short_everyday_prompts_name_hardly_anybody(names: Names) -> None:
    lines = Path(__file__).with_name("everyday_prompts.txt").read_text(encoding="utf-8").splitlines()
    prompts = [line for line in lines if not line.startswith("#")]
    named = [line for line in prompts if any(kind == "person" for kind, _ in found(names, line))]
    assert len(prompts) > 100
    assert len(named) <= 0.02 * len(prompts), named
