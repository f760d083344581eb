"""The page on workloads shows real output and names every flag, key and shape."""

from __future__ import annotations

import re
from pathlib import Path

from crossover.traffic.flags import demand_from_flags
from crossover.traffic.formats import SHAPES
from crossover.traffic.presets import names, shapes
from crossover.traffic.toml import WorkloadFile
from tests.docs_examples import rerun

PAGE = Path(__file__).resolve().parents[2] / "docs" / "workload.md"


def test_examples_print_what_the_page_shows() -> None:
    assert rerun(PAGE) == PAGE.read_text(encoding="utf-8")


def test_the_toml_on_the_page_is_read(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path / "workload.toml"
    path.write_text(found[1], encoding="utf-8")
    assert demand_from_flags(workload=path).regimes == ("hipaa",)


def test_every_key_preset_and_shape_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for word in (*WorkloadFile.__struct_fields__, *names(), *shapes(), *(shape.shape.split()[0] for shape in SHAPES)):
        assert word in text, word
