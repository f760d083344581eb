from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.catalog import match
from crossover.catalog.items import Catalog
from crossover.catalog.load import load
from crossover.errors import UnknownNameError, fold

CATALOG = load()


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("RTX 4090", "RTX 4090"),
        ("rtx4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("geforce rtx 4090", "RTX 4090"),
        ("H100", "H100 SXM"),
        ("h100_sxm", "H100 SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("h100 pcie", "H100 PCIe"),
        ("a100", "A100 80GB SXM"),
        ("NVIDIA A100-SXM4-40GB", "A100 40GB SXM"),
        ("Tesla T4", "T4"),
        ("AMD Instinct MI300X", "MI300X"),
        ("mac studio m3 ultra", "M3 Ultra 512GB"),
        ("apple m4 max", "M4 Max 128GB"),
        ("dgx spark", "DGX Spark"),
    ],
)
def test_devices_by_the_name_people_type(asked: str, name: str) -> None:
    assert match.accelerator(CATALOG, asked).name == name


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("llama 3.1 70b", "meta-llama/Llama-3.1-70B-Instruct"),
        ("meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"),
        ("meta-llama/Meta-Llama-3.1-70B", "meta-llama/Llama-3.1-70B-Instruct"),
        ("llama3.1:70b", "meta-llama/Llama-3.1-70B-Instruct"),
        ("Llama-3.3-70B", "meta-llama/Llama-3.3-70B-Instruct"),
        ("qwen2.5:7b", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen 3 32B", "Qwen/Qwen3-32B"),
        ("gemma-3-27b-it", "google/gemma-3-27b-it"),
        ("mixtral 8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("deepseek-r1:32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"),
        ("gpt-oss:20b", "openai/gpt-oss-20b"),
        ("phi-4", "microsoft/phi-4"),
    ],
)
def test_models_by_the_name_people_type(asked: str, name: str) -> None:
    assert match.model(CATALOG, asked).name == name


@pytest.mark.parametrize(
    ("asked", "name"),
    [("q4_k_m", "Q4_K_M"), ("Q4KM", "Q4_K_M"), ("4bit", "awq-int4"), ("fp16", "bf16"), ("FP8", "fp8")],
)
def test_quantisations_by_the_name_people_type(asked: str, name: str) -> None:
    assert match.quantisation(CATALOG, asked).name == name


def test_a_typo_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        match.accelerator(CATALOG, "RTX 4091")
    assert "RTX 4090" in caught.value.nearest
    with pytest.raises(UnknownNameError) as caught:
        match.model(CATALOG, "lama 3.1 8b")
    assert "Llama-3.1-8B" in caught.value.nearest
    with pytest.raises(UnknownNameError) as caught:
        match.quantisation(CATALOG, "q4_km_l")
    assert "Q4_K_M" in caught.value.nearest


def test_every_name_and_alias_finds_its_own_row() -> None:
    for device in CATALOG.accelerators:
        for name in (device.name, *device.aliases):
            assert match.accelerator(CATALOG, name) == device, name
    for model in CATALOG.models:
        for name in (model.name, match.short(model.name), *model.aliases):
            assert match.model(CATALOG, name) == model, name
    for row in CATALOG.quantisations:
        for name in (row.name, *row.aliases):
            assert match.quantisation(CATALOG, name) == row, name


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CATALOG.accelerators), st.sampled_from(["{}", " {} ", "{0:s}"]), st.booleans())
def test_case_and_separators_do_not_count(device: object, shape: str, upper: bool) -> None:
    name = getattr(device, "name")  # noqa: B009 - hypothesis hands over an object
    text = shape.format(name.replace(" ", "-"))
    assert match.accelerator(CATALOG, text.upper() if upper else text.lower()) == device


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_found_or_refused(text: str) -> None:
    try:
        device = match.accelerator(CATALOG, text)
    except UnknownNameError:
        return
    assert fold(text)
    assert device in CATALOG.accelerators


def test_stand_ins_are_of_the_class_or_one_above() -> None:
    small = match.substitutes(CATALOG, "openai/gpt-4o-mini")
    names = {model.name for model in small}
    assert "meta-llama/Llama-3.1-8B-Instruct" in names
    assert {model.capability for model in small} <= {"small", "medium"}
    medium = match.substitutes(CATALOG, "openai/gpt-4o")
    assert "meta-llama/Llama-3.3-70B-Instruct" in {model.name for model in medium}
    assert {model.capability for model in medium} <= {"medium", "large"}


def test_stand_ins_do_not_score_far_below() -> None:
    for facts in CATALOG.hosted:
        for model in match.substitutes(CATALOG, facts.id):
            if facts.score is not None and model.score is not None:
                assert model.score >= facts.score - CATALOG.rules.points_below


def test_open_weights_stand_in_for_themselves() -> None:
    assert [m.name for m in match.substitutes(CATALOG, "groq/llama-3.1-8b-instant")] == [
        "meta-llama/Llama-3.1-8B-Instruct"
    ]


def test_nothing_stands_in_for_what_is_not_known() -> None:
    assert match.substitutes(CATALOG, "nobody/nothing") == ()


def test_a_users_own_model_stands_in_without_sellers() -> None:
    base = match.model(CATALOG, "llama 3.1 8b")
    own = msgspec.structs.replace(base, name="me/tuned", origin="user", hosted=(), score=None, benchmark="")
    wider: Catalog = msgspec.structs.replace(CATALOG, models=(*CATALOG.models, own))
    assert own in match.stand_ins(wider, "small")
    other = msgspec.structs.replace(own, origin="shipped")
    assert other not in match.stand_ins(msgspec.structs.replace(CATALOG, models=(other,)), "small")


def test_classes_rise_with_scores() -> None:
    classes = [match.CLASSES.index(match.capability_of(CATALOG, float(score))) for score in range(101)]
    assert classes == sorted(classes)
    assert set(classes) == {0, 1, 2, 3}
