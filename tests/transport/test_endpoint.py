"""Where requests may go, and what can never be written into one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import FileError, InputError
from crossover.transport import Endpoint, endpoint, head
from crossover.transport.endpoint import blocked, proxy_of

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "base"),
    [
        ("https://api.example.com/v1", "https", "api.example.com", 443, "/v1"),
        ("https://api.example.com/v1/", "https", "api.example.com", 443, "/v1"),
        ("HTTP://LocalHost:11434", "http", "localhost", 11434, ""),
        ("http://[::1]:8000/a/b", "http", "::1", 8000, "/a/b"),
        ("http://192.168.1.5", "http", "192.168.1.5", 80, ""),
        ("https://api.example.com./v1", "https", "api.example.com", 443, "/v1"),
        ("https://münchen.example/v1", "https", "xn--mnchen-3ya.example", 443, "/v1"),
        ("http://my_box:1", "http", "my_box", 1, ""),
    ],
)
def test_a_url_is_taken_apart(url: str, scheme: str, host: str, port: int, base: str) -> None:
    found = endpoint(url)
    assert (found.scheme, found.host, found.port, found.base) == (scheme, host, port, base)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example",
        "file:///etc/passwd",
        "a.example/v1",
        "//a.example",
        "",
        "http://",
        "http:///v1",
        "http://a.example:port",
        "http://a.example:99999",
        "http://a.example/v1?key=1",
        "http://a.example/v1?",
        "http://a.example/v1#top",
        "http://a.example/v1#",
        "http://a.example/v 1",
        "http://a.example/v1\r\nx: y",
        "http://a.example/é",
        "http://a b.example",
        "http://a\x00.example",
        "http://-a.example",
        "http://a%2eexample",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        f"https://user:{SECRET}@a.example",
        f"https://{SECRET}@a.example",
        "http://@a.example",
    ],
)
def test_a_url_that_is_no_base_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InputError) as caught:
        endpoint(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "2852039166",  # 169.254.169.254 as one number
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[fe80::1]",
        "[febf::1]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
    ],
)
def test_metadata_services_and_link_local_addresses_are_refused(host: str) -> None:
    with pytest.raises(InputError, match="never connected to"):
        endpoint(f"http://{host}/latest")
    with pytest.raises(InputError, match="never connected to"):
        endpoint("http://a.example", proxy=f"http://{host}:3128")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "192.168.0.1", "localhost", "::1", "fd00::1", "metadata.org"]
)
def test_own_machines_are_fine(host: str) -> None:
    assert blocked(host) is None


def test_a_file_of_certificates_must_be_there(tmp_path: Path) -> None:
    there = tmp_path / "ca.pem"
    there.write_text("")
    assert endpoint("https://a.example", ca_file=str(there)).ca_file == str(there)
    with pytest.raises(FileError, match="certificates"):
        endpoint("https://a.example", ca_file=str(tmp_path / "other.pem"))


@pytest.mark.parametrize(
    "proxy",
    [
        f"https://user:{SECRET}@proxy:1",
        f"socks5://user:{SECRET}@proxy:1",
        f"http://user:{SECRET}@proxy:1/path",
        f"http://user:{SECRET}@proxy:1?a=b",
        f"http://user:{SECRET}@",
        f"http://user:{SECRET}@proxy:port",
        f"user:{SECRET}@proxy:1",
    ],
)
def test_a_wrong_proxy_is_refused_without_showing_its_password(proxy: str) -> None:
    with pytest.raises(InputError) as caught:
        endpoint("https://a.example", proxy=proxy)
    assert SECRET not in str(caught.value)


def test_no_representation_shows_a_proxys_password() -> None:
    found = endpoint("https://a.example", proxy=f"http://user:{SECRET}@proxy:3128")
    taken_apart = proxy_of(found.proxy or "")
    for shown in (repr(found), str(found), f"{[found]}", repr(taken_apart)):
        assert SECRET not in shown
        assert "dXNlcjpodW50ZXIy" not in shown  # the same in base64
    assert taken_apart.authorization == "Basic dXNlcjpodW50ZXIy"


def test_a_proxys_password_may_be_percent_encoded() -> None:
    assert proxy_of("http://u%40x:p%3Aw@proxy:1").authorization == "Basic dUB4OnA6dw=="
    assert proxy_of("http://proxy").authorization is None


# ------------------------------------------------------------------------------------------------------------- head


def test_the_head_of_a_request() -> None:
    ep = endpoint("https://api.example.com/v1")
    assert head(ep, "POST", "/chat/completions", [("Authorization", "Bearer k"), ("x-note", "")]) == (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        b"host: api.example.com\r\n"
        b"Authorization: Bearer k\r\n"
        b"x-note: \r\n"
        b"accept-encoding: identity\r\n"
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.example:80", b"a.example"),
        ("http://a.example:8080", b"a.example:8080"),
        ("https://a.example:80", b"a.example:80"),
        ("http://[::1]", b"[::1]"),
        ("http://[::1]:8000", b"[::1]:8000"),
    ],
)
def test_the_host_header(url: str, host: bytes) -> None:
    assert b"\r\nhost: " + host + b"\r\n" in head(endpoint(url), "GET", "/", [])


def test_a_proxy_gets_the_whole_url_and_its_credentials_for_plain_http_only() -> None:
    proxy = f"http://user:{SECRET}@proxy:3128"
    plain = head(endpoint("http://a.example:81/v1", proxy=proxy), "GET", "/x?y=1", [])
    assert plain.startswith(b"GET http://a.example:81/v1/x?y=1 HTTP/1.1\r\nhost: a.example:81\r\n")
    assert b"proxy-authorization: Basic dXNlcjpodW50ZXIy\r\n" in plain
    through = head(endpoint("https://a.example/v1", proxy=proxy), "GET", "/x", [])
    assert through.startswith(b"GET /v1/x HTTP/1.1\r\n")
    assert b"proxy-auth" not in through


BREAKS = st.sampled_from(["\r", "\n", "\r\n", "\x00", "\x0b", "\x7f", "\r\nx: y\r\n\r\nGET / HTTP/1.1"])


@given(before=st.text(max_size=5), end=BREAKS, after=st.text(max_size=5), where=st.integers(0, 3))
def test_nothing_ends_a_line_early(before: str, end: str, after: str, where: int) -> None:
    parts = ["POST", "/chat", "x-name", "value"]
    parts[where] += before + end + after
    method, path, name, value = parts
    with pytest.raises(InputError) as caught:
        head(endpoint("http://a.example"), method, path, [(name, value)])
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_is_accepted_is_one_line_per_header(path: str, value: str) -> None:
    try:
        found = head(endpoint("http://a.example"), "POST", "/" + path, [("x-a", value)])
    except InputError:
        return
    assert found.count(b"\r\n") == 4
    assert found.count(b"\n") == found.count(b"\r") == 4
    assert found.split(b"\r\n")[0].count(b" ") == 2


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "connection", "upgrade", "expect", "te", "proxy-authorization"],
)
def test_headers_that_are_the_clients_own(name: str) -> None:
    with pytest.raises(InputError, match="itself"):
        head(endpoint("http://a.example"), "POST", "/", [(name, "1")])


@pytest.mark.parametrize(
    ("method", "path", "name", "value"),
    [
        ("HEAD", "/", "a", "b"),
        ("CONNECT", "/", "a", "b"),
        ("", "/", "a", "b"),
        ("PO ST", "/", "a", "b"),
        ("POST", "", "a", "b"),
        ("POST", "chat", "a", "b"),
        ("POST", "/a b", "a", "b"),
        ("POST", "/a#b", "a", "b"),
        ("POST", "/é", "a", "b"),
        ("POST", "/", "", "b"),
        ("POST", "/", "a b", "b"),
        ("POST", "/", "a:", "b"),
        ("POST", "/", "é", "b"),
        ("POST", "/", "a", " b"),
        ("POST", "/", "a", "b\t"),
        ("POST", "/", "a", "€"),
    ],
)
def test_what_no_request_can_carry(method: str, path: str, name: str, value: str) -> None:
    with pytest.raises(InputError):
        head(endpoint("http://a.example"), method, path, [(name, value)])


def test_a_secret_in_a_header_is_never_in_the_error() -> None:
    with pytest.raises(InputError) as caught:
        head(endpoint("http://a.example"), "POST", "/", [("authorization", f"Bearer {SECRET}\n")])
    assert SECRET not in str(caught.value)


def test_a_host_that_was_put_in_by_hand_is_checked_too() -> None:
    with pytest.raises(InputError):
        head(Endpoint(scheme="http", host="a\r\nx: y", port=80), "GET", "/", [])
    with pytest.raises(InputError):
        head(Endpoint(scheme="http", host="a:\r\nx: y", port=80), "GET", "/", [])
    with pytest.raises(InputError):
        head(Endpoint(scheme="http", host="a", port=80, base="/v1 HTTP/1.1\r\nx: y"), "GET", "/", [])
