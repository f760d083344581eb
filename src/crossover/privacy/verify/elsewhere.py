"""National numbers of Asia, Africa and Oceania."""

from __future__ import annotations

from crossover.privacy.verify.arithmetic import (
    bare,
    day_first,
    digits,
    dot,
    icao,
    is_date,
    luhn,
    mod_11_2,
    verhoeff,
    year_first,
)

_PAN_HOLDERS = frozenset("ABCFGHJKLPT")
_TW_LETTERS = {letter: 10 + place for place, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}
_SG_RESIDENT, _SG_FOREIGN, _SG_M = "JZIHGFEDCBA", "XWUTRQPNMLK", "KLJNPQRTUWX"
_ABN_WEIGHTS = (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)


def in_aadhaar(value: str) -> bool:
    """Aadhaar: twelve digits from 2, Verhoeff, no palindrome."""
    number = digits(value, 12)
    return bool(number) and number[0] not in "01" and number != number[::-1] and verhoeff(number)


def in_pan(value: str) -> bool:
    """PAN: the fourth letter is the kind of holder; the serial is not 0000."""
    number = bare(value)
    return number[3] in _PAN_HOLDERS and number[5:9] != "0000"


def in_epic(value: str) -> bool:
    """Voter identity card: three letters, six digits and Luhn's."""
    return luhn(bare(value)[3:])


def in_gstin(value: str) -> bool:
    """GSTIN: a state from 01 to 37 (97: other territory) before the PAN."""
    state = int(bare(value)[:2])
    return 1 <= state <= 37 or state == 97


def pk_cnic(value: str) -> bool:
    """CNIC: a province from 1 to 7, the last digit is not 0."""
    number = digits(value, 13)
    return bool(number) and number[0] in "1234567" and number[12] != "0"


def cn_ric(value: str) -> bool:
    """Resident identity number: division, YYYYMMDD, serial, MOD 11-2."""
    number = bare(value)
    if not is_date(int(number[6:10]), int(number[10:12]), int(number[12:14])):
        return False
    return number[6:8] in ("18", "19", "20") and mod_11_2(number)


def hk_id(value: str) -> bool:
    """Identity card of Hong Kong: one or two letters, six digits, check character modulo 11."""
    number = bare(value)
    values = [36] * (9 - len(number)) + [int(character, 36) for character in number[:-1]]
    total = sum(number * weight for number, weight in zip(values, range(9, 1, -1), strict=True))
    return "0A987654321"[total % 11] == number[-1]


def tw_id(value: str) -> bool:
    """Identity number of Taiwan: a letter as two digits, nine digits, modulo 10."""
    number = bare(value)
    ten, one = divmod(_TW_LETTERS[number[0]], 10)
    return (ten + 9 * one + dot(number[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def sg_nric(value: str) -> bool:
    """NRIC and FIN: weights 2, 7, 6, 5, 4, 3, 2, modulo 11, letters by series."""
    number = bare(value)
    total = dot(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    if number[0] == "M":
        return _SG_M[10 - total % 11] == number[8]
    return (_SG_RESIDENT if number[0] in "ST" else _SG_FOREIGN)[total % 11] == number[8]


def my_nric(value: str) -> bool:
    """NRIC of Malaysia: YYMMDD and a place of birth that is given out."""
    number = digits(value, 12)
    return bool(number) and year_first(number[:6]) and number[6:8] not in ("00", "17", "18", "19", "20")


def id_nik(value: str) -> bool:
    """NIK: a province from 11, DDMMYY (day 40 more: a woman), a serial."""
    number = digits(value, 16)
    if not number or not 11 <= int(number[:2]) <= 96:
        return False
    day = int(number[6:8])
    return is_date(0, int(number[8:10]), day - 40 if day > 40 else day) and number[12:] != "0000"


def th_pin(value: str) -> bool:
    """Identity number of Thailand: thirteen digits from 1 to 8, weights 13 to 2, modulo 11."""
    number = digits(value, 13)
    return (
        bool(number)
        and number[0] not in "09"
        and (11 - dot(number[:12], range(13, 1, -1)) % 11) % 10 == int(number[12])
    )


def vn_cccd(value: str) -> bool:
    """Citizen identity number of Vietnam: a province up to 096, sex and century."""
    number = digits(value, 12)
    return bool(number) and 1 <= int(number[:3]) <= 96 and number[3] in "0123"


def kr_rrn(value: str) -> bool:
    """Resident and foreigner registration number: YYMMDD, then sex and century; check digits were given up in 2020."""
    number = digits(value, 13)
    return bool(number) and year_first(number[:6]) and number[6] in "12345678"


def kr_brn(value: str) -> bool:
    """Business registration number: ten digits, weights and the ninth product's tens."""
    number = digits(value, 10)
    if not number:
        return False
    total = dot(number, (1, 3, 7, 1, 3, 7, 1, 3)) + int(number[8]) * 5 + int(number[8]) * 5 // 10
    return (10 - total % 10) % 10 == int(number[9])


def kr_licence(value: str) -> bool:
    """Driver's licence of Korea: a region from 11 to 28."""
    number = digits(value, 12)
    return bool(number) and 11 <= int(number[:2]) <= 28


def jp_my_number(value: str) -> bool:
    """My Number: twelve digits, modulo 11."""
    number = digits(value, 12)
    return bool(number) and -dot(number, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11 % 10 == int(number[11])


def tr_tckn(value: str) -> bool:
    """T.C. Kimlik No: eleven digits, two checks."""
    number = digits(value, 11)
    if not number or number[0] == "0":
        return False
    first = (7 * dot(number[0:9:2], (1,) * 5) - dot(number[1:8:2], (1,) * 4)) % 10
    return first == int(number[9]) and dot(number[:10], (1,) * 10) % 10 == int(number[10])


def il_id(value: str) -> bool:
    """Teudat Zehut: up to nine digits, Luhn."""
    number = digits(value, 8, 9)
    return bool(number) and luhn(number)


def gulf_id(value: str) -> bool:
    """Emirates ID (784, year, serial) and national identity of Saudi Arabia (1 or 2 and nine digits): Luhn."""
    number = digits(value, 10, 15)
    return bool(number) and luhn(number)


def eg_id(value: str) -> bool:
    """National identity number of Egypt: century, YYMMDD, governorate."""
    number = digits(value, 14)
    return bool(number) and number[0] in "23" and year_first(number[1:7]) and 1 <= int(number[7:9]) <= 88


def za_id(value: str) -> bool:
    """Identity number of South Africa: YYMMDD, citizenship 0, 1 or 2, Luhn."""
    number = digits(value, 13)
    return bool(number) and year_first(number[:6]) and number[10] in "012" and luhn(number)


def mu_nid(value: str) -> bool:
    """National identity number of Mauritius: a letter, DDMMYY, serial."""
    return day_first(bare(value)[1:7])


def au_tfn(value: str) -> bool:
    """Tax file number: eight or nine digits, weights, modulo 11."""
    number = digits(value, 8, 9)
    return bool(number) and dot(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def au_abn(value: str) -> bool:
    """Australian business number: eleven digits, one less at the front, modulo 89."""
    number = digits(value, 11)
    return bool(number) and number[0] != "0" and (dot(number, _ABN_WEIGHTS) - 10) % 89 == 0


def au_acn(value: str) -> bool:
    """Australian company number: nine digits, weights 8 to 1, modulo 10."""
    number = digits(value, 9)
    return bool(number) and -dot(number[:8], range(8, 0, -1)) % 10 == int(number[8])


def au_medicare(value: str) -> bool:
    """Medicare card: first digit 2 to 6, weights over eight digits, modulo 10."""
    number = digits(value, 10, 11)
    return bool(number) and number[0] in "23456" and dot(number[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def nz_ird(value: str) -> bool:
    """IRD number: eight or nine digits, modulo 11 in up to two rounds."""
    number = digits(value, 8, 9).zfill(9)
    if not 10_000_000 < int(number) < 150_000_000:
        return False
    check = -dot(number, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -dot(number, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return check == int(number[8])


def mrz(value: str) -> bool:
    """Second line of a passport's machine readable zone: the check digits of document, birth and expiry."""
    line = value.replace("<", "0").upper()
    return icao(line[:10]) and icao(line[13:20]) and icao(line[21:28])
