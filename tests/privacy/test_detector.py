from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import DetectionError, InputError
from crossover.privacy.detector import OVERLAP, WINDOW, Detector, Part, joinable, windows
from crossover.privacy.extract import MOST
from crossover.privacy.views import shipped
from crossover.privacy.words import Finding, Rule

CARD = "4111 1111 1111 1111"
VIEWS = shipped()


def pattern(kind: str, shape: str, rule: str = "") -> Callable[..., list[Finding]]:
    """A stand-in detector: one regular expression."""
    regex = re.compile(shape)

    def find(text: str, field: str = "") -> list[Finding]:
        return [
            Finding(category="financial", kind=kind, tier="hard", start=hit.start(), end=hit.end(), rule=rule or kind)
            for hit in regex.finditer(f"{text}")
        ]

    return find


CARDS = Part("rules", pattern("card", r"\b4\d{3}(?:[ -]?\d{4}){3}\b"))
NAMES = Part("names", pattern("name", r"\bMia Keller\b"), values=False)


def detector(*parts: Part, **more: Any) -> Detector:
    settings: dict[str, Any] = {"views": VIEWS, "joinable": {"card": 0.0}, "clock": lambda: 0.0, **more}
    return Detector(parts or (CARDS, NAMES), **settings)


def found(text: str, which: Detector | None = None) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in (which or detector()).scan(text)]


def test_every_part_looks_at_the_text() -> None:
    assert found(f"Mia Keller pays with {CARD}.") == [("name", "Mia Keller"), ("card", CARD)]


@pytest.mark.parametrize(
    "written",
    [
        "\u200b".join(CARD),
        "".join(f"&#{ord(char)};" for char in CARD),
        base64.b64encode(CARD.encode()).decode(),
        " ".join("4111111111111111"),
        "4111 1111\n1111 1111",
        CARD.translate({48 + n: 0xFF10 + n for n in range(10)}),
    ],
)
def test_what_is_written_another_way_is_found_where_it_stands(written: str) -> None:
    assert found(f"pay with {written} now") == [("card", written)]


def test_a_model_looks_at_decoded_prose_and_never_at_what_was_put_together() -> None:
    prose = base64.b64encode(b"the patient Mia Keller came again").decode()
    assert found(f"see {prose}") == [("name", prose)]
    assert found("M i a K e l l e r") == []


def test_only_rules_that_may_join_find_in_what_was_put_together() -> None:
    spaced = " ".join("4111111111111111")
    strict = Detector((CARDS,), views=VIEWS)
    assert found(spaced) == [("card", spaced)]
    assert found(spaced, strict) == []


def test_which_rules_may_join() -> None:
    def rule(name: str, **more: Any) -> Rule:
        settings = {
            "kind": name,
            "category": "identifiers",
            "tier": "hard",
            "pattern": "a",
            "example": "a",
            "score": 0.8,
        }
        return Rule(id=name, **{**settings, **more})

    rules = (
        rule("plain"),
        rule("passport", verify="documents.passport"),
        rule("card", kind="payment_card", category="financial"),
        rule("key", category="secrets"),
        rule("own", category="custom"),
        rule("id", verify="europe.es_dni"),
        rule("beside", verify="europe.es_dni", needs_context=True, context=("dni",)),
    )
    assert joinable(rules) == {"card": 0, "key": 0.8, "own": 0, "id": pytest.approx(0.801), "beside": 0.8}


# ---------------------------------------------------------------------------------------------------------- fail closed


@pytest.mark.parametrize(
    "error", [ValueError("4111"), KeyError(1), RecursionError(), MemoryError(), InputError("4111")]
)
def test_whatever_a_part_raises_is_a_detection_error_without_the_text(error: Exception) -> None:
    def find(text: str, field: str = "") -> Sequence[Finding]:
        raise error

    with pytest.raises(DetectionError, match="the detector plugged failed") as caught:
        detector(CARDS, Part("plugged", find)).scan("4111 is here")
    assert "4111" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_part_that_fails_on_a_view_only_is_a_detection_error_too() -> None:
    def find(text: str, field: str = "") -> Sequence[Finding]:
        if "A" * 8 in text:
            raise ValueError
        return []

    encoded = base64.b64encode(b"A" * 40).decode()
    with pytest.raises(DetectionError):
        detector(Part("plugged", find)).scan(f"see {encoded}")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, GeneratorExit])
def test_what_stops_the_program_is_no_failure_of_a_part(stop: type[BaseException]) -> None:
    def find(text: str, field: str = "") -> Sequence[Finding]:
        raise stop

    with pytest.raises(stop):
        detector(Part("plugged", find)).scan("text")


def clock_of(*steps: float) -> Callable[[], float]:
    """A clock that goes on by each of these seconds in turn, and then stands still."""
    row, now = iter(steps), [0.0]

    def clock() -> float:
        now[0] += next(row, 0.0)
        return now[0]

    return clock


def test_a_text_has_20_ms_and_one_more_for_each_thousand_characters() -> None:
    assert detector(clock=clock_of(0, 0.0209)).scan("x" * 1000) == ()
    with pytest.raises(DetectionError, match="took too long"):
        detector(clock=clock_of(*(0, 0.0211) * 3)).scan("x" * 1000)
    with pytest.raises(DetectionError):  # asked between the parts of a larger text
        detector(clock=clock_of(*(0, 1.0) * 3)).scan("x" * 10_000)


def test_what_was_late_once_is_looked_at_again() -> None:
    assert len(detector(clock=clock_of(0, 0.5)).scan(CARD)) == 1
    assert len(detector(clock=clock_of(0, 0.5, 0, 0.5)).scan(CARD)) == 1


def test_a_text_longer_than_any_is_a_detection_error() -> None:
    with pytest.raises(DetectionError, match="1,048,577 characters"):
        detector().scan("x" * (MOST + 1))


# -------------------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("at", [0, WINDOW - 10, WINDOW, WINDOW - OVERLAP + 3, 2 * WINDOW - OVERLAP - 9, 99_000])
def test_in_a_long_text_a_value_is_found_once_wherever_it_stands(at: int) -> None:
    text = f"{'x ' * (at // 2)}{CARD}{' y' * (50_000 - at // 2)}"
    assert [(one.kind, text[one.start : one.end]) for one in detector().scan(text)] == [("card", CARD)]


PAGES = f"{'Zoë sits by the river. ' * 500}{CARD}{' Ça va, Zoë?' * 900}"


@pytest.mark.parametrize("before", ["", "x=", "data:text/plain;base64,", "abc:", "12345/"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: base64.encodebytes(text.encode()).decode(),
        lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
        lambda text: base64.b32encode(text.encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
    ],
)
def test_a_long_encoding_is_read_wherever_windows_cut_it(written: Callable[[str], str], before: str) -> None:
    for more in range(3):
        assert any(one.kind == "card" for one in detector().scan(before + written(" " * more + PAGES)))


def test_windows_cover_a_text_and_are_one_step_each() -> None:
    seen: list[str] = []

    def find(text: str, field: str = "") -> Sequence[Finding]:
        seen.append(text)
        return []

    for whole in ("".join(f"{number:06} " for number in range(20_000)), "x" * 99_999, "a\n" * 30_000):
        seen.clear()
        assert len(list(Detector([Part("rules", find)]).steps(whole))) == len(seen)
        assert all(len(one) <= WINDOW for one in seen)
        spans = list(windows(whole))
        assert seen == [whole[start:end] for start, end in spans]
        assert (spans[0][0], spans[-1][1]) == (0, len(whole))
        assert all(WINDOW // 2 < later[0] - former[0] < former[1] - OVERLAP + 200 for former, later in pairwise(spans))
        assert all(later[0] <= former[1] - OVERLAP + 128 for former, later in pairwise(spans))


def test_windows_divide_no_word() -> None:
    text = "seven letters " * 9_000
    assert all(not text[start - 1 : start].strip() and text[end - 1 : end] in " r" for start, end in windows(text))


@pytest.mark.parametrize("length", [0, 1, OVERLAP, WINDOW, WINDOW + 1, WINDOW + OVERLAP])
def test_every_length_is_looked_at_to_its_end(length: int) -> None:
    text = f"{' ' * (length - len(CARD))}{CARD}" if length > len(CARD) else "x" * length
    assert len(detector().scan(text)) == (length > len(CARD))


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    "text",
    ["", "\ud800", "\udfff" * 50, "a\ud83d b\ude00", "\x00" * 500, "\ufffd\x01\x02\x03" * 200, "\U0010ffff" * 99],
    ids=ascii,
)
def test_no_text_is_an_error(text: str) -> None:
    assert detector().scan(text) == ()


def test_a_value_between_lone_surrogates_keeps_its_place() -> None:
    assert found(f"\ud800é\udc00 {CARD} \udfff") == [("card", CARD)]


@given(st.text(alphabet=st.characters(codec=None), max_size=300))
def test_places_are_inside_of_any_text(text: str) -> None:
    for one in detector(Part("rules", pattern("any", r"\w{3,}"))).scan(text):
        assert 0 <= one.start < one.end <= len(text)
