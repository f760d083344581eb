from __future__ import annotations

import sys

import msgspec
import pytest

from crossover.errors import MissingExtraError
from crossover.planner.words import Plan
from crossover.reports import notebook
from tests.reports import plans


def test_a_plan_as_plain_data_reads_back_equal() -> None:
    data = notebook.as_dict(plans.sample())
    assert data["options"][0]["usd_month"] == 5_007.0
    assert msgspec.convert(data, Plan, strict=False) == plans.sample()


def test_a_plan_as_a_frame() -> None:
    frame = notebook.as_frame(plans.sample())
    assert list(frame.index) == list(range(1, 12))
    assert frame.loc[1, "id"] == plans.HOSTED
    assert frame["ttft_p95_s"].isna().sum() == 7
    assert str(frame["payback_months"].dtype) == "float64"
    assert frame["today"].sum() == 1


def test_a_frame_of_no_options_is_empty() -> None:
    empty = msgspec.structs.replace(plans.smallest(), options=())
    assert notebook.as_frame(empty).empty
    assert "<table" not in notebook.as_html_fragment(empty)


def test_without_pandas_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"crossover-llm\[notebook\]"):
        notebook.as_frame(plans.sample())


def test_the_fragment_has_no_script_and_no_style() -> None:
    text = notebook.as_html_fragment(plans.hostile())
    assert "<script" not in text
    assert "<style" not in text
    assert "<img" not in text
    assert "$40,000" in text
