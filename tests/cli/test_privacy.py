from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from crossover.config.settings import PrivacySettings
from crossover.privacy import refit
from crossover.privacy.detector import Detector, Part
from crossover.privacy.words import Finding
from crossover.runtime import desk
from tests.cli.process import running
from tests.cli.shell import Done, call, quiet_home, refused
from tests.traffic.scan import parts
from tests.traffic.scan.parts import file
from tests.traffic.scan.test_scan import lines


def fake(settings: PrivacySettings) -> Detector:
    """The detector of the scan's own tests, and the user's rules by their words."""

    def find(text: str, field: str = "") -> list[Finding]:
        found = [one for one in parts.look(text, field) if settings.names or one.category != "personal"]
        for name, rule in settings.rules.items():
            for word in rule.words:
                found += [
                    Finding(category=rule.category, kind=name, tier="hard", start=match.start(), end=match.end())
                    for match in re.finditer(word, text)
                ]
        return found

    return Detector([Part("test", find)], version="d-test")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(desk, "detector", fake)
    monkeypatch.setattr("gc.freeze", lambda: None)
    return tmp_path


@pytest.fixture
def mixed(home: Path) -> Path:
    rows = [{"prompt": "hello"}] * 6 + [{"prompt": "pay CARD123456789012 now"}, {"prompt": "Name-Annabella wrote"}]
    return file(home, "mixed.jsonl", lines(*rows))


def scan(*words: str | Path) -> Done:
    return call("privacy", "scan", *map(str, words))


def facts(*words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scan(*words, "--json").out)
    return found


def test_what_people_see(mixed: Path) -> None:
    done = scan(mixed.name)
    assert (done.code, done.err) == (0, "")
    flat = " ".join(done.out.split())
    assert "mixed.jsonl · 8 records, 2 findings" in flat
    assert "7:17 card financial, hard 0.90 local only prompt pay CA••••••••••••12 now" in flat
    assert "8:13 person personal, soft 0.90 redact prompt Na••••••••••la wrote" in flat
    assert "hard 1 12.5 % 2.2–47.1 %" in flat
    assert "▶ balanced 6 75.0 % 1 12.5 % 1 12.5 % –" in flat
    assert "1 of 8 records (12.5 %) may not leave under the profile balanced" in flat
    assert "crossover plan … --sensitive-share 0.125" in flat
    assert "123456789" not in done.out


def test_values_only_where_they_are_asked_for(mixed: Path) -> None:
    assert "pay CARD123456789012 now" in scan(mixed, "--show").out
    plain = facts(mixed)
    assert "CARD" not in json.dumps(plain)
    assert facts(mixed, "--show")["findings"][0]["value"] == "CARD123456789012"


def test_plain_data(mixed: Path) -> None:
    found = facts(mixed)
    assert found["findings"][0] == {
        "file": str(mixed), "line": 7, "column": 17, "path": "prompt", "category": "financial", "kind": "card",
        "tier": "hard", "score": 0.9, "rule": "card", "length": 16, "action": "local_only",
    }  # fmt: skip
    assert found["per_file"] == [
        {
            "name": str(mixed), "form": "jsonl", "bytes": mixed.stat().st_size, "records": 8, "findings": 2,
            "states": {"clean": 6, "hard": 1, "soft": 1},
        }
    ]  # fmt: skip
    assert found["totals"] == {"files": 1, "bytes": mixed.stat().st_size, "records": 8, "findings": 2}
    assert (found["complete"], found["detector"]) == (True, "d-test")
    assert found["sensitive"] == {"records": 1, "share": 0.125, "low": 0.022417, "high": 0.470888}
    assert found["profiles"]["open"] == {"allow": 7, "redact": 0, "local_only": 1, "block": 0}


def test_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (("-",), ()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"p": "CARD1"}\n')))
        assert "standard input · 1 record, 1 finding" in scan(*words).out
    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert "there is nothing to look at" in refused("privacy", "scan")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--fail-on", "hard"), 3, "1 of 8 records (12.5 %) hold hard findings; at most 0 % may"),
        (("--fail-on", "soft"), 3, "2 of 8 records (25.0 %) hold soft or hard findings"),
        (("--fail-on", "personal", "--threshold", "20%"), 0, ""),
        (("--fail-on", "personal", "--threshold", "0.1"), 3, "hold personal findings; at most 10.0 % may"),
        (("--fail-on", "secrets"), 0, ""),
        (("--threshold", "0.2"), 0, ""),
        (("--threshold", "0.1"), 3, "hold hard findings"),
    ],
)
def test_exit_code_3_above_a_threshold(mixed: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = scan(mixed, "-q", *words)
    assert done.code == code
    assert said in done.err


def test_a_gate_that_fails_leaves_one_document(mixed: Path) -> None:
    done = scan(mixed, "--json", "--fail-on", "hard")
    assert (done.code, json.loads(done.out)["totals"]["records"]) == (3, 8)
    assert "1 of 8 records" in done.err


def test_a_scan_that_is_over_at_once_ends_in_peace(home: Path) -> None:
    """What the detector makes beside the first text must not be cut off: that aborted the process."""
    file(home, "a.txt", "hello")
    with running("privacy", "scan", "a.txt", "-q", folder=home) as process:
        done = process.done()
    assert (done.code, done.err) == (0, "")


def test_what_could_not_be_looked_at_counts_too(home: Path) -> None:
    place = file(home, "a.jsonl", lines({"p": "x"}, {"p": "BOOM"}))
    done = scan(place, "--fail-on", "secrets")
    assert (done.code, "(or could not be looked at: 1)" in done.err) == (3, True)
    assert scan(place).code == 0
    empty = scan(file(home, "empty.txt", ""), "--fail-on", "hard")
    assert (empty.code, "nothing was looked at" in empty.err) == (1, True)
    damaged = file(home, "b.jsonl.gz", lines({"p": "x"}))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert scan(damaged).code == 1


def test_words_that_are_wrong(mixed: Path) -> None:
    for words, said in (
        (("--fail-on", "hart"), "Did you mean hard"), (("--threshold", "5"), "'5' is no share"),
        (("--threshold", "x"), "Write 0.05 or 5%"), (("--profile", "stirct"), "Did you mean strict"),
        (("--html", "none/x.html"), "its folder does not exist"), (("-c", "nope.toml"), "there is no such file"),
    ):  # fmt: skip
        assert said in refused("privacy", "scan", str(mixed), *words)
    assert "Did you mean mixed.jsonl" in refused("privacy", "scan", "mixd.jsonl")


def test_the_users_own_rules_and_profiles_need_no_key_of_a_provider(home: Path, mixed: Path) -> None:
    file(
        home,
        "crossover.toml",
        """
        [deployments.gpt]
        provider = "openai"
        model = "gpt-4o"
        zone = "us"
        api_key = "${A_VARIABLE_THAT_IS_NOT_SET}"
        [privacy]
        profile = "ours"
        names = false
        [privacy.profiles.ours]
        actions = { greeting = "block" }
        [privacy.rules.greeting]
        words = ["hello"]
        [privacy.rules.department]
        header = "x-department"
        """,
    )
    found = facts(mixed)
    assert (found["profile"], list(found["profiles"])) == ("ours", ["strict", "balanced", "open", "ours"])
    assert found["profiles"]["ours"] == {"allow": 1, "redact": 0, "local_only": 1, "block": 6}
    assert found["sensitive"]["records"] == 7
    assert found["remarks"] == [
        "Not looked for: names and addresses", "Rules for headers need a gateway: department",
    ]  # fmt: skip
    assert facts(mixed, "--profile", "open")["sensitive"]["records"] == 7  # a rule's category has a row too
    assert facts(mixed, "-c", file(home, "other.toml", ""))["findings"][1]["kind"] == "person"
    file(home, "crossover.toml", "[privacy]\nprofile = 'ours'\n")
    assert "unknown profile 'ours'" in refused("privacy", "scan", str(mixed))


def test_fewer_findings_are_shown_than_counted(mixed: Path) -> None:
    out = scan(mixed, "--limit", "1").out
    assert ("1 more in this file (--limit)" in out, "Na••" in out) == (True, False)
    quiet = scan(mixed, "-q").out
    assert ("7:17" in quiet, "--sensitive-share 0.125" in quiet) == (False, True)
    assert len(facts(mixed, "--limit", "1")["findings"]) == 1
    assert facts(mixed, "-q")["findings"] == []


def test_nothing_found(home: Path) -> None:
    out = scan(file(home, "a.jsonl", lines({"p": "x"}))).out
    assert "Nothing sensitive in 1 record" in out
    assert "--sensitive-share 0" in out
    assert "Nothing was looked at" in scan(file(home, "b.txt", "")).out


def test_a_report(home: Path, mixed: Path) -> None:
    done = scan(mixed, "--html", "r.html")
    assert done.err == "Report written to r.html\n"
    page = (home / "r.html").read_text(encoding="utf-8")
    assert "1 of 8 records (12.5 %) may not leave" in page
    assert "123456789" not in page
    assert json.loads(scan(mixed, "--html", "r.html", "--json").out)["totals"]["records"] == 8


def test_half_a_surrogate_and_odd_names_reach_the_output(home: Path) -> None:
    place = file(home, "a [b]\x1b.jsonl", '{"p": "\\ud800 CARD1 [red]"}\n')
    assert "CARD" in scan(place, "--show").out
    assert "\x1b" not in scan(place).out
    assert facts(place, "--show")["findings"][0]["context"] == "? CARD1 [red]"


class FakeModel:
    """Finds words in capitals, and with ``more`` those that begin with one."""

    def __init__(self, more: bool) -> None:
        self._pattern = r"\b[A-Z]\w+" if more else r"\b[A-Z]{2,}\b"

    def find(self, text: str, field: str = "") -> list[Finding]:
        return [
            Finding(category="personal", kind="person", tier="soft", start=match.start(), end=match.end())
            for match in re.finditer(self._pattern, text)
        ]


@pytest.fixture
def labelled(home: Path) -> Path:
    spans = [{"start": 0, "end": 3, "label": "person"}, {"start": 4, "end": 5, "label": "date"}]
    return file(
        home, "labelled.jsonl", lines(*({"text": f"Ann {number} asks", "spans": spans} for number in range(40)))
    )


def models(monkeypatch: pytest.MonkeyPatch, before: bool, after: bool) -> None:
    monkeypatch.setattr(refit, "shipped", lambda _what: FakeModel(before))
    monkeypatch.setattr(refit, "refitted", lambda _start, _examples: FakeModel(after))
    monkeypatch.setattr(refit, "write", lambda _model, folder: folder / "names.npz")


def test_a_model_that_got_better_is_written(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models(monkeypatch, before=False, after=True)
    done = call("privacy", "train", "names", str(labelled), "--out", "own")
    assert done.code == 0
    flat = " ".join(done.out.split())
    assert "Learnt from 32 texts in" in flat
    assert "measured on 8 held out, which hold 8 names and addresses" in flat
    assert "Labels left out, which are no names: date (40)" in flat
    assert "before 0.000 0.00–0.32 1.000 0.00–1.00 0.000" in flat
    assert "refitted 1.000 0.68–1.00 1.000 0.68–1.00 1.000" in flat
    assert (
        f'Written to own/names.npz. To use it, say in crossover.toml: [privacy] models = "{Path("own").absolute()}"'
        in flat
    )


def test_a_model_that_got_worse_is_not(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models(monkeypatch, before=True, after=False)
    words = ("privacy", "train", "NAMES", str(labelled), "--out", "own")
    done = call(*words)
    assert (done.code, "F1 0.000 against 1.000), so it was not written" in done.err) == (1, True)
    assert call(*words, "--force").code == 0
    first = json.loads(call(*words, "--json").out.splitlines()[0])
    assert (first["worse"], first["written"], first["after"]["recall"]) == (True, None, 0.0)
    forced = json.loads(call(*words, "--json", "--force").out)
    assert (forced["learnt_from"], forced["held_out"], forced["written"]) == (32, 8, "own/names.npz")


def test_what_cannot_be_learnt_from(home: Path, labelled: Path) -> None:
    assert "Did you mean names" in refused("privacy", "train", "name", str(labelled), "--out", "own")
    assert "there is no such file" in refused("privacy", "train", "health", "none.jsonl", "--out", "own")
    assert "is a file, not a folder" in refused("privacy", "train", "names", str(labelled), "--out", str(labelled))
    done = call("privacy", "train", "health", str(labelled), "--out", "own")
    assert (done.code, done.err.count("neither true nor false")) == (2, 21)


@pytest.mark.parametrize("form", ["-q", "--json"])
def test_interrupted(home: Path, form: str) -> None:
    """What was seen until then is shown, and the exit code says so."""
    pipe = home / "pipe"
    os.mkfifo(pipe)
    rows = lines({"p": "x"}) * 40_000  # more than a pipe holds: once all is written, some was read
    words = ("privacy", "scan", "--no-names", "--no-health", form, str(pipe))
    with running(*words, folder=home) as process, pipe.open("w") as writer:
        writer.write(rows)
        process.signal(signal.SIGINT)
        done = process.done()
    assert (done.code, "interrupted" in done.err) == (130, True)
    if form == "--json":
        assert json.loads(done.out)["complete"] is False
        return
    assert "Interrupted: these figures are of what was read until then" in done.out
    assert "nothing found" in done.out


def test_a_folder_of_models_stands_beside_the_file(home: Path, mixed: Path) -> None:
    place = file(home, "conf/crossover.toml", '[privacy]\nmodels = "own"\n')
    assert "there is no folder" in refused("privacy", "scan", str(mixed), "-c", str(place))
    (home / "conf" / "own").mkdir()
    assert scan(mixed, "-c", place).code == 0
