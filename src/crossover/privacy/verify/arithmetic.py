"""Check digits, the few ways there are, and what stands between digits.

Each takes characters without separators. None of them fails on a wrong length: the caller has checked it, or the sum is
wrong anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

_SEPARATORS = str.maketrans("", "", " \t\n\r-./()\u00a0\u2009\u202f_:'")
_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# The dihedral group of order ten and its permutation: Verhoeff, "Error Detecting Decimal Codes", 1969.
_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def bare(value: str) -> str:
    """The letters and digits of a value, in upper case, without what people put between them."""
    return value.translate(_SEPARATORS).upper()


def digits(value: str, *lengths: int) -> str:
    """The digits of a value, or nothing where it holds anything else, has another length, or repeats one digit."""
    number = bare(value)
    if not (number.isascii() and number.isdigit()) or (lengths and len(number) not in lengths):
        return ""
    return number if number.count(number[0]) < len(number) else ""


def dot(number: str, weights: Sequence[int]) -> int:
    """The sum of digits times weights, as far as both go."""
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right is doubled."""
    return luhn_sum(number) % 10 == 0


def luhn_sum(number: str) -> int:
    """The sum of Luhn, with the last digit counted once."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total


def mod_97(text: str) -> int:
    """ISO 7064: letters as 10 to 35, the whole as one number, modulo 97."""
    return int("".join(str(_VALUES[character]) for character in text)) % 97


def mod_11_10(number: str) -> bool:
    """ISO 7064 MOD 11,10 with the check digit last."""
    product = 10
    for digit in number[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(number[-1])


def mod_11_2(text: str) -> bool:
    """ISO 7064 MOD 11-2 with the check character (0 to 9, X) last."""
    total = 0
    for digit in text[:-1]:
        total = (total + int(digit)) * 2
    return (total + (10 if text[-1] == "X" else int(text[-1]))) % 11 == 1


def verhoeff(number: str) -> bool:
    """Verhoeff's code, with the check digit last."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def icao(text: str) -> bool:
    """ICAO Doc 9303: weights 7, 3, 1 over letters as 10 to 35, modulo 10, with the check digit last."""
    total = sum(_VALUES[character] * (7, 3, 1)[place % 3] for place, character in enumerate(text[:-1]))
    return total % 10 == _VALUES[text[-1]]


def is_date(year: int, month: int, day: int) -> bool:
    """Whether there can be such a day. ``year`` may be of two digits: then every 29 February passes."""
    if not (1 <= month <= 12 and 1 <= day <= _MONTHS[month - 1]):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return leap or year < 100 or (month, day) != (2, 29)


def day_first(number: str) -> bool:
    """Whether six digits are DDMMYY."""
    return is_date(0, int(number[2:4]), int(number[:2]))


def year_first(number: str) -> bool:
    """Whether six digits are YYMMDD."""
    return is_date(0, int(number[2:4]), int(number[4:6]))
