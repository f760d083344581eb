from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.errors import FileError
from crossover.privacy import folding
from crossover.privacy.decoding import SORTS
from crossover.privacy.joining import JOINS, luhn
from crossover.privacy.views import BUDGET, DEPTH, View, Views, shipped

CARD, IBAN, SSN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "123-45-6789"
MAIL, PHONE, KEY = "mia.tanaka66@acme-corp.com", "+1 415-555-0199", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
VALUES = (CARD, IBAN, SSN, MAIL, PHONE, KEY)
FULL = {code: code + 0xFEE0 for code in range(33, 127)}
MATHS = {ord("0") + n: 0x1D7CE + n for n in range(10)} | {ord("a") + n: 0x1D41A + n for n in range(26)}
CYRILLIC = str.maketrans("aeopcxyABEKMHOPCTX", "аеорсхуАВЕКМНОРСТХ")
GREEK = str.maketrans("ABEZHIKMNOPTYXov", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧον")
VIEWS, PLAIN = shipped(), shipped("stdlib")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def middle(value: str, between: str) -> str:
    half = len(value) // 2 + 1
    return value[:half] + between + value[half:]


WRITTEN: dict[str, Callable[[str], str]] = {
    "zero width": "\u200b".join,
    "word joiner once": lambda v: middle(v, "\u2060"),
    "direction": lambda v: f"\u202d{middle(v, chr(0x202C) + chr(0x202D))}\u202c",
    "soft hyphens": "\u00ad".join,
    "variation selectors": "\ufe0f".join,
    "tags between": "\U000e0061".join,
    "said in tags": lambda v: "".join(chr(0xE0000 + ord(char)) for char in v),
    "combining": lambda v: "".join(f"{char}\u0301" if char.isalnum() else char for char in v),
    "Cyrillic": lambda v: v.translate(CYRILLIC),
    "Greek": lambda v: v.translate(GREEK),
    "full width": lambda v: v.translate(FULL),
    "mathematical": lambda v: v.translate(MATHS),
    "Arabic digits": lambda v: v.translate({ord("0") + n: 0x660 + n for n in range(10)}),
    "circled digits": lambda v: v.translate({ord("1") + n: 0x2460 + n for n in range(9)} | {ord("0"): 0x24EA}),
    "keycaps": lambda v: "".join(f"{char}\ufe0f\u20e3" if char.isdigit() else char for char in v),
    "odd spaces and dashes": lambda v: v.replace(" ", "\u00a0").replace("-", "\u2011"),
    "controls": "\x00".join,
    "entities": lambda v: "".join(f"&#{ord(char)};" for char in v),
    "entities in hex": lambda v: "".join(f"&#x{ord(char):x};" for char in v),
    "named entities": lambda v: v.replace("@", "&commat;").replace(".", "&period;").replace(" ", "&nbsp;"),
    "tag in the middle": lambda v: middle(v, "<b></b>"),
    "comment in the middle": lambda v: middle(v, "<!-- x -->"),
    "percent signs": lambda v: "".join(f"%{ord(char):02X}" for char in v),
    "percent signs twice": lambda v: "".join(f"%25{ord(char):02x}" for char in v),
    "JSON": lambda v: "".join(f"\\u{ord(char):04x}" for char in v),
    "JSON in JSON": lambda v: json.dumps(json.dumps("".join(f"\\u{ord(char):04x}" for char in v))),
    "JSON four times": lambda v: json.dumps(json.dumps(json.dumps(json.dumps({"v": v.replace("@", "\\u0040")})))),
    "strings with plus": lambda v: f'"{middle(v, chr(34) + " + " + chr(34))}"',
    "strings of PHP": lambda v: f"'{middle(v, chr(39) + chr(46) + chr(39))}'",
    "strings side by side": lambda v: f'"{middle(v, chr(34) + chr(10) + "    " + chr(34))}"',
    "strings in a call": lambda v: f'concat("{middle(v, chr(34) + ", " + chr(34))}")',
    "JavaScript": lambda v: "".join(f"\\u{{{ord(char):x}}}" for char in v),
    "Python": lambda v: "".join(f"\\x{ord(char):02x}" for char in v),
    "octal": lambda v: "".join(f"\\{ord(char):03o}" for char in v),
    "quoted-printable": lambda v: "".join(f"={ord(char):02X}" for char in v),
    "base64": b64,
    "base64 in a sentence": lambda v: b64(f"please charge {v} today"),
    "base64url": lambda v: base64.urlsafe_b64encode(f"??>>{v}??>>".encode()).decode().rstrip("="),
    "base64 three times": lambda v: b64(b64(b64(v))),
    "base64 of text with spaces of the web": lambda v: b64(f"\ufeffcharge\u00a0: {v}\u202f!"),
    "base64 of UTF-16": lambda v: base64.b64encode(v.encode("utf-16-le")).decode(),
    "base64 over lines": lambda v: base64.encodebytes(
        f"{'a long text before it, ' * 5}{v} and after".encode()
    ).decode(),
    "a data URL": lambda v: f"data:text/plain;base64,{b64(v)}",
    "base32": lambda v: base64.b32encode(v.encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "hex in pairs": lambda v: v.encode().hex(" "),
    "hex of C": lambda v: ", ".join(f"0x{ord(char):02x}" for char in v),
    "decimal codes": lambda v: " ".join(str(ord(char)) for char in v),
    "binary codes": lambda v: " ".join(f"{ord(char):08b}" for char in v),
    "one by one": " ".join,
    "one by one, dots": ".".join,
    "one by one, dashes": "-".join,
    "one in a line": "\n".join,
    "over a line end": lambda v: middle(v, "\n"),
    "over a quoted line end": lambda v: middle(v, "\r\n> "),
    "bold in the middle": lambda v: middle(v, "**"),
    "code in the middle": lambda v: middle(v, "`"),
    "full width, one by one": lambda v: " ".join(v.translate(FULL)).replace("＋ ", "＋"),
}


def said(text: str, views: Views = VIEWS) -> list[str]:
    return [text, *(view.text for view in views(text))]


def bare(text: str) -> str:
    return "".join(char for char in text if char not in " \n-.()")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", WRITTEN)
def test_a_value_written_another_way_is_seen(name: str, value: str) -> None:
    text = f"Please note {WRITTEN[name](value)} and confirm."
    assert any(bare(value) in bare(one) for one in said(text))


@pytest.mark.parametrize("name", WRITTEN)
def test_without_re2_the_views_are_the_same(name: str) -> None:
    for value in VALUES:
        text = f"Please note {WRITTEN[name](value)} and confirm."
        assert said(text) == said(text, PLAIN)


@pytest.mark.parametrize("after", ["DEBUG=true", "S3_KEY=x", "2026-11-27T10:02:17Z INFO", "2026-11-27"])
def test_a_setting_or_a_line_of_a_log_goes_on_from_no_line(after: str) -> None:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    assert not any(key + after[:4] in one for one in said(f"TOKEN={key}\n{after}\n"))
    assert any(key in one for one in said(f"TOKEN={key[:20]}\n{key[20:]}\n"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("write to mia [at] acme (dot) com", "mia@acme.com"),
        ("write to mia dot tanaka at acme-corp dot co dot uk please", "mia.tanaka@acme-corp.co.uk"),
        ("card four one one one one one one one one one one one one one one one", "4111111111111111"),
        ("card 4111/1111/1111/1111", "4111111111111111"),
        ("card **4111** **1111** **1111** **1111**", "4111 1111 1111 1111"),
        ("it is _4111111111111111_ then", " 4111111111111111 "),
        ("ssn 123/45/6789", "123-45-6789"),
        ("ssn 123-45-\n6789", "123-45-6789"),
        ("iban DE89.3704.0044.0532.0130.00", "DE89370400440532013000"),
        ("ssn 12.34.56.78.9", "123456789"),
        ("ssn 12/34/56/78/9", "123456789"),
        ("phone =2B49=20151=2023456789", "+49 151 23456789"),
        ('x\\\\\\"key\\\\\\": 1', 'x"key": 1'),
        ("mail\\nghp_16C7e42F292c6912", "\nghp_16C7e42F292c6912"),
        ("{\\nDE89370400440532013000", "\nDE89370400440532013000"),
        ("j\u00f3hn@ex\u00e1mple.com", "john@example.com"),
        ("mail=6Aohn x john=40example.com", "john@example.com"),
        ("\\ud835\\udfd2\\ud835\\udfcf\\ud835\\udfcf\\ud835\\udfcf", "4111"),
    ],
)
def test_other_ways_to_write(text: str, value: str) -> None:
    assert any(value in one for one in said(text))


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog; it cost $1,234.50 on 2024-05-06 at 10:30.",
        "The “quick” brown fox — over the lazy dog… it’s 🎉❤️ and 👩‍👩‍👧 came",
        "L’été dernier, à Évian-les-Bains, la météo était très agréable : 25 °C.",
        "Вчера вечером мы ходили в театр и смотрели постановку.",
        "昨日、東京駅で友達に会いました。",
        "def find(self, text):\n    return self.table.get(text, None)\n",
        "1. one\n2. two\n3. three",
    ],
)
def test_ordinary_text_has_no_view(text: str) -> None:
    assert said(text) == [text]


@pytest.mark.parametrize(
    "numbers",
    [
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13",
        "2019, 2020, 2021, 2022",
        "192.168.100.200 10.20.30.40",
        "| 1234 | 5678 | 9012 | 3456 |",
        "2024-05-06 10:30:45.123 2024-05-07",
        "978-3-16-148410-0",
        "0.1234 0.5678 0.9012 0.3456",
    ],
)
def test_rows_of_numbers_are_joined_to_nothing_right_by_luhn(numbers: str) -> None:
    for view in VIEWS(numbers):
        digits = "".join(char for char in view.text if char.isdigit())
        assert not (13 <= len(digits) <= 19 and luhn(digits))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_place_in_a_view_is_a_place_in_the_text(name: str) -> None:
    text = f"Please note {WRITTEN[name](CARD)} and confirm."
    found = [
        (view.span(start, start + len(one)), one)
        for view in VIEWS(text)
        for one in (CARD, bare(CARD), CARD.replace(" ", "-"))
        if (start := view.text.find(one)) >= 0
    ]
    spans = [span for span, _ in found if span is not None]
    assert spans or CARD in text
    assert all(12 <= low < high <= len(text) - 13 for low, high in spans)


def test_what_was_not_changed_is_no_finding_of_a_view() -> None:
    text = "call mia@acme.com or &#52;&#49; now"
    (view,) = (view for view in VIEWS(text) if not view.joined)
    start = view.text.index("mia@acme.com")
    assert view.span(start, start + 12) is None
    assert view.span(view.text.index("41"), view.text.index("41") + 2) == (text.index("&#52;"), text.index(" now"))


def test_nothing_stands_over_two_neighbourhoods() -> None:
    text = f"&#52;{' word' * 200} &#49;"
    (view,) = (view for view in VIEWS(text) if not view.joined)
    assert view.span(0, len(view.text)) is None
    assert len(view.text) < 500


@pytest.mark.parametrize(
    "bomb",
    [
        "%25" * 20_000,
        "&amp;" * 20_000,
        "\\\\" * 30_000,
        "\\u005c" * 20_000,
        "=\n" * 20_000,
        "A" * 100_000,
        "1 " * 30_000,
        "4 " * 30_000,
        "é@" * 20_000,
        "\u200b" * 60_000,
        "a\u200b" * 30_000,
        "<a" * 30_000,
        "<b>" * 20_000,
        "*_`~|" * 10_000,
        "[at]" * 20_000,
        "one " * 20_000,
        "12 " * 30_000,
        "@\n" * 20_000,
        "a_1\n" * 20_000,
        "４" * 30_000,
        b64(b64(b64(b64("x" * 20_000)))),
        "".join(random.Random(1).choices("0123456789 -.\n", k=60_000)),
        "".join(map(chr, random.Random(2).choices(range(1, 0x3000), k=30_000))),
    ],
    ids=lambda bomb: repr(bomb[:6]),
)
def test_no_text_makes_more_than_its_budget(bomb: str) -> None:
    views = list(VIEWS(bomb))
    assert sum(len(view.text) for view in views) <= BUDGET * len(bomb) + 4096
    assert all(depth(view) <= DEPTH + 1 for view in views)


def depth(view: View) -> int:
    return 1 if view.parent is None else 1 + depth(view.parent)


CRUMBS = [*"4 1-.\n@aA_0%u\\x&#;=<b>*`é\u200bо１(at)[dot]one/+|~,:\r\tz9Z３с\u00a0"]
CRUMBS += ["4111", "one ", "123", "6789", "DE89", "&#52;", "\\u0041", "%41", "=41", "NDExMSAxMTExIDEx", "@acme", "mia"]
CRUMBS += [
    '" + "',
    '""',
    "'.'",
    '", "',
    "concat",
    "join",
    "\\\\\\\\u0034",
    '\\\\"',
    "\\n4",
    "\\nghp_",
    "=2B4",
    "=20",
    "12.34.",
    "56/78/",
]
CRUMBS += [
    "AKIA1234",
    "ghp_A1b2",
    "<b>",
    "**",
    "[at]",
    "\n> ",
    " - ",
    "__",
    "--",
    " at ",
    " dot ",
    "34 31 31 ",
    "0x41, ",
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(CRUMBS), max_size=60).map("".join))
def test_any_text_has_the_same_views_either_way_and_spans_inside(text: str) -> None:
    views = list(VIEWS(text))
    assert [view.text for view in views] == [view.text for view in PLAIN(text)]
    for view in views:
        span = view.span(0, max(1, len(view.text) // 2))
        assert span is None or 0 <= span[0] <= span[1] <= len(text)


def test_triggers_cost_one_pass_and_all_have_one() -> None:
    assert VIEWS.triggers("Nothing here at all.") == ()
    assert len({sort.trigger for sort in SORTS} | {join.trigger for join in JOINS}) == len(SORTS) + len(JOINS)


def test_where_the_set_says_nothing_everything_is_tried() -> None:
    class Empty:
        def Match(self, _text: str) -> None:  # noqa: N802 - RE2's name
            return None

    views = shipped()
    views._set = Empty()
    text = f"note {b64(CARD)}"
    assert said(text, views) == said(text)


def test_a_broken_table_is_said_with_its_line(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "lookalikes.txt"
    path.write_text("# head\n[same]\n30 660\nxyz 10\n")
    with pytest.raises(FileError, match=r"lookalikes.txt:4"):
        folding.load(path)


def test_luhn() -> None:
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")


@pytest.mark.parametrize("size", range(60, 140))
def test_runs_of_any_length_are_read_or_left(size: int) -> None:
    """Half a byte or half a group at the end of a long run is no reason to fail."""
    for letters in ("0123456789abcdef", "ABCDEFGHIJKLMNOP", "QUJDREVGR0hJSktM", "a1B2c3D4e5F6g7H8"):
        run = (letters * 10)[:size]
        for text in (run, f"key {run} end", run + "\n" + run):
            assert all(view.text for view in shipped()(text))
