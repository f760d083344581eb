"""promptfoo's configuration as samples: ``prompts`` × ``tests``, with ``vars`` filled in and ``assert`` as checks.

What is read is a subset that needs no JavaScript, no Nunjucks beyond ``{{ name }}`` and no second program; everything
else is named and refused. Limits on latency and cost are no part of a score: they are left out, which is said. A test
with several prompts, or with lists among its variables, becomes several samples of one group, because they hang
together. ``providers`` are not read: ``--candidate`` says who answers.

Shapes as promptfoo's documentation describes them (configuration reference, test cases, assertions; read 2026-11-27).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import FileError, InputError, MissingExtraError
from crossover.evaluation.samples.rows import Ignored, sample_of, share, weight
from crossover.evaluation.samples.tables import table
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
_BESIDE = frozenset({"latency", "cost"})  # assertions about what a report shows beside the score
_OPTIONS = frozenset({"provider", "disableVarExpansion"})  # options of a test that change no question and no answer
# An assertion in a cell of a table: type, threshold in parentheses, value behind a colon; else the answer is equal.
_CELL = re.compile(r"(not-)?([a-z-]+)(?:\((\d+(?:\.\d+)?)\))?(?::([\s\S]*))?")
_PROGRAMS = ("javascript:", "fn:", "eval:", "python:")
_SIMILAR_IN_A_CELL = 0.8
_LISTS = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
_ASSERT_KEYS = frozenset({"type", "value", "threshold", "weight", "metric", "provider", "description"})


def samples(text: str, path: Path, wrong: Wrong, ignored: Ignored) -> Iterator[Sample]:
    """The samples of a configuration; mistakes go to ``wrong`` with their line. Raises FileError for no YAML."""
    tree = load_yaml(text, str(path))
    lines = _Lines(text)
    if isinstance(tree, list):  # a file of tests alone
        tree = {"tests": tree}
    if not isinstance(tree, dict):
        raise FileError("is no configuration of promptfoo", file=str(path), hint="It needs prompts and tests")
    try:
        if tree.get("scenarios"):
            raise InputError("scenarios are not supported", hint="Write them as tests", field="scenarios")
        prompts = _prompts(tree.get("prompts"), path.parent)
        tests = list(_tests(tree.get("tests"), path.parent, lines))
    except InputError as error:
        wrong(error.line, error)
        return
    try:
        default = _default(tree.get("defaultTest"))
        _usable(default, ignored)
    except InputError as error:
        wrong(lines.default, error)
        return
    for number, (test, line, file) in enumerate(tests, start=1):
        try:
            _usable(test, ignored)
            yield from _expanded(prompts, default, test, line or 0, number, path.parent)
        except InputError as error:
            error.file = error.file or file
            wrong(line, error)


def test_samples(test: dict[str, Any], line: int, path: Path, ignored: Ignored) -> Iterator[Sample]:
    """One of promptfoo's tests kept as a line of JSON: its prompt is the variable ``prompt``. Raises InputError."""
    _usable(test, ignored)
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
    """The lines of the tests and of what all share, found by walking the marks of the parsed text."""

    def __init__(self, text: str) -> None:
        import yaml

        self.tests: list[int] = []
        self.default: int | None = None
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if isinstance(node, yaml.MappingNode):
            found = {key.value: (key, value) for key, value in node.value}
            if "defaultTest" in found:
                self.default = found["defaultTest"][0].start_mark.line + 1
            node = found["tests"][1] if "tests" in found else None
        if isinstance(node, yaml.SequenceNode):
            self.tests = [item.start_mark.line + 1 for item in node.value]

    def of(self, index: int) -> int | None:
        """The line of a test."""
        return self.tests[index] if index < len(self.tests) else None


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


def _tests(value: Any, folder: Path, lines: _Lines) -> Iterator[tuple[dict[str, Any], int | None, str | None]]:
    """Every test with its line and the other file that it stands in, if it does."""
    if value is None:
        raise InputError("there are no tests", field="tests")
    rows = value if isinstance(value, list) else [value]
    for index, row in enumerate(rows):
        if isinstance(row, str):
            place = row.removeprefix(_FILE)
            yield from ((test, line, str(folder / place)) for line, test in _tests_file(place, folder))
        elif isinstance(row, dict) and "path" in row:
            raise InputError("tests made by a program are not supported", field="tests")
        elif isinstance(row, dict):
            yield row, lines.of(index), None
        else:
            raise InputError("a test is an object", field="tests")


def _tests_file(place: str, folder: Path) -> list[tuple[int | None, dict[str, Any]]]:
    """The tests of another file, with their lines where they are known."""
    if not place.endswith((".yaml", ".yml", ".json", ".jsonl", ".csv")):
        raise InputError(f"tests are read from YAML, JSON and CSV, not from {place}", field="tests")
    text = read_text(folder / place, _MOST_BYTES)
    if place.endswith(".csv"):
        return _tests_table(text, str(folder / place))
    rows: list[tuple[int | None, Any]]
    if place.endswith(".jsonl"):
        try:
            rows = [(line, json.loads(row)) for line, row in enumerate(text.split("\n"), start=1) if row.strip()]
        except ValueError as error:
            raise InputError(f"{place} is no JSON: {error}", field="tests") from None
    else:
        tree = load_yaml(text, place)
        rows = [(None, row) for row in tree] if isinstance(tree, list) else [(None, tree)]
    if not all(isinstance(row, dict) for _, row in rows):
        raise InputError(f"{place} holds no list of tests", field="tests")
    return rows


def _tests_table(text: str, file: str) -> list[tuple[int | None, dict[str, Any]]]:
    """Tests as rows: a column is a variable, ``__expected`` (``__expected1`` …) an assertion."""

    def wrong(line: int | None, error: InputError) -> None:
        raise FileError(error.message, file=file, line=line, hint=error.hint)

    return [(line, _test_of(row, file, line)) for line, row in table(text, ",", wrong)]


def _test_of(row: dict[str, str], file: str, line: int) -> dict[str, Any]:
    test: dict[str, Any] = {"vars": {}, "assert": [], "metadata": {}}
    for name, cell in row.items():
        if name.startswith("__expected"):
            test["assert"] += [_assertion(cell)] if cell.strip() else []
        elif name == "__threshold":
            try:
                test["threshold"] = float(cell) if cell.strip() else None
            except ValueError:
                raise FileError(f"{cell!r} is no number", file=file, line=line, field=name) from None
        elif name.startswith("__metadata:"):
            test["metadata"][name.removeprefix("__metadata:").removesuffix("[]")] = cell
        elif name in ("__description", "__metric"):
            continue
        elif name.startswith("__"):
            raise FileError(f"the column {name!r} is not supported", file=file, line=line, field=name)
        else:
            test["vars"][name] = cell
    return test


def _assertion(cell: str) -> dict[str, Any]:
    """An assertion as promptfoo writes it in a cell: ``contains: x``, ``similar(0.8): x``, else the very answer."""
    if cell.startswith(_PROGRAMS):
        return {"type": cell.partition(":")[0]}  # which is refused by its name
    if cell.startswith("grade:"):
        return {"type": "llm-rubric", "value": cell.removeprefix("grade:").strip()}
    found = _CELL.fullmatch(cell)
    if found is None or found[2] not in SUPPORTED.keys() | _BESIDE:
        return {"type": "equals", "value": cell}
    made: dict[str, Any] = {"type": f"{found[1] or ''}{found[2]}"}
    if found[4] is not None:
        made["value"] = found[4].strip()
    if found[3] is not None or found[2] == "similar":
        made["threshold"] = float(found[3] or _SIMILAR_IN_A_CELL)
    return made


def _usable(test: dict[str, Any], ignored: Ignored) -> None:
    """Refuse what of a test is not read, by its name; note what is left out. Raises InputError."""
    for name in ("provider", "providers", "transform"):
        if test.get(name):
            raise InputError(f"{name} of a test is not supported", field=name)
    for name in sorted(_table(test.get("options"), "options").keys() - _OPTIONS):
        raise InputError(f"the option {name!r} of a test is not supported", field=f"options.{name}")
    for row in _rows(test.get("assert")):
        kind = _kind(row)
        if kind in _BESIDE:
            ignored.add(f"the assertion {kind} (the report shows it beside the score)")
        elif kind.removeprefix("not-") not in SUPPORTED:
            hint = f"Supported: {', '.join(SUPPORTED)}"
            raise InputError(f"the assertion {kind!r} is not supported", field="assert", hint=hint)


def _kind(row: Any) -> str:
    """The type of an assertion. Raises InputError."""
    if not isinstance(row, dict) or not isinstance(row.get("type"), str):
        raise InputError("an assertion is an object with a type", field="assert")
    return str(row["type"]).strip()


def _expanded(
    prompts: list[tuple[Any, str]], default: dict[str, Any], test: dict[str, Any], line: int, number: int, folder: Path
) -> Iterator[Sample]:
    """A test with every prompt and every combination of its listed variables."""
    variables = {**_table(default.get("vars"), "vars"), **_table(test.get("vars"), "vars")}
    variables = {name: _read(value, folder) for name, value in variables.items()}
    asserts = [row for row in (*_rows(default.get("assert")), *_rows(test.get("assert"))) if _kind(row) not in _BESIDE]
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
            threshold = share(test.get("threshold", default.get("threshold")), "threshold")
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
    kind = _kind(row)
    negated = kind.startswith("not-")
    name = kind.removeprefix("not-")
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
