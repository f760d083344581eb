from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossover.ledger import audit
from crossover.ledger.chain import link
from crossover.ledger.store import Ledger
from crossover.ledger.survey import Survey, Wanted, period, remarks, sentence, survey
from tests.ledger.parts import (
    DAY,
    HOUR,
    ILLNESS,
    NOON,
    PERSON,
    away,
    call,
    judged,
    local,
    opened,
    redacted,
    stayed,
    stopped,
    write,
)

MONTH = Wanted(since=1_793_491_200.0, until=1_796_083_200.0)  # 2026-11
NOW = NOON + 60 * DAY


def wanted(**facts: Any) -> Wanted:
    return Wanted(**{"since": MONTH.since, "until": MONTH.until, **facts})


def words(found: Survey, asked: Wanted = MONTH) -> str:
    return sentence(found, asked, NOW)


def about(found: Survey, asked: Wanted = MONTH) -> dict[str, str]:
    return dict(remarks(found, asked))


def month(ledger: Ledger) -> None:
    """Ten requests of which six left, to two parties."""
    both = (
        call(outcome="rate_limited", accepted=False),
        call("haiku", "anthropic", zone="eu"),
    )
    at = NOON + 2 * HOUR
    write(
        ledger,
        [
            *(away(f"a{n}", time=at + n) for n in range(3)),
            away("both", time=at + 5, attempts=both, deployment="haiku", key="key_2"),
            *(redacted(f"b{n}", time=at + 10 + n) for n in range(2)),
            *(stayed(f"c{n}", time=at + 20 + n) for n in range(2)),
            stopped("d", time=at + 30),
            local("e", time=at + 40),
        ],
    )


def test_what_left_to_whom_and_what_was_in_it(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        month(ledger)
        found = survey(ledger, MONTH)
    assert (found.requests, found.left, found.stayed, found.stopped, found.all_requests) == (9, 6, 2, 1, 10)
    assert found.parties == {"openai": 6, "anthropic": 1}
    assert found.looks == {("balanced", "2026.11.1"): 6}
    assert (found.redacted, found.unclassified, found.opaque, found.unknown) == (4, 0, 0, 0)
    held = {name: (each.left, each.replaced, each.stayed, each.stopped) for name, each in found.held.items()}
    assert held == {"personal": (2, 2, 0, 0), "health": (0, 0, 2, 1)}
    groups = [(one.party, one.zone, one.found, one.done, one.rule, one.requests, one.redacted) for one in found.groups]
    assert groups == [
        ("openai", "us", "nothing", "allow", "balanced: allow", 4, 0),
        ("openai", "us", "personal", "redact", "balanced: redact", 2, 4),
        ("anthropic", "eu", "nothing", "allow", "balanced: allow", 1, 0),
        ("", "home", "health", "stayed", "balanced: local_only", 2, 0),
        ("", "", "health", "block", "balanced: block", 1, 0),
    ]
    assert words(found) == (
        "In 2026-11: 6 requests left to 2 parties (openai 6, anthropic 1); "
        "found: personal data in 2 (2 with every finding replaced)"
    )
    assert words(found, wanted(category="health")).endswith("; no health data was found in any of them")
    assert about(found)["Verified"].startswith("entries 1 to 9 of the chain hold")
    assert about(found, wanted(category="health"))["Kept back"].startswith("2 requests that held health data stayed, 1")
    assert about(found)["Twice"]
    assert "misses" in about(found)["Not proved"]


@pytest.mark.parametrize(
    ("facts", "ids"),
    [
        ({"left": True}, "a0 a1 a2 both b0 b1"),
        ({"stopped": True}, "d"),
        ({"category": "health"}, "c0 c1 d"),
        ({"category": "health", "left": True}, ""),
        ({"key": "key_2"}, "both"),
        ({"to": "anthropic"}, "both"),
        ({"to": "eu"}, "both"),
        ({"to": "mini"}, "a0 a1 a2 both b0 b1"),
        ({"to": "home"}, ""),  # what stays goes nowhere
        ({"latest": 2}, "c1 d"),
    ],
)
def test_what_is_listed_can_be_narrowed(tmp_path: Path, facts: dict[str, Any], ids: str) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        month(ledger)
        found = survey(ledger, wanted(**{"latest": 100, **facts}))
    assert " ".join(entry.request for _, _, entry in found.latest) == ids


def test_a_place_narrows_the_figures_too(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        month(ledger)
        asked = wanted(to="anthropic")
        found = survey(ledger, asked)
        nobody = survey(ledger, wanted(to="opnai"))
    assert (found.left, found.parties, found.all_requests) == (1, {"anthropic": 1}, None)
    assert words(found, asked) == (
        "In 2026-11: 1 request left to anthropic; nothing sensitive was found in it"
    )  # fmt: skip
    assert words(nobody, wanted(to="opnai")) == "In 2026-11: no request left to opnai"
    assert nobody.names == {"openai", "us", "mini", "anthropic", "eu", "haiku"}


def only(path: Path, *facts: dict[str, Any]) -> Survey:
    with opened(path / "ledger.db") as ledger:
        write(ledger, [away(f"r{n}", time=NOON + 2 * HOUR, **one) for n, one in enumerate(facts)])
        return survey(ledger, MONTH)


def test_who_was_not_looked_at_is_not_called_clean(tmp_path: Path) -> None:
    found = only(
        tmp_path, {"privacy": None}, {"privacy": judged(profile="off", rule="")}, {"privacy": judged("failed")}, {}
    )
    assert (found.left, found.unclassified) == (4, 3)
    assert words(found).endswith("nothing sensitive was found in the one that was looked at")
    assert words(found, wanted(category="health")).endswith("no health data was found in the one that was looked at")
    assert about(found)["Not looked at"].startswith("3 requests left unclassified")
    assert [group.found for group in found.groups] == ["not looked at", "detection failed", "nothing"]


def test_where_nobody_looked_at_all_nothing_is_proved(tmp_path: Path) -> None:
    found = only(tmp_path, {"privacy": None})
    for asked in (MONTH, wanted(category="health")):
        assert words(found, asked) == "In 2026-11: 1 request left to openai; nobody looked at it"
    assert "Not proved" not in about(found)


@pytest.mark.parametrize(
    ("facts", "replaced"),
    [
        ({"privacy": judged("redact", PERSON), "attempts": (call(action="redact", redacted=2),)}, 1),
        ({"privacy": judged("redact", PERSON), "attempts": (call(action="redact", redacted=1),)}, 0),
        ({"privacy": judged("allow", PERSON)}, 0),
        (
            {
                "privacy": judged("redact", PERSON),
                "attempts": (call(outcome="reset"), call(action="redact", redacted=2)),
            },
            0,
        ),
        (
            {
                "privacy": judged("redact", PERSON),
                "attempts": (call(action="redact", redacted=2),),
                "categories": ("personal", "health"),
            },
            0,
        ),  # a label from outside: nobody knows where it is
        (
            {
                "privacy": judged("redact", PERSON, opaque="an image"),
                "attempts": (call(action="redact", redacted=2),),
            },
            0,
        ),
    ],
)
def test_only_what_was_replaced_everywhere_counts_as_replaced(
    tmp_path: Path, facts: dict[str, Any], replaced: int
) -> None:
    found = only(tmp_path, facts)
    assert (found.held["personal"].left, found.held["personal"].replaced) == (1, replaced)
    text = words(found, wanted(category="personal"))
    assert ("every finding was replaced before" in text) == bool(replaced)


def test_a_label_from_outside_counts_as_held(tmp_path: Path) -> None:
    found = only(tmp_path, {"categories": ("health",), "tier": "hard"})
    assert words(found, wanted(category="health")).endswith(
        "1 held health data (0 with every finding replaced before they left)"
    )


def test_what_nobody_can_read_is_said(tmp_path: Path) -> None:
    found = only(tmp_path, {"privacy": judged(opaque="an image")})
    assert about(found)["Unreadable"].startswith("1 request left with parts")
    assert found.groups[0].found == "unreadable parts"


def test_a_time_before_the_audit_is_said_to_be_unknown(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        month(ledger)
        found = survey(ledger, MONTH)
        assert about(found)["Before"] == (
            "the audit is kept since 2026-11-17 12:00:00 UTC: of the time before nothing is known"
        )
        late = wanted(since=NOON + HOUR)
        assert "Before" not in about(survey(ledger, late), late)


def test_what_was_forgotten_is_said(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        month(ledger)
    with opened(path, NOON + 5 * DAY) as ledger:
        write(ledger, [away("new", time=NOON + 5 * DAY)])
        audit.cut(ledger, 1)
        found = survey(ledger, MONTH)
    assert (found.left, found.walk.fault, found.unknown) == (1, None, 0)
    assert about(found)["Forgotten"].endswith("begin 2026-11-22 12:00:00 UTC")
    assert found.events == {"audit cut": 1}
    assert about(found)["Beside them"] == "audit cut 1"


def test_answers_that_only_the_roll_ups_know_are_said(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        month(ledger)
        entries = ledger.rows("SELECT time, entry FROM audit WHERE entry NOT LIKE '%\"a1\"%' ORDER BY number")
        with ledger.change() as connection:
            connection.execute("DELETE FROM audit")
            connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", link(entries, 0, audit.ORIGIN.hash))
        found = survey(ledger, MONTH)
        assert (found.left, found.unknown, found.walk.fault) == (5, 1, None)
        assert about(found)["Missing"].startswith("the roll-ups count 1 answer from outside")
        assert survey(ledger, wanted(key="key_2")).unknown == 0
        assert survey(ledger, wanted(key="key_1")).unknown == 1


@pytest.mark.parametrize("statement", [
    "UPDATE audit SET entry = replace(entry, 'openai', 'nobody') WHERE number = 3",
    "DELETE FROM audit WHERE number = 2",
    "UPDATE audit SET time = time - 864000000000 WHERE number = 2",  # moved out of the period, at its edge
    "UPDATE audit SET time = time + 86400000000000 WHERE number = 9",
])  # fmt: skip
def test_a_broken_chain_proves_nothing(tmp_path: Path, statement: str) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        month(ledger)
        with ledger.change() as connection:
            connection.execute(statement)
        found = survey(ledger, MONTH)
    assert found.walk.fault is not None
    assert "No figure here proves anything" in about(found)["Broken"]
    assert "Verified" not in about(found)


def test_only_the_section_of_the_period_is_read_and_it_is_tied_to_its_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for day in range(5):
        with opened(path, NOON + day * DAY) as ledger:
            write(ledger, [away(f"d{day}", time=NOON + day * DAY), stayed(f"e{day}", time=NOON + day * DAY + 1)])
    with opened(path, NOON + 5 * DAY) as ledger:
        one_day = wanted(since=NOON + 2 * DAY, until=NOON + 3 * DAY)
        found = survey(ledger, one_day)
        assert (found.left, found.walk.begin.number, found.walk.at.number) == (1, 4, 7)
        empty = wanted(since=NOON + DAY + HOUR, until=NOON + DAY + 2 * HOUR)
        found = survey(ledger, empty)
        assert (found.left, found.walk.fault, found.walk.entries) == (0, None, 1)
        with ledger.change() as connection:
            connection.execute("DELETE FROM audit WHERE number = 5")
        assert survey(ledger, one_day).walk.fault is not None
        assert survey(ledger, empty).walk.fault is not None  # the gap may have held it


def test_a_ledger_without_entries_says_so(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        found = survey(ledger, MONTH)
    assert words(found) == "In 2026-11: no request left"
    assert about(found)["Verified"] == "the chain holds no entry of this time and none behind it"


@pytest.mark.parametrize(
    ("since", "until", "now", "text"),
    [
        (MONTH.since, MONTH.until, NOW, "In 2026-11"),
        (MONTH.since, MONTH.until, NOON, "In 2026-11 (so far)"),
        (MONTH.since, MONTH.since + DAY, NOW, "On 2026-11-01"),
        (MONTH.since, MONTH.since + 2 * DAY, NOW, "From 2026-11-01 00:00 to 2026-11-03 00:00 UTC"),
        (NOON, NOON + HOUR, NOW, "From 2026-11-17 12:00 to 2026-11-17 13:00 UTC"),
        (NOON + 300, MONTH.until, NOON, "From 2026-11-17 12:05 to 2026-12-01 00:00 UTC (so far)"),
    ],
)
def test_periods_in_words(since: float, until: float, now: float, text: str) -> None:
    assert period(since, until, now) == text


def test_an_illness_that_left_is_called_so(tmp_path: Path) -> None:
    found = only(tmp_path, {"privacy": judged("allow", ILLNESS, profile="open")}, {})
    assert words(found, wanted(category="health")).endswith(
        "1 held health data (0 with every finding replaced before they left)"
    )
