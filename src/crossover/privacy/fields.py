"""What may be done with a string at its place in a request: replaced in text, as a bare name, or not at all.

One table serves the bodies of all dialects and the words of :mod:`crossover.chat`; what it does not name is text. Names
of fields: those that ``wire`` reads and writes.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

# text: any string may stand there. name: letters, digits, - and _ only. free: JSON of the caller's own, where keys and
# numbers may change too. schema: names and constants that the model has to repeat. keep: the service has to know the
# value, so it cannot be replaced. fixed: keep, with everything below.
Mode: TypeAlias = Literal["text", "name", "free", "schema", "keep", "fixed"]

_MODES: dict[str, Mode] = {
    **dict.fromkeys(
        (
            "name", "id", "call_id", "tool_call_id", "tool_use_id", "tool_name", "filename", "displayName",
            "display_name", "allowedFunctionNames", "allowed_function_names", "server_label",
        ),
        "name",
    ),
    **dict.fromkeys(("arguments", "args", "metadata", "variables", "response"), "free"),
    **dict.fromkeys(
        (
            "parameters", "input_schema", "schema", "json_schema", "format", "output_format", "parametersJsonSchema",
            "parameters_json_schema", "responseSchema", "response_schema", "responseJsonSchema",
            "response_json_schema",
        ),
        "schema",
    ),
    **dict.fromkeys(
        (
            # what chooses: models, kinds, efforts, tiers
            "model", "role", "type", "kind", "mode", "object", "detail", "mime", "mimeType", "mime_type",
            "media_type", "responseMimeType", "response_mime_type", "effort", "reasoning_effort", "verbosity",
            "service_tier", "ttl", "modalities", "responseModalities", "response_modalities", "voice", "status",
            "include", "truncation", "tool_choice", "function_call", "encoding_format", "encoding", "taskType",
            "task_type", "category", "threshold", "language", "keep_alive", "prompt_cache_retention", "think",
            "thinkingLevel", "thinking_level", "cache",
            # where something is, or which one
            "url", "image_url", "video_url", "audio_url", "file_url", "server_url", "fileUri", "file_uri", "uri",
            "file_id", "previous_response_id", "conversation", "container", "cachedContent", "cached_content",
            # what is sealed or encoded
            "data", "images", "file_data", "signature", "thoughtSignature", "thought_signature",
            "encrypted_content", "redacted", "authorization", "authorization_token",
        ),
        "keep",
    ),
    **dict.fromkeys(("headers", "logit_bias", "safetySettings", "safety_settings"), "fixed"),
}  # fmt: skip
_SCHEMA_PROSE = frozenset({"description", "title", "$comment"})
_SCHEMA_FIXED = frozenset({"type", "format", "pattern", "$schema", "$id"})  # a schema's own words, and what checks them

# Words of the protocols themselves: as keys, and as values of fields that choose. Nothing of a person.
_PROTOCOL = """
    additionalProperties aggregate allOf anyOf any anthropic arguments args assistant audio auto background base64
    cache cache_control call_id citations code computer const container content contents context custom data
    default definitions description detail developer dimensions disabled document $defs $ref $schema effort enabled
    encoding_format enum ephemeral examples extra file file_data filename float format frequency_penalty function
    functionCall functionDeclarations functionResponse function_call function_call_output generationConfig grammar
    high id image image_url images include input input_audio input_file input_image input_schema input_text
    instructions integer items json json_object json_schema keep_alive kind low max_completion_tokens max_output_tokens
    max_tokens maxItems maxLength maxOutputTokens maximum media medium message messages metadata minItems minLength
    minimal minimum mode model n name named none null number object oneOf openai options output output_config
    output_text parallel_tool_calls parallel_tools parameters parts patternProperties pattern prefixItems
    presence_penalty prompt_cache_key properties reasoning reasoning_content reasoning_details reasoning_effort
    redacted_thinking refusal required response response_format responses role schema search seed service_tier
    signature source stop stop_sequences store stream stream_options strict string summary summary_text system
    systemInstruction temperature text thinking title tool tool_call tool_call_id tool_calls tool_choice tool_result
    tool_use tool_use_id toolConfig tools top_k top_logprobs top_p topK topP type unknown url user user_id verbosity
    video web_search boolean array media_type mimeType ttl is_error include_usage thinkingConfig
"""
WORDS = frozenset(_PROTOCOL.split())


def below(mode: Mode, key: str, table: dict[str, Any], value: Any) -> Mode:
    """The mode of what stands under ``key`` in ``table``, which stands in ``mode`` itself."""
    if mode in ("free", "fixed"):
        return mode
    if mode == "schema":
        if key in _SCHEMA_PROSE and type(value) is str:
            return "text"
        return "keep" if key in _SCHEMA_FIXED and type(value) is not dict else "schema"
    found = _MODES.get(key, "text")
    if found == "schema" and type(value) is str:
        return "keep"  # ``json``, ``wav``: the name of a format, not a schema
    if key == "data" and table.get("type") == "text":
        return "text"  # a document that is plain text
    return "free" if key == "input" and type(value) is dict else found


def of_key(mode: Mode) -> Mode:
    """The mode of the keys of an object that stands in ``mode``."""
    return "name" if mode in ("free", "schema") else "keep"


def plain(key: str, text: str) -> bool:
    """Whether this is a word of the protocol in a field that chooses between such words."""
    return text in WORDS and _MODES.get(key) == "keep"
