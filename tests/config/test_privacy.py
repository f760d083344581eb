"""``[privacy]``: every mistake is one sentence with its line, and the files it names are read and looked after."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.config.load import Loaded, load
from crossover.errors import FileError
from tests.config.files import BASE, ENVIRON, changed, loaded, refused, write
from tests.config.test_watch import Times

PROFILE = "[privacy.profiles.mine]\nactions = { %s }\n"
RULE = "[privacy.rules.mine]\n%s\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[privacy]\nprofile = "balancd"', "unknown profile 'balancd'. Did you mean balanced?"),
        ('[privacy]\nprofil = "open"', "unknown key 'privacy.profil'. Did you mean profile?"),
        ('[privacy.keys]\nkey_0f3a9c = "strikt"', "unknown profile 'strikt'. Did you mean strict?"),
        ('[privacy.keys]\nteam-a = "strict"', "'team-a' is no id of a key. `crossover keys list` shows them"),
        (PROFILE % 'email = "redct"', "unknown action 'redct'. Did you mean redact?"),
        (PROFILE % 'emial = "redact"', "nothing is called 'emial'. Did you mean email?"),
        (PROFILE % 'ssn = "redact"', "nothing is called 'ssn'. Did you mean social_security_number?"),
        (PROFILE % 'images = "allow"', "nothing is called 'images'. Did you mean opaque?"),
        (PROFILE % 'weather_report = "redact"', "nothing is called 'weather_report'. Categories: secrets, "),
        ('[privacy.profiles.mine.zones.opena]\nhealth = "allow"', "unknown zone 'opena'. Did you mean openai?"),
        ('[privacy.profiles.mine]\nbase = "balance"', "unknown profile 'balance'. Did you mean balanced?"),
        ('[privacy.profiles.mine]\nbase = "mine"', "stands on itself"),
        ('[privacy.profiles.strict]\nactions = { email = "allow" }', "strict is a profile that ships"),
        (RULE % 'category = "custom"', "says nothing. Write exactly one of pattern, words, file, header, field"),
        (RULE % 'words = ["a"]\npattern = "b"', "says pattern and words"),
        (RULE % "pattern = '(?=a)b'", "uses look-around ((?=), which RE2 cannot express"),
        (RULE % "pattern = 'a*'", "matches the empty string"),
        (RULE % 'words = ["---"]', "entry 1 has no letter or digit"),
        (RULE % 'words = ["Falcon"]\nvalue = "x"', "belongs to header or field. Put it into words"),
        (RULE % 'header = "x y"', "'x y' is no header's name"),
        (RULE % 'words = ["Falcon"]\ncategory = "identifier"', "Did you mean identifiers?"),
        ('[privacy.rules.health]\nwords = ["Falcon"]', "health is a row of every profile. Choose another name"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    error = refused(f"{BASE}\n{text}\n")
    assert said in error.sentence()
    assert error.more == ()
    assert error.line is not None
    assert error.line > BASE.count("\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Falcon\ncaf\xe9\n", "words.txt:2: is not UTF-8 text. Save it as UTF-8"),
        (b"# nothing\n\n", "words.txt: holds no word. Write one word or phrase a line"),
        (b"Falcon\n\n---\n", "words.txt:3: has no letter or digit"),
        (b"Falcon\r\n" + b"x" * 300, "words.txt:2: is longer than 200 characters"),
    ],
)
def test_a_bad_file_of_words_is_said_with_both_lines(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    path = write(tmp_path, BASE + RULE % 'file = "words.txt"')
    with pytest.raises(FileError) as caught:
        load(path, ENVIRON)
    assert said in caught.value.sentence()
    assert caught.value.line == BASE.count("\n") + 2


def test_presidio_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "Presidio is not installed here" in refused(BASE + "[privacy]\npresidio = true\n").sentence()


def test_a_changed_file_of_words_is_taken_and_a_bad_one_is_said(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Falcon\n")
    path = write(tmp_path, BASE + RULE % 'file = "words.txt"')
    times = Times(path, load(path, ENVIRON))
    assert times.polls() == []
    words.write_text("Falcon\nHeron Lake\n")
    assert [type(found) for found in times.polls()] == [Loaded]
    words.write_text("---\n")
    assert [type(found) for found in times.polls()] == [FileError]
    words.write_text("Falcon\n")
    assert [type(found) for found in times.polls()] == [Loaded]


def test_a_refitted_model_is_taken(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    path = write(tmp_path, BASE + '[privacy]\nmodels = "models"\n')
    times = Times(path, load(path, ENVIRON))
    (models / "names.npz").write_bytes(b"1")
    assert [type(found) for found in times.polls()] == [Loaded]


def test_what_is_right_is_no_mistake() -> None:
    rows = '[privacy]\nprofile = "mine"\n' + PROFILE % 'email = "redact", projects = "block", opaque = "allow"'
    zone = '[privacy.profiles.mine.zones.openai]\nhealth = "allow"\n'
    rules = "[privacy.rules.projects]\nwords = ['Falcon']\n[privacy.rules.case]\nfield = 'case_id'\n"
    assert loaded(BASE + rows + zone + rules + '[privacy.keys]\nkey_0f3a9c = "off"\n').files == ()


def test_what_is_worth_saying() -> None:
    off = changed('deployments = ["llama3.1:8b", "gpt-4.1"]', 'deployments = ["gpt-4.1"]\nprivacy = "off"')
    told = loaded(off + '[privacy.keys]\nkey_1 = "off"\n' + PROFILE % 'opaque = "redact", email = "redact"').notes
    assert told == (
        "aliases.auto: privacy is off: nobody looks at what comes under this name",
        "privacy.keys.key_1: privacy is off: nobody looks at what comes with this key",
        "privacy.profiles.mine: opaque has no value to replace, so redact counts as local_only",
    )
    assert loaded(f'{off}[privacy]\nprofile = "off"\n').notes == (
        "privacy: it is off: nothing is looked at, and only labels and the law keep anything at home",
    )
