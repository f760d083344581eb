"""Secrets: only names stand in the file, and no message, dump or print ever holds a value."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.config.load import Loaded, load
from crossover.config.settings import Secret
from crossover.errors import FileError
from tests.config.files import BASE, ENVIRON, KEY, changed, loaded, refused, write

FIELD = 'deployments."gpt-4.1".api_key'
LINE = 'api_key = "${OPENAI_API_KEY}"'


def key_of(found: Loaded) -> Secret:
    key = found.settings.deployments["gpt-4.1"].api_key
    assert key is not None
    return key


def from_file(folder: Path, name: str = "key") -> Loaded:
    return load(write(folder, changed(LINE, f'api_key = "file:{name}"')), {})


def test_printing_shows_the_place_only() -> None:
    secret = Secret(KEY, "${OPENAI_API_KEY}")
    assert f"{secret} {secret!r} {[secret]}" == " ".join(
        ["Secret(${OPENAI_API_KEY})"] * 2 + ["[Secret(${OPENAI_API_KEY})]"]
    )
    assert secret == Secret(KEY, "${OPENAI_API_KEY}") != Secret("other", "${OPENAI_API_KEY}")
    assert len({secret, Secret(KEY, "${OPENAI_API_KEY}")}) == 1


def test_no_encoder_writes_a_secret() -> None:
    settings = loaded(BASE).settings
    for encode in (msgspec.json.encode, msgspec.to_builtins, msgspec.msgpack.encode):
        with pytest.raises(TypeError, match="Secret"):
            encode(settings)
    assert KEY not in repr(loaded(BASE))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (KEY, 'holds a secret itself; a secret never stands in the file. Write api_key = "${NAME}"'),
        (f"Bearer {KEY}", "holds a secret itself"),
        ("None", "holds a secret itself"),
        ("", "holds a secret itself"),
        (f"${{OPENAI_API_KEY}}{KEY}", "names no variable"),
        ("$OPENAI_API_KEY", 'names no variable. Write "${NAME}"'),
        ("${OPENAI-API-KEY}", "names no variable"),
        ("${}", "names no variable"),
        ("${MISSING}", "the variable MISSING is not set. Set it before the start, or write enabled = false"),
        ("${EMPTY}", "the variable EMPTY is not set"),
        ("${LINES}", "the variable LINES holds a line break"),
        ("${WIDE}", "a character that no header can carry"),
        ("file:a\\nb", "line break or a control character"),
        ("file:nowhere", "nowhere: there is no such file"),
    ],
)
def test_keys_that_are_refused(text: str, says: str) -> None:
    environ = {**ENVIRON, "EMPTY": " ", "LINES": f"{KEY}\nx: y", "WIDE": f"{KEY}é"}
    error = refused(changed("${OPENAI_API_KEY}", text), environ)
    assert says in error.sentence()
    assert (error.field, error.line) == (FIELD, 23)


def test_a_key_of_another_type_is_refused() -> None:
    assert "must be a text, not a number" in refused(changed('"${OPENAI_API_KEY}"', "5")).sentence()


def test_the_environment_is_trimmed_and_shells_leave_no_newline() -> None:
    assert key_of(loaded(BASE, {"OPENAI_API_KEY": f" {KEY}\n"})).value == KEY


def test_an_engine_that_takes_any_key() -> None:
    lines = 'provider = "vllm"\napi_key = "none"\nbase_url = "http://127.0.0.1:8000/v1"'
    key = loaded(changed('provider = "ollama"', lines)).settings.deployments["llama3.1:8b"].api_key
    assert key is not None
    assert key.value == "none"


def test_secrets_of_a_disabled_deployment_are_not_read() -> None:
    text = changed(LINE, f"{LINE}\nenabled = false\nheaders = {{ x-extra = 'a ${{TOKEN}}' }}")
    key = key_of(loaded(text, {}))
    assert (key.value, key.origin) == ("", "${OPENAI_API_KEY}")
    assert loaded(text, {}).settings.deployments["gpt-4.1"].headers["x-extra"].value == ""
    assert "holds a secret itself" in refused(changed("${OPENAI_API_KEY}", KEY, text)).sentence()


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "key").chmod(0o600)
    found = from_file(tmp_path)
    assert (key_of(found).value, key_of(found).origin) == (KEY, "file:key")
    assert found.files == (tmp_path / "key",)
    assert found.notes == ()
    assert key_of(from_file(tmp_path, str(tmp_path / "key"))).value == KEY


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind are those of POSIX")
def test_a_file_that_everybody_can_read_is_worth_a_note(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o644)
    notes = from_file(tmp_path).notes
    assert len(notes) == 1
    assert "can be read by everybody on this machine" in notes[0]
    assert KEY not in notes[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (f"{KEY}\n{KEY}\n".encode(), "line break"),
        (b"\xff\xfe", "no header can carry"),
        (b"k" * 100_000, "is too large for a secret"),
    ],
)
def test_files_that_hold_no_secret(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(FileError, match=says) as caught:
        from_file(tmp_path)
    assert KEY not in str(caught.value)
    assert caught.value.line == 23


def header(line: str, environ: dict[str, str] | None = None) -> Secret:
    text = changed(LINE, f"{LINE}\nheaders = {{ {line} }}")
    return next(iter(loaded(text, environ).settings.deployments["gpt-4.1"].headers.values()))


def test_headers() -> None:
    assert header('x-title = "my app"') == Secret("my app", "text")
    assert header('x-key = "${TOKEN}"') == Secret(ENVIRON["TOKEN"], "${TOKEN}")
    assert header('Authorization = "Bearer ${TOKEN}"') == Secret(f"Bearer {ENVIRON['TOKEN']}", "Bearer ${TOKEN}")
    assert header('x-both = "${TOKEN}/${OPENAI_API_KEY}"').value == f"{ENVIRON['TOKEN']}/{KEY}"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f'x-title = "{KEY}"', "holds a secret itself"),
        (f'x-title = "{KEY}${{TOKEN}}"', "holds a secret itself"),
        ('authorization = "Bearer abc"', "holds a secret itself"),
        ('x-title = "bearer abc"', "holds a secret itself"),
        ('x-api-key = "abc"', "holds a secret itself"),
        ('x-auth-token = "abc"', "holds a secret itself"),
        ('cookie = "a=b"', "holds a secret itself"),
        ('x-title = "${MISSING}"', "the variable MISSING is not set"),
        ('x-title = "${TOKEN"', "names no variable"),
        ('x-title = "a\\nb: c"', "line break"),
        ('"x title" = "a"', "is no name of a header"),
        ('"x\\r\\ny" = "a"', "is no name of a header"),
        ('Host = "a"', "is written by the gateway itself"),
        ('content-length = "5"', "is written by the gateway itself"),
        ("x-title = 5", "must be a text, not a number"),
    ],
)
def test_headers_that_are_refused(line: str, says: str) -> None:
    text = changed(LINE, f"{LINE}\nheaders = {{ {line} }}")
    error = refused(text)
    assert says in error.sentence()
    assert error.line == 24


BROKEN = st.sampled_from(
    [
        ('zone = "openai"', "zone = 5"),
        ('zone = "openai"', 'zone = "x"'),
        ('provider = "openai"', 'provider = "x"'),
        ('model = "gpt-4.1"', 'model = "gpt-4.1"\nqueue = 5'),
        ("[aliases.auto]", "[aliases.auto]\nx = 1"),
        ('"llama3.1:8b", "gpt-4.1"', '"x"'),
        (LINE, f"{LINE}\nheaders = {{ x-a = '${{TOKEN}}', host = 'x' }}"),
        (LINE, f"{LINE}\nprice = {{ input = 'x' }}"),
    ]
)  # fmt: skip


@given(
    BROKEN,
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=2, max_size=40).map("~q9#{}#9q~".format),
)
def test_no_error_ever_holds_a_secret(change: tuple[str, str], secret: str) -> None:
    with pytest.raises(FileError) as caught:
        loaded(changed(*change), {"OPENAI_API_KEY": secret, "TOKEN": secret[::-1]})
    told = f"{caught.value!r} {caught.value} {caught.value.as_dict()}"
    assert secret not in told
    assert secret[::-1] not in told
