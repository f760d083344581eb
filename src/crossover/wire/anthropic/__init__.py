"""The Anthropic dialect (Messages API), both faces; the names are those of :mod:`crossover.wire.words`.

It has no embeddings.
"""

from crossover.wire.anthropic.door import StreamWriter, read_request, write_error, write_response
from crossover.wire.anthropic.upstream import StreamReader, read_error, read_response, write_request

__all__ = [
    "StreamReader",
    "StreamWriter",
    "read_error",
    "read_request",
    "read_response",
    "write_error",
    "write_request",
    "write_response",
]
