"""The embedded engine, once for all tests of a process: a real llama.cpp with the small shipped model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossover.engines import embedded


@pytest.fixture(scope="session")
def engine() -> Iterator[embedded.Running]:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    with embedded.start(embedded.default_model()) as running:
        yield running
