"""promptfoo's configurations: what is read, and what is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.errors import FileError
from crossover.evaluation.samples.read import read_samples
from crossover.evaluation.samples.words import Sample

HEAD = """\
prompts:
  - 'Translate to {{language}}: {{text}}'
tests:
"""


def read(tmp_path: Path, text: str) -> tuple[Sample, ...]:
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text(text, encoding="utf-8")
    return read_samples(file).samples


def refused(tmp_path: Path, text: str) -> FileError:
    with pytest.raises(FileError) as caught:
        read(tmp_path, text)
    return caught.value


def test_variables_fill_the_prompt_and_assertions_become_checks(tmp_path: Path) -> None:
    (sample,) = read(
        tmp_path,
        HEAD
        + """\
  - vars: {language: French, text: Hello}
    assert:
      - type: equals
        value: Bonjour
      - type: not-icontains
        value: '{{text}}'
      - {type: rouge-n, value: Bonjour, threshold: 0.5}
    metadata: {topic: greeting}
""",
    )
    assert sample.prompt == "Translate to French: Hello"
    assert sample.expected == ("Bonjour",)
    assert sample.tags == ("topic=greeting",)
    assert sample.combine == "all"
    equal, contains, rouge = sample.checks
    assert (equal.scorer, equal.value) == ("equals", "Bonjour")
    assert (contains.scorer, contains.value, contains.negated) == ("icontains", "Hello", True)
    assert (rouge.scorer, rouge.threshold) == ("rouge-1", 0.5)


def test_prompts_and_lists_of_variables_make_samples_of_one_group(tmp_path: Path) -> None:
    samples = read(
        tmp_path,
        """\
prompts: ['A {{x}}', {raw: 'B {{x}}', label: b}]
defaultTest:
  assert: [{type: contains, value: x}]
tests:
  - vars: {x: [1, 2]}
  - vars: {x: 3}
""",
    )
    assert [sample.prompt for sample in samples] == ["A 1", "B 1", "A 2", "B 2", "A 3", "B 3"]
    assert [sample.id for sample in samples] == ["1.1", "1.2", "1.3", "1.4", "2.1", "2.2"]
    assert {sample.group for sample in samples} == {"test 1", "test 2"}
    assert samples[1].tags == ("prompt=b",)
    assert all(sample.checks for sample in samples)
    assert [samples[0].line, samples[4].line] == [5, 6]


def test_files_of_prompts_tests_and_values(tmp_path: Path) -> None:
    (tmp_path / "chat.json").write_text(
        '[{"role": "system", "content": "Be {{how}}."}, {"role": "user", "content": "Hi"}]'
    )
    (tmp_path / "tests.yaml").write_text(
        "- vars: {how: file://how.txt}\n  assert: [{type: is-json, value: file://s.json}]\n"
    )
    (tmp_path / "how.txt").write_text("brief")
    (tmp_path / "s.json").write_text('{"type": "object"}')
    (sample,) = read(tmp_path, "prompts: file://chat.json\ntests: file://tests.yaml\n")
    assert sample.messages[0].text == "Be brief."
    assert sample.checks[0].value == {"type": "object"}


def test_tests_as_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "tests.jsonl"
    file.write_text('{"vars": {"prompt": "2+2"}, "assert": [{"type": "equals", "value": "4"}]}\n')
    (sample,) = read_samples(file).samples
    assert (sample.prompt, sample.checks[0].value) == ("2+2", "4")


@pytest.mark.parametrize("kind", ["javascript", "not-latency", "assert-set", "model-graded-closedqa", "not-webhook"])
def test_an_assertion_that_is_not_read_is_named(tmp_path: Path, kind: str) -> None:
    error = refused(tmp_path, HEAD + f"  - vars: {{language: a, text: b}}\n    assert: [{{type: {kind}, value: x}}]\n")
    assert f"the assertion {kind!r} is not supported" in error.message
    assert error.line == 4
    assert error.hint is not None
    assert "icontains" in error.hint


def test_limits_on_latency_and_cost_are_left_out_and_said(tmp_path: Path) -> None:
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text(
        HEAD.replace("tests:", "defaultTest: {assert: [{type: latency, threshold: 5000}]}\ntests:")
        + "  - vars: {language: a, text: b}\n    assert: [{type: cost, threshold: 1}, {type: equals, value: x}]\n"
    )
    found = read_samples(file)
    assert [check.scorer for check in found.samples[0].checks] == ["equals"]
    assert "the assertion latency (the report shows it beside the score), the assertion cost" in found.notes[0]


def test_a_mistake_that_all_tests_share_is_told_once(tmp_path: Path) -> None:
    text = "prompts: ['{{x}}']\ndefaultTest:\n  assert: [{type: javascript}]\ntests: [{vars: {x: 1}}, {vars: {x: 2}}]\n"
    error = refused(tmp_path, text)
    assert (error.line, error.more) == (2, ())
    options = "prompts: ['{{x}}']\ndefaultTest: {options: {transform: y}}\ntests: [{vars: {x: 1}}]\n"
    assert "the option 'transform' of a test is not supported" in refused(tmp_path, options).message
    assert "scenarios are not supported" in refused(tmp_path, "scenarios: [1]\ntests: []\n").message


def test_a_mistake_in_another_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("- vars: {x: 1}\n  assert: [{type: python, value: x}]\n")
    error = refused(tmp_path, "prompts: ['{{x}}']\ntests: [file://more.yaml]\n")
    assert error.file == str(tmp_path / "more.yaml")
    assert error.line is None


def test_tests_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "language,text,__expected1,__expected2,__description,__metadata:topic,__threshold\n"
        "French,Hello,Bonjour,not-contains: Hello,first,greeting,0.5\n"
        'French,Bye,"icontains-any: au revoir, adieu",similar(0.9): Au revoir,,,\n'
        "French,One,grade: is French,,,,\n"
    )
    first, second, third = read(tmp_path, HEAD.replace("tests:\n", "tests: file://t.csv\n"))
    assert [(one.scorer, one.value, one.negated) for one in first.checks] == [
        ("equals", "Bonjour", False), ("contains", "Hello", True),
    ]  # fmt: skip
    assert (first.threshold, first.tags, first.line) == (0.5, ("topic=greeting",), 2)
    assert second.checks[0].value == ["au revoir", "adieu"]
    assert (second.checks[1].scorer, second.checks[1].threshold) == ("embedding", 0.9)
    assert (third.checks[0].scorer, third.checks[0].value, len(third.checks)) == ("rubric", "is French", 1)
    for cell, said in (("javascript: x", "'javascript' is not supported"), ("a,b", "it has 8 cells")):
        (tmp_path / "t.csv").write_text(
            f"language,text,__expected1,__expected2,__description,__metadata:topic,__threshold\na,b,{cell},,,,\n"
        )
        error = refused(tmp_path, HEAD.replace("tests:\n", "tests: file://t.csv\n"))
        assert said in error.message
        assert (error.file, error.line) == (str(tmp_path / "t.csv"), 2)
    (tmp_path / "t.csv").write_text("language,text,__provider\na,b,c\n")
    assert (
        "'__provider' is not supported" in refused(tmp_path, HEAD.replace("tests:\n", "tests: file://t.csv\n")).message
    )


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("  - vars: {language: a}\n", "no variable 'text'"),
        ("  - vars: {language: a, text: b}\n    assert: [{type: contains}]\n", "needs a value"),
        ("  - vars: {language: a, text: b}\n    assert: [{type: contains, value: x, transform: y}]\n", "'transform'"),
        ("  - vars: {language: a, text: b}\n    provider: openai:gpt-4\n", "provider of a test"),
        ("  - 3\n", "a test is an object"),
        (
            "  - vars: {language: a, text: b}\n    assert: [{type: bleu, value: x, threshold: 7}]\n",
            "no number from 0 to 1",
        ),
    ],
)
def test_mistakes(tmp_path: Path, test: str, said: str) -> None:
    assert said in refused(tmp_path, HEAD + test).message


@pytest.mark.parametrize("hole", ["{{ x | upper }}", "{% if x %}a{% endif %}", "{{ x + 1 }}", "{{ x.y }}"])
def test_templates_that_compute_are_refused(tmp_path: Path, hole: str) -> None:
    assert refused(tmp_path, f"prompts: ['{hole}']\ntests: [{{vars: {{x: a}}}}]\n").line == 2


def test_what_is_no_yaml(tmp_path: Path) -> None:
    error = refused(tmp_path, "prompts: [a\ntests: ]:\n")
    assert "is no YAML" in error.message
    assert error.line is not None
    assert "no configuration" in refused(tmp_path, "just words\n").message


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    assert "is no YAML" in refused(tmp_path, "prompts: !!python/object/apply:os.system ['true']\ntests: []\n").message


def test_combinations_have_an_end(tmp_path: Path) -> None:
    listed = "[" + ", ".join("1" for _ in range(200)) + "]"
    error = refused(tmp_path, f"prompts: ['{{{{a}}}}']\ntests: [{{vars: {{a: {listed}, b: {listed}}}}}]\n")
    assert "40,000 samples" in error.message
