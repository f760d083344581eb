from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from crossover.deploy.images import images
from crossover.deploy.site import chosen, slug, waiting_most
from crossover.errors import InputError, UnknownNameError
from tests.deploy.parts import LAUNCH, hybrid, own, plan_of, site, sold


def flag(args: tuple[str, ...], name: str) -> str:
    return args[args.index(name) + 1]


def test_vllm_gets_the_planned_flags() -> None:
    server = site(own()).server
    assert server is not None
    assert (
        flag(server.args, "--model") == flag(server.args, "--served-model-name") == "meta-llama/Llama-3.1-70B-Instruct"
    )
    assert flag(server.args, "--max-model-len") == "8192"
    assert flag(server.args, "--max-num-seqs") == "64"
    assert flag(server.args, "--max-num-batched-tokens") == "8192"
    assert flag(server.args, "--tensor-parallel-size") == "2"
    assert flag(server.args, "--quantization") == "fp8"
    assert (server.gpus, server.gpu_resource, server.replicas, server.spare) == (2, "nvidia.com/gpu", 2, 1)
    assert server.usd_per_hour == Decimal("4.18")
    bare = site(own(quantisation="bf16")).server
    assert bare is not None
    assert flag(bare.args, "--dtype") == "bfloat16"
    assert "--quantization" not in bare.args


def test_llamacpp_gets_the_context_of_all_slots_together() -> None:
    launch = msgspec.structs.replace(LAUNCH, sequences=8)
    found = site(own(engine="llamacpp", quantisation="Q4_K_M", accelerator="RTX 4090", launch=launch))
    server = found.server
    assert server is not None
    assert flag(server.args, "--ctx-size") == str(8 * 8192)
    assert flag(server.args, "--parallel") == "8"
    assert flag(server.args, "--model") == "/models/Llama-3.1-70B-Instruct-Q4_K_M.gguf"
    assert flag(server.args, "--split-mode") == "layer"
    assert {"--metrics", "--n-gpu-layers"} <= set(server.args)
    assert any("Llama-3.1-70B-Instruct-Q4_K_M.gguf" in note for note in found.notes)
    other = site(own(engine="llamacpp", quantisation="Q4_K_M", accelerator="RTX 4090"), weights="mine.gguf").server
    assert other is not None
    assert flag(other.args, "--model") == "/models/mine.gguf"


def test_processors_alone_need_no_accelerator() -> None:
    server = site(own(engine="llamacpp", quantisation="Q4_K_M", accelerator="CPU EPYC Genoa", accelerators=1)).server
    assert server is not None
    assert (server.gpus, server.gpu_resource) == (0, "")


def test_weights_quantised_before_are_asked_for() -> None:
    assert any("--weights" in note for note in site(own(quantisation="awq-int4")).notes)
    found = site(own(quantisation="awq-int4"), weights="me/llama-awq")
    assert found.server is not None
    assert flag(found.server.args, "--model") == "me/llama-awq"
    assert not any("--weights" in note for note in found.notes)


def test_the_queue_keeps_half_of_the_promise() -> None:
    assert waiting_most(own()) == 4  # a second, half of it, at 8 requests a second
    assert waiting_most(own(replica_rps=0.1)) == 1
    assert waiting_most(own(slo=(), replica_rps=1e9)) == LAUNCH.sequences
    assert waiting_most(own(slo=())) == 40  # ten seconds where nobody promised anything


def test_sellers_are_rows_of_the_registry() -> None:
    (seller,) = site(sold()).sellers
    assert (seller.provider, seller.model, seller.key_env, seller.like) == (
        "openai", "gpt-4o-mini", "OPENAI_API_KEY", None
    )  # fmt: skip
    (seller,) = site(sold("api:google/g", "google", "gemini-2.5-flash")).sellers
    assert (seller.provider, seller.zone.party) == ("gemini", "google")
    (seller,) = site(sold("h", "huggingface_together", "meta-llama/L")).sellers
    assert (seller.provider, seller.model, seller.like) == (
        "huggingface", "meta-llama/L:together", "huggingface_together/meta-llama/L"
    )  # fmt: skip
    (seller,) = site(sold("h", "novita", "x"), base_url="https://api.example.org/v1").sellers
    assert (seller.provider, seller.base_url, seller.key_env, seller.like) == (
        "openai-compatible", "https://api.example.org/v1", "NOVITA_API_KEY", "novita/x"
    )  # fmt: skip


def test_what_takes_the_peaks_is_found_in_the_plan_or_by_its_name() -> None:
    alone = site(hybrid())
    assert alone.sellers[0].model == "gpt-4o-mini"
    zone = msgspec.structs.replace(sold().deployment.zone, agreements=frozenset({"dpa"}))
    other = msgspec.structs.replace(sold(), deployment=msgspec.structs.replace(sold().deployment, zone=zone))
    beside = site(hybrid(), other)
    assert beside.sellers[0].zone.agreements == frozenset({"dpa"})
    assert any("agreements" in note for note in alone.notes)
    assert not any("agreements" in note for note in beside.notes)
    assert (site(hybrid()).split, site(hybrid("rest")).split) == (False, True)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (own(engine="ollama"), "no artefact is written for ollama"),
        (own(accelerator="M4 Max"), "accelerator"),
        (own(launch=None), "the plan does not say with which flags"),
        (own(quantisation="Q4_K_M"), "vLLM has no flag for weights in Q4_K_M"),
        (own(model="a\nb"), "is no name"),
        (own(accelerator="H101"), "unknown accelerator 'H101'"),
        (sold("h", "novita", "x"), "novita has no address that is known here"),
        (sold("h", "azure", "gpt-4o"), "no address"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(option: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        site(option)  # type: ignore[arg-type]
    assert says in caught.value.sentence()


def test_options_are_chosen_by_rank_id_or_recommendation() -> None:
    plan = plan_of(own("self:a"), sold())
    assert chosen(plan, None).id == "self:a"
    assert chosen(plan, "2").id == chosen(plan, "api:openai/gpt-4o-mini").id == "api:openai/gpt-4o-mini"
    with pytest.raises(UnknownNameError, match="unknown option 'self:b'"):
        chosen(plan, "self:b")
    with pytest.raises(UnknownNameError):
        chosen(plan, "3")
    with pytest.raises(InputError, match="no option of this plan"):
        chosen(plan_of(), None)


def test_names_fit_everywhere() -> None:
    assert slug("Llama-4-Scout-17B-16E-Instruct") == "llama-4-scout-17b-16e-instruct"
    assert slug("x" * 90) == "x" * 40
    assert slug("3B") == "m-3b"
    assert slug("…") == "m"


def test_images_have_a_version_a_source_and_a_day() -> None:
    assert not math.isnan(len(images()))
    for row in images():
        assert row.tag != "latest"
        assert row.source.startswith("https://")
        assert row.checked == "2026-11-27"
