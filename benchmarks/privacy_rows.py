"""The rows on which the privacy detector is scored: data that others made, split by key, and our own frozen sets.

A key (a template, a name, a file of tests) is held out where SHA-256 of it, as a number, is divisible by five; whoever
trains on the shared data uses the rest (``held_out``). Which rows a set cannot decide, and why, stands in ``SILENT``
and in ``undecided_secret``: they are counted and left out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import sys
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

SETS = Path(__file__).with_name("privacy_sets")
sys.path.insert(0, str(SETS))  # its modules are scripts, not a package

import make_secrets  # noqa: E402
import set_rows  # noqa: E402

FIFTH = 5
HARD_GEN = {"CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "IBAN_CODE", "US_DRIVER_LICENSE", "IP_ADDRESS"}
SOFT_GEN = {"PERSON", "ADDRESS"}

# Labels of presidio's own tests that are no person's identifier, or that their rows cannot decide.
SILENT: dict[str, str] = {
    **dict.fromkeys(("URL", "DATE", "UK_POSTCODE"), "no identifier of a person on its own"),
    **dict.fromkeys(("SPACY", "STANZA", "TRANSFORMERS"), "tests of a language model, scored as names elsewhere"),
    **dict.fromkeys(
        ("AU_ABN", "AU_ACN", "SE_ORGANISATIONSNUMMER", "SG_UEN", "IN_GSTIN", "DE_VAT_ID", "IT_VAT_CODE", "KR_BRN"),
        "a number of a company",
    ),
    **dict.fromkeys(
        ("UK_VEHICLE_REGISTRATION", "TR_LICENSE_PLATE", "IN_VEHICLE_REGISTRATION", "NG_VEHICLE_REGISTRATION"),
        "a number plate: not among the kinds of the product",
    ),
    "CRYPTO": "a wallet's address: not among the kinds of the product",
}
WORDLESS = "the bare value: digits, or letters and digits, that several countries and part numbers share"
# Kinds whose form alone decides, also without a word beside it.
SPEAKING = {
    "IP",
    "MAC",
    "EMAIL",
    "ES_NIF",
    "ES_NIE",
    "FI_PERSONAL_IDENTITY_CODE",
    "IT_FISCAL_CODE",
    "DE_SOCIAL_SECURITY",
}

# What noseyparker finds that opens nothing: names of places and people, public halves of keys.
NO_SECRET: tuple[tuple[str, str], ...] = (
    ("Bucket", "the name of a bucket"),
    ("Amazon Resource Name", "an ARN"),
    ("AWS Account ID", "an account number"),
    ("Client ID", "a client id is public"),
    ("Username", "a user name"),
    ("Shopify Domain", "a domain"),
    ("Age Recipient", "a public key"),
    ("Public", "a public token"),
    ("Reporter ID", "an id that only adds reports"),
    ("SonarQube Token", "40 hex digits beside a word: also a commit or a package digest"),
    ("Password Hash", "a hash: whether it is a secret is the reader's policy"),
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
SPOKEN = re.compile(r"(generic|credentials in|hardcoded|json web token|pem|netrc|react app|basic auth|bearer|phpmailer"
                    r"|django|\.net|gitalk|wireguard|age identity)", re.IGNORECASE)  # fmt: skip
ALIASES = {"artifactory": "jfrog", "facebook": "meta", "sonar": "sonarsource", "amazon": "aws", "gcp": "google",
           "newrelic": "newrelic", "sendinblue": "brevo", "terraform": "hashicorp", "vault": "hashicorp",
           "openshift": "redhatopenshift", "azuread": "microsoftazure", "azure": "microsoftazure", "flyio": "flyio",
           "octopus": "octopusdeploy", "frameio": "frameio"}  # fmt: skip


class Case(NamedTuple):
    """A text, whether something is to be found, the spans to be found, and the name under which a miss is listed."""

    name: str
    text: str
    wanted: bool
    spans: tuple[tuple[int, int], ...] = ()
    group: str = ""


def held_out(key: object) -> bool:
    """Whether a key belongs to the part that nobody trains on."""
    return int(hashlib.sha256(str(key).encode()).hexdigest(), 16) % FIFTH == 0


def data_folder() -> Path | None:
    """The folder with the shared data of privacy, or None where it is absent."""
    place = os.environ.get("CROSSOVER_TEST_DATA", "")
    folder = Path(place) if place else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder / "privacy" if (folder / "privacy").is_dir() else None


def shared(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a shared file."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def own(name: str) -> list[dict[str, Any]]:
    """The rows of one of our own sets."""
    return make_secrets.build() if name == "secrets_own" else set_rows.read(SETS / f"{name}.jsonl")


def spans_of(row: dict[str, Any], labels: set[str]) -> tuple[tuple[int, int], ...]:
    """Where a row holds one of the labels."""
    return tuple((span["start"], span["end"]) for span in row["spans"] if span["label"] in labels)


def sentences(folder: Path, labels: set[str], *, all_templates: bool = False) -> list[Case]:
    """Presidio's generated sentences, of templates held out unless ``all_templates``."""
    rows = [*shared(folder, "presidio_gen_large"), *shared(folder, "presidio_gen_small")]
    cases = []
    for row in rows:
        if all_templates or held_out(row["template"]):
            spans = spans_of(row, labels)
            name = f"sentence {row['id']} of template {row['template']}"
            cases.append(Case(name, row["text"], bool(spans), spans, str(row["template"])))
    return cases


def noisy(folder: Path) -> list[Case]:
    """Names in tweets and comments (wnut17, development part)."""
    found = [(row, spans_of(row, {"person"})) for row in shared(folder, "wnut17_dev")]
    return [Case(f"wnut17 {row['id']}", row["text"], bool(spans), spans) for row, spans in found]


def identifier_tests(folder: Path) -> tuple[list[Case], Counter[str]]:
    """Presidio's own tests that a text alone decides, and how many were left out by reason."""
    cases, left = [], Counter[str]()
    rows = shared(folder, "presidio_recognizer_tests")
    label_of = {row["id"]: row["spans"][0]["label"] for row in rows if row["spans"]}
    for number, row in enumerate(rows):
        label = label_of.get(row["id"], "")
        if not label or label in SILENT:
            left[SILENT.get(label, "a file of tests without a single value")] += 1
            continue
        spans = tuple((span["start"], span["end"]) for span in row["spans"])
        rest = row["text"]
        for start, end in sorted(spans, reverse=True):
            rest = rest[:start] + rest[end:]
        bare = not re.search(r"[A-Za-z]{2}", rest) if spans else not re.search(r"[A-Za-z]{3}", row["text"])
        if bare and label not in SPEAKING:
            left[WORDLESS] += 1
            continue
        cases.append(Case(f"{row['id']} {number}", row["text"], bool(spans), spans, label))
    return cases, left


def undecided_secret(row: dict[str, Any]) -> str:
    """Why a row of noseyparker decides nothing; empty where it does."""
    if not row["spans"]:
        return "no secret of this rule, perhaps one of another"
    if any(span["label"] != "SECRET" for span in row["spans"]):
        return "no place given"
    for part, reason in NO_SECRET:
        if part in row["rule"]:
            return reason
    values = [row["text"][span["start"] : span["end"]] for span in row["spans"]]
    if all(UUID.fullmatch(value) for value in values):
        return "a UUID alone"
    if any(made_up(value) for value in values):
        return "a value that somebody made up by hand: the key of nothing"
    return ""


def made_up(value: str) -> bool:
    """Whether a value shows that no machine drew it: eight equal or counted-up characters in a row, or it says so."""
    lower = value.lower()
    for one, step in (("equal", 0), ("counted up", 1)):
        run = 1
        for before, after in pairwise(lower):
            run = run + 1 if ord(after) - ord(before) == step else 1
            if run >= _RUN:
                return bool(one)
    return any(word in lower for word in ("example", "deadbeef", "qwerty"))


_RUN = 8


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def vendors_with_rules(rules: Path) -> frozenset[str]:
    """Vendors, in plain letters, that a rule of the detector names."""
    found = set()
    for path in rules.glob("*.toml"):
        for rows in tomllib.loads(path.read_text(encoding="utf-8")).values():
            if isinstance(rows, list):
                names = [name for rule in rows for name in re.split(r",| and ", rule.get("vendor", ""))]
                found |= {_plain(name) for name in names if _plain(name)}
                found |= {_plain(name.split()[0]) for name in names if len(name.split()) > 1 and len(name) > 5}
    return frozenset(found)


def has_rule(vendor: str, ruled: frozenset[str]) -> bool:
    """Whether a vendor, or the name of another scanner's rule, belongs to a vendor that a rule names."""
    plain = _plain(vendor)
    for alias, name in ALIASES.items():
        if plain.startswith(alias) and name in ruled:
            return True
    first = _plain(re.split(r"[ -]", vendor)[0])
    return first in ruled or any(len(name) > 3 and plain.startswith(name) for name in ruled)


def secrets(folder: Path | None, ruled: frozenset[str]) -> tuple[dict[str, list[Case]], Counter[str]]:
    """Rows with a secret by group (``unknown`` vendor, ``ruled`` vendor, ``generic``), and what was left out.

    Rows of vendors stand for themselves; generic ones (passwords, connection strings, keys of standards) have none.
    """
    groups: dict[str, list[Case]] = {"unknown": [], "ruled": [], "generic": []}
    left = Counter[str]()
    for row in shared(folder, "secrets_noseyparker") if folder else []:
        if reason := undecided_secret(row):
            left[reason] += 1
            continue
        rule = row["rule"]
        group = "generic" if SPOKEN.search(rule) else "ruled" if has_rule(rule, ruled) else "unknown"
        groups[group].append(Case(f"{row['id']} ({rule})", row["text"], True, spans_of(row, {"SECRET"}), rule))
    for row in own("secrets_own"):
        if not row["spans"]:
            continue
        vendor = row["vendor"]
        if vendor and all(UUID.fullmatch(row["text"][s["start"] : s["end"]]) for s in row["spans"]):
            left["a UUID alone"] += 1
            continue
        group = "generic" if not vendor else "ruled" if has_rule(vendor, ruled) else "unknown"
        name = f"{row['id']} ({vendor or row['group']})"
        groups[group].append(Case(name, row["text"], True, spans_of(row, {"SECRET"}), vendor or row["group"]))
    return groups, left
