"""The flags and the metric of llama.cpp are held against llama.cpp itself, as the embedded engine ships it."""

from __future__ import annotations

import mmap
from importlib.util import find_spec
from pathlib import Path

from crossover.deploy.site import WAITING
from tests.deploy.parts import CASES, site


def test_llamacpp_knows_every_flag_and_counts_its_queue() -> None:
    found = find_spec("xllamacpp")
    assert found is not None
    assert found.origin is not None
    (library,) = Path(found.origin).parent.glob("xllamacpp*.so")
    server = site(CASES["llamacpp split"]).server
    assert server is not None
    flags = [each for each in server.args if each.startswith("--")]
    assert len(flags) == 10
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as code:
        assert code.find(b"--no-such-flag\0") < 0
        assert [flag for flag in flags if code.find(flag.encode() + b"\0") < 0] == []
        assert code.find(WAITING["llamacpp"].removeprefix("llamacpp:").encode() + b"\0") >= 0
