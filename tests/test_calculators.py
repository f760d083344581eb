"""The calculators: the examples of their docstrings, lazy loading, and sentences for bad input."""

from __future__ import annotations

import datetime as dt
import doctest
import math
import pkgutil
import subprocess
import sys
from typing import Any

import pytest

import crossover
from crossover import calculators
from crossover.errors import InputError, UnknownNameError

EXAMPLES = [test for test in doctest.DocTestFinder().find(calculators) if test.examples]
PLAIN: dict[str, Any] = {"requests_per_day": 10_000, "input_tokens": 500, "output_tokens": 300}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name.removeprefix("crossover."))
def test_the_example_of_the_docstring(example: doctest.DocTest) -> None:
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert not report, "".join(report)


def test_every_calculator_that_takes_an_input_has_an_example() -> None:
    shown = {example.name.rsplit(".", 1)[-1] for example in EXAMPLES}
    needing_more = {"as_frame", "as_html", "write_report", "__version__", *crossover.CLIENTS}
    assert set(crossover.__all__) - needing_more <= shown


@pytest.mark.parametrize("name", crossover.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(crossover, name) is not None
    assert name in dir(crossover)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        crossover.nope  # noqa: B018


def test_import_is_light_and_names_come_on_first_use() -> None:
    heavy = {"numpy", "genai_prices", "rich", "typer", "crossover.calculators"}
    code = (
        f"import sys, crossover; early = {heavy!r} & set(sys.modules); crossover.hosting_cost; "
        "print(sorted(early), 'crossover.calculators' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"


def test_the_command_line_starts_light() -> None:
    code = (
        "import sys; from crossover.cli.main import run; run(['--help']); "
        "print(sorted({'numpy', 'genai_prices', 'rich', 'crossover.planner'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("date", ["yesterday", "2026-02-30", "23.11.2026", ""])
def test_a_wrong_day(date: str) -> None:
    with pytest.raises(InputError, match="is not a day"):
        calculators.api_cost("gpt-4o", **PLAIN, date=date)


def test_a_day_may_be_a_date() -> None:
    day = dt.date(2026, 11, 1)
    assert calculators.api_cost("gpt-4o", **PLAIN, date=day) == calculators.api_cost(
        "gpt-4o", **PLAIN, date="2026-11-01"
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: calculators.api_cost("gpt4-omni", **PLAIN), "gpt-4o"),
        (lambda: calculators.memory("lama 3.1 8b", "L4"), "Llama-3.1-8B"),
        (lambda: calculators.memory("llama 3.1 8b", "rtx 4091"), "RTX 4090"),
        (lambda: calculators.memory("llama 3.1 8b", "L4", quantisation="q4_k_x"), "Q4_K_S"),
    ],
)
def test_unknown_names_offer_the_nearest(call: Any, says: str) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean") as caught:
        call()
    assert any(says in name for name in caught.value.nearest)


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, 1e30])
def test_absurd_volumes(bad: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        calculators.make_workload(**{**PLAIN, "requests_per_day": bad})


@pytest.mark.parametrize(
    "call",
    [
        calculators.hosting_cost,
        lambda bad: calculators.hosting_cost(1.0, hours_per_day=bad),
        calculators.owning_cost,
        lambda bad: calculators.owning_cost(5000, residual_share=bad),
        lambda bad: calculators.owning_cost(5000, watts=bad),
        lambda bad: calculators.owning_cost(5000, usd_per_kwh=bad),
        lambda bad: calculators.owning_cost(5000, pue=bad),
        lambda bad: calculators.tco(calculators.hosting_cost(1), fte=bad, fte_cost_month=1),
        lambda bad: calculators.tco(calculators.hosting_cost(1), migration_usd=bad),
        lambda bad: calculators.break_even(bad, 700, 1e6),
        lambda bad: calculators.break_even(0.004, bad, 1e6),
        lambda bad: calculators.break_even(0.004, 700, bad),
    ],
)
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_no_calculator_takes_an_absurd_number(call: Any, bad: float) -> None:
    with pytest.raises(InputError):
        call(bad)


@pytest.mark.parametrize("bad", [0, -1])
def test_counts_are_at_least_one(bad: int) -> None:
    with pytest.raises(InputError):
        calculators.memory("llama 3.1 8b", "L4", count=bad)
    with pytest.raises(InputError):
        calculators.memory("llama 3.1 8b", "L4", context=bad)
    with pytest.raises(InputError):
        calculators.memory("llama 3.1 8b", "L4", sequences=bad)
    with pytest.raises(InputError):
        calculators.throughput("llama 3.1 8b", "L4", concurrency=bad, input_tokens=500, output_tokens=300)
    load = calculators.make_workload(**PLAIN)
    with pytest.raises(InputError):
        calculators.simulate(load, "llama 3.1 8b", "H100 SXM", replicas=bad - 1)  # none at all: everything overflows
    with pytest.raises(InputError):
        calculators.simulate(load, "llama 3.1 8b", "H100 SXM", requests=bad)


def test_an_unknown_purchase() -> None:
    with pytest.raises(InputError, match="Known: on_demand, reserved, spot"):
        calculators.hosting_cost(1, purchase="barter")


def test_volume_times_price() -> None:
    once = calculators.api_cost("gpt-4o-mini", **PLAIN, date="2026-11-01").usd_month
    twice = calculators.api_cost("gpt-4o-mini", **{**PLAIN, "requests_per_day": 20_000}, date="2026-11-01").usd_month
    assert twice == 2 * once


def test_a_plan_as_values(tmp_path: Any) -> None:
    from crossover.planner.question import Scope

    load = calculators.make_workload(**PLAIN, models=("gpt-4o-mini",))
    found = calculators.plan(load, draws=50, scope=Scope(kinds=("api",)), date="2026-11-01", slo="ttft_p95<1s")
    assert found.prices_as_of == dt.date(2026, 11, 1)
    assert calculators.as_dict(found)["today"] == "api:openai/gpt-4o-mini"
    assert "gpt-4o-mini" in calculators.as_html(found)
    assert len(calculators.as_frame(found)) == len(found.options)
    calculators.write_report(found, tmp_path / "plan.html")
    assert (tmp_path / "plan.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_no_calculator_hides_behind_a_module_of_its_name() -> None:
    """A submodule of the same name replaces the function on the package as soon as it is imported."""
    modules = {module.name for module in pkgutil.iter_modules(crossover.__path__)}
    assert not modules & set(crossover.__all__)
