"""The Gemini dialect (generateContent), both faces; the names are those of :mod:`crossover.wire.words`.

``read_request`` and ``read_embed`` also take what the URL says: ``model`` and ``stream``.
"""

from crossover.wire.gemini.door import StreamWriter, read_request, write_error, write_response
from crossover.wire.gemini.embeddings import read_embed, read_embedded, write_embed, write_embedded
from crossover.wire.gemini.upstream import StreamReader, read_error, read_response, write_request

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
