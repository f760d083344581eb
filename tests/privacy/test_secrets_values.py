from __future__ import annotations

import base64
import random
import string

import pytest

from crossover.privacy import secret_values as values
from crossover.privacy.secret_names import Promise, promise
from crossover.privacy.seeking import seeker
from crossover.privacy.verify import secrets as checks


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("password", Promise.PASSWORD),
        ("DB_PASSWORD_PROD", Promise.PASSWORD),
        ("userPassword", Promise.PASSWORD),
        ("spring.datasource.password", Promise.PASSWORD),
        ("smtp_pass", Promise.PASSWORD),
        ("Kennwort", Promise.PASSWORD),
        ("API-Key", Promise.SECRET),
        ("SECRET_KEY_BASE", Promise.SECRET),
        ("clientSecret", Promise.SECRET),
        ("access_token", Promise.TOKEN),
        ("botToken2", Promise.TOKEN),
        ("key", Promise.VAGUE),
        ("session_id", Promise.VAGUE),
        ("password_reset_url", Promise.NOTHING),
        ("forgot_password", Promise.NOTHING),
        ("PASSWORD_MIN_LENGTH", Promise.NOTHING),
        ("public_key", Promise.NOTHING),
        ("next_page_token", Promise.NOTHING),
        ("eos_token", Promise.NOTHING),
        ("access_key_id", Promise.NOTHING),
        ("passenger", Promise.NOTHING),
        ("author", Promise.NOTHING),
        ("", Promise.NOTHING),
    ],
)
def test_what_a_name_promises(name: str, what: Promise) -> None:
    assert promise(name) == what


def test_random_tokens_are_told_from_names() -> None:
    chance = random.Random(7)
    for alphabet in (string.ascii_letters + string.digits, string.ascii_lowercase + string.digits, "0123456789abcdef"):
        tokens = ["".join(chance.choices(alphabet, k=32)) for _ in range(200)]
        assert sum(values.is_strong_token(token) for token in tokens) >= 190
    names = [
        "get_user_by_id_and_token",
        "ThisIsAVeryLongClassName2",
        "customer-orders-2024-export",
        "utf8_to_utf16_decoder2",
    ]
    assert [name for name in names if values.is_token(name) or values.is_strong_token(name)] == []


@pytest.mark.parametrize(
    "value", ["YOUR_API_KEY", "changeme", "xxxxxxxx", "12345678", "abcdefgh", "<token>", "a1b2c3d4e5f6g7h8", "******"]
)
def test_placeholders_are_known(value: str) -> None:
    assert values.is_placeholder(value) or values.is_reference(value)
    assert not values.is_token(value)
    assert not values.is_password(value)
    assert not values.is_chosen(value)


@pytest.mark.parametrize(
    "value", ["${DB_PASS}", "$PASSWORD", "{{ .Values.pw }}", "process.env.PW", "os.environ['X']", "%s"]
)
def test_references_are_known(value: str) -> None:
    assert values.is_reference(value)


@pytest.mark.parametrize("value", ["hunter2", "Tr0ub4dor&3", "Sommer2024!", "Лето2024!", "correct-horse-7"])
def test_what_people_choose(value: str) -> None:
    assert values.is_chosen(value)
    assert values.is_password(value)


@pytest.mark.parametrize(
    "value", ["incorrect", "SHA-256", "8characters", "2024-05-01T10:00", "user_id", "12.50", "utf8"]
)
def test_what_people_write_of_passwords_is_none(value: str) -> None:
    assert not values.is_chosen(value)


def test_checks_read_what_is_encoded() -> None:
    basic = base64.b64encode(b"app:Kj8sd7fG").decode()
    assert checks.basic(basic)
    assert not checks.basic(base64.b64encode(b"no colon in it").decode())
    assert not checks.basic("****")
    key = base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----\nMIIE").decode()
    assert checks.base64_private_key(key)
    assert not checks.base64_private_key(base64.b64encode(b"-----BEGIN PUBLIC KEY-----").decode())
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
    assert checks.jwt(f"{head}.e30.c2ln")
    assert not checks.jwt("eyJub3QiOiJqd3QifQ.e30.c2ln")


@pytest.mark.parametrize(
    "text", ["a key: b", "Пароль key: пароль KEY x", "no", "", "\ud800 key", "\u0130 key key", "k\x00key"]
)
def test_both_engines_seek_alike(text: str) -> None:
    pattern, first = r"(key)\b|(пар)оль", "key|пар"
    spans = list(seeker(pattern, first)(text))
    assert spans == list(seeker(pattern, first, engine="stdlib")(text))
    assert all(text[start:end].casefold() in {"key", "пар"} for start, end in spans)
