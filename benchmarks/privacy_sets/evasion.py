"""Ways to write a value so that a plain pattern misses it while a reader, or a model, still understands it.

Every transform is a pure function of the value (and a ``random.Random``) to the value as written. ``table`` applies
each to the six seeds that it suits; ``hidden`` puts a written value into a text at a span. Not every transform means
something for every value: ``[at]`` needs an address, digits of other scripts need digits.
"""

from __future__ import annotations

import base64
import html
import json
import quopri
import random
import string
import urllib.parse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import set_checksums
import set_national

Transform = Callable[[str, random.Random], str]
SEED = 777

# Letters of other scripts that look the same (Unicode confusables.txt).
CYRILLIC = str.maketrans("aceopxyABCEHIKMOPTXS", "асеорхуАВСЕНІКМОРТХЅ")
GREEK = str.maketrans("ABEHIKMNOPTXYZov", "ΑΒΕΗΙΚΜΝΟΡΤΧΥΖον")
ARABIC, DEVANAGARI = "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९"
MATH_BOLD_DIGIT, MATH_BOLD_UPPER, MATH_BOLD_LOWER = 0x1D7CE, 0x1D400, 0x1D41A
CIRCLED = "⓪①②③④⑤⑥⑦⑧⑨"
SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"


class Seed(NamedTuple):
    """A value and the sentence it is hidden in (``{}`` stands for the value)."""

    kind: str
    value: str
    sentence: str


class Case(NamedTuple):
    """One cell of the evasion table."""

    transform: str
    kind: str
    text: str


def _between(value: str, mark: str, every: int = 3) -> str:
    return mark.join(value[at : at + every] for at in range(0, len(value), every))


def _middle(value: str, mark: str) -> str:
    half = len(value) // 2
    return value[:half] + mark + value[half:]


def _digits(value: str, shown: str) -> str:
    return value.translate(str.maketrans(string.digits, shown))


def _spaced_digits(value: str) -> str:
    return " ".join(char for char in value if char.isdigit() or char == "+")


def _regrouped(value: str, mark: str) -> str:
    plain = "".join(char for char in value if char.isdigit())
    return mark.join(plain[at : at + 2] for at in range(0, len(plain), 2))


def _math(value: str) -> str:
    def shown(char: str) -> str:
        if char in string.digits:
            return chr(MATH_BOLD_DIGIT + int(char))
        if char in string.ascii_uppercase:
            return chr(MATH_BOLD_UPPER + ord(char) - ord("A"))
        return chr(MATH_BOLD_LOWER + ord(char) - ord("a")) if char in string.ascii_lowercase else char

    return "".join(map(shown, value))


def _full_width(value: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in value)


def _percent(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


def _json_in_json(value: str) -> str:
    return json.dumps(json.dumps({"value": json.dumps({"v": "".join(f"\\u{ord(char):04x}" for char in value)})}))


def _mixed_case(value: str, rng: random.Random) -> str:
    return "".join(rng.choice((char.lower(), char.upper())) for char in value)


TRANSFORMS: dict[str, Transform] = {
    "zero_width_space": lambda value, _: _between(value, "\u200b"),
    "zero_width_joiner": lambda value, _: _between(value, "\u200d", 2),
    "word_joiner": lambda value, _: _between(value, "\u2060", 4),
    "soft_hyphen": lambda value, _: _between(value, "\u00ad"),
    "bidi_controls": lambda value, _: "\u202d" + _between(value, "\u200e", 4) + "\u202c",
    "variation_selector": lambda value, _: _between(value, "\ufe0f", 2),
    "combining_marks": lambda value, _: _between(value, "\u0301", 2),
    "cyrillic_homoglyphs": lambda value, _: value.translate(CYRILLIC),
    "greek_homoglyphs": lambda value, _: value.translate(GREEK),
    "full_width": lambda value, _: _full_width(value),
    "mathematical_bold": lambda value, _: _math(value),
    "arabic_indic_digits": lambda value, _: _digits(value, ARABIC),
    "devanagari_digits": lambda value, _: _digits(value, DEVANAGARI),
    "circled_digits": lambda value, _: _digits(value, CIRCLED),
    "superscript_digits": lambda value, _: _digits(value, SUPERSCRIPT),
    "spaced_digits": lambda value, _: _spaced_digits(value),
    "dotted_pairs": lambda value, _: _regrouped(value, "."),
    "slashed_pairs": lambda value, _: _regrouped(value, "/"),
    "newline_middle": lambda value, _: _middle(value, "\n"),
    "newline_indent": lambda value, _: _middle(value, "\n    "),
    "backslash_newline": lambda value, _: _middle(value, "\\\n"),
    "markdown_bold": lambda value, _: _middle(value, "****"),
    "markdown_code": lambda value, _: f"`{_middle(value, '``')}`",
    "html_decimal": lambda value, _: "".join(f"&#{ord(char)};" for char in value),
    "html_hex": lambda value, _: "".join(f"&#x{ord(char):x};" for char in value),
    "html_tags": lambda value, _: _middle(value, "<b></b>"),
    "html_comment": lambda value, _: _middle(value, "<!-- -->"),
    "percent": lambda value, _: _percent(value),
    "double_percent": lambda value, _: urllib.parse.quote(_percent(value), safe=""),
    "json_unicode": lambda value, _: "".join(f"\\u{ord(char):04x}" for char in value),
    "json_in_json": lambda value, _: _json_in_json(value),
    "base64": lambda value, _: base64.b64encode(f"value: {value} end".encode()).decode(),
    "base64url_bare": lambda value, _: base64.urlsafe_b64encode(f"value={value}".encode()).decode().rstrip("="),
    "hexadecimal": lambda value, _: value.encode().hex(),
    "hex_escapes": lambda value, _: "".join(f"\\x{ord(char):02x}" for char in value),
    "quoted_printable": lambda value, _: quopri.encodestring(value.encode(), quotetabs=True).decode().replace(
        "=\n", ""
    ).translate({ord(char): f"={ord(char):02X}" for char in "@-.+"}),
    "html_named": lambda value, _: html.escape(value).replace("@", "&commat;").replace(".", "&period;"),
    "at_dot_words": lambda value, _: value.replace("@", " [at] ").replace(".", " (dot) "),
    "mixed_case": _mixed_case,
    "joined_strings": lambda value, _: _middle(value, '" + "'),
}  # fmt: skip

_NUMBERS = ("card", "iban", "ssn", "phone")
_ALL = ("card", "iban", "ssn", "phone", "email", "key")
_LETTERS = ("iban", "email", "key")
_PLAIN_NUMBERS = ("card", "ssn", "phone")
SUITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(TRANSFORMS, _ALL),
    "cyrillic_homoglyphs": _LETTERS, "greek_homoglyphs": _LETTERS, "arabic_indic_digits": _NUMBERS,
    "devanagari_digits": _NUMBERS, "circled_digits": _NUMBERS, "superscript_digits": _NUMBERS,
    "spaced_digits": _PLAIN_NUMBERS, "dotted_pairs": _PLAIN_NUMBERS, "slashed_pairs": ("card",),
    "quoted_printable": ("email", "phone", "ssn"), "html_named": ("email",), "at_dot_words": ("email",),
    "mixed_case": ("iban", "email"),  # a key with another case is another key
}  # fmt: skip


def seeds() -> tuple[Seed, ...]:
    """The six values; the vendor's key is put together here so that no scanner takes this file for a leak."""
    rng = random.Random(SEED)
    key = "gh" + "p_" + "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(36))
    return (
        Seed("card", set_checksums.card(rng, "visa"), "Please charge my card {} today."),
        Seed("iban", set_checksums.iban(rng, "DE"), "Bitte auf mein Konto IBAN {} überweisen."),
        Seed("ssn", set_national.us_ssn(rng), "My social security number is {} as you asked."),
        Seed("phone", "+49 151 " + set_checksums.digits(rng, 8), "Call my phone at {} tonight."),
        Seed("email", "leila.brandt77@kestrel.co.uk", "Write to my e-mail {} about the keys."),
        Seed("key", key, "The token is {} and it works."),
    )


def hidden(text: str, span: tuple[int, int], transform: str, rng: random.Random) -> str:
    """The text with the value at ``span`` written in another way."""
    start, end = span
    return text[:start] + TRANSFORMS[transform](text[start:end], rng) + text[end:]


def table() -> Iterator[Case]:
    """Every transform with every seed that it suits."""
    rng = random.Random(SEED)
    for transform in TRANSFORMS:
        for seed in seeds():
            if seed.kind in SUITS[transform]:
                at = seed.sentence.index("{}")
                text = seed.sentence.replace("{}", seed.value)
                yield Case(transform, seed.kind, hidden(text, (at, at + len(seed.value)), transform, rng))
