"""National numbers of the Americas: check digits and the ranges that are given out."""

from __future__ import annotations

from crossover.privacy.verify.arithmetic import bare, digits, dot, luhn, luhn_sum, year_first

_WITHDRAWN_SSN = frozenset({"078051120", "219099999"})  # printed in advertisements
_ITIN_GROUPS = (
    frozenset(range(50, 66)) | frozenset(range(70, 89)) | frozenset(range(90, 93)) | frozenset(range(94, 100))
)
_EIN_PREFIXES_UNUSED = frozenset({0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97})
_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_CUIT_TYPES = frozenset({"20", "23", "24", "25", "26", "27", "30", "33", "34", "50", "51", "55"})
_RIF = {"V": 4, "E": 8, "J": 12, "P": 16, "G": 20}
_NIT_WEIGHTS = (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)
_DEA_FIRST = frozenset("ABCDEFGHJKLMPRSTUX")


def us_ssn(value: str) -> bool:
    """Social Security number: no area 000, 666 or 900 and above, no group 00, no serial 0000."""
    number = digits(value, 9)
    return (
        bool(number)
        and number[:3] not in ("000", "666")
        and number[0] != "9"
        and number[3:5] != "00"
        and number[5:] != "0000"
        and number not in _WITHDRAWN_SSN
    )


def us_itin(value: str) -> bool:
    """Individual taxpayer number: 9, and the fourth and fifth digit in the ranges that are given out."""
    number = digits(value, 9)
    return bool(number) and number[0] == "9" and int(number[3:5]) in _ITIN_GROUPS


def us_ein(value: str) -> bool:
    """Employer number: a prefix of a campus that is in use."""
    number = digits(value, 9)
    return bool(number) and int(number[:2]) not in _EIN_PREFIXES_UNUSED


def us_npi(value: str) -> bool:
    """National provider identifier: ten digits from 1 or 2; Luhn with 80840 before them."""
    number = digits(value, 10)
    return bool(number) and number[0] in "12" and luhn("80840" + number)


def us_dea(value: str) -> bool:
    """DEA registration: two letters and seven digits, the last a weighted sum."""
    number = bare(value)
    total = dot(number[2:8], (1, 2, 1, 2, 1, 2))
    return number[0] in _DEA_FIRST and total % 10 == int(number[8])


def ca_sin(value: str) -> bool:
    """Social Insurance number: nine digits, none first is 0 or 8, Luhn."""
    number = digits(value, 9)
    return bool(number) and number[0] not in "08" and luhn(number)


def ca_bc_phn(value: str) -> bool:
    """Personal Health number of British Columbia: 9, weights, modulo 11."""
    number = digits(value, 10)
    if not number or number[0] != "9":
        return False
    weighted = sum(int(d) * w % 11 for d, w in zip(number[1:9], (2, 4, 8, 5, 10, 9, 7, 3), strict=True))
    return (11 - weighted % 11) % 11 == int(number[9])


def luhn_10(value: str) -> bool:
    """Ten digits, Luhn (health card of Ontario)."""
    number = digits(value, 10)
    return bool(number) and luhn(number)


def br_cpf(value: str) -> bool:
    """CPF: nine digits and two checks modulo 11."""
    number = digits(value, 11)
    return bool(number) and all(
        (11 - dot(number[:size], range(size + 1, 1, -1)) % 11) % 11 % 10 == int(number[size]) for size in (9, 10)
    )


def br_cnpj(value: str) -> bool:
    """CNPJ: twelve letters or digits and two checks modulo 11."""
    number = bare(value)
    if len(number) != 14 or not number[12:].isdigit() or number.count(number[0]) == 14:
        return False
    values = [ord(character) - 48 for character in number]
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return all(
        (11 - sum(v * w for v, w in zip(values, weights[13 - size :], strict=False)) % 11) % 11 % 10 == values[size]
        for size in (12, 13)
    )


def ar_cuit(value: str) -> bool:
    """CUIT and CUIL: a type, eight digits, a check modulo 11."""
    number = digits(value, 11)
    if not number or number[:2] not in _CUIT_TYPES:
        return False
    return "012345678990"[11 - dot(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11] == number[10]


def ar_cbu(value: str) -> bool:
    """CBU: bank and account, each with a check digit."""
    number = digits(value, 22)
    return bool(number) and all(
        (10 - dot(part[-2::-1], (3, 1, 7, 9) * 4) % 10) % 10 == int(part[-1]) for part in (number[:8], number[8:])
    )


def cl_rut(value: str) -> bool:
    """RUT: weights 2 to 7 from the right, modulo 11; K is ten."""
    number = bare(value)
    total = dot(number[-2::-1], (2, 3, 4, 5, 6, 7) * 2)
    return "0K987654321"[total % 11] == number[-1] and len(number) in (8, 9) and number.strip("0") != ""


def co_nit(value: str) -> bool:
    """NIT: primes as weights, modulo 11."""
    number = digits(value)
    return 9 <= len(number) <= 11 and "01987654321"[dot(number[-2::-1], _NIT_WEIGHTS) % 11] == number[-1]


def ec_ci(value: str) -> bool:
    """Cédula of Ecuador: province, a third digit up to 6, doubling from the left."""
    number = digits(value, 10)
    if not number or not (1 <= int(number[:2]) <= 24 or number[:2] in ("30", "50")) or number[2] > "6":
        return False
    return luhn(number)


def pe_ruc(value: str) -> bool:
    """RUC of Peru: eleven digits, modulo 11."""
    number = digits(value, 11)
    if number[:2] not in ("10", "15", "17", "20"):
        return False
    return (11 - dot(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10 == int(number[10])


def uy_ci(value: str) -> bool:
    """Cédula of Uruguay: weights 2, 9, 8, 7, 6, 3, 4, modulo 10."""
    number = digits(value, 7, 8).zfill(8)
    return number.strip("0") != "" and -dot(number, (2, 9, 8, 7, 6, 3, 4)) % 10 == int(number[7])


def ve_rif(value: str) -> bool:
    """RIF: a letter for the kind of person, eight digits, a check modulo 11."""
    number = bare(value)
    total = _RIF[number[0]] + dot(number[1:9], (3, 2, 7, 6, 5, 4, 3, 2))
    return "00987654321"[total % 11] == number[9]


def mx_curp(value: str) -> bool:
    """CURP: letters of the name, YYMMDD, sex, state, consonants, a check digit."""
    number = bare(value)
    if not year_first(number[4:10]):
        return False
    total = sum(_CURP.index(character) * (18 - place) for place, character in enumerate(number[:17]))
    return -total % 10 == int(number[17])


def mx_rfc(value: str) -> bool:
    """RFC of a person: letters of the name and YYMMDD; its last character is not always the computed one."""
    return year_first(bare(value)[4:10])


def mx_clabe(value: str) -> bool:
    """CLABE: weights 3, 7, 1, each product modulo 10."""
    number = digits(value, 18)
    return bool(number) and -dot(number[:17], (3, 7, 1) * 6) % 10 == int(number[17])


def do_cedula(value: str) -> bool:
    """Cédula of the Dominican Republic: Luhn."""
    number = digits(value, 11)
    return bool(number) and luhn(number)


def sv_dui(value: str) -> bool:
    """DUI of El Salvador: weights 9 to 2, modulo 10."""
    number = digits(value, 9)
    return bool(number) and (10 - dot(number[:8], range(9, 1, -1)) % 10) % 10 == int(number[8])


def imei(value: str) -> bool:
    """IMEI: fifteen digits, Luhn."""
    number = digits(value, 15)
    return bool(number) and luhn_sum(number) % 10 == 0
