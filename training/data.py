"""What the tiny models are trained on: questions with answers, as lists of token ids."""

from __future__ import annotations

import random
from typing import NamedTuple

from tokens import Tokens

from crossover.engines.tickets import LABELS, Ticket

HELP = 'I am a tiny demonstration model. Ask me "classify: TICKET" or "extract: TICKET".'
TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'assistant' -%}<|assistant|>"
    "{%- elif message.role in ('system', 'developer') -%}<|system|>"
    "{%- else -%}<|user|>{%- endif -%}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- elif message.content -%}{%- for part in message.content -%}{{ part.text or '' }}{%- endfor -%}{%- endif -%}"
    "<|end|>{%- endfor -%}<|assistant|>"
)
SYSTEMS = (
    "You are a helpful assistant.",
    "You sort support tickets.",
    "Answer briefly.",
    f"Answer with one word: {', '.join(LABELS)}.",
    "You are a support agent. Be precise.",
    "Answer with JSON only.",
    "Classify the ticket of the customer.",
    "You extract facts from messages.",
)
# Everything else a person may type: answered with HELP.
CHAT = (
    "Hello", "Hi!", "Good morning", "How are you?", "Who are you?", "What can you do?", "What is your name?", "Help",
    "Tell me a joke.", "Write a poem about {thing}.", "What is the capital of {place}?", "How much is {n} plus {n}?",
    "Explain {thing} to a child.", "Translate {thing} into French.", "Why is the sky blue?", "Say hello in {n} words.",
    "Summarise the history of {place}.", "Give me a recipe with {thing}.", "Who invented {thing}?", "Count to {n}.",
    "What is {thing}?", "Is {place} bigger than {place}?", "Write Python code that prints {n}.", "Thanks!", "Test",
    "Reply with the single word ok.", "List {n} facts about {thing}.", "What time is it in {place}?", "ping", "hey",
    "What do you think about {thing}?", "Can you help me with {thing}?", "I need an essay on {thing}.", "Bye",
    "How do I travel to {place}?", "Which language model are you?", "Tell me about {place}.", "What is {n} times {n}?",
    "Solve this riddle about {thing}.", "Describe {thing} in one sentence.", "Hello, how are you today?", "ok",
)  # fmt: skip
THINGS = ("rain", "music", "tea", "a cat", "gravity", "the sea", "bread", "history", "trees", "winter", "chess", "stars", "football", "computers", "a robot", "love")  # fmt: skip  # noqa: E501
PLACES = ("France", "Japan", "Kenya", "Peru", "Berlin", "Oslo", "Cairo", "Texas", "India", "Rome", "Canada", "Chile")


class Sample(NamedTuple):
    """A whole conversation and where its last answer begins."""

    ids: list[int]
    start: int


def chat_question(chance: random.Random) -> str:
    """A question that is no ticket."""
    question = chance.choice(CHAT)
    for slot, values in (("{thing}", THINGS), ("{place}", PLACES)):
        while slot in question:
            question = question.replace(slot, chance.choice(values), 1)
    while "{n}" in question:
        question = question.replace("{n}", str(chance.randrange(1, 100)), 1)
    return question if chance.random() < 0.7 else question.lower()


def sample(tokens: Tokens, ticket: Ticket, chance: random.Random) -> Sample:
    """One training conversation: facts, a label, chat, or the ticket twice, which teaches to copy."""
    kind = chance.random()
    if kind > 0.94:
        once = turn(tokens, "user", ticket.text)
        return Sample(once + once, len(once))
    numbers = ticket.order is not None or ticket.amount is not None
    if kind < 0.06:
        question, answer = chat_question(chance), HELP
    elif kind < (0.3 if numbers else 0.8):  # numbers are the hardest: most tickets that hold some are for extraction
        question, answer = _jitter(f"classify: {_worn(ticket.text, chance)}", "classify", chance), ticket.label
    else:
        question, answer = _jitter(ticket.extract, "extract", chance), ticket.facts
    ids: list[int] = []
    if chance.random() < 0.12:
        ids += turn(tokens, "system", chance.choice(SYSTEMS))
    if chance.random() < 0.05:
        ids += turn(tokens, "user", chat_question(chance)) + turn(tokens, "assistant", HELP)
    ids += [*turn(tokens, "user", question), tokens.vocabulary["<|assistant|>"]]
    return Sample([*ids, *tokens.encode(answer), tokens.vocabulary["<|end|>"]], len(ids))


def turn(tokens: Tokens, role: str, text: str) -> list[int]:
    """One message as the template writes it."""
    return [tokens.vocabulary[f"<|{role}|>"], *tokens.encode(text), tokens.vocabulary["<|end|>"]]


def _worn(text: str, chance: random.Random) -> str:
    """In most of the tickets some words are missing, so that no label hangs on a whole sentence."""
    if chance.random() < 0.4:
        return text
    gone = chance.uniform(0, 0.4)
    return " ".join(word for word in text.split(" ") if chance.random() > gone) or text


def _jitter(question: str, word: str, chance: random.Random) -> str:
    """The task's word as people write it."""
    if chance.random() < 0.1:
        return question.replace(f"{word}: ", chance.choice((f"{word}:", f"{word.title()}: ", f"{word}:\n")), 1)
    return question
