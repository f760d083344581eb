"""Prints how well the privacy detector finds what it should and leaves what it should, each figure beside its bar.

    python benchmarks/privacy_accuracy.py                     the table, with 95 % intervals
    python benchmarks/privacy_accuracy.py --misses            also writes every miss and false alarm to a file
    python benchmarks/privacy_accuracy.py --misses FILE       the same, to a file of that name

The shared data is scored on templates (and names) that nobody trained on, see ``privacy_rows.held_out``; our own sets
in ``privacy_sets/`` were frozen before. What a set cannot decide is counted and left out. Intervals are Wilson's, over
rows; rows of one template are alike, so the truth may lie further out. With ``CROSSOVER_PRESIDIO_PYTHON`` naming a
Python that has ``presidio-analyzer``, its patterns are scored on the same rows.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import crossover.privacy
from crossover.privacy.detector import shipped
from crossover.privacy.words import Finding
from privacy_rows import (
    HARD_GEN,
    SOFT_GEN,
    Case,
    data_folder,
    held_out,
    identifier_tests,
    noisy,
    own,
    secrets,
    sentences,
    spans_of,
    vendors_with_rules,
)

import evasion  # isort: skip - its folder is on the path once privacy_rows is imported

Z95 = 1.959963984540054
RULES = Path(crossover.privacy.__file__).with_name("data")
PRESIDIO = "CROSSOVER_PRESIDIO_PYTHON"
PRESIDIO_SCORES = (0.01, 0.4)  # every match, and without those that its authors call weak
Found = tuple[Finding, ...]
Test = Callable[[Finding], bool]


class Share(NamedTuple):
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        if not self.of:
            return math.nan, math.nan
        share, z2 = self.value, Z95 * Z95 / self.of
        middle = (share + z2 / 2) / (1 + z2)
        half = Z95 * math.sqrt(share * (1 - share) / self.of + z2 / (4 * self.of)) / (1 + z2)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:6.3f}  [{low:.3f}, {high:.3f}]  {self.hits:>5} / {self.of:<5}"


class Report:
    """The lines of the table and the misses behind them."""

    def __init__(self) -> None:
        self.short: list[str] = []
        self.misses: list[dict[str, object]] = []

    def head(self, title: str) -> None:
        """A heading."""
        print(f"\n{title}")

    def bar(self, name: str, share: Share, *, least: float | None = None, most: float | None = None) -> None:
        """One share, beside its bar if it has one."""
        verdict, limit = "", ""
        if least is not None or most is not None:
            good = share.value >= least if least is not None else most is not None and share.value <= most
            limit = f"≥ {least:g}" if least is not None else f"≤ {most:g}"
            verdict = "pass" if good else "FALLS SHORT"
            if not good:
                self.short.append(name)
        print(f"  {name:<62}{share}  {limit:>7}  {verdict}".rstrip())

    def say(self, text: str) -> None:
        """A line that is no figure."""
        print(f"  {text}")

    def missed(self, what: str, case: Case, found: Iterable[Finding] = (), span: tuple[int, int] | None = None) -> None:
        """Remember a miss or a false alarm."""
        self.misses.append(
            {
                "what": what,
                "row": case.name,
                "text": case.text,
                "missed": case.text[slice(*span)] if span else None,
                "found": [f"{one.kind} {one.rule}: {case.text[one.start : one.end]}" for one in found],
            }
        )


def is_hard(finding: Finding) -> bool:
    """A hard identifier or a secret: health has bars of its own."""
    return finding.tier == "hard" and finding.category != "health"


def is_hard_undated(finding: Finding) -> bool:
    """Hard, but no date of birth: the generated sentences label one as a date like any other."""
    return is_hard(finding) and finding.kind != "date_of_birth"


def is_personal(finding: Finding) -> bool:
    """Hard, or a name or an address."""
    return is_hard(finding) or finding.category == "personal"


def is_secret(finding: Finding) -> bool:
    """A secret."""
    return finding.category == "secrets"


def is_health(finding: Finding) -> bool:
    """Health data of a person."""
    return finding.category == "health"


def is_person(finding: Finding) -> bool:
    """A person's name."""
    return finding.kind == "person"


class Scans:
    """Findings by text; each text is scanned once."""

    def __init__(self) -> None:
        self._detector = shipped()
        self._known: dict[str, Found] = {}

    def of(self, text: str) -> Found:
        """The findings of a text."""
        if text not in self._known:
            self._known[text] = self._detector.scan(text)
        return self._known[text]


def rows_score(report: Report, scans: Scans, what: str, cases: Iterable[Case], test: Test) -> tuple[Share, Share]:
    """Recall and precision by row."""
    true = false = wanted = 0
    for case in cases:
        found = [one for one in scans.of(case.text) if test(one)]
        wanted += case.wanted
        true += bool(found) and case.wanted
        false += bool(found) and not case.wanted
        if bool(found) != case.wanted:
            report.missed(what, case, found)
    return Share(true, wanted), Share(true, true + false)


def overlapping(found: Iterable[Finding], span: tuple[int, int]) -> bool:
    """Whether any finding touches the span."""
    return any(one.start < span[1] and span[0] < one.end for one in found)


def spans_score(
    report: Report, scans: Scans, what: str, cases: Iterable[Case], test: Test, *, unseen: bool = False
) -> tuple[Share, Share]:
    """Recall of spans and precision of findings, both by any overlap; ``unseen`` counts only names held out."""
    hit = spans = right = findings = 0
    for case in cases:
        found = [one for one in scans.of(case.text) if test(one)]
        for span in case.spans:
            if unseen and not held_out(case.text[slice(*span)]):
                continue
            spans += 1
            touched = overlapping(found, span)
            hit += touched
            if not touched:
                report.missed(what, case, found, span)
        for one in found:
            findings += 1
            good = any(one.start < end and start < one.end for start, end in case.spans)
            right += good
            if not good:
                report.missed(f"{what}: false alarm", case, [one])
    return Share(hit, spans), Share(right, findings)


def false_alarms(report: Report, scans: Scans, what: str, cases: Iterable[Case], test: Test) -> Share:
    """The share of clean rows in which something is found."""
    flagged = total = 0
    for case in cases:
        found = [one for one in scans.of(case.text) if test(one)]
        total += 1
        flagged += bool(found)
        if found:
            report.missed(what, case, found)
    return Share(flagged, total)


def own_cases(name: str, labels: set[str] | None = None) -> list[Case]:
    """One of our own sets: rows with spans are wanted."""
    cases = []
    for row in own(name):
        every = {span["label"] for span in row["spans"]}
        spans = spans_of(row, labels or every)
        cases.append(Case(row["id"], row["text"], bool(spans), spans, row.get("group", "")))
    return cases


def clean_prompts(free_of: str) -> list[Case]:
    """Our own clean prompts, those that are free of a tier or category."""
    return [Case(row["id"], row["text"], False) for row in own("clean_prompts") if free_of in row["clean_of"]]


def hard_report(report: Report, scans: Scans, folder: Path | None) -> None:
    """The hard tier by request, and the false alarms on clean prompts."""
    report.head("HARD tier, by request")
    sources: list[tuple[str, list[Case]]] = [("own set, other hands", own_cases("hard_mixed"))]
    if folder:
        sources.insert(0, ("generated sentences, templates held out", sentences(folder, HARD_GEN)))
        sources.insert(1, ("generated sentences, all templates", sentences(folder, HARD_GEN, all_templates=True)))
    for name, cases in sources:
        test = is_hard_undated if name.startswith("generated") else is_hard
        recall, precision = rows_score(report, scans, f"hard, {name}", cases, test)
        report.bar(f"{name}: recall", recall, least=0.99)
        report.bar(f"{name}: precision", precision, least=0.98)
    kinds = own_kinds(scans)
    report.say("own set, recall by label: " + ", ".join(f"{label} {share.value:.2f}" for label, share in kinds))
    if folder:
        cases, left = identifier_tests(folder)
        recall, precision = rows_score(report, scans, "presidio's tests", cases, is_hard)
        report.bar("presidio's own tests that a text decides: recall (no bar)", recall)
        report.bar("presidio's own tests that a text decides: precision (no bar)", precision)
        report.say("left out of them: " + "; ".join(f"{count} {reason}" for reason, count in left.most_common()))
    report.head("Clean prompts (own set)")
    share = false_alarms(report, scans, "clean prompts: hard or secret", clean_prompts("hard"), is_hard)
    report.bar("HARD and secrets: false alarms", share, most=0.01)
    share = false_alarms(report, scans, "clean prompts: soft", clean_prompts("soft"), is_personal)
    report.bar("HARD or SOFT where nobody is named: false alarms (no bar)", share)


def own_kinds(scans: Scans) -> list[tuple[str, Share]]:
    """Recall by label in our own set of hard identifiers: any hard finding that touches the span."""
    counts: dict[str, list[int]] = {}
    for row in own("hard_mixed"):
        found = [one for one in scans.of(row["text"]) if is_hard(one)]
        for span in row["spans"]:
            count = counts.setdefault(span["label"], [0, 0])
            count[0] += overlapping(found, (span["start"], span["end"]))
            count[1] += 1
    return [(label, Share(*count)) for label, count in sorted(counts.items())]


def personal_report(report: Report, scans: Scans, folder: Path | None) -> None:
    """Hard and soft together, and people's names."""
    report.head("HARD + SOFT, by request")
    if folder:
        cases = sentences(folder, HARD_GEN | SOFT_GEN)
        recall, precision = rows_score(report, scans, "hard + soft", cases, is_personal)
        report.bar("generated sentences, templates held out: recall", recall, least=0.98)
        report.bar("generated sentences, templates held out: precision", precision, least=0.95)
        report.say("places alone (a city, a country) and organisations count as nothing to find")
    report.head("PERSON spans, any overlap")
    if folder:
        cases = sentences(folder, {"PERSON"})
        recall, precision = spans_score(report, scans, "person, templates held out", cases, is_person)
        report.bar("templates held out: recall", recall, least=0.92)
        report.bar("templates held out: precision", precision, least=0.88)
        recall, _ = spans_score(report, scans, "person, templates and names held out", cases, is_person, unseen=True)
        report.bar("templates and names held out: recall", recall, least=0.92)
    recall, precision = spans_score(report, scans, "person, own set", own_cases("names_mixed"), is_person)
    report.bar("own set of 46 cultures: recall", recall, least=0.92)
    report.bar("own set of 46 cultures: precision", precision, least=0.88)
    if folder:
        recall, precision = spans_score(report, scans, "person, wnut17_dev", noisy(folder), is_person)
        report.bar("noisy text (wnut17_dev): recall", recall, least=0.50)
        report.bar("noisy text (wnut17_dev): precision (no bar)", precision)


def secrets_report(report: Report, scans: Scans, folder: Path | None) -> None:
    """Secrets by whether a rule names their vendor."""
    report.head("Secrets")
    groups, left = secrets(folder, vendors_with_rules(RULES))
    clean = [case for case in own_cases("secrets_own") if not case.wanted] + clean_prompts("secrets")
    wrong = false_alarms(report, scans, "secrets: false alarm", clean, is_secret)
    titles = {"unknown": "vendors without a rule", "ruled": "vendors with a rule", "generic": "passwords and the like"}
    bars = {"unknown": 0.80, "ruled": 0.95}
    for group, title in titles.items():
        for source in ("noseyparker", "own set"):
            cases = [case for case in groups[group] if case.name.startswith("secret-") == (source == "own set")]
            if cases:
                # by row: noseyparker's spans also cover the account, the address or the id beside the secret
                score = rows_score if source == "noseyparker" else spans_score
                recall, _ = score(report, scans, f"secrets, {title}", cases, is_secret)
                report.bar(f"{title}, {source}: recall" + ("" if group in bars else " (no bar)"), recall,
                           least=bars.get(group))  # fmt: skip
    hits = sum(any(is_secret(one) for one in scans.of(case.text)) for cases in groups.values() for case in cases)
    unknown = sum(any(is_secret(one) for one in scans.of(case.text)) for case in groups["unknown"])
    report.bar("all rows with a secret against clean rows: precision", Share(hits, hits + wrong.hits), least=0.97)
    report.bar("vendors without a rule against clean rows: precision", Share(unknown, unknown + wrong.hits), least=0.97)
    report.bar("clean rows (look-alikes and prompts): false alarms (no bar)", wrong)
    names = sorted({case.group for case in groups["unknown"]})
    report.say(f"{len(names)} without a rule: {', '.join(names)}")
    report.say("left out: " + "; ".join(f"{count} {reason}" for reason, count in left.most_common()))


def health_report(report: Report, scans: Scans) -> None:
    """Health data of a person, by row."""
    report.head("Health (own sets)")
    for name, title, least in (
        ("health_notes", "clinical notes", 0.97),
        ("health_lines", "one-line descriptions", 0.85),
    ):
        for source in ("hand", "generated"):
            rows = [row for row in own(name) if row["source"] == source]
            cases = [Case(row["id"], row["text"], True) for row in rows]
            recall, _ = rows_score(report, scans, f"health, {title}", cases, is_health)
            report.bar(f"{title}, {source}: recall", recall, least=least)
    clean = [Case(row["id"], row["text"], False) for row in own("health_clean")]
    share = false_alarms(report, scans, "health: look-alikes", clean, is_health)
    report.bar("look-alikes: false alarms", share, most=0.01)
    share = false_alarms(report, scans, "health: clean prompts", clean_prompts("health"), is_health)
    report.bar("clean prompts: false alarms", share, most=0.01)


def evasion_report(report: Report, scans: Scans) -> None:
    """Values written in other ways."""
    report.head(f"Evasion: {len(evasion.TRANSFORMS)} transforms × {len(evasion.seeds())} values")
    missed: dict[str, list[str]] = {}
    hits = total = 0
    for cell in evasion.table():
        found = any(is_hard(one) for one in scans.of(cell.text))
        total += 1
        hits += found
        if not found:
            missed.setdefault(cell.transform, []).append(cell.kind)
            report.missed("evasion", Case(f"{cell.transform} {cell.kind}", cell.text, True))
    report.bar("cells found", Share(hits, total), least=0.95)
    for transform, kinds in missed.items():
        report.say(f"missed: {transform}: {', '.join(kinds)}")
    empty = [Case(seed.kind, seed.sentence.replace("{}", "it"), False) for seed in evasion.seeds()]
    share = false_alarms(report, scans, "evasion: sentence without its value", empty, is_hard)
    report.bar("the six sentences without their value: false alarms (no bar)", share)


def presidio_report(report: Report, scans: Scans, folder: Path | None) -> None:
    """The same rows by the patterns of Presidio, where it is installed."""
    report.head("Presidio's patterns on the same rows")
    python = os.environ.get(PRESIDIO, "")
    if not python:
        report.say(f"not run: pip install presidio-analyzer somewhere and let {PRESIDIO} name that Python")
        return
    sources = [("own set", own_cases("hard_mixed"))]
    if folder:
        sources.append(("generated sentences", sentences(folder, HARD_GEN, all_templates=True)))
    for name, cases in sources:
        command = [python, str(Path(__file__).with_name("presidio_patterns.py"))]
        texts = json.dumps([case.text for case in cases])
        done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True, timeout=900)
        scores = json.loads(done.stdout)
        ours, _ = rows_score(Report(), scans, "", cases, is_hard)
        for least in PRESIDIO_SCORES:
            true = sum(score >= least and case.wanted for score, case in zip(scores, cases, strict=True))
            every = sum(score >= least for score in scores)
            recall = Share(true, sum(case.wanted for case in cases))
            report.bar(f"{name}, score ≥ {least:g}: recall", recall)
            report.bar(f"{name}, score ≥ {least:g}: precision", Share(true, every))
        more = ours.value - recall.value
        report.say(f"{name}: our recall is {more:+.3f} higher ({'pass' if more >= 0.1 else 'FALLS SHORT'}, bar ≥ 0.10)")


def main() -> None:
    """Print the table."""
    folder = data_folder()
    if folder is None:
        print("The shared data is absent (set CROSSOVER_TEST_DATA): only our own sets are scored.")
    report, scans = Report(), Scans()
    print(f"{'':64}{'share':>6}  {'95 % interval':<16}  {'rows':>13}  {'bar':>7}")
    hard_report(report, scans, folder)
    personal_report(report, scans, folder)
    secrets_report(report, scans, folder)
    health_report(report, scans)
    evasion_report(report, scans)
    presidio_report(report, scans, folder)
    print(f"\n{len(report.short)} below their bar" + (": " + "; ".join(report.short) if report.short else ""))
    if "--misses" in sys.argv:
        given = sys.argv[sys.argv.index("--misses") + 1 :]
        path = Path(given[0]) if given else Path(tempfile.gettempdir()) / "privacy_misses.jsonl"
        lines = [json.dumps(miss, ensure_ascii=False) + "\n" for miss in report.misses]
        path.write_text("".join(lines), encoding="utf-8")
        print(f"{len(lines)} misses and false alarms: {path}")


if __name__ == "__main__":
    main()
