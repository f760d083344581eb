"""Ollama's native dialect, both faces; the names are those of :mod:`crossover.wire.words`."""

from crossover.wire.ollama.door import (
    StreamWriter,
    read_embed,
    read_request,
    write_embedded,
    write_error,
    write_response,
)
from crossover.wire.ollama.upstream import (
    StreamReader,
    read_embedded,
    read_error,
    read_response,
    write_embed,
    write_request,
)

__all__ = [
    "StreamReader",
    "StreamWriter",
    "read_embed",
    "read_embedded",
    "read_error",
    "read_request",
    "read_response",
    "write_embed",
    "write_embedded",
    "write_error",
    "write_request",
    "write_response",
]
