"""Bank accounts, routing numbers and the addresses of crypto wallets."""

from __future__ import annotations

import hashlib

from crossover.privacy.verify.arithmetic import bare, digits, dot, mod_97
from crossover.privacy.verify.documents import plain
from crossover.privacy.verify.facts import iban_lengths

_BASE58 = {
    character: value for value, character in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_BECH32 = {character: value for value, character in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECKS = (1, 0x2BC830A3)  # BIP 173 and BIP 350
_FEDERAL_RESERVE = frozenset((*range(13), *range(21, 33), *range(61, 73), 80))
_BANKS_WITHOUT_IBAN = frozenset(
    {
        "US",
        "CA",
        "AU",
        "NZ",
        "JP",
        "CN",
        "HK",
        "SG",
        "IN",
        "KR",
        "MX",
        "ZA",
        "AR",
        "CL",
        "CO",
        "TH",
        "ID",
        "MY",
        "PH",
        "TW",
    }
)
_CCC_WEIGHTS = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)  # powers of two modulo 11


def iban(value: str) -> bool:
    """An IBAN of a country that issues them, of that country's length, ISO 7064 MOD 97-10."""
    number = bare(value)
    return len(number) == iban_lengths().get(number[:2]) and mod_97(number[4:] + number[:4]) == 1


def routing_number(value: str) -> bool:
    """A routing number of the American Bankers Association: a district and weights 3, 7, 1."""
    number = digits(value, 9)
    return bool(number) and int(number[:2]) in _FEDERAL_RESERVE and dot(number, (3, 7, 1) * 3) % 10 == 0


def bic(value: str) -> bool:
    """A business identifier code whose fifth and sixth letters are a country of many banks."""
    country = bare(value)[4:6]
    return country in iban_lengths() or country in _BANKS_WITHOUT_IBAN


def es_ccc(value: str) -> bool:
    """Código Cuenta Cliente: bank and office, two check digits, account."""
    number = digits(value, 20)
    if not number:
        return False
    sums = dot("00" + number[:8], _CCC_WEIGHTS) % 11, dot(number[10:], _CCC_WEIGHTS) % 11
    return number[8:10] == "".join(str(total if total < 2 else 11 - total) for total in sums)


def account(value: str) -> bool:
    """Whatever a bank may call an account number: not a year, not one digit repeated."""
    return len(digits(value)) > 5 and not plain(value)


def base58check(value: str) -> bool:
    """An address in Base58Check: 25 bytes of which the last four are a hash of the others."""
    number = 0
    for character in value:
        number = number * 58 + _BASE58[character]
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def bech32(value: str) -> bool:
    """An address in Bech32 or Bech32m."""
    low = value.lower()
    if value not in (low, value.upper()):
        return False
    prefix, _, data = low.rpartition("1")
    values = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    check = 1
    for five in (*values, *(_BECH32[character] for character in data)):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ five
        for bit, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if top >> bit & 1 else 0
    return check in _BECH32_CHECKS
