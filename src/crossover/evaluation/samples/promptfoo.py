"""promptfoo's configuration as samples: ``prompts`` × ``tests``, with ``vars`` filled in and ``assert`` as checks.

What is read is a subset that needs no JavaScript, no Nunjucks beyond ``{{ name }}`` and no second program; everything
else is named and refused. A test with several prompts, or with lists among its variables, becomes several samples of
one group, because they hang together. ``providers`` are not read: ``--candidate`` says who answers.

Shapes as promptfoo's documentation describes them (configuration reference, test cases, assertions; read 2026-11-27).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import FileError, InputError, MissingExtraError
from crossover.evaluation.samples.rows import Ignored, sample_of, share, weight
from crossover.evaluation.samples.template import filled, filled_tree
from crossover.evaluation.samples.words import Check, Sample
from crossover.textfile import read_text

Wrong = Callable[[int | None, InputError], None]
_FILE = "file://"
_MOST_BYTES = 64 * 2**20
_MOST_COMBINATIONS = 10_000  # of lists among the variables of one test
_PASSTHROUGH = "{{prompt}}"  # promptfoo's own where no prompt is given

# Assertion: our scorer, the threshold where none is stated (None: the scorer says right or wrong).
SUPPORTED: dict[str, tuple[str, float | None]] = {
    "equals": ("equals", None),
    "contains": ("contains", None),
    "contains-any": ("contains", None),
    "contains-all": ("contains-all", None),
    "icontains": ("icontains", None),
    "icontains-any": ("icontains", None),
    "icontains-all": ("icontains-all", None),
    "starts-with": ("starts-with", None),
    "regex": ("regex", None),
    "is-json": ("json-schema", None),
    "contains-json": ("contains-json", None),
    "levenshtein": ("levenshtein", None),
    "rouge-n": ("rouge-1", 0.75),
    "bleu": ("bleu", 0.5),
    "similar": ("embedding", 0.75),
    "llm-rubric": ("rubric", None),
}
_LISTS = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
_ASSERT_KEYS = frozenset({"type", "value", "threshold", "weight", "metric", "provider", "description"})


def samples(text: str, path: Path, wrong: Wrong) -> Iterator[Sample]:
    """The samples of a configuration; mistakes go to ``wrong`` with their line. Raises FileError for no YAML."""
    tree = load_yaml(text, str(path))
    lines = _Lines(text)
    if isinstance(tree, list):  # a file of tests alone
        tree = {"tests": tree}
    if not isinstance(tree, dict):
        raise FileError("is no configuration of promptfoo", file=str(path), hint="It needs prompts and tests")
    try:
        prompts = _prompts(tree.get("prompts"), path.parent)
        default = _default(tree.get("defaultTest"))
        tests = list(_tests(tree.get("tests"), path.parent, lines))
    except InputError as error:
        wrong(None, error)
        return
    for number, (test, line) in enumerate(tests, start=1):
        try:
            yield from _expanded(prompts, default, test, line, number, path.parent)
        except InputError as error:
            wrong(line, error)


def test_samples(test: dict[str, Any], line: int, path: Path) -> Iterator[Sample]:
    """One of promptfoo's tests kept as a line of JSON: its prompt is the variable ``prompt``. Raises InputError."""
    return _expanded([(_PASSTHROUGH, "")], {}, test, line, line, path.parent)


def load_yaml(text: str, file: str) -> Any:
    """A YAML text as plain values. Raises FileError with the line, MissingExtraError without the library."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError("eval", "a file in YAML") from None
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        raise FileError(f"is no YAML: {error.problem or error.context}", file=file, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else "nested too deeply"
        raise FileError(f"is no YAML: {first}", file=file) from None


class _Lines:
    """The lines of the tests, found by walking the marks of the parsed text."""

    def __init__(self, text: str) -> None:
        import yaml

        self.tests: list[int] = []
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        node = root
        if isinstance(root, yaml.MappingNode):
            node = next((value for key, value in root.value if key.value == "tests"), None)
        if isinstance(node, yaml.SequenceNode):
            self.tests = [item.start_mark.line + 1 for item in node.value]

    def of(self, index: int) -> int:
        """The line of a test; 0 where it is in another file."""
        return self.tests[index] if index < len(self.tests) else 0


def _prompts(value: Any, folder: Path) -> list[tuple[Any, str]]:
    """The prompts (text, or a list of messages) with their labels."""
    if value is None:
        return [(_PASSTHROUGH, "")]
    rows = value if isinstance(value, list) else [value]
    found: list[tuple[Any, str]] = []
    for row in rows:
        label = ""
        if isinstance(row, dict):
            label = str(row.get("label") or "")
        said = row.get("raw") or row.get("id") if isinstance(row, dict) else row
        if not isinstance(said, str):
            raise InputError("a prompt is a text or a file", field="prompts")
        found += [(prompt, label) for prompt in _prompt(said, folder)]
    if not found:
        raise InputError("there is no prompt", field="prompts")
    return found


def _prompt(row: str, folder: Path) -> list[Any]:
    if row.startswith(_FILE):
        place = row.removeprefix(_FILE)
        if not place.endswith((".txt", ".md", ".json", ".yaml", ".yml")):
            raise InputError(f"prompts are read from text, JSON and YAML, not from {place}", field="prompts")
        text = read_text(folder / place, _MOST_BYTES)
        if place.endswith((".yaml", ".yml")):
            return [load_yaml(text, place)]
        if not place.endswith(".json"):
            return [part.strip("\n") for part in text.split("\n---\n")]
        row = text
    stripped = row.strip()
    if stripped.startswith("[") and '"role"' in stripped:
        try:
            return [json.loads(stripped)]
        except ValueError:
            raise InputError("a prompt looks like messages and is no JSON", field="prompts") from None
    if row.startswith(("exec:", "langfuse://", "portkey://", "helicone://")):
        raise InputError(f"prompts of {row.partition(':')[0]} are not supported", field="prompts")
    return [row]


def _default(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("it is an object", field="defaultTest")
    return value


def _tests(value: Any, folder: Path, lines: _Lines) -> Iterator[tuple[dict[str, Any], int]]:
    """Every test with its line, those of other files too."""
    if value is None:
        raise InputError("there are no tests", field="tests")
    rows = value if isinstance(value, list) else [value]
    for index, row in enumerate(rows):
        if isinstance(row, str):
            yield from ((test, 0) for test in _tests_file(row.removeprefix(_FILE), folder))
        elif isinstance(row, dict) and "path" in row:
            raise InputError("tests made by a program are not supported", field="tests")
        elif isinstance(row, dict):
            yield row, lines.of(index)
        else:
            raise InputError("a test is an object", field="tests")


def _tests_file(place: str, folder: Path) -> list[dict[str, Any]]:
    if not place.endswith((".yaml", ".yml", ".json", ".jsonl")):
        raise InputError(f"tests are read from YAML and JSON, not from {place}", field="tests")
    text = read_text(folder / place, _MOST_BYTES)
    if place.endswith(".jsonl"):
        try:
            tree = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise InputError(f"{place} is no JSON: {error}", field="tests") from None
    else:
        tree = load_yaml(text, place)
    if not isinstance(tree, list) or not all(isinstance(row, dict) for row in tree):
        raise InputError(f"{place} holds no list of tests", field="tests")
    return tree


def _expanded(
    prompts: list[tuple[Any, str]], default: dict[str, Any], test: dict[str, Any], line: int, number: int, folder: Path
) -> Iterator[Sample]:
    """A test with every prompt and every combination of its listed variables."""
    for name in ("provider", "providers", "transform"):
        if test.get(name):
            raise InputError(f"{name} of a test is not supported", field=name)
    variables = {**_table(default.get("vars"), "vars"), **_table(test.get("vars"), "vars")}
    variables = {name: _read(value, folder) for name, value in variables.items()}
    asserts = [*_rows(default.get("assert")), *_rows(test.get("assert"))]
    sizes = [len(value) for value in variables.values() if isinstance(value, list)]
    combinations = 1
    for size in sizes:
        combinations *= max(size, 1)
    if combinations > _MOST_COMBINATIONS:
        raise InputError(f"the lists among its variables make {combinations:,} samples", field="vars")
    listed = [value if isinstance(value, list) and value else [value] for value in variables.values()]
    several = combinations * len(prompts) > 1
    made = 0
    for values in itertools.product(*listed):
        given = dict(zip(variables, values, strict=True))
        for prompt, label in prompts:
            made += 1
            sample = _sample(prompt, given, test, line, folder, asserts)
            tags = (*sample.tags, *([f"prompt={label}"] if label else []))
            group = sample.group or (f"test {number}" if several else None)
            name = f"{number}.{made}" if several else str(number)
            threshold = share(test.get("threshold"), "threshold")
            yield msgspec.structs.replace(
                sample, id=name, line=line, tags=tags, group=group, threshold=threshold,
                combine="mean" if threshold is not None else "all",
            )  # fmt: skip


def _sample(
    prompt: Any, given: dict[str, Any], test: dict[str, Any], line: int, folder: Path, asserts: list[Any]
) -> Sample:
    asked = filled_tree(prompt, given)
    row: dict[str, Any] = {"messages": asked} if isinstance(asked, list) else {"prompt": asked}
    metadata = test.get("metadata")
    row["metadata"] = metadata if isinstance(metadata, dict) else None
    sample = sample_of(row, line, Ignored())
    checks = tuple(_check(one, given, folder) for one in asserts)
    first = next((check for check in checks if check.scorer == "equals" and isinstance(check.value, str)), None)
    return msgspec.structs.replace(sample, checks=checks, expected=() if first is None else (first.value,))


def _check(row: Any, given: dict[str, Any], folder: Path) -> Check:
    """One assertion as a check. Raises InputError that names what is not supported."""
    if not isinstance(row, dict) or not isinstance(row.get("type"), str):
        raise InputError("an assertion is an object with a type", field="assert")
    kind = row["type"].strip()
    negated = kind.startswith("not-")
    name = kind.removeprefix("not-")
    if name not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        raise InputError(f"the assertion {kind!r} is not supported", field="assert", hint=f"Supported: {known}")
    for odd in sorted(row.keys() - _ASSERT_KEYS):
        raise InputError(f"{odd!r} of an assertion is not supported", field=f"assert.{odd}")
    scorer, usual = SUPPORTED[name]
    value = filled_tree(_read(row.get("value"), folder), given)
    if name in _LISTS and isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if value is None and name not in ("is-json", "contains-json"):
        raise InputError(f"the assertion {kind!r} needs a value", field="assert.value")
    threshold: float | None
    if name == "levenshtein":  # a distance in characters
        value, threshold = {"text": str(value), "most": row.get("threshold", 5)}, None
    else:
        threshold = share(row.get("threshold"), "assert.threshold")
    return Check(
        scorer=scorer,
        value=value,
        threshold=usual if threshold is None else threshold,
        negated=negated,
        weight=weight(row.get("weight"), "assert.weight"),
    )


def _read(value: Any, folder: Path) -> Any:
    """A value, or what the file says that it names."""
    if not isinstance(value, str) or not value.startswith(_FILE):
        return value
    place = value.removeprefix(_FILE)
    if place.endswith((".json", ".yaml", ".yml")):
        return load_yaml(read_text(folder / place, _MOST_BYTES), place)
    if place.endswith((".txt", ".md", ".csv", ".html", ".xml")):
        return read_text(folder / place, _MOST_BYTES)
    raise InputError(f"values are read from text, JSON and YAML, not from {place}")


def _table(value: Any, field: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{field} is an object", field=field)
    return value


def _rows(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError("assert is a list", field="assert")
    return value


__all__ = ["SUPPORTED", "filled", "load_yaml", "samples", "test_samples"]
