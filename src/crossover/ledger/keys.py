"""API keys: made, listed, revoked. A key is shown once and kept as its SHA-256: the ledger holds none."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crossover.errors import InputError, UnknownNameError
from crossover.ledger.words import Key, Period

if TYPE_CHECKING:
    from crossover.ledger.store import Ledger

PREFIX = "xo-"
MOST_PER_MINUTE = 10**9
_COLUMNS = (
    "id", "name", "hash", "created", "revoked", "expires", "rpm", "tpm", "aliases", "policy", "sensitivity", "budget",
    "budget_period",
)  # fmt: skip
_PERIODS = ("day", "week", "month", "total")


def hash_of(secret: str) -> str:
    """SHA-256 of a key as hex. Keys are 256 random bits, so a plain hash cannot be guessed backwards."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def create(
    ledger: Ledger,
    name: str,
    *,
    expires: float | None = None,
    rpm: int = 0,
    tpm: int = 0,
    aliases: Sequence[str] = (),
    policy: str | None = None,
    sensitivity: str | None = None,
    budget: int = 0,
    budget_period: Period = "month",
) -> tuple[Key, str]:
    """Make a key: the row, and the secret that nobody can show again. ``budget`` is picodollars.

    Raises InputError for values that cannot be, StoreError where the ledger cannot be written.
    """
    now = ledger.clock()
    _check(name, rpm, tpm, budget, budget_period)
    if expires is not None and expires <= now:
        raise InputError(
            "a key cannot expire before it begins", hint="Name a time that is yet to come", field="expires"
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    key = Key(
        id="key_" + secrets.token_hex(6), name=name.strip(), hash=hash_of(secret), created=now, expires=expires,
        rpm=rpm, tpm=tpm, aliases=tuple(aliases), policy=policy, sensitivity=sensitivity, budget=budget,
        budget_period=budget_period,
    )  # fmt: skip
    with ledger.change() as connection:
        connection.execute(f"INSERT INTO keys VALUES ({', '.join('?' * len(_COLUMNS))})", _row(key))
        _say_changed(connection)
    ledger.audit("key created", {"key": key.id})
    return key, secret


def _check(name: str, rpm: int, tpm: int, budget: int, period: str) -> None:
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise InputError("a key needs a name of 1 to 100 printable characters", field="name")
    for field, value in (("rpm", rpm), ("tpm", tpm)):
        if not 0 <= value <= MOST_PER_MINUTE:
            raise InputError(
                f"{value} is out of range", hint="Write a number from 1 to 10^9, or 0 for none", field=field
            )
    if not 0 <= budget <= 4 * 10**18:
        raise InputError("a budget is out of range", hint="Write dollars from 0 to 4 million", field="budget")
    if period not in _PERIODS:
        raise InputError(f"unknown period {period!r}", hint=f"One of {', '.join(_PERIODS)}", field="budget_period")


def listed(ledger: Ledger) -> list[Key]:
    """Every key, revoked ones included, oldest first."""
    return [_key(row) for row in ledger.rows(f"SELECT {', '.join(_COLUMNS)} FROM keys ORDER BY created, id")]


def find(ledger: Ledger, id_or_name: str) -> Key:
    """The key with this id, or the only one with this name that is not revoked; UnknownNameError, InputError."""
    known = listed(ledger)
    for key in known:
        if key.id == id_or_name:
            return key
    named = [key for key in known if key.name == id_or_name and key.revoked is None]
    if len(named) > 1:
        raise InputError(f"{len(named)} keys are named {id_or_name!r}", hint="Name it by its id", field="key")
    if not named:
        names = [key.id for key in known] + [key.name for key in known if key.revoked is None]
        raise UnknownNameError("key", id_or_name, names)
    return named[0]


def revoke(ledger: Ledger, id_or_name: str) -> Key:
    """Revoke a key; a gateway that runs refuses it within a second or two. Revoking twice changes nothing."""
    key = find(ledger, id_or_name)
    if key.revoked is not None:
        return key
    now = ledger.clock()
    with ledger.change() as connection:
        connection.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (now, key.id))
        _say_changed(connection)
    ledger.audit("key revoked", {"key": key.id})
    return msgspec.structs.replace(key, revoked=now)


def change(ledger: Ledger, id_or_name: str, **facts: Any) -> Key:
    """Change what a key may do: ``rpm``, ``tpm``, ``aliases``, ``policy``, ``sensitivity``, ``budget`` and its period.

    A gateway that runs takes it within a second or two. Raises as :func:`create` and :func:`find` do.
    """
    key = find(ledger, id_or_name)
    if key.revoked is not None:
        raise InputError(f"{key.name} is revoked, which is for ever", hint="Create another key", field="key")
    changed: Key = msgspec.structs.replace(key, **facts)
    _check(changed.name, changed.rpm, changed.tpm, changed.budget, changed.budget_period)
    columns = ("rpm", "tpm", "aliases", "policy", "sensitivity", "budget", "budget_period")
    values = dict(zip(_COLUMNS, _row(changed), strict=True))
    with ledger.change() as connection:
        connection.execute(
            f"UPDATE keys SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?",
            (*(values[name] for name in columns), key.id),
        )
        _say_changed(connection)
    ledger.audit("key changed", {"key": key.id})
    return changed


def load(connection: sqlite3.Connection) -> dict[str, Key]:
    """Hash → key, of every key; the caller looks at ``revoked`` and ``expires`` when it is used."""
    rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM keys")
    return {key.hash: key for key in map(_key, rows)}


def changes_of(connection: sqlite3.Connection) -> int:
    """How often keys were changed: a writer compares it to know whether to load them again."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_changes'").fetchone()
    return int(found[0]) if found else 0


def _say_changed(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO meta VALUES ('key_changes', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (str(changes_of(connection) + 1),),
    )


def _row(key: Key) -> tuple[Any, ...]:
    values = msgspec.structs.asdict(key)
    values["aliases"] = msgspec.json.encode(key.aliases).decode()
    return tuple(values[name] for name in _COLUMNS)


def _key(row: Sequence[Any]) -> Key:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["aliases"] = tuple(msgspec.json.decode(values["aliases"]))
    return Key(**values)
