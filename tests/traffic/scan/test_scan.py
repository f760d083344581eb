from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import FileError
from crossover.privacy.words import NOTHING_FOUND, Finding
from crossover.traffic.scan import formats, passages, tables
from tests.traffic.scan.parts import at, file, look, scan


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def chat(text: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def test_json_lines_are_records_with_places(tmp_path: Path) -> None:
    place = file(tmp_path, "a.jsonl", lines(chat("hello"), chat("pay CARD12 for Name-Ann"), {"prompt": "Name-Bob"}))
    survey, hits = scan(place)
    assert (survey.files, survey.records, survey.findings, survey.complete) == (1, 3, 3, True)
    assert survey.bytes == place.stat().st_size
    assert survey.states == {"clean": 1, "hard": 1, "soft": 1}
    assert survey.categories == {"financial": 1, "personal": 2}
    assert [(one.kind, one.findings, one.records) for one in survey.kinds] == [("card", 1, 1), ("person", 2, 2)]
    assert survey.profiles["strict"] == {"allow": 1, "local_only": 2}
    assert survey.profiles["balanced"] == {"allow": 1, "local_only": 1, "redact": 1}
    assert survey.profiles["open"] == {"allow": 2, "local_only": 1}
    assert survey.kept_inside("balanced") == 1
    assert [(hit.spot.line, hit.spot.path, hit.value) for hit in hits] == [
        (2, "messages[0].content", "CARD12"), (2, "messages[0].content", "Name-Ann"), (3, "prompt", "Name-Bob"),
    ]  # fmt: skip
    assert [at(place, hit) for hit in hits] == ["CARD12", "Name-Ann", "Name-Bob"]
    assert [(piece.text, piece.role) for piece in hits[0].context] == [
        ("pay ", "plain"), ("CARD12", "value"), (" for ", "plain"), ("Name-Ann", "other"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": [{"content": [{"type": "text", "text": "CARD1"}]}]}, "messages[0].content[0].text"),
        ({"system": "CARD1", "messages": [{"role": "user", "content": "x"}]}, "system"),
        ({"contents": [{"parts": [{"text": "CARD1"}]}]}, "contents[0].parts[0].text"),
        ({"input": "CARD1", "instructions": "x"}, "input"),
        ({"input": [{"content": [{"type": "input_text", "text": "CARD1"}]}]}, "input[0].content[0].text"),
        ({"model": "m", "input": ["a", "CARD1"]}, "input[1]"),
        ({"prompt": "CARD1"}, "prompt"),
        ({"text": "CARD1"}, "text"),
        ({"custom_id": "7", "body": {"messages": [{"role": "user", "content": "CARD1"}]}}, "body.messages[0].content"),
        ({"a b": [[1, {"ünïcode": "CARD1"}]]}, '["a b"][0][1]["ünïcode"]'),
        (["CARD1"], "[0]"),
    ],
)  # fmt: skip
def test_bodies_of_every_dialect(tmp_path: Path, body: Any, path: str) -> None:
    place = file(tmp_path, "a.jsonl", json.dumps(body, ensure_ascii=False) + "\n")
    survey, (hit,) = scan(place)
    assert (survey.states, hit.spot.path, at(place, hit)) == ({"hard": 1}, path, "CARD1")


def test_arguments_that_are_json_and_values_with_escapes(tmp_path: Path) -> None:
    arguments = json.dumps({"deep": json.dumps({"to": 'he said "CARD7"'})})
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    place = file(tmp_path, "a.jsonl", lines({"messages": [{"role": "assistant", "tool_calls": [call]}]}))
    _, (hit,) = scan(place)
    assert hit.spot.path == "messages[0].tool_calls[0].function.arguments → JSON"
    assert at(place, hit) == "CARD7"
    place = file(tmp_path, "b.jsonl", lines(chat("é\n\t\U0001f600 CARD8")))
    _, (hit,) = scan(place)
    assert at(place, hit) == "CARD8"


def test_keys_numbers_and_repeated_keys(tmp_path: Path) -> None:
    place = file(tmp_path, "a.jsonl", '{"CARD1": "x", "account": 4242424242, "p": "CARD2", "p": "CARD3"}\n')
    survey, hits = scan(place)
    assert [(hit.value, hit.spot.path) for hit in hits] == [
        ("CARD1", "••••"), ("4242424242", "account"), ("CARD3", "p"),
    ]  # fmt: skip
    assert survey.findings == 3
    assert [at(place, hit) for hit in hits] == ["CARD1", "4242424242", "CARD3"]


def test_the_path_of_something_below_a_telling_key_is_hidden(tmp_path: Path) -> None:
    place = file(tmp_path, "a.jsonl", lines({"customers": {"Name-Ann": {"card": "CARD1"}}}))
    _, hits = scan(place)
    assert [hit.spot.path for hit in hits] == ["customers.••••", "customers.••••.card"]


def test_what_nobody_can_read(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    claude = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
    place = file(tmp_path, "a.jsonl", lines(chat([picture]), chat([claude]), {"input": [[1, 2], [3]]}, chat("x")))
    survey, hits = scan(place)
    assert hits == []
    assert survey.states == {"unread": 3, "clean": 1}
    assert survey.opaque == {"it holds an image": 2, "it holds token ids": 1}
    assert survey.profiles["balanced"] == {"local_only": 3, "allow": 1}
    assert survey.profiles["open"] == {"allow": 4}


def test_a_health_story_beside_a_person_is_hard(tmp_path: Path) -> None:
    place = file(tmp_path, "a.jsonl", lines({"text": "she is ill"}, {"text": "Name-Ann is ill"}))
    survey, hits = scan(place)
    assert survey.states == {"soft": 1, "hard": 1}
    assert [(hit.kind, hit.tier) for hit in hits] == [("health", "soft"), ("person", "soft"), ("health", "hard")]
    assert [piece.role for piece in hits[1].context] == ["value", "plain"]  # a story hides nothing around it


def test_lines_that_are_no_json_are_read_and_noted_once(tmp_path: Path) -> None:
    text = lines(chat("x")) + "CARD1 oops\n\n" + "also wrong\n" * 5 + '{"prompt": "CARD2'
    survey, hits = scan(file(tmp_path, "a.jsonl", text))
    assert [hit.value for hit in hits] == ["CARD1", "CARD2"]
    assert survey.records == 8
    assert [note.text for note in survey.notes] == [
        "lines 2, 4, 5 and 3 more: no JSON, read as plain text", "line 9: ends in the middle, read as plain text",
    ]  # fmt: skip


def test_json_that_parsers_quarrel_about(tmp_path: Path) -> None:
    deep = "[" * 20_000 + '"CARD1"' + "]" * 20_000
    survey, hits = scan(file(tmp_path, "a.jsonl", f'{{"a": NaN, "b": "\\ud800 CARD2"}}\n{deep}\n"CARD3"\n'))
    assert sorted(hit.value for hit in hits) == ["CARD1", "CARD2", "CARD3"]
    assert (survey.records, survey.failed) == (3, 0)


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    place = file(tmp_path, "a.jsonl", b'{"p": "x"}\n{"p": "caf\xe9 CARD1"}\n{"p": "\xff\xfe"}\n')
    survey, (hit,) = scan(place)
    assert (hit.spot.line, hit.spot.column) == (2, 13)
    assert [note.text for note in survey.notes] == ["line 2: no UTF-8 at 2 places, read as �"]


def test_a_line_that_is_too_long_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_LINE", 1000)
    huge = json.dumps({"p": "x " * 3000 + "CARD1"})
    survey, hits = scan(file(tmp_path, "a.jsonl", lines({"p": "a"}) + huge + "\n" + lines({"p": "CARD2"})))
    assert [(hit.value, hit.spot.line) for hit in hits] == [("CARD1", 2), ("CARD2", 3)]
    assert survey.records == 3
    assert "longer than 32 million characters" in survey.notes[0].text


def test_a_text_too_long_for_a_gateway_is_opaque_and_still_searched(tmp_path: Path) -> None:
    survey, hits = scan(file(tmp_path, "a.jsonl", lines({"p": "lorem ipsum " * 100_000 + "CARD1"})))
    assert [hit.value for hit in hits] == ["CARD1"]
    assert (survey.states, list(survey.opaque)) == ({"hard": 1}, ["it holds a text of 1,200 thousand characters"])


def test_json_documents(tmp_path: Path) -> None:
    items = file(tmp_path, "list.json", '[\n {"p": "a"},\n {"p":\n  "CARD1"}\n]\n')
    survey, (hit,) = scan(items)
    assert (survey.records, hit.spot.line, hit.spot.path, at(items, hit)) == (2, 4, "p", "CARD1")
    one = file(tmp_path, "one.json", json.dumps(chat("CARD1"), indent=2))
    survey, (hit,) = scan(one)
    assert (survey.records, hit.spot.path, at(one, hit)) == (1, "messages[0].content", "CARD1")
    assert scan(file(tmp_path, "lines.json", lines({"p": "a"}, {"p": "b"})))[0].records == 2
    broken, hits = scan(file(tmp_path, "broken.json", '[{"p": "CARD1"}, {"p": "CARD2"'))
    assert [hit.value for hit in hits] == ["CARD1", "CARD2"]
    assert broken.notes[0].text == "line 1: no JSON from here on, read as plain text"


def test_a_document_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_JSON", 100)
    survey, hits = scan(file(tmp_path, "a.json", json.dumps({"p": "x" * 200, "q": "CARD1"})))
    assert ([hit.value for hit in hits], survey.records) == (["CARD1"], 1)


def test_tables(tmp_path: Path) -> None:
    text = 'id,owner,note\n1,ANN,"said ""hi"", CARD1"\n2,bob,"two\nlines CARD2"\n\n3,,\n'
    place = file(tmp_path, "a.csv", text)
    survey, hits = scan(place)
    assert (survey.records, survey.notes) == (3, ())
    assert [(hit.value, hit.spot.line, hit.spot.path) for hit in hits] == [
        ("ANN", 2, "owner"), ("CARD1", 2, "note"), ("CARD2", 4, "note"),
    ]  # fmt: skip
    assert [at(place, hit) for hit in hits] == ["ANN", "CARD1", "CARD2"]


@pytest.mark.parametrize(("name", "apart"), [("a.csv", ";"), ("a.csv", "|"), ("a.tsv", "\t")])
def test_delimiters_and_tables_without_a_header(tmp_path: Path, name: str, apart: str) -> None:
    place = file(tmp_path, name, f"17{apart}CARD1\n18{apart}x\n")
    survey, (hit,) = scan(place)
    assert (survey.records, hit.spot.path, at(place, hit)) == (2, "column 2", "CARD1")


def test_a_cell_that_is_json(tmp_path: Path) -> None:
    cell = json.dumps(chat("CARD1")).replace('"', '""')
    survey, (hit,) = scan(file(tmp_path, "a.csv", f'id,body\n1,"{cell}"\n'))
    assert (survey.states, hit.spot.path, hit.value) == ({"hard": 1}, "body", "CARD1")


def test_a_quote_that_never_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LINES", 3)
    survey, hits = scan(file(tmp_path, "a.csv", 'id,note\n1,"open CARD1 x\n2,a\n3,CARD2 x\n4,CARD3\n'))
    assert [(hit.value, hit.spot.line) for hit in hits] == [("CARD1", 2), ("CARD2", 4), ("CARD3", 5)]
    assert survey.notes[0].text == "line 2: a quote is never closed, read as plain text"


def test_plain_text_is_one_record(tmp_path: Path) -> None:
    place = file(tmp_path, "a.txt", "first\nCARD1\n\nCARD2\n34 Name-Ann\n")
    survey, hits = scan(place)
    assert (survey.records, survey.states) == (1, {"hard": 1})
    assert [(hit.value, hit.spot.line, hit.spot.column) for hit in hits] == [
        ("CARD1", 2, 1), ("CARD2\n34", 4, 1), ("Name-Ann", 5, 4),
    ]  # fmt: skip
    assert scan(file(tmp_path, "empty.txt", " \n"))[0].records == 0


def test_lines_as_records(tmp_path: Path) -> None:
    text = "one\n\nCARD1 CARD1\ntwo\nCARD2\n34\nthree\n"
    for place, by_line in ((file(tmp_path, "a.log", text), False), (file(tmp_path, "a.txt", text), True)):
        survey, hits = scan(place, by_line=by_line)
        assert (survey.records, survey.states) == (6, {"clean": 4, "hard": 2})
        assert [hit.spot.line for hit in hits] == [3, 3, 5]


@pytest.mark.parametrize("by_line", [False, True])
def test_what_stands_beside_a_hit_is_marked_whoever_it_belongs_to(
    tmp_path: Path, by_line: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("PASSAGE", 64), ("LEAD", 64), ("TAIL", 24)):
        monkeypatch.setattr(passages, name, size)
    text = "".join(f"row {number} CARD{number:09d}\n" for number in range(50))
    _, hits = scan(file(tmp_path, "a.txt", text), by_line=by_line)
    assert len(hits) == 50
    for hit in hits:
        assert "CARD" not in "".join(piece.text for piece in hit.context if piece.role == "plain")
        assert any(piece.role == "other" for piece in hit.context)


def test_each_line_tells_its_own_story() -> None:
    def first_only(text: str, field: str) -> tuple[Finding, ...]:  # a text tells one story, if it is short enough
        return tuple(one for one in look(text, field) if one.kind == "health")[:1] if len(text) < 30 else ()

    text = "she is ill\nno news\nhe is ill, says Name-Ann\nill\nthey are ill\n"
    seen = list(passages.by_line(passages.reader_of(text), first_only))
    assert [(one.line, one.records) for one in seen if one.known is NOTHING_FOUND] == [(2, 1), (4, 1)]
    assert [one.line for one in seen if one.known is not NOTHING_FOUND] == [1, 3, 5]
    assert [(hit.spot.line, hit.spot.column) for one in seen for hit in one.hits] == [(1, 8), (3, 7), (5, 10)]


@pytest.mark.parametrize("by_line", [False, True])
def test_long_texts_are_seen_once_and_nothing_is_cut(
    tmp_path: Path, by_line: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "PASSAGE", 64)
    monkeypatch.setattr(passages, "LEAD", 16)
    monkeypatch.setattr(passages, "TAIL", 24)
    text = "".join(f"{'.' * (number % 23)} CARD{number:09d}\n" for number in range(200)) + "no end " * 40 + "CARD7"
    place = file(tmp_path, "a.txt", text)
    survey, hits = scan(place, by_line=by_line)
    assert [hit.value for hit in hits] == [*(f"CARD{number:09d}" for number in range(200)), "CARD7"]
    assert [at(place, hit) for hit in hits] == [hit.value for hit in hits]
    assert survey.findings == 201


def test_a_detector_that_fails_leaves_no_record_clean(tmp_path: Path) -> None:
    survey, hits = scan(file(tmp_path, "a.jsonl", lines({"p": "a"}, {"p": "BOOM"}, {"p": "BOOM CARD1"})))
    assert hits == []
    assert (survey.states, survey.failed) == ({"clean": 1, "unread": 2}, 2)
    assert survey.profiles["balanced"] == {"allow": 1, "local_only": 2}
    assert [note.text for note in survey.notes] == ["line 2 and 1 more: the test said so; nothing is known of it"]
    for name in ("b.csv", "b.txt", "b.log"):
        assert scan(file(tmp_path, name, "x\nBOOM\n"))[0].failed == (2 if name == "b.log" else 1)


def test_packed_and_wide_files(tmp_path: Path) -> None:
    text = lines({"p": "CARD1"}, {"p": "CARD2"})
    places = [
        file(tmp_path, "a.jsonl.gz", text),
        file(tmp_path, "two.jsonl.gz", gzip.compress(text.encode()) + gzip.compress(text.encode()) + b"\0\0"),
        file(tmp_path, "wide.txt", text.encode("utf-16")),
        file(tmp_path, "mark.jsonl", text.encode("utf-8-sig")),
    ]
    places[1].write_bytes(gzip.decompress(places[1].read_bytes()))
    assert [len(scan(place)[1]) for place in places] == [2, 4, 2, 2]


def test_a_damaged_gzip_gives_what_it_holds(tmp_path: Path) -> None:
    place = file(tmp_path, "a.jsonl.gz", lines(*({"p": f"CARD{number}"} for number in range(500))))
    place.write_bytes(place.read_bytes()[:-200])
    survey, hits = scan(place)
    assert (survey.unreadable, survey.complete) == (1, True)
    assert len(hits) > 50
    assert survey.notes[-1].text == "the gzip data ends in the middle or is damaged"


def test_folders(tmp_path: Path) -> None:
    for name in ("b.txt", "a.jsonl", "deep/er/c.md", ".git/config", ".env"):
        file(tmp_path, name, "CARD1")
    file(tmp_path, "deep/picture.png", b"\x89PNG\r\n\x1a\n")
    file(tmp_path, "data.bin", bytes(range(256)))
    (tmp_path / "link").symlink_to(tmp_path / "b.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    survey, hits = scan(tmp_path, tmp_path / "b.txt")
    assert (survey.files, len(hits)) == (4, 4)
    assert survey.skipped == {"link": 1, "picture": 1, "binary": 1}
    assert [note.text for note in survey.notes] == ["line 1: ends in the middle, read as plain text"]


def test_what_is_named_and_no_text(tmp_path: Path) -> None:
    survey, _ = scan(file(tmp_path, "a.pdf", b"%PDF-1.7"), file(tmp_path, "b.bin", bytes(500)))
    assert [note.text for note in survey.notes] == ["not looked at: it is a PDF", "not looked at: it is binary"]
    with pytest.raises(FileError, match=r"Did you mean a\.pdf"):
        scan(tmp_path / "a.pdff")


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by the system in its own way: root, who runs many tests, may read everything."""
    kept, opened = file(tmp_path, "a.txt", "CARD1"), Path.open

    def guarded(path: Path, *args: Any, **more: Any) -> Any:
        if path == kept:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **more)

    monkeypatch.setattr(Path, "open", guarded)
    survey, _ = scan(tmp_path)
    assert (survey.files, survey.unreadable) == (0, 1)


def test_standard_input() -> None:
    survey, hits = scan("-", stdin=lines({"p": "CARD1"}).encode())
    assert (survey.bytes, hits[0].spot.path) == (15, "p")
    assert [len(scan("-", stdin=text)[1]) for text in (b"CARD1", b"", b"[1] see CARD2", b'{"a": "CARD1"')] == [
        1,
        0,
        1,
        1,
    ]


def test_only_so_many_findings_are_handed_on(tmp_path: Path) -> None:
    survey, hits = scan(file(tmp_path, "a.jsonl", lines({"p": "CARD1 CARD2"}, {"p": "CARD3"})), most=1)
    assert (len(hits), survey.findings) == (1, 3)


def test_a_scan_that_is_broken_off_says_what_it_saw(tmp_path: Path) -> None:
    from crossover.privacy.policy import PROFILES
    from crossover.traffic.scan.sources import Source
    from crossover.traffic.scan.survey import Surveyor

    place = file(tmp_path, "a.jsonl", lines(*({"p": "x"} for _ in range(100))))
    calls = 0

    def look(_text: str, _field: str) -> tuple[()]:
        nonlocal calls
        calls += 1
        if calls == 60:
            raise KeyboardInterrupt
        return ()

    surveyor = Surveyor(look, PROFILES, keep=lambda _name, _hit: None)
    with pytest.raises(KeyboardInterrupt):
        list(surveyor.run([Source(name="a", path=place)], None))  # type: ignore[arg-type]
    survey = surveyor.survey()
    assert (survey.complete, survey.files) == (False, 1)
    assert 20 < survey.records < 60
