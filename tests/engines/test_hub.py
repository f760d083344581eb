"""Pulling models from a hub, against a local one: redirects, resuming, checks, and hubs that lie."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from crossover.engines import embedded, hub
from crossover.engines.hub import Pulled, RemoteFile, choose, files, parse, pull
from crossover.errors import CrossoverError, FileError, InputError, UnknownNameError
from tests.engines.servers import Answer, Asked, Said, serving

REPO = "owner/tiny-GGUF"
FILE = "tiny-Q8_0.gguf"
MODEL = embedded.default_model().read_bytes()
SHA = hashlib.sha256(MODEL).hexdigest()
TREE = f"/api/models/{REPO}/tree/main?recursive=true"
RESOLVE = f"/{REPO}/resolve/main/{FILE}"
REMOTE = RemoteFile(path=FILE, size=len(MODEL), sha256=SHA)


def listed(*names: str, sha: str = SHA, size: int = len(MODEL)) -> list[dict[str, Any]]:
    """A hub's listing, as the tree API gives it."""
    rows: list[dict[str, Any]] = [
        {"type": "directory", "path": "sub", "size": 0, "oid": "0" * 40},
        {"type": "file", "path": "README.md", "size": 10, "oid": "1" * 40},
    ]
    for name in names:
        lfs = {"oid": sha, "size": size, "pointerSize": 134}
        rows.append({"type": "file", "path": name, "size": size, "oid": "2" * 40, "lfs": lfs, "xetHash": "3" * 64})
    return rows


def store(body: bytes = MODEL, cut: int | None = None, ranges: bool = True) -> Answer:
    """A store behind the hub: ranges honoured or not, or a body cut after so many bytes."""

    def answer(asked: Asked) -> Said:
        start = 0
        given = asked.headers.get("range")
        if given is not None and ranges:
            start = int(given.removeprefix("bytes=").rstrip("-"))
        rest = body[start:]
        said = {"content-length": str(len(rest))}
        if start:
            said["content-range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Said(206 if start else 200, rest if cut is None else rest[:cut], said)

    return answer


def redirecting(to: str) -> Said:
    headers = {"location": to, "x-linked-size": str(len(MODEL)), "x-linked-etag": f'"{SHA}"', "x-repo-commit": "abc"}
    return Said(302, b"Found. Redirecting", headers)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.part"))


def test_a_model_is_pulled_through_the_redirect_and_checked(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with serving(store()) as cdn:
        table = {TREE: Said(200, listed(FILE)), RESOLVE: redirecting(f"{cdn.url}/blob?signature=secret")}
        with serving(table) as home:
            (file,) = files(REPO, hub=home.url, token="hf_secret")
            done = pull(REPO, file, tmp_path, hub=home.url, token="hf_secret", report=lambda *step: told.append(step))
    assert done == Pulled(path=tmp_path / "owner" / "tiny-GGUF" / FILE, size=len(MODEL), sha256=SHA, verified=True)
    assert done.path.read_bytes() == MODEL
    assert told[-1] == (len(MODEL), len(MODEL))
    assert [one.headers.get("authorization") for one in home.asked] == ["Bearer hf_secret"] * 2
    assert "authorization" not in cdn.asked[0].headers  # another host: the token stays at home
    assert not parts(tmp_path)
    assert hub.sha256_of(done.path) == SHA
    assert json.loads(done.path.with_name(FILE + ".json").read_text())["repo"] == REPO
    assert hub.pulled(tmp_path) == (done.path,)


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    with serving({RESOLVE: Said(200, MODEL)}) as home:
        first = pull(REPO, REMOTE, tmp_path, hub=home.url)
        again = pull(REPO, REMOTE, tmp_path, hub=home.url)
    assert (first.fresh, again.fresh, len(home.asked)) == (True, False, 1)


def test_a_new_version_of_the_same_size_is_fetched(tmp_path: Path) -> None:
    other = MODEL.replace(b"crossover-tiny-small", b"crossover-tiny-other", 1)
    remote = RemoteFile(path=FILE, size=len(other), sha256=hashlib.sha256(other).hexdigest())
    with serving({RESOLVE: Said(200, MODEL)}) as home:
        pull(REPO, REMOTE, tmp_path, hub=home.url)
    with serving({RESOLVE: Said(200, other)}) as home:
        assert pull(REPO, remote, tmp_path, hub=home.url).path.read_bytes() == other


def test_what_broke_off_is_kept_named_and_resumed(tmp_path: Path) -> None:
    with serving(store(cut=100_000)) as home, pytest.raises(CrossoverError) as caught:
        pull(REPO, REMOTE, tmp_path, hub=home.url)
    (part,) = parts(tmp_path)
    assert part.stat().st_size == 100_000
    assert str(part) in caught.value.sentence()
    assert "again" in caught.value.sentence()
    with serving(store()) as home:
        done = pull(REPO, REMOTE, tmp_path, hub=home.url)
    assert home.asked[0].headers["range"] == "bytes=100000-"
    assert done.path.read_bytes() == MODEL
    assert not parts(tmp_path)


def test_a_part_that_is_already_whole_needs_no_request(tmp_path: Path) -> None:
    place = tmp_path / "owner" / "tiny-GGUF" / f"{FILE}.{SHA[:12]}.part"
    place.parent.mkdir(parents=True)
    place.write_bytes(MODEL)
    with serving({}) as home:
        assert pull(REPO, REMOTE, tmp_path, hub=home.url).verified
        assert not home.asked


@pytest.mark.parametrize("have", [100_000, len(MODEL) + 5])
def test_a_store_without_ranges_starts_over(tmp_path: Path, have: int) -> None:
    place = tmp_path / "owner" / "tiny-GGUF" / f"{FILE}.{SHA[:12]}.part"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"GGUF" + b"x" * (have - 4))
    with serving(store(ranges=False)) as home:
        assert pull(REPO, REMOTE, tmp_path, hub=home.url).path.read_bytes() == MODEL


def test_a_part_that_was_spoilt_is_deleted_not_trusted(tmp_path: Path) -> None:
    place = tmp_path / "owner" / "tiny-GGUF" / f"{FILE}.{SHA[:12]}.part"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"GGUF" + b"x" * 1000)
    with serving(store()) as home, pytest.raises(FileError, match="SHA-256"):
        pull(REPO, REMOTE, tmp_path, hub=home.url)
    assert not parts(tmp_path)
    assert not hub.pulled(tmp_path)


def test_without_a_listing_the_headers_say_what_is_right(tmp_path: Path) -> None:
    with serving(store()) as cdn, serving({RESOLVE: redirecting(f"{cdn.url}/blob")}) as home:
        done = pull(REPO, RemoteFile(path=FILE), tmp_path, hub=home.url)
    assert (done.verified, done.sha256) == (True, SHA)


def test_a_hub_that_names_no_checksum_is_said_to_be_unchecked(tmp_path: Path) -> None:
    with serving({RESOLVE: Said(200, MODEL)}) as home:
        assert not pull(REPO, RemoteFile(path=FILE), tmp_path, hub=home.url).verified


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<!doctype html><p>Please log in", "no GGUF"),
        (MODEL + b"more", "longer"),
        (MODEL.replace(b"llama", b"lama!", 1), "SHA-256"),
    ],
)
def test_content_that_is_not_what_was_promised(tmp_path: Path, body: bytes, why: str) -> None:
    with serving({RESOLVE: Said(200, body)}) as home, pytest.raises(FileError, match=why):
        pull(REPO, REMOTE, tmp_path, hub=home.url)
    assert not hub.pulled(tmp_path)
    assert not parts(tmp_path)


def test_a_gguf_that_contradicts_itself_does_not_get_its_name(tmp_path: Path) -> None:
    short = MODEL[:-100]
    remote = RemoteFile(path=FILE, size=len(short), sha256=hashlib.sha256(short).hexdigest())
    with serving({RESOLVE: Said(200, short)}) as home, pytest.raises(FileError, match="cut short"):
        pull(REPO, remote, tmp_path, hub=home.url)
    assert not hub.pulled(tmp_path)


def test_redirects_end(tmp_path: Path) -> None:
    with serving(lambda asked: Said(302, b"", {"location": asked.path + "x"})) as home:
        with pytest.raises(CrossoverError, match="more than 5 times"):
            pull(REPO, REMOTE, tmp_path, hub=home.url)
        assert len(home.asked) == 6


@pytest.mark.parametrize(
    "to", ["http://evil.example/model", "ftp://127.0.0.1/model", "file:///etc/passwd", "https://user:pw@evil.example/"]
)
def test_redirects_to_anything_but_https_are_not_followed(tmp_path: Path, to: str) -> None:
    with serving({RESOLVE: redirecting(to)}) as home, pytest.raises(InputError) as caught:
        pull(REPO, REMOTE, tmp_path, hub=home.url, token="hf_secret")
    assert "hf_secret" not in caught.value.sentence()
    assert "pw" not in caught.value.sentence()


@pytest.mark.parametrize(
    ("status", "token", "words"),
    [
        (404, None, "does not exist"),
        (401, None, "HF_TOKEN"),
        (403, "t", "may not read it"),
        (503, None, "answered 503"),
    ],
)
def test_refusals_say_what_helps(tmp_path: Path, status: int, token: str | None, words: str) -> None:
    with serving({RESOLVE: Said(status)}) as home, pytest.raises(CrossoverError) as caught:
        pull(REPO, REMOTE, tmp_path, hub=home.url, token=token)
    assert words in caught.value.sentence()


def test_signed_addresses_are_not_shown(tmp_path: Path) -> None:
    with (
        serving({}) as cdn,
        serving({RESOLVE: redirecting(f"{cdn.url}/blob?X-Amz-Signature=abc")}) as home,
        pytest.raises(CrossoverError) as caught,
    ):
        pull(REPO, REMOTE, tmp_path, hub=home.url)
    assert "Signature" not in caught.value.sentence()


def test_a_hub_that_is_not_there() -> None:
    with serving({}) as gone:
        url = gone.url
    with pytest.raises(CrossoverError, match="cannot be reached"):
        files(REPO, hub=url)
    with pytest.raises(InputError, match="not https"):
        files(REPO, hub="http://hub.example")


def test_a_proxy_is_not_asked_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with serving({RESOLVE: Said(200, MODEL)}) as home:
            assert pull(REPO, REMOTE, tmp_path, hub=home.url).verified
        assert not proxy.asked


@pytest.mark.parametrize("body", [b"<html>", {"error": "x"}, b"[" * 50_000])
def test_a_server_that_is_no_hub(body: Any) -> None:
    with serving({TREE: Said(200, body)}) as home, pytest.raises(CrossoverError, match="no list of files"):
        files(REPO, hub=home.url)


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 2**20))
    with serving({RESOLVE: Said(200, MODEL)}) as home, pytest.raises(FileError, match="free"):
        pull(REPO, REMOTE, tmp_path, hub=home.url)
    assert not parts(tmp_path)


@pytest.mark.parametrize(
    "name", ["../../x.gguf", "/etc/x.gguf", "a/../../x.gguf", "a\\..\\x.gguf", "C:x.gguf", "x\n.gguf"]
)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with serving({}) as home, pytest.raises(InputError, match="no file name"):
        pull(REPO, RemoteFile(path=name, size=1, sha256=SHA), tmp_path / "in", hub=home.url)
    assert not (tmp_path / "in").exists()


def test_a_file_in_a_folder_of_the_repository(tmp_path: Path) -> None:
    with serving({f"/{REPO}/resolve/main/Q8%200/{FILE}": Said(200, MODEL)}) as home:
        done = pull(REPO, RemoteFile(path=f"Q8 0/{FILE}", size=len(MODEL), sha256=SHA), tmp_path, hub=home.url)
    assert done.path == tmp_path / "owner" / "tiny-GGUF" / "Q8 0" / FILE


def test_removing_takes_the_note_and_the_parts(tmp_path: Path) -> None:
    with serving({RESOLVE: Said(200, MODEL)}) as home:
        done = pull(REPO, REMOTE, tmp_path, hub=home.url)
    done.path.with_name(f"{FILE}.0123.part").write_bytes(b"x")
    assert hub.remove(done.path) > len(MODEL)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# ---------------------------------------------------------------------------------------------------------- choosing


def test_what_may_be_written() -> None:
    assert parse("owner/name") == ("owner/name", "")
    assert parse(" owner/name:Q4_K_M ") == ("owner/name", "Q4_K_M")
    assert parse("o/n:sub/file.gguf") == ("o/n", "sub/file.gguf")
    for wrong in ("name", "a/b/c", "../x", "a/..", "https://huggingface.co/a/b", "", "a/b c", "-a/b"):
        with pytest.raises(InputError, match="no repository"):
            parse(wrong)


def some(*names: str) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(path=name) for name in names)


QUANTS = some("m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-Q8_0.gguf", "m-f16.gguf")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("Q8_0", "m-Q8_0.gguf"), ("q4_k_m", "m-Q4_K_M.gguf"), ("", "m-Q4_K_M.gguf"), ("m-f16.gguf", "m-f16.gguf")],
)
def test_files_are_chosen_by_name_or_quantisation(wanted: str, chosen: str) -> None:
    assert [one.path for one in choose(QUANTS, wanted, REPO)] == [chosen]


def test_one_file_needs_no_name_and_many_need_one() -> None:
    assert choose(some("only.gguf"), "", REPO) == some("only.gguf")
    with pytest.raises(InputError, match="several"):
        choose(some("a.gguf", "b.gguf"), "", REPO)
    with pytest.raises(InputError, match="several"):
        choose(some("a-Q8_0.gguf", "b-Q8_0.gguf"), "Q8_0", REPO)
    with pytest.raises(UnknownNameError) as caught:
        choose(QUANTS, "m-Q4_K_L.gguf", REPO)
    assert "m-Q4_K_" in caught.value.nearest[0]
    with pytest.raises(InputError, match="no GGUF"):
        choose((), "", REPO)


def test_all_parts_of_a_split_file_come() -> None:
    split = some("b-Q8_0-00001-of-00002.gguf", "b-Q8_0-00002-of-00002.gguf", "b-Q4_0.gguf")
    assert choose(split, "Q8_0", REPO) == split[:2]


def test_the_listing_is_read_with_care() -> None:
    odd: list[Any] = [
        None,
        5,
        {"type": "file"},
        {"type": "file", "path": 7},
        {"type": "file", "path": "x.GGUF", "size": -1},
    ]
    with serving({TREE: Said(200, [*odd, *listed("a.gguf", sha="zz", size=5)])}) as home:
        assert files(REPO, hub=home.url) == (RemoteFile(path="a.gguf", size=5), RemoteFile(path="x.GGUF"))
