"""Generated tickets: the same everywhere, honest about what is in them, and never shared between the splits."""

from __future__ import annotations

import hashlib
import json
import tomllib

import jsonschema
import pytest

from crossover.engines.tickets import DATA, LABELS, Split, extract_schema, handwritten, tickets

DIGEST = "5fe10ddcb9ed4d55"
SPLITS: tuple[Split, ...] = ("train", "heldout")


def test_a_seed_gives_the_same_tickets_on_every_machine() -> None:
    text = "\n".join(ticket.text for ticket in tickets(1, 200))
    assert tickets(1, 200) == tickets(1, 200) != tickets(2, 200)
    # The shipped models were trained on these very tickets: a change here makes their cards untrue.
    assert hashlib.sha256(text.encode()).hexdigest().startswith(DIGEST)


def test_more_tickets_begin_with_the_same_ones() -> None:
    assert tickets(5, 50) == tickets(5, 100)[:50]


@pytest.mark.parametrize("split", SPLITS)
def test_every_fact_stands_in_the_text_and_every_label_comes(split: Split) -> None:
    made = tickets(3, 1500, split)
    assert {ticket.label for ticket in made} == set(LABELS)
    for ticket in made:
        for fact in (ticket.order, ticket.product, ticket.amount):
            assert fact is None or fact in ticket.text, ticket
        assert "{" not in ticket.text
    for name in ("order", "product", "amount"):
        share = sum(getattr(ticket, name) is not None for ticket in made) / len(made)
        assert 0.1 < share < 0.8, name


def test_held_out_sentences_are_not_trained_on() -> None:
    said = tomllib.loads((DATA / "tickets.toml").read_text(encoding="utf-8"))
    held = [row for group in said["labels"].values() for row in group["main"][4::5] if "{" not in row]
    trained = " ".join(ticket.text for ticket in tickets(4, 4000))
    assert held
    assert not [row for row in held if row in trained]
    assert any(row in ticket.text for ticket in tickets(4, 400, "heldout") for row in held)


def test_facts_are_the_answer_that_the_schema_asks_for() -> None:
    for ticket in tickets(6, 50):
        jsonschema.validate(json.loads(ticket.facts), extract_schema())
        assert ticket.extract == f"extract: {ticket.text}"
        assert ticket.classify == f"classify: {ticket.text}"


def test_handwritten_tickets_are_right_by_the_same_rules() -> None:
    found = handwritten()
    assert len(found) >= 40
    for ticket in found:
        assert ticket.label in LABELS
        for fact in (ticket.order, ticket.product, ticket.amount):
            assert fact is None or fact in ticket.text, ticket
    templates = {ticket.text for ticket in tickets(1, 3000)}
    assert not templates & {ticket.text for ticket in found}
