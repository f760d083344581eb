"""Generate ``hard_mixed.jsonl``: hard identifiers with valid check digits in realistic places, and near misses.

    python benchmarks/privacy_sets/make_hard.py

Every template is its own ``group``. Names in the text are scenery: this set labels hard identifiers only.
"""

from __future__ import annotations

import random
import re

import set_checksums as checks
import set_rows
from set_hard_words import FORMS, KINDS, MISSES, NATIONAL_PLACES, PHONES, WORDS
from set_national import NATIONAL

PATH = set_rows.HERE / "hard_mixed.jsonl"
SEED = 4_071
PER_FORM, PER_MISS = 4, 5
RANGE = re.compile(r"<(\d)-(\d)>")


def number(pattern: str, rng: random.Random) -> str:
    """A pattern with ``#`` for a digit, ``@`` for a capital letter and ``<2-9>`` for a digit of a range."""
    text = RANGE.sub(lambda found: str(rng.randint(int(found[1]), int(found[2]))), pattern)
    text = "".join(str(rng.randint(0, 9)) if char == "#" else char for char in text)
    return "".join(checks.letters(rng, 1) if char == "@" else char for char in text)


def born(rng: random.Random) -> str:
    """A date of birth in one of six forms."""
    year, month, date = checks.day(rng)
    short = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[month - 1]
    numbers = [f"{year}-{month:02d}-{date:02d}", f"{date:02d}/{month:02d}/{year}", f"{month:02d}/{date:02d}/{year}"]
    return rng.choice([*numbers, f"{date}.{month}.{year}", f"{date} {short} {year}", f"{short} {date}, {year}"])


def network_address(rng: random.Random) -> str:
    """A public IPv4 or IPv6 address outside the documentation blocks."""
    if rng.random() < 0.6:
        first = rng.choice((5, 23, 34, 52, 81, 88, 93, 104, 151, 178, 185, 212))
        return f"{first}.{rng.randint(1, 254)}.{rng.randint(0, 254)}.{rng.randint(1, 254)}"
    groups = [f"{rng.randint(1, 65535):x}" for _ in range(6)]
    head = rng.choice(("2a01", "2600", "2a02", "2804"))
    return rng.choice((":".join([head, f"{rng.randint(1, 65535):x}", *groups]), f"{head}:{':'.join(groups[:3])}::1"))


def value(kind: str, rng: random.Random) -> str:
    """A marked identifier of a kind."""
    if kind == "card":
        return f"[[CREDIT_CARD|{checks.card_shown(rng, rng.choice(tuple(checks.CARDS)))}]]"
    if kind == "iban":
        return f"[[IBAN|{checks.iban_shown(rng, rng.choice(tuple(checks.BANKS)))}]]"
    if kind == "phone":
        return f"[[PHONE|{number(rng.choice(PHONES[rng.choice(tuple(PHONES))]), rng)}]]"
    if kind == "email":
        address = set_rows.fill(rng.choice(WORDS["mailbox"]), WORDS, rng)
        return f"[[EMAIL|{address}]]"
    if kind == "ip":
        return f"[[IP|{network_address(rng)}]]"
    if kind == "mac":
        pair = [f"{rng.randint(0, 255):02x}" for _ in range(6)]
        text = rng.choice((":", "-")).join(pair)
        return f"[[MAC|{rng.choice((text, text.upper()))}]]"
    if kind == "dob":
        return f"[[DATE_OF_BIRTH|{born(rng)}]]"
    if kind == "routing":
        return f"[[ROUTING|{checks.routing(rng)}]]"
    label, patterns = KINDS[kind]
    return f"[[{label}|{number(rng.choice(patterns), rng)}]]"


def marked(template: str, rng: random.Random) -> str:
    """A template with its identifiers and words in place."""
    kinds = {"card", "iban", "phone", "email", "ip", "mac", "dob", "routing", *KINDS}
    filled = set_rows.SLOT.sub(lambda found: value(found[1], rng) if found[1] in kinds else found[0], template)
    return set_rows.fill(filled, WORDS, rng) if set_rows.SLOT.search(filled) else filled


def positives(rng: random.Random) -> list[set_rows.Row]:
    """National identifiers of every country in three places each, then every form ``PER_FORM`` times."""
    rows: list[set_rows.Row] = []
    for country, make, names in NATIONAL:
        for place in rng.sample(range(len(NATIONAL_PLACES)), 4):
            shown = f"[[NATIONAL_ID|{make(rng)}]]"
            text = NATIONAL_PLACES[place].replace("{name}", rng.choice(names)).replace("{id}", shown)
            text = set_rows.fill(text, WORDS, rng)
            rows.append(set_rows.row("", text, "generated", group=f"national-{place:02d}", country=country))
    for group, template in FORMS:
        rows += [set_rows.row("", marked(template, rng), "generated", group=group, country="") for _ in range(PER_FORM)]
    return rows


def broken(text: str, rng: random.Random) -> str:
    """The text with its last digit changed, so that a valid check digit becomes a wrong one."""
    at = max(place for place, char in enumerate(text) if char.isdigit())
    return text[:at] + str((int(text[at]) + rng.randint(1, 9)) % 10) + text[at + 1 :]


def negatives(rng: random.Random) -> list[set_rows.Row]:
    """Near misses: wrong check digits in neutral places, and numbers that identify nobody."""
    rows: list[set_rows.Row] = []
    for group, template in MISSES:
        for _ in range(PER_MISS):
            text = template.replace("{bad_card}", broken(checks.card_shown(rng, "visa"), rng))
            text = text.replace("{bad_iban}", broken(checks.iban_shown(rng, rng.choice(("DE", "NL", "CH"))), rng))
            filled = set_rows.fill(text, WORDS, rng) if set_rows.SLOT.search(text) else text
            rows.append(set_rows.row("", number(filled, rng), "generated", group=group, country=""))
    return rows


def build() -> list[set_rows.Row]:
    """The whole set; the same at every call."""
    rng = random.Random(SEED)
    rows = [*positives(rng), *negatives(rng)]
    for place, each in enumerate(rows, 1):
        each["id"] = f"hard-{place:04d}"
    return rows


def main() -> None:
    """Write the set."""
    rows = build()
    set_rows.write(PATH, rows)
    labelled = sum(bool(row["spans"]) for row in rows)
    print(f"{PATH.name}: {labelled} with, {len(rows) - labelled} without, sha256 {set_rows.digest(rows)}")


if __name__ == "__main__":
    main()
