from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import FileError, InputError
from crossover.privacy import health, health_terms
from crossover.privacy.health import Engine, Health

# Texts written for this file; nobody in them exists.
TOLD = [
    "my mother was diagnosed with stage 2 breast cancer last week",
    "I've been on sertraline 50mg since March and still can't sleep",
    "our colleague is on sick leave with burnout",
    "pt c/o SOB x3d, hx CHF, on furosemide 40 mg daily",
    "Patient is a 67-year-old man with a history of COPD who presents with dyspnea and fever.",
    "My son has type 1 diabetes and his blood sugar was 320 this morning.",
    "I was hospitalised for depression in 2019.",
    "Meine Mutter hat Brustkrebs und bekommt Chemotherapie.",
    "Mon père a fait un infarctus la semaine dernière.",
    "Labs: Na 128, K 5.6, creatinine 2.1. Acute renal failure, patient admitted.",
    "A mi padre le diagnosticaron diabetes la semana pasada.",
]
GENERAL = [
    "what are the side effects of ibuprofen?",
    "this bug gave me a headache",
    "the project is on life support",
    "Pfizer shares rose after the FDA approved its migraine drug.",
    "Metformin is a first-line treatment for type 2 diabetes.",
    "SELECT patient_id, diagnosis FROM visits WHERE diagnosis = 'asthma';",
    "We are hiring a registered nurse for our oncology ward.",
    "Write a short story about a detective who has amnesia and epilepsy.",
    "Our plan covers cancer screening, dental care and physiotherapy.",
    "Write a Python function that merges two sorted lists.",
    "",
]


@cache
def shipped(engine: Engine = "re2") -> Health:
    return health.load(engine=engine)


@pytest.mark.parametrize("text", TOLD)
def test_finds_what_is_told_of_somebody(text: str) -> None:
    found = shipped().find(text)
    assert [(one.category, one.kind) for one in found] == [("health", "health")]
    assert 0.5 <= found[0].score <= 1


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("My mother was diagnosed with breast cancer and takes tamoxifen.", "hard"),
        ("My mother is 80. She was diagnosed with dementia.", "hard"),
        ("Mum has dementia and takes donepezil.", "hard"),
        ("I was diagnosed with HIV last year, may I donate blood?", "hard"),
        ("Our colleague is off with depression.", "hard"),
        ("Meine Tochter hat Asthma und nimmt Salbutamol.", "hard"),
        ("J'ai un diabète de type 2 et je prends de la metformine", "hard"),
        ("Patient is a 54-year-old man with type 2 diabetes on metformin 500 mg.", "soft"),
        ("She takes sertraline 50 mg for depression since her divorce.", "soft"),
    ],
)
def test_what_says_whose_it_is_makes_a_story_hard(text: str, tier: str) -> None:
    assert {one.tier for one in shipped().find(text)} == {tier}


@pytest.mark.parametrize("text", GENERAL)
def test_leaves_what_is_about_nobody(text: str) -> None:
    assert shipped().find(text) == []


def test_says_which_sentences_tell() -> None:
    story = "My wife was diagnosed with epilepsy in May."
    text = f"Please plan a weekend in Lisbon. We like museums and good food. {story} We love the sea."
    (found,) = shipped().find(text)
    assert text[found.start : found.end] == story


def test_neighbouring_sentences_are_one_finding() -> None:
    text = "S: 54yo F c/o cough x 3 days.\nO: BP 130/80, T 38.4, crackles.\nA: pneumonia.\nP: amoxicillin 500 mg TID."
    assert [(one.start, one.end) for one in shipped().find(text)] == [(0, len(text))]


def test_the_name_of_the_field_counts() -> None:
    assert shipped().find("type 2 diabetes", "diagnosis")
    assert not shipped().find("type 2 diabetes", "title")
    assert not shipped().find("none", "patient_diagnosis")


@pytest.mark.parametrize("text", [*TOLD, *GENERAL, "it’s Crohn’s, she can’t breathe", "l'hôpital, d'asthme"])
def test_finds_the_same_without_re2(text: str) -> None:
    assert shipped("stdlib").find(text) == shipped().find(text)


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    for one in shipped("stdlib").find(text, "diagnosis"):
        assert 0 <= one.start < one.end <= len(text)


@given(
    st.lists(
        st.sampled_from(["diabetes", "my", "mother", "has", "’", "'s", "-", "_", "x-ray", ".", "\n", "50mg", "é", "?"])
    )
)
def test_the_gate_lets_through_whatever_tells(parts: list[str]) -> None:
    for text in ("".join(parts), " ".join(parts)):
        assert shipped().find(text) == shipped("stdlib").find(text)


def test_what_makes_a_text_worth_a_look() -> None:
    reader = health_terms.Reader(health_terms.load(), [])
    telling = ("diabetes", "Diabetes", "DIABETES", "nivolumab", "gastroenteritis", "Crohn's", "HIV-positive")
    for word in (*telling, "heart attack", "nausea/vomiting"):
        assert sum(sentence.telling for sentence in reader.sentences(f"x {word}.")), word
    for word in ("diagnosis_code", "raids", "influence", "hearts", "economy"):
        assert not sum(sentence.telling for sentence in reader.sentences(f"x {word}.")), word


def test_sentences_stand_where_they_say() -> None:
    reader = health_terms.Reader(health_terms.load(), [])
    text = "  Dr. Weber saw her. She has\nasthma!\n\n- Plan: rest\n" + "Word " * 200
    pieces = [text[one.start : one.end] for one in reader.sentences(text)]
    assert pieces[:3] == ["Dr. Weber saw her.", "She has\nasthma!", "- Plan: rest"]
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert max(map(len, pieces)) <= health_terms.LONGEST


def test_a_saved_model_finds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "health.msgpack"
    shipped().save(path)
    again = health.load(path)
    assert [again.find(text) for text in (*TOLD, *GENERAL)] == [shipped().find(text) for text in (*TOLD, *GENERAL)]


def test_training_follows_the_user_and_forgets_nothing_else() -> None:
    ours = "The Zyphora squad logs one seizure of goods per shift."
    assert not shipped().find(ours)
    rows = [(ours, True), ("Zyphora squad: a seizure was logged today.", True), ("what is asthma?", False)] * 4
    taught = health.train(rows, shipped())
    assert taught.find(ours)
    assert all(taught.find(text) for text in TOLD)
    assert not any(taught.find(text) for text in GENERAL)
    assert health.train(rows, shipped()).weights == taught.weights
    assert health.train(rows[:3], shipped()).weights.bar == shipped().weights.bar


@pytest.mark.parametrize(("rows", "says"), [([], "no rows"), ([("hello there", True)], "no row holds")])
def test_rows_that_teach_nothing_are_refused(rows: list[tuple[str, bool]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        health.train(rows, shipped())


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        health.load(tmp_path / "absent.msgpack")
    (tmp_path / "bad.msgpack").write_bytes(b"\xc1")
    with pytest.raises(FileError, match="no health model"):
        health.load(tmp_path / "bad.msgpack")
    with pytest.raises(FileError, match="cannot be written"):
        shipped().save(tmp_path)


def test_the_word_lists_are_tidy() -> None:
    terms = health_terms.load()
    of_class = {name: sum(kind == number for kind in terms.words.values()) for number, name in enumerate(terms.classes)}
    phrases = [kind for rest in terms.phrases.values() for _, kind, _ in rest]
    assert len(terms.classes) <= health_terms.FIRST_WORD
    assert of_class["drug"] >= 400
    assert of_class["condition"] + phrases.count(terms.number("condition")) >= 500
    assert of_class["symptom"] + phrases.count(terms.number("symptom")) >= 200
    assert [word for word in terms.words if word != word.lower()] == ["MS", "AIDS"]
    assert all(word.strip("'’.,") == word for word in terms.words)
    entries = Path(health_terms.__file__).with_name("data").joinpath("health_words.txt").read_text("utf-8")
    listed = [
        word for line in entries.partition("[loud]")[0].splitlines() if line[:1] not in "#[" for word in line.split()
    ]
    assert len(listed) == len(set(listed))
