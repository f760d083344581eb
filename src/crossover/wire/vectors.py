"""Embedding vectors: lists of numbers, or base64 of 32-bit floats as OpenAI's dialect may carry them."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

from crossover.errors import UpstreamError


def floats(value: Any) -> tuple[float, ...]:
    """A vector as a server sent it; empty where it is no list of numbers."""
    if type(value) is not list or any(type(number) not in (float, int) for number in value):
        return ()
    return tuple([float(number) for number in value])


def floats_of(vector: tuple[float, ...] | str) -> tuple[float, ...]:
    """A vector as numbers, also where it came as base64. Raises UpstreamError ``malformed``."""
    if not isinstance(vector, str):
        return vector
    try:
        data = base64.b64decode(vector, validate=True)
    except binascii.Error:
        raise UpstreamError("a vector is no base64", upstream="malformed") from None
    if len(data) % 4:
        raise UpstreamError("a vector is no row of 32-bit floats", upstream="malformed")
    return struct.unpack(f"<{len(data) // 4}f", data)
