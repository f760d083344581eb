"""The token opens, cookies are known again, and nothing else is."""

from __future__ import annotations

from crossover.dashboard.session import LIFE_S, Lock, Sessions, new_lock
from tests.dashboard.parts import NOW


def at(lock: Lock | None, now: float = NOW) -> Sessions:
    return Sessions(lambda: lock, lambda: now)


def test_the_token_opens_and_its_cookie_is_known_again() -> None:
    lock, token = new_lock()
    cookie = at(lock).begin(token)
    assert cookie is not None
    assert at(lock).holds(cookie)
    assert token not in repr(lock)


def test_another_token_opens_nothing() -> None:
    lock, token = new_lock()
    for wrong in ("", "xod-", token[:-1], token + "x", "ü" * 400, new_lock()[1]):
        assert at(lock).begin(wrong) is None


def test_without_a_lock_nothing_opens_and_nothing_holds() -> None:
    lock, token = new_lock()
    cookie = at(lock).begin(token)
    assert cookie is not None
    assert at(None).begin(token) is None
    assert not at(None).holds(cookie)


def test_a_cookie_ends_and_cannot_be_made_longer() -> None:
    lock, token = new_lock()
    cookie = at(lock).begin(token) or ""
    assert not at(lock, NOW + LIFE_S).holds(cookie)
    until, rest = cookie.split(".", 1)
    assert not at(lock).holds(f"{int(until) + 1}.{rest}")


def test_a_new_lock_ends_every_session() -> None:
    lock, token = new_lock()
    cookie = at(lock).begin(token) or ""
    assert not at(new_lock()[0]).holds(cookie)


def test_what_is_no_cookie_is_none() -> None:
    lock, _ = new_lock()
    for text in ("", ".", "..", "1", "9" * 400, "9999999999..", "٣.a.b", "1.a.é", "-1.a.b"):
        assert not at(lock).holds(text)
