"""Files that a user wrote: what cannot be read is one sentence, and every key has its line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import FileError
from crossover.textfile import Document, dotted, key_lines, open_file, parse_toml, read_text

WHOLE = '''
# a comment with key = 1 and [table]
top = 1
"quoted key" = "a # no comment"
a.b.c = 2
list = [
  "one",  # [
  "two",
  { name = "x", more = [1,
    2.5] },
]
text = """
[not.a.table]
no = 1
"""
literal = \'\'\'
also = "no"\'\'\'
after = 2024-01-01T00:00:00Z

[table]
key = { one = 1, two = { three = 3 } }
[table."with.dots"] # end
key = 'x=[1]'
[[rows]]
a = 1
[[rows]]
a = 2
[rows.below]
b = 3
[ spaced . "out" ]
key=5
'''


def test_every_key_has_its_line() -> None:
    tomllib.loads(WHOLE)
    lines = key_lines(WHOLE)
    text = WHOLE.splitlines()

    def at(*path: str) -> str:
        return text[lines[path] - 1].strip()

    assert at("top") == "top = 1"
    assert at("quoted key").startswith('"quoted key"')
    assert at("a", "b", "c") == at("a") == "a.b.c = 2"
    assert at("list", "0").startswith('"one"')
    assert at("list", "1") == '"two",'
    assert at("list", "2", "name") == at("list", "2", "more", "0") == '{ name = "x", more = [1,'
    assert at("list", "2", "more", "1") == "2.5] },"
    assert at("literal") == "literal = '''"
    assert at("after").startswith("after = 2024")
    assert at("table") == "[table]"
    assert at("table", "key", "two", "three").startswith("key = {")
    assert at("table", "with.dots") == '[table."with.dots"] # end'
    assert at("table", "with.dots", "key") == "key = 'x=[1]'"
    assert (at("rows", "0", "a"), at("rows", "1", "a"), at("rows", "1", "below", "b")) == ("a = 1", "a = 2", "b = 3")
    assert at("spaced", "out", "key") == "key=5"
    assert not any(path[0] in ("not", "no", "also") for path in lines)


names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f\x85"), min_size=1, max_size=6
)
values = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text(max_size=8) | st.floats(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)} = {inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(inline, value)) + "\n]"
    return quoted(value)


def expected(value: object, path: tuple[str, ...], line: int, lines: dict[tuple[str, ...], int]) -> int:
    """Note the line of a value and of all in it; the line on which it ends."""
    lines[path] = line
    if isinstance(value, dict):
        for key, each in value.items():
            line = expected(each, (*path, key), line, lines)
    elif isinstance(value, list):
        line += 1
        for number, each in enumerate(value):
            line = expected(each, (*path, str(number)), line, lines)
            line += 1 if number < len(value) - 1 else 0
        line += 1
    return line


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=4), max_size=4))
def test_lines_of_any_document(tables: dict[str, dict[str, object]]) -> None:
    text, line = "", 1
    lines: dict[tuple[str, ...], int] = {}
    for name, table in tables.items():
        text += f"[{quoted(name)}]\n"
        lines[(name,)] = line
        line += 1
        for key, value in table.items():
            text += f"{quoted(key)} = {inline(value)}\n"
            line = expected(value, (name, key), line, lines) + 1
    text = text.replace("\x7f", "\\u007f")
    tomllib.loads(text)
    assert key_lines(text) == lines


@given(st.text(st.sampled_from("[]{}=,.#'\"\\\n ab1"), max_size=60))
def test_any_text_gives_lines_and_no_error(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in key_lines(text).values())


def test_the_nearest_key_above_has_the_line() -> None:
    document = Document("x.toml", "[a]\nb = 1\n")
    assert document.line(("a", "b", "c", "d")) == 2
    assert document.line(("a", "z")) == 1
    assert document.line(("z",)) is None
    error = document.error("is wrong", ("a", "b"), hint="Write 2")
    assert error.sentence() == "x.toml:2, field a.b: is wrong. Write 2"


def test_names_with_dots_are_quoted() -> None:
    assert dotted(("deployments", "gpt-4.1", "queue")) == 'deployments."gpt-4.1".queue'


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb\n", 2), ("a = 1\na = 2\n", 2), ("a = [1,\n2\n", 3), ("[a]\n[a]\n", 2)]
)
def test_what_is_no_toml_has_its_line(text: str, line: int) -> None:
    with pytest.raises(FileError, match="is no TOML") as caught:
        parse_toml(text, "x.toml")
    assert caught.value.line == line


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "crossover.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(FileError, match="is not UTF-8") as caught:
        read_text(tmp_path / "crossover.toml", 100)
    assert caught.value.line == 2
    with pytest.raises(FileError, match="over 0 MiB"):
        read_text(tmp_path / "crossover.toml", 5)
    with pytest.raises(FileError, match=r"no such file. Did you mean crossover.toml"):
        open_file(tmp_path / "crosover.toml")
    with pytest.raises(FileError, match="is a folder"):
        open_file(tmp_path)
    with pytest.raises(FileError, match="cannot be read"):
        open_file(Path("a\0b"))
