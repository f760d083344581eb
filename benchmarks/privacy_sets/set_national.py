"""National identifiers with valid check digits: one function a country, checked like ``set_checksums``."""

from __future__ import annotations

import string
from collections.abc import Callable

from set_checksums import Draw, day, digits, letters, luhn, mod11_10, short_day, until, weighted


def us_ssn(rng: Draw) -> str:
    area = until(lambda: None if (value := digits(rng, 3, "012345678")) in {"000", "666"} else value)
    return f"{area}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def us_itin(rng: Draw) -> str:
    return f"9{digits(rng, 2)}-{rng.choice((70, 75, 81, 88, 90, 94, 97))}-{digits(rng, 4)}"


def ca_sin(rng: Draw) -> str:
    value = luhn(digits(rng, 8, "1234567"))
    return rng.choice((" ", "-")).join((value[:3], value[3:6], value[6:]))


def gb_nino(rng: Draw) -> str:
    pair = rng.choice(("AB", "CE", "JG", "HK", "NP", "PX", "SR", "WM", "YL", "ZT"))
    number = digits(rng, 6)
    last = rng.choice("ABCD")
    return rng.choice((f"{pair}{number}{last}", f"{pair} {number[:2]} {number[2:4]} {number[4:]} {last}"))


def gb_nhs(rng: Draw) -> str:
    def make() -> str | None:
        body = digits(rng, 9, "4567")
        check = -weighted(body, range(10, 1, -1)) % 11
        return None if check == 10 else f"{body[:3]} {body[3:6]} {body[6:]}{check}"

    return until(make)


def fr_nir(rng: Draw) -> str:
    year, month, _ = day(rng)
    body = (
        f"{rng.choice('12')}{year % 100:02d}{month:02d}{rng.randint(10, 19)}{rng.randint(1, 400):03d}{digits(rng, 3)}"
    )
    check = f"{97 - int(body) % 97:02d}"
    spaced = " ".join((body[0], body[1:3], body[3:5], body[5:7], body[7:10], body[10:], check))
    return rng.choice((body + check, spaced))


def de_idnr(rng: Draw) -> str:
    pool = rng.sample(string.digits, 9)
    body = [*pool, pool[0]]
    rng.shuffle(body)
    if body[0] == "0":
        body = body[::-1]
    if body[0] == "0":
        return de_idnr(rng)
    value = mod11_10("".join(body))
    return rng.choice((value, f"{value[:2]} {value[2:5]} {value[5:8]} {value[8:]}"))


def es_dni(rng: Draw) -> str:
    body = digits(rng, 8)
    return body + rng.choice(("", "-")) + "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23]


def es_nie(rng: Draw) -> str:
    first, body = rng.choice("012"), digits(rng, 7)
    return "XYZ"[int(first)] + body + "TRWAGMYFPDXBNJZSQVHLCKE"[int(first + body) % 23]


def it_cf(rng: Draw) -> str:
    year, month, date = day(rng)
    body = letters(rng, 6, "BCDFGLMNPRSTV") + f"{year % 100:02d}" + "ABCDEHLMPRST"[month - 1]
    body += f"{date + rng.choice((0, 40)):02d}" + rng.choice(("H501", "F205", "L219", "F839", "A944"))
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    total = 0
    for place, char in enumerate(body):
        value = int(char) if char.isdigit() else ord(char) - 65
        total += odd[value] if place % 2 == 0 else value
    return body + chr(65 + total % 26)


def pt_nif(rng: Draw) -> str:
    body = digits(rng, 8, "12")
    check = -weighted(body, range(9, 1, -1)) % 11
    return body + str(check % 10)


def nl_bsn(rng: Draw) -> str:
    def make() -> str | None:
        body = digits(rng, 8, "1234567")
        check = weighted(body, range(9, 1, -1)) % 11
        return None if check == 10 else body + str(check)

    return until(make)


def be_nn(rng: Draw) -> str:
    body = short_day(rng) + f"{rng.randint(1, 997):03d}"
    check = 97 - int(body) % 97
    return f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{check:02d}"


def at_vnr(rng: Draw) -> str:
    def make() -> str | None:
        serial, born = digits(rng, 3, "123456789"), short_day(rng, "dmy")
        check = weighted(serial + "0" + born, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
        return None if check == 10 else f"{serial}{check} {born}"

    return until(make)


def ch_ahv(rng: Draw) -> str:
    body = "756" + digits(rng, 9)
    check = -weighted(body, (1, 3) * 6) % 10
    return f"756.{body[3:7]}.{body[7:11]}.{body[11:]}{check}"


def se_personnummer(rng: Draw) -> str:
    value = luhn(short_day(rng) + digits(rng, 3, "12345678"))
    return f"{value[:6]}-{value[6:]}"


def no_fnr(rng: Draw) -> str:
    def make() -> str | None:
        body = short_day(rng, "dmy") + f"{rng.randint(0, 499):03d}"
        first = -weighted(body, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
        if first == 10:
            return None
        second = -weighted(body + str(first), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if second == 10 else f"{body[:6]} {body[6:]}{first}{second}"

    return until(make)


def dk_cpr(rng: Draw) -> str:
    def make() -> str | None:
        body = short_day(rng, "dmy") + digits(rng, 3, "0123")
        check = -weighted(body, (4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if check == 10 else f"{body[:6]}-{body[6:]}{check}"

    return until(make)


def fi_hetu(rng: Draw) -> str:
    born, serial = short_day(rng, "dmy"), f"{rng.randint(2, 899):03d}"
    return f"{born}-{serial}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(born + serial) % 31]}"


def is_kennitala(rng: Draw) -> str:
    def make() -> str | None:
        body = short_day(rng, "dmy") + digits(rng, 2, "234567")
        check = -weighted(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if check == 10 else f"{body[:6]}-{body[6:]}{check}9"

    return until(make)


def ee_ik(rng: Draw) -> str:
    """Estonia and Lithuania share this rule."""
    body = rng.choice("34") + short_day(rng) + digits(rng, 3)
    check = weighted(body, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(body, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return body + str(check)


def lv_pk(rng: Draw) -> str:
    def make() -> str | None:
        body = short_day(rng, "dmy") + "1" + digits(rng, 3)
        check = (1 + weighted(body, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11
        return None if check == 10 else f"{body[:6]}-{body[6:]}{check}"

    return until(make)


def pl_pesel(rng: Draw) -> str:
    body = short_day(rng) + digits(rng, 4)
    return body + str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def cz_rc(rng: Draw) -> str:
    def make() -> str | None:
        year, month, date = day(rng, 1955, 1999)
        body = f"{year % 100:02d}{month + rng.choice((0, 50)):02d}{date:02d}" + digits(rng, 3)
        check = int(body) % 11
        return None if check == 10 else f"{body[:6]}/{body[6:]}{check}"

    return until(make)


def ro_cnp(rng: Draw) -> str:
    body = rng.choice("12") + short_day(rng) + f"{rng.randint(1, 39):02d}" + f"{rng.randint(1, 999):03d}"
    check = weighted(body, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return body + ("1" if check == 10 else str(check))


def bg_egn(rng: Draw) -> str:
    body = short_day(rng) + digits(rng, 3)
    return body + str(weighted(body, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10)


def gr_amka(rng: Draw) -> str:
    return luhn(short_day(rng, "dmy") + digits(rng, 4))


def hr_oib(rng: Draw) -> str:
    return mod11_10(digits(rng, 10, "123456789"))


def rs_jmbg(rng: Draw) -> str:
    """Serbia and Slovenia share this rule."""

    def make() -> str | None:
        year, month, date = day(rng, 1940, 1999)
        body = f"{date:02d}{month:02d}{year % 1000:03d}{rng.choice(('71', '50', '74'))}{digits(rng, 3)}"
        check = -weighted(body, (7, 6, 5, 4, 3, 2) * 2) % 11
        return None if check == 10 else body + str(check)

    return until(make)


def tr_kimlik(rng: Draw) -> str:
    body = digits(rng, 9, "123456789")
    odd, even = sum(map(int, body[0::2])), sum(map(int, body[1::2]))
    tenth = (odd * 7 - even) % 10
    return f"{body}{tenth}{(odd + even + tenth) % 10}"


def ie_pps(rng: Draw) -> str:
    body = digits(rng, 7, "123456789")
    return body + "WABCDEFGHIJKLMNOPQRSTUV"[weighted(body, range(8, 1, -1)) % 23]


def il_id(rng: Draw) -> str:
    return luhn(digits(rng, 8, "0123"))


def za_id(rng: Draw) -> str:
    return luhn(short_day(rng) + digits(rng, 4) + rng.choice("01") + "8")


def br_cpf(rng: Draw) -> str:
    body = digits(rng, 9)
    for _ in range(2):
        check = -weighted(body, range(len(body) + 1, 1, -1)) % 11
        body += str(0 if check == 10 else check)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def ar_cuit(rng: Draw) -> str:
    def make() -> str | None:
        body = rng.choice(("20", "27", "23")) + digits(rng, 8, "1234")
        check = -weighted(body, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if check == 10 else f"{body[:2]}-{body[2:]}-{check}"

    return until(make)


def cl_rut(rng: Draw) -> str:
    body = digits(rng, 8, "12")
    check = -weighted(body[::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11
    return f"{body[:2]}.{body[2:5]}.{body[5:]}-{'0123456789K'[check]}"


def mx_curp(rng: Draw) -> str:
    body = rng.choice(("GOPR", "HEGM", "LORJ", "MASA", "TERC")) + short_day(rng) + rng.choice("HM")
    body += rng.choice(("DF", "JC", "NL", "VZ", "OC")) + letters(rng, 3, "BCDFGLMNPRST") + digits(rng, 1)
    alphabet = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ"
    total = sum(alphabet.index(char) * (18 - place) for place, char in enumerate(body))
    return body + str(-total % 10)


def ec_ci(rng: Draw) -> str:
    body = f"{rng.randint(1, 24):02d}" + digits(rng, 1, "012345") + digits(rng, 6)
    return luhn(body)


def in_aadhaar(rng: Draw) -> str:
    body = digits(rng, 11, "23456789")
    value = body + _verhoeff(body)
    return rng.choice((f"{value[:4]} {value[4:8]} {value[8:]}", value))


def _dihedral(first: int, second: int) -> int:
    if first < 5:
        return (first + second) % 5 + (0 if second < 5 else 5) if second < 5 else (first + second - 5) % 5 + 5
    return (first - 5 - second) % 5 + 5 if second < 5 else (first - second) % 5


def _verhoeff(body: str) -> str:
    step = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for place, digit in enumerate(reversed(body), 1):
        value = int(digit)
        for _ in range(place % 8):
            value = step[value]
        check = _dihedral(check, value)
    return str(next(value for value in range(10) if _dihedral(check, value) == 0))


def in_pan(rng: Draw) -> str:
    return letters(rng, 3) + "P" + letters(rng, 1) + digits(rng, 4, "123456789") + letters(rng, 1)


def cn_ric(rng: Draw) -> str:
    year, month, date = day(rng)
    area = rng.choice(("110105", "310101", "110108", "120101"))
    body = f"{area}{year}{month:02d}{date:02d}{digits(rng, 3)}"
    total = weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return body + "10X98765432"[total % 11]


def kr_rrn(rng: Draw) -> str:
    body = short_day(rng) + rng.choice("12") + f"{rng.randint(0, 95):02d}" + digits(rng, 3)
    check = (11 - weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return f"{body[:6]}-{body[6:]}{check}"


def jp_number(rng: Draw) -> str:
    """The individual number: 12 digits."""
    body = digits(rng, 11, "123456789")
    rest = weighted(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    value = body + str(0 if rest <= 1 else 11 - rest)
    return rng.choice((value, f"{value[:4]} {value[4:8]} {value[8:]}"))


def th_pin(rng: Draw) -> str:
    body = digits(rng, 12, "1234")
    check = (11 - weighted(body, range(13, 1, -1)) % 11) % 10
    return f"{body[0]}-{body[1:5]}-{body[5:10]}-{body[10:]}-{check}"


def my_nric(rng: Draw) -> str:
    return f"{short_day(rng)}-{rng.choice(('01', '08', '10', '14', '07'))}-{digits(rng, 4)}"


def sg_nric(rng: Draw) -> str:
    body = digits(rng, 7, "012789")
    return "S" + body + "JZIHGFEDCBA"[weighted(body, (2, 7, 6, 5, 4, 3, 2)) % 11]


def au_tfn(rng: Draw) -> str:
    def make() -> str | None:
        body = digits(rng, 8, "12345678")
        for last in string.digits:
            if weighted(body + last, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0:
                return f"{body[:3]} {body[3:6]} {body[6:]}{last}"
        return None

    return until(make)


def nz_ird(rng: Draw) -> str:
    def make() -> str | None:
        body = f"{rng.randint(4_900_000, 13_500_000):08d}"
        check = -weighted(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
        if check == 10:
            check = -weighted(body, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
        return None if check == 10 else f"{body[:2]}-{body[2:5]}-{body[5:]}{check}".lstrip("0")

    return until(make)


def pk_cnic(rng: Draw) -> str:
    return f"{digits(rng, 5, '34567')}-{digits(rng, 7, '123456789')}-{digits(rng, 1, '123456789')}"


def ua_rntrc(rng: Draw) -> str:
    body = digits(rng, 9, "23")
    return body + str(weighted(body, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10)


# Country, function, how it is called where it is used.
NATIONAL: tuple[tuple[str, Callable[[Draw], str], tuple[str, ...]], ...] = (
    ("US", us_ssn, ("SSN", "social security number", "Social Security #")),
    ("US", us_itin, ("ITIN", "taxpayer id (ITIN)")),
    ("CA", ca_sin, ("SIN", "social insurance number", "numéro d'assurance sociale")),
    ("GB", gb_nino, ("NI number", "National Insurance no.", "NINO")),
    ("GB", gb_nhs, ("NHS number", "NHS No")),
    ("FR", fr_nir, ("numéro de sécurité sociale", "NIR", "n° sécu")),
    ("DE", de_idnr, ("Steuer-ID", "steuerliche Identifikationsnummer", "IdNr.")),
    ("ES", es_dni, ("DNI", "NIF", "documento nacional de identidad")),
    ("ES", es_nie, ("NIE", "número de identidad de extranjero")),
    ("IT", it_cf, ("codice fiscale", "C.F.", "Codice Fiscale")),
    ("PT", pt_nif, ("NIF", "número de contribuinte")),
    ("NL", nl_bsn, ("BSN", "burgerservicenummer")),
    ("BE", be_nn, ("rijksregisternummer", "numéro de registre national", "INSZ")),
    ("AT", at_vnr, ("SV-Nummer", "Sozialversicherungsnummer", "SVNR")),
    ("CH", ch_ahv, ("AHV-Nummer", "numéro AVS", "AHVN13")),
    ("SE", se_personnummer, ("personnummer", "Personnr")),
    ("NO", no_fnr, ("fødselsnummer", "personnummer", "fnr")),
    ("DK", dk_cpr, ("CPR-nummer", "CPR-nr", "personnummer")),
    ("FI", fi_hetu, ("henkilötunnus", "hetu", "personal identity code")),
    ("IS", is_kennitala, ("kennitala", "kt.")),
    ("EE", ee_ik, ("isikukood", "Estonian personal code")),
    ("LT", ee_ik, ("asmens kodas", "Lithuanian personal code")),
    ("LV", lv_pk, ("personas kods", "Latvian personal code")),
    ("PL", pl_pesel, ("PESEL", "numer PESEL")),
    ("CZ", cz_rc, ("rodné číslo", "RČ", "birth number")),
    ("SK", cz_rc, ("rodné číslo", "rodné č.")),
    ("RO", ro_cnp, ("CNP", "cod numeric personal")),
    ("BG", bg_egn, ("ЕГН", "EGN")),
    ("GR", gr_amka, ("ΑΜΚΑ", "AMKA")),
    ("HR", hr_oib, ("OIB", "osobni identifikacijski broj")),
    ("RS", rs_jmbg, ("JMBG", "matični broj")),
    ("SI", rs_jmbg, ("EMŠO", "EMSO")),
    ("TR", tr_kimlik, ("T.C. kimlik no", "TC kimlik numarası", "TCKN")),
    ("IE", ie_pps, ("PPS number", "PPSN")),
    ("IL", il_id, ("Teudat Zehut", "Israeli ID number", "מספר זהות")),
    ("ZA", za_id, ("SA ID number", "RSA ID", "South African ID")),
    ("BR", br_cpf, ("CPF", "CPF nº")),
    ("AR", ar_cuit, ("CUIL", "CUIT")),
    ("CL", cl_rut, ("RUT", "RUN")),
    ("MX", mx_curp, ("CURP", "clave CURP")),
    ("EC", ec_ci, ("cédula de identidad", "cédula")),
    ("IN", in_aadhaar, ("Aadhaar", "Aadhaar number", "UIDAI no.")),
    ("IN", in_pan, ("PAN", "PAN card no.")),
    ("CN", cn_ric, ("身份证号", "身份证号码", "resident identity card")),
    ("KR", kr_rrn, ("주민등록번호", "RRN", "resident registration number")),
    ("JP", jp_number, ("マイナンバー", "個人番号", "My Number")),
    ("TH", th_pin, ("เลขประจำตัวประชาชน", "Thai national ID")),
    ("MY", my_nric, ("MyKad", "NRIC no.", "No. KP")),
    ("SG", sg_nric, ("NRIC", "NRIC/FIN")),
    ("AU", au_tfn, ("TFN", "tax file number")),
    ("NZ", nz_ird, ("IRD number", "IRD no")),
    ("PK", pk_cnic, ("CNIC", "CNIC no.")),
    ("UA", ua_rntrc, ("РНОКПП", "ІПН", "RNTRC")),
)  # fmt: skip
