"""The OpenAPI description of the gateway's own paths."""

from __future__ import annotations

from typing import Any

import msgspec

from crossover import __version__

_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_TEXT_PART: dict[str, Any] = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
_IMAGE_PART: dict[str, Any] = {
    "type": "object",
    "required": ["type", "image_url"],
    "properties": {
        "type": {"const": "image_url"},
        "image_url": {
            "type": "object",
            "required": ["url"],
            "properties": {"url": {"type": "string"}, "detail": {"enum": ["auto", "low", "high"]}},
        },
    },
}
_CALL: dict[str, Any] = {
    "type": "object",
    "required": ["id", "type", "function"],
    "properties": {
        "id": {"type": "string"},
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "required": ["name", "arguments"],
            "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}},
        },
    },
}
_TOOL: dict[str, Any] = {
    "type": "object",
    "required": ["type", "function"],
    "properties": {
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "description": {"type": "string"},
                "parameters": {"type": "object"},
                "strict": {"type": "boolean"},
            },
        },
    },
}
_SAID: dict[str, Any] = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant"]},
        "content": {
            "oneOf": [
                {"type": "string"},
                {"type": "array", "minItems": 1, "items": {"oneOf": [_TEXT_PART, _IMAGE_PART]}},
            ]
        },
        "name": {"type": "string"},
    },
}
_CALLED: dict[str, Any] = {
    "type": "object",
    "required": ["role", "tool_calls"],
    "properties": {
        "role": {"const": "assistant"},
        "content": {"type": ["string", "null"]},
        "tool_calls": {"type": "array", "minItems": 1, "items": _CALL},
    },
}
_RESULT: dict[str, Any] = {
    "type": "object",
    "required": ["role", "tool_call_id", "content"],
    "properties": {"role": {"const": "tool"}, "tool_call_id": {"type": "string"}, "content": {"type": "string"}},
}
_CHAT: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string"},
        "messages": {"type": "array", "minItems": 1, "items": {"anyOf": [_SAID, _CALLED, _RESULT]}},
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "tools": {"type": "array", "items": _TOOL},
        "tool_choice": {"enum": ["auto", "none", "required"]},
        "parallel_tool_calls": {"type": "boolean"},
        "response_format": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": ["text", "json_object"]}},
        },
        "max_tokens": {"type": "integer", "minimum": 1},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "n": {"type": "integer", "minimum": 1, "maximum": 128},
        "stop": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 4}]},
        "seed": {"type": "integer"},
        "user": {"type": "string"},
        "logprobs": {"type": "boolean"},
        "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
        "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
        "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_EMBED: dict[str, Any] = {
    "type": "object",
    "required": ["model", "input"],
    "properties": {
        "model": {"type": "string"},
        "input": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
        "encoding_format": {"enum": ["float", "base64"]},
        "dimensions": {"type": "integer", "minimum": 1},
        "user": {"type": "string"},
    },
}
_USAGE: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {
        "prompt_tokens": {"type": "integer"},
        "completion_tokens": {"type": "integer"},
        "total_tokens": {"type": "integer"},
    },
}
_COMPLETION: dict[str, Any] = {
    "type": "object",
    "required": ["choices"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "chat.completion"},
        "created": {"type": "integer"},
        "model": {"type": "string"},
        "choices": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "index": {"type": "integer"},
                    "message": {"type": "object"},
                    "finish_reason": {"type": ["string", "null"]},
                },
            },
        },
        "usage": _USAGE,
    },
}
_VECTORS: dict[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "object": {"const": "list"},
        "model": {"type": "string"},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["embedding"],
                "properties": {
                    "index": {"type": "integer"},
                    "embedding": {
                        "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}],
                        "description": "numbers, or base64 of little-endian 32-bit floats where that was asked for",
                    },
                },
            },
        },
        "usage": _USAGE,
    },
}
_MODEL: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
}
_STATUS: dict[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}, "deployments": {"type": "object"}, "ledger": {"type": "object"}},
}
_HEADERS: list[dict[str, Any]] = [
    {
        "name": "x-crossover-policy",
        "in": "header",
        "description": "local_first, cheapest, fastest, quality_first or pinned, for this request",
        "schema": {"type": "string"},
    },
    {
        "name": "x-crossover-sensitivity",
        "in": "header",
        "description": "a label that can only raise: soft, hard, a category, or local_only",
        "schema": {"type": "string"},
    },
    {
        "name": "x-crossover-deadline",
        "in": "header",
        "description": "seconds the caller waits",
        "schema": {"type": "string"},
    },
]


def description() -> bytes:
    """The description as JSON."""
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Crossover gateway", "version": __version__},
            "paths": _paths(_failures()),
            "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
            "security": [{}, {"key": []}],
        }
    )


def _failures() -> dict[str, Any]:
    """What can go wrong where a model is asked, by status."""
    return {
        str(status): _response(text, _ERROR)
        for status, text in (
            (400, "what was asked is wrong"),
            (401, "a valid key is needed"),
            (403, "this key, or this place, may not"),
            (404, "no such model"),
            (405, "not with this method"),
            (413, "too large"),
            (421, "this gateway is not known under that name"),
            (422, "no deployment is permitted"),
            (429, "a budget or a rate limit is used up"),
            (431, "the headers are too large"),
            (500, "something unexpected went wrong here"),
            (502, "a deployment failed"),
            (503, "nothing can answer just now"),
            (504, "a deployment took too long"),
        )
    }


def _paths(failures: dict[str, Any]) -> dict[str, Any]:
    """Every path that is served."""
    models = {
        "type": "object",
        "required": ["object", "data"],
        "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}},
    }
    wrong = _only(failures, "400")
    return {
        "/v1/chat/completions": {
            "post": _post("chat", "Chat completion, buffered or streamed", _CHAT, _COMPLETION, failures)
        },
        "/v1/embeddings": {"post": _post("embed", "Embeddings", _EMBED, _VECTORS, failures)},
        "/v1/models": {"get": _get("models", "The names that may be asked for", models, failures)},
        "/v1/models/{model}": {
            "get": {
                **_get("model", "One name", _MODEL, failures),
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}],
            }
        },
        "/health": {"get": _get("health", "The process is alive", _STATUS, wrong)},
        "/ready": {
            "get": _get(
                "ready",
                "At least one deployment can answer",
                _STATUS,
                {**wrong, "503": _response("nothing can answer just now", _STATUS)},
            )
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Prometheus metrics",
                "responses": {
                    "200": {
                        "description": "exposition text",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    },
                    **_only(failures, "400", "401", "403", "421", "429"),
                },
            }
        },
        "/openapi.json": {
            "get": _get("openapi", "This description", {"type": "object"}, _only(failures, "400", "421"))
        },
    }


def _only(failures: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: failures[name] for name in names}


def _response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _get(name: str, text: str, schema: dict[str, Any], failures: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": text, "responses": {"200": _response(text, schema), **failures}}


def _post(
    name: str, text: str, schema: dict[str, Any], whole: dict[str, Any], failures: dict[str, Any]
) -> dict[str, Any]:
    answer = _response(text, whole)
    if name == "chat":
        answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "operationId": name,
        "summary": text,
        "parameters": _HEADERS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": answer, **failures},
    }
