"""National numbers of Europe: check digits, ranges and dates of birth inside of them.

The rules are public facts (the rows of ``identifiers.toml`` name a source for each); they are written out here, and not
taken from a library, so that no request waits for an import. Tests compare each with python-stdnum.
"""

from __future__ import annotations

import re

from crossover.privacy.verify.arithmetic import (
    bare,
    day_first,
    digits,
    dot,
    icao,
    is_date,
    luhn,
    luhn_sum,
    mod_11_10,
    year_first,
)

_NINO_PREFIXES = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})  # never given out
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_MARKS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ORDINALS = {chr(64 + place): f"{place:02d}" for place in range(1, 27)}  # A is 01
_SVNR_MOST_DAY = 95  # where serials ran out or a day is not known, it is 00, or 32 or 64 more
_STEUERNUMMER_LENGTHS = (10, 11, 13)
_CODICE = re.compile(r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST]([0-9LMNPQRSTUV]{2})[A-Z][0-9LMNPQRSTUV]{3}[A-Z]")
_OMOCODIA = str.maketrans("LMNPQRSTUV", "0123456789")


def gb_nhs(value: str) -> bool:
    """NHS number: ten digits, weights 10 to 2, modulo 11."""
    number = digits(value, 10)
    return bool(number) and (11 - dot(number, range(10, 1, -1)) % 11) % 11 == int(number[9])


def gb_nino(value: str) -> bool:
    """National Insurance number: the prefixes that are given out."""
    number = bare(value)
    return number[0] not in "DFIQUV" and number[1] not in "DFIOQUV" and number[:2] not in _NINO_PREFIXES


def gb_utr(value: str) -> bool:
    """Unique taxpayer reference: the first of ten digits checks the others."""
    number = digits(value, 10)
    return bool(number) and "21987654321"[dot(number[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11] == number[0]


def gb_driving_licence(value: str) -> bool:
    """Driver number of Great Britain: five letters of the name, then date of birth (fifty more: a woman)."""
    number = bare(value)
    if len(number) != 16 or not number[5:11].isdigit():
        return False
    month, day = int(number[6:8]), int(number[8:10])
    return 1 <= month % 50 <= 12 and month < 63 and 1 <= day <= 31


def ie_pps(value: str) -> bool:
    """Personal Public Service number: seven digits and a check letter, modulo 23."""
    number = bare(value)
    second = ord(number[8]) - 64 if len(number) == 9 and number[8] in "ABCDEFGHI" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(dot(number, range(8, 1, -1)) + 9 * second) % 23] == number[7]


def de_idnr(value: str) -> bool:
    """Steuer-Identifikationsnummer: eleven digits, not 0 first, none more than thrice in ten, MOD 11,10."""
    number = digits(value, 11)
    most = max((number[:10].count(digit) for digit in number), default=0)
    return bool(number) and number[0] != "0" and most <= 3 and mod_11_10(number)


def de_steuernummer(value: str) -> bool:
    """Steuernummer: only its length says something; the check digit differs between the states."""
    return len(digits(value)) in _STEUERNUMMER_LENGTHS


def de_vat(value: str) -> bool:
    """Umsatzsteuer-Identifikationsnummer: DE and nine digits, MOD 11,10."""
    number = digits(bare(value)[2:], 9)
    return bool(number) and number[0] != "0" and mod_11_10(number)


def de_svnr(value: str) -> bool:
    """Versicherungsnummer of the pension insurance: area, date of birth, letter, serial, check digit."""
    number = bare(value)
    whole = number[:8] + _ORDINALS[number[8]] + number[9:]
    total = sum(sum(divmod(int(d) * w, 10)) for d, w in zip(whole, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=False))
    return total % 10 == int(number[11]) and int(number[4:6]) <= 12 and int(number[2:4]) <= _SVNR_MOST_DAY


def de_kvnr(value: str) -> bool:
    """Krankenversichertennummer: a letter, eight digits and a check digit by Luhn's doubling from the left."""
    number = bare(value)
    whole = _ORDINALS[number[0]] + number[1:9]
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(whole))
    return total % 10 == int(number[9])


def de_document(value: str) -> bool:
    """Passport and identity card: nine characters with the check digit of ICAO."""
    number = bare(value)
    return any(character.isdigit() for character in number) and number[-1].isdigit() and icao(number)


def de_document_zone(value: str) -> bool:
    """The same as its machine readable zone has it: nine characters, the check digit of ICAO, the country."""
    number = bare(value.rstrip("<"))[:10]
    return any(character.isalpha() for character in number[:9]) and icao(number)


def de_lanr(value: str) -> bool:
    """Lebenslange Arztnummer: six digits, a check digit, two digits for the field of medicine."""
    number = digits(value, 9)
    return bool(number) and (10 - dot(number[:6], (4, 9, 4, 9, 4, 9)) % 10) % 10 == int(number[6])


def fr_nir(value: str) -> bool:
    """Numéro de sécurité sociale: thirteen digits (Corsica: 2A, 2B) and a key, 97 less the rest."""
    number = bare(value)
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(number[13:15])


def fr_spi(value: str) -> bool:
    """Numéro fiscal de référence: thirteen digits, the last three modulo 511."""
    number = digits(value, 13)
    return bool(number) and number[0] in "0123" and int(number[:10]) % 511 == int(number[10:])


def fr_siret(value: str) -> bool:
    """SIREN (nine digits) or SIRET (fourteen): Luhn."""
    number = digits(value, 9, 14)
    return bool(number) and luhn(number)


def es_dni(value: str) -> bool:
    """DNI: up to eight digits and a letter, modulo 23."""
    number = bare(value)
    return _DNI_LETTERS[int(number[:-1]) % 23] == number[-1]


def es_nie(value: str) -> bool:
    """NIE of foreigners: X, Y, Z stand for 0, 1, 2; then as a DNI."""
    number = bare(value)
    return es_dni(str("XYZ".index(number[0])) + number[1:])


def es_cif(value: str) -> bool:
    """CIF of companies: Luhn over seven digits, the check as a digit or a letter."""
    number = bare(value)
    check = (10 - luhn_sum(number[1:8] + "0") % 10) % 10
    return number[8] in (str(check), "JABCDEFGHI"[check])


def es_nuss(value: str) -> bool:
    """Número de la Seguridad Social: ten digits and two modulo 97."""
    number = digits(value, 12)
    if not number:
        return False
    province, serial = number[:2], int(number[2:10])
    body = int(province) * 10_000_000 + serial if serial < 10_000_000 else int(number[:10])
    return body % 97 == int(number[10:])


def pt_nif(value: str) -> bool:
    """NIF of Portugal: nine digits, weights 9 to 2, modulo 11."""
    number = digits(value, 9)
    return bool(number) and number[0] != "0" and (11 - dot(number, range(9, 1, -1)) % 11) % 11 % 10 == int(number[8])


def pt_cc(value: str) -> bool:
    """Cartão de cidadão: twelve characters, Luhn over digits and letters."""
    total = 0
    for place, character in enumerate(reversed(bare(value))):
        number = int(character, 36) * (1 + place % 2)
        total += number - 9 if place % 2 and number > 9 else number
    return total % 10 == 0


def it_codice_fiscale(value: str) -> bool:
    """Codice fiscale: shape and day of birth. Its check letter is not asked: the rest is unmistakable."""
    match = _CODICE.fullmatch(bare(value))
    return match is not None and 1 <= int(match[1].translate(_OMOCODIA)) % 40 <= 31


def it_iva(value: str) -> bool:
    """Partita IVA: eleven digits, Luhn."""
    number = digits(value, 11)
    return bool(number) and luhn(number)


def nl_bsn(value: str) -> bool:
    """Burgerservicenummer: nine digits, weights 9 to 2 and -1, modulo 11."""
    number = digits(value, 9)
    return bool(number) and dot(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def be_nn(value: str) -> bool:
    """Rijksregisternummer: YYMMDD, serial and 97 less the rest; a 2 goes before it for those born from 2000 on."""
    number = digits(value, 11)
    if not number or int(number[2:4]) % 20 > 12:  # months of 20 and 40 more are numbers of foreigners
        return False
    return int(number[9:]) in (97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97)


def lu_matricule(value: str) -> bool:
    """Matricule of Luxembourg: year, month and day of birth; the twelfth digit is Luhn's."""
    number = digits(value, 13)
    return bool(number) and is_date(int(number[:4]), int(number[4:6]), int(number[6:8])) and luhn(number[:12])


def ch_ahv(value: str) -> bool:
    """AHV number: 756, nine digits and the check digit of EAN-13."""
    number = digits(value, 13)
    return bool(number) and number.startswith("756") and dot(number, (1, 3) * 6 + (1,)) % 10 == 0


def at_svnr(value: str) -> bool:
    """Sozialversicherungsnummer of Austria: serial, check digit, DDMMYY."""
    number = digits(value, 10)
    if not number or number[0] == "0":
        return False
    return dot(number, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(number[3]) and 1 <= int(number[4:6]) <= 31


def dk_cpr(value: str) -> bool:
    """CPR number: DDMMYY and four digits; check digits were given up in 2007."""
    number = digits(value, 10)
    return bool(number) and day_first(number)


def se_personnummer(value: str) -> bool:
    """Personnummer: YYMMDD (60 more: a coordination number), serial, Luhn; or with the century before it."""
    number = digits(value, 10, 12)
    if len(number) == 12 and number[:2] not in ("18", "19", "20"):
        return False
    number = number[-10:]
    day = int(number[4:6]) if number else 0
    return bool(number) and is_date(0, int(number[2:4]), day - 60 if day > 60 else day) and luhn(number)


def no_fodselsnummer(value: str) -> bool:
    """Fødselsnummer: DDMMYY (40 more on day or month: other series), serial, two check digits modulo 11."""
    number = digits(value, 11)
    if not number or not is_date(0, int(number[2:4]) % 40, int(number[:2]) % 40):
        return False
    first = dot(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and dot(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def fi_hetu(value: str) -> bool:
    """Henkilötunnus: DDMMYY, a mark for the century, serial, check character modulo 31."""
    number = value.strip().upper()
    if not day_first(number):
        return False
    return _HETU_MARKS[int(number[:6] + number[7:10]) % 31] == number[10]


def is_kennitala(value: str) -> bool:
    """Kennitala: DDMMYY (40 more: a company), serial, check digit modulo 11, century."""
    number = digits(value, 10)
    return (
        bool(number)
        and is_date(0, int(number[2:4]), int(number[:2]) % 40)
        and number[9] in "089"
        and dot(number, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def baltic(value: str) -> bool:
    """Isikukood (Estonia) and asmens kodas (Lithuania): sex and century, YYMMDD, serial, check digit in two rounds."""
    number = digits(value, 11)
    if not number or number[0] not in "12345678" or not year_first(number[1:7]):
        return False
    check = dot(number, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = dot(number, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11
    return check % 10 == int(number[10])


def lv_personas_kods(value: str) -> bool:
    """Personas kods: DDMMYY or 32, serial, check digit modulo 11."""
    number = digits(value, 11)
    if not number or not (number.startswith("32") or day_first(number)):
        return False
    return (1 + dot(number, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10 == int(number[10])


def pl_pesel(value: str) -> bool:
    """PESEL: YYMMDD with the century in the month, serial, check digit."""
    number = digits(value, 11)
    if not number or not is_date(0, int(number[2:4]) % 20, int(number[4:6])):
        return False
    return (10 - dot(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(number[10])


def pl_nip(value: str) -> bool:
    """NIP: ten digits, modulo 11."""
    number = digits(value, 10)
    return bool(number) and dot(number, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(number[9])


def pl_dowod(value: str) -> bool:
    """Dowód osobisty: three letters, a check digit of ICAO's weights, five digits."""
    number = bare(value)
    return icao(number[:3] + number[4:] + number[3])


def cz_rodne_cislo(value: str) -> bool:
    """Rodné číslo (Czechia, Slovakia): YYMMDD (month 20, 50 or 70 more), serial; ten digits are a multiple of 11."""
    number = digits(value, 9, 10)
    if not number:
        return False
    if not is_date(0, int(number[2:4]) % 50 % 20, int(number[4:6])):
        return False
    return len(number) == 9 or int(number[:9]) % 11 % 10 == int(number[9])


def hu_taj(value: str) -> bool:
    """TAJ number: nine digits, weights 3 and 7, modulo 10."""
    number = digits(value, 9)
    return bool(number) and dot(number, (3, 7, 3, 7, 3, 7, 3, 7)) % 10 == int(number[8])


def hu_adoazonosito(value: str) -> bool:
    """Adóazonosító jel: 8, eight digits, check digit modulo 11."""
    number = digits(value, 10)
    return bool(number) and number[0] == "8" and dot(number, range(1, 10)) % 11 == int(number[9])


def ro_cnp(value: str) -> bool:
    """Cod numeric personal: sex and century, YYMMDD, county, serial, check digit."""
    number = digits(value, 13)
    if not number or number[0] == "0" or not year_first(number[1:7]):
        return False
    check = dot(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if check == 10 else check) == int(number[12])


def bg_egn(value: str) -> bool:
    """ЕГН: YYMMDD (month 20 or 40 more: other centuries), serial, check digit modulo 11."""
    number = digits(value, 10)
    if not number or not is_date(0, int(number[2:4]) % 20, int(number[4:6])):
        return False
    return dot(number, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(number[9])


def gr_amka(value: str) -> bool:
    """AMKA: DDMMYY, serial, Luhn."""
    number = digits(value, 11)
    return bool(number) and day_first(number) and luhn(number)


def gr_afm(value: str) -> bool:
    """ΑΦΜ: nine digits, powers of two, modulo 11."""
    number = digits(value, 9)
    return bool(number) and dot(number, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(number[8])


def hr_oib(value: str) -> bool:
    """OIB: eleven digits, MOD 11,10."""
    number = digits(value, 11)
    return bool(number) and mod_11_10(number)


def jmbg(value: str) -> bool:
    """JMBG and EMŠO (the countries of former Yugoslavia): DDMMYYY, region, serial, check digit modulo 11."""
    number = digits(value, 13)
    if not number or not is_date(0, int(number[2:4]), int(number[:2])):
        return False
    check = 11 - dot(number, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if check > 9 else check) == int(number[12])


def ua_rnokpp(value: str) -> bool:
    """РНОКПП: ten digits, modulo 11."""
    number = digits(value, 10)
    return bool(number) and dot(number, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(number[9])


def ru_inn(value: str) -> bool:
    """ИНН: twelve digits of a person or ten of a company, modulo 11."""
    number = digits(value, 10, 12)
    if len(number) == 10:
        return dot(number, (2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10 == int(number[9])
    first, second = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    return bool(number) and all(
        dot(number, weights) % 11 % 10 == int(number[len(weights)]) for weights in (first, second)
    )


def ru_snils(value: str) -> bool:
    """СНИЛС: nine digits and their sum with weights 9 to 1, modulo 101."""
    number = digits(value, 11)
    return bool(number) and dot(number, range(9, 0, -1)) % 101 % 100 == int(number[9:])


def mt_id(value: str) -> bool:
    """Identity card number of Malta: digits and a letter for the register."""
    return int(bare(value)[:-1]) > 0
