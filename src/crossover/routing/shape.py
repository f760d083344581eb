"""What can be seen of an answer without understanding it: cut off, not the JSON that was asked for, an unknown tool.

No promise is behind these rules and no training: an answer that fails one of them is of no use to whoever asked.
"""

from __future__ import annotations

from crossover.learning.shape import call_fits, fits, parsed
from crossover.routing.words import Shown


def fault(shown: Shown) -> str | None:
    """Why this answer is of no use, in a few words; None where nothing is wrong with its shape."""
    for rule in (_cut, _withheld, _no_json, _no_tool):
        found = rule(shown)
        if found is not None:
            return found
    return None


def _cut(shown: Shown) -> str | None:
    """Cut off although the client set no limit: a longer answer was meant."""
    return "its answer was cut off" if shown.finish == "length" and shown.request.max_tokens is None else None


def _withheld(shown: Shown) -> str | None:
    return "its answer was withheld" if shown.finish == "content_filter" else None


def _no_json(shown: Shown) -> str | None:
    wanted = shown.request.output
    if wanted is None or wanted.kind == "text" or shown.calls:
        return None
    begins = shown.text.lstrip()[:1] in ("{", "[")  # a fence around it is no JSON for whoever parses it
    if not shown.whole:
        return None if begins else "its answer is not the JSON that was asked for"
    good, value = parsed(shown.text)
    if not good or not begins:
        return "its answer is not the JSON that was asked for"
    return None if wanted.schema is None or fits(value, wanted.schema) else "its JSON does not fit the schema"


def _no_tool(shown: Shown) -> str | None:
    tools = {tool.name: tool.parameters for tool in shown.request.tools}
    for name, arguments in shown.calls:
        if name not in tools:
            return "it called a tool that there is not"
        if shown.whole and not call_fits(name, arguments, tools):
            return "it called a tool with arguments that do not fit"
    choice = shown.request.tool_choice
    if choice is not None and choice.mode in ("required", "named") and shown.whole and not shown.calls:
        return "it called no tool, and one was required"
    return None
