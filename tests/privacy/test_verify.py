"""Checks against python-stdnum and phonenumbers: whatever those call valid passes, and what fails there fails here."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable

import phonenumbers
import pytest
from stdnum import iban, luhn, verhoeff
from stdnum.iso7064 import mod_11_2, mod_11_10

from crossover.errors import InputError
from crossover.privacy import verify
from crossover.privacy.verify import (
    americas,
    arithmetic,
    banking,
    cards,
    contact,
    documents,
    elsewhere,
    europe,
    facts,
    network,
)

# check, module of python-stdnum, form (9: a digit, A: a letter, y: a date as YYMMDD, d: as DDMMYY), and whether the
# check is more lenient on purpose: no rule for repeated digits, no list of places, checks that were given up
SAME = [
    (europe.gb_nhs, "gb.nhs", "9999999999", False),
    (europe.gb_utr, "gb.utr", "9999999999", False),
    (europe.ie_pps, "ie.pps", "9999999A", False),
    (europe.de_idnr, "de.idnr", "99999999999", True),
    (europe.de_vat, "de.vat", "DE999999999", False),
    (europe.fr_nir, "fr.nir", "199019999999999", True),
    (europe.fr_spi, "fr.nif", "0999999999999", False),
    (europe.fr_siret, "fr.siren", "999999999", False),
    (europe.es_dni, "es.dni", "99999999A", False),
    (europe.es_nie, "es.nie", "X9999999A", False),
    (europe.es_cif, "es.cif", "A99999999", True),
    (europe.pt_nif, "pt.nif", "999999999", False),
    (europe.pt_cc, "pt.cc", "999999999AA9", False),
    (europe.it_iva, "it.iva", "99999999999", True),
    (europe.nl_bsn, "nl.bsn", "999999999", False),
    (europe.be_nn, "be.nn", "y99999", True),
    (europe.ch_ahv, "ch.ssn", "7569999999999", False),
    (europe.se_personnummer, "se.personnummer", "y-9999", True),
    (europe.no_fodselsnummer, "no.fodselsnummer", "d99999", True),
    (europe.fi_hetu, "fi.hetu", "d-999A", True),
    (europe.is_kennitala, "is_.kennitala", "d9999", True),
    (europe.baltic, "ee.ik", "3y9999", True),
    (europe.baltic, "lt.asmens", "3y9999", True),
    (europe.lv_personas_kods, "lv.pvn", "d19999", True),
    (europe.pl_pesel, "pl.pesel", "y99999", True),
    (europe.pl_nip, "pl.nip", "9999999999", False),
    (europe.cz_rodne_cislo, "cz.rc", "y9999", True),
    (europe.ro_cnp, "ro.cnp", "1y999999", True),
    (europe.bg_egn, "bg.egn", "y9999", True),
    (europe.gr_amka, "gr.amka", "d99999", True),
    (europe.gr_afm, "gr.vat", "999999999", False),
    (europe.hr_oib, "hr.oib", "99999999999", False),
    (europe.jmbg, "si.emso", "d9999999", True),
    (europe.ua_rnokpp, "ua.rntrc", "9999999999", False),
    (europe.ru_inn, "ru.inn", "9999999999", False),
    (americas.us_ssn, "us.ssn", "999-99-9999", False),
    (americas.us_itin, "us.itin", "999-99-9999", True),
    (americas.us_ein, "us.ein", "99-9999999", False),
    (americas.ca_sin, "ca.sin", "999999999", False),
    (americas.ca_bc_phn, "ca.bc_phn", "9999999999", False),
    (americas.br_cpf, "br.cpf", "99999999999", False),
    (americas.br_cnpj, "br.cnpj", "99999999999999", False),
    (americas.ar_cuit, "ar.cuit", "20999999999", False),
    (americas.ar_cbu, "ar.cbu", "9999999999999999999999", False),
    (americas.cl_rut, "cl.rut", "99999999-9", False),
    (americas.co_nit, "co.nit", "9999999999", False),
    (americas.ec_ci, "ec.ci", "1799999999", False),
    (americas.pe_ruc, "pe.ruc", "10999999999", False),
    (americas.ve_rif, "ve.rif", "V999999999", False),
    (americas.mx_curp, "mx.curp", "BOXWyHCLNSN99", True),
    (americas.do_cedula, "do.cedula", "99999999999", False),
    (americas.imei, "imei", "999999999999999", False),
    (elsewhere.in_aadhaar, "in_.aadhaar", "999999999999", False),
    (elsewhere.in_pan, "in_.pan", "AAAAA9999A", False),
    (elsewhere.in_epic, "in_.epic", "AAA9999999", False),
    (elsewhere.pk_cnic, "pk.cnic", "9999999999999", False),
    (elsewhere.my_nric, "my.nric", "y999999", True),
    (elsewhere.th_pin, "th.pin", "9999999999999", False),
    (elsewhere.jp_my_number, "jp.in_", "999999999999", False),
    (elsewhere.tr_tckn, "tr.tckimlik", "99999999999", False),
    (elsewhere.il_id, "il.idnr", "999999999", False),
    (elsewhere.za_id, "za.idnr", "y9999199", True),
    (elsewhere.au_tfn, "au.tfn", "999999999", False),
    (elsewhere.au_abn, "au.abn", "99999999999", True),
    (elsewhere.au_acn, "au.acn", "999999999", False),
    (elsewhere.nz_ird, "nz.ird", "999999999", False),
    (banking.es_ccc, "es.ccc", "99999999999999999999", False),
]  # fmt: skip
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def drawn(form: str, chance: random.Random) -> str:
    day, month, year = f"{chance.randint(1, 28):02d}", f"{chance.randint(1, 12):02d}", f"{chance.randint(0, 99):02d}"
    parts = {"9": lambda: str(chance.randint(0, 9)), "y": lambda: year + month + day, "d": lambda: day + month + year}
    return "".join(parts[one]() if one in parts else chance.choice(LETTERS) if one == "A" else one for one in form)


@pytest.mark.parametrize(
    ("check", "module", "form", "lenient"), SAME, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_check_agrees_with_python_stdnum(check: Callable[[str], bool], module: str, form: str, lenient: bool) -> None:
    valid = importlib.import_module(f"stdnum.{module}").is_valid
    chance = random.Random(module)
    seen = 0
    for _ in range(600):
        value = drawn(form, chance)
        if len(set(value)) == 1:
            continue
        expected = valid(value)
        assert expected <= check(value), value
        assert lenient or check(value) == expected, value
        seen += expected
    assert seen or lenient or check is europe.fr_spi  # one in 511


def test_the_arithmetic_agrees_with_python_stdnum() -> None:
    chance = random.Random(7)
    for _ in range(500):
        number = "".join(chance.choice("0123456789") for _ in range(chance.randint(5, 16)))
        assert arithmetic.luhn(number) == luhn.is_valid(number)
        assert arithmetic.verhoeff(number) == verhoeff.is_valid(number)
        assert arithmetic.mod_11_10(number) == mod_11_10.is_valid(number)
        assert arithmetic.mod_11_2(number) == mod_11_2.is_valid(number)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (europe.de_svnr, "15070649C103", "15070649C104"),
        (europe.de_kvnr, "A123456780", "A123456781"),
        (europe.de_document, "L01X00T44", "L01X00T47"),
        (europe.fr_spi, "0701987765493", "0701987765494"),
        (europe.de_lanr, "123456601", "123456901"),
        (europe.ru_snils, "112-233-445 95", "112-233-445 96"),
        (europe.hu_taj, "111 111 110", "111 111 112"),
        (europe.gb_driving_licence, "MORGA657054SM9IJ", "MORGA697054SM9IJ"),
        (europe.gb_nino, "AA 12 34 56 B", "BG123612A"),
        (americas.us_npi, "1234567893", "1234567890"),
        (americas.us_dea, "AB1234563", "AB1234564"),
        (americas.mx_clabe, "032180000118359719", "032180000118359718"),
        (americas.uy_ci, "1.234.567-2", "1.234.567-3"),
        (americas.sv_dui, "00016297-5", "00016297-4"),
        (elsewhere.hk_id, "A123456(3)", "A123456(4)"),
        (elsewhere.tw_id, "A123456789", "A123456788"),
        (elsewhere.sg_nric, "S2740116C", "S2740116D"),
        (elsewhere.sg_nric, "M4332674T", "M4332674W"),
        (elsewhere.au_medicare, "2123 45670 1", "2123 25870 1"),
        (elsewhere.cn_ric, "360426199101010071", "360426199101010072"),
        (elsewhere.kr_brn, "104-86-56659", "104-86-56658"),
        (elsewhere.id_nik, "3171011708450001", "3171014508450001".replace("4508", "9908")),
        (elsewhere.mrz, "L898902C36UTO7408122F1204159ZE184226B<<<<<10", "L898902C37UTO7408122F1204159ZE184226B<<<<<10"),
        (cards.payment_card, "4556 7375 8689 9855", "4556 7375 8689 9856"),
        (cards.payment_card, "3714 496353 98431", "9714 496353 98431"),
        (cards.possible_card, "6759 6498 2643 8453", "6759 6498 2643 8454"),
        (banking.routing_number, "111000025", "112000025"),
        (banking.base58check, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1BoatSLRHtKNngkdXEeobR76b53LETtpyU"),
        (banking.bech32, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp"),
        (contact.email, "a@xn--d1acufc.xn--p1ai", "a@b.nosuchdomain"),
        (contact.birth_date, "31.12.1999", "31.31.1999"),
        (documents.number, "S530-4607-8129", "2024-05-31"),
        (network.ipv4, "203.1.14.77", "203.0.113.77"),
        (network.ipv6, "2a02:8071:2c81::4f3b:9d21", "fe80::1:2:3"),
        (contact.grouped_phone, "06.24.31.24.07", "6.131.15"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_a_published_example_passes_and_a_typing_mistake_does_not(
    check: Callable[[str], bool], right: str, wrong: str
) -> None:
    assert check(right)
    assert not check(wrong)


def test_an_iban_is_as_long_as_its_country_says_and_checked() -> None:
    chance = random.Random(3)
    for country, length in sorted(facts.iban_lengths().items()):
        body = "".join(chance.choice("0123456789") for _ in range(length - 4))
        value = f"{country}{iban.calc_check_digits(f'{country}00{body}')}{body}"
        assert banking.iban(value)
        assert not banking.iban(value + "0")
        assert not banking.iban(value[:4] + str((int(value[4]) + 1) % 10) + value[5:])


def test_calling_codes_are_those_of_libphonenumber() -> None:
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            if region == "001":
                continue
            example = phonenumbers.example_number(region)
            if example is not None:
                written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
                assert contact.international_phone(written), (code, written)


@pytest.mark.parametrize(
    "value", ["anna@example.com", "a@b.example.org", "x@host.test", "you@yourcompany.com", "git@github.com"]
)
def test_an_address_that_reaches_nobody_is_none(value: str) -> None:
    assert not contact.email(value)


@pytest.mark.parametrize(
    "name", ["cards", "cards.", "cards._hidden", "nothing.here", "cards.nothing", "os.system.x", ""]
)
def test_a_check_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(InputError, match=r"check|group"):
        verify.function(name)
