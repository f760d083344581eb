"""From a plan's option to what runs: engine flags, replicas, sellers. Catalog and registry are handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from crossover.catalog.items import Accelerator
from crossover.deploy.images import image_for
from crossover.deploy.words import Seller, Server, Site
from crossover.deployment import PerHour, PerToken, Zone
from crossover.errors import InputError, UnknownNameError
from crossover.money import HOURS_PER_MONTH, Usd
from crossover.planner.words import Launch, Option, Plan
from crossover.providers.registry import Provider

GPU_RESOURCES = {"NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu"}  # what their device plugins for Kubernetes offer
PORTS = {"vllm": 8000, "llamacpp": 8080}
WAITING = {"vllm": "vllm:num_requests_waiting", "llamacpp": "llamacpp:requests_deferred"}
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a container, which only the gateway reaches
_COMPUTE = frozenset({"compute", "power"})
_TTFT_S = 10.0  # the promise that own machines are sized by where nobody states one
# vLLM: the flag of each format, and whether it needs weights that were quantised before.
_VLLM_FORMATS: dict[str, tuple[str, bool]] = {
    "bf16": ("", False), "fp8": ("fp8", False), "int8": ("compressed-tensors", True), "awq-int4": ("awq_marlin", True),
    "gptq-int4": ("gptq_marlin", True), "mxfp4": ("", False), "nvfp4": ("modelopt_fp4", True),
}  # fmt: skip


def chosen(plan: Plan, wanted: str | None) -> Option:
    """The option that a user names by rank or id; without a name the one that the plan recommends.

    Raises InputError for a plan without options and UnknownNameError for a name that is none of them.
    """
    if not plan.options:
        raise InputError("no option of this plan passes every filter", hint="See its refusals with crossover plan")
    known = {option.id: option for option in plan.options}
    name = plan.verdict.option if wanted is None else wanted.strip()
    if name.isdigit() and 1 <= int(name) <= len(plan.options):
        return plan.options[int(name) - 1]
    if name not in known and wanted is None:
        return plan.options[0]
    if name not in known:
        raise UnknownNameError("option", name, known, field="--option")
    return known[name]


def site_of(
    plan: Plan,
    option: Option,
    accelerators: Mapping[str, Accelerator],
    registry: Mapping[str, Provider],
    *,
    weights: str = "",
    base_url: str | None = None,
) -> Site:
    """What the option means in servers and sellers. Raises InputError where no artefact can stand for it.

    ``weights`` is a repository (vLLM) or a file (llama.cpp) instead of the usual one, ``base_url`` the address of a
    seller that has none of its own.
    """
    for name in (option.id, option.deployment.model.name, option.deployment.zone.name, weights, base_url or ""):
        if not name.isprintable():
            raise InputError(f"{name!r} is no name", hint="A plan that was changed by hand? Make it anew")
    own = not isinstance(option.deployment.billing, PerToken)
    server = _server(plan, option, accelerators, weights) if own else None
    sold = _sold(plan, option)
    sellers = [_seller(billing, zone, registry, base_url) for billing, zone in sold]
    notes = list(server_notes(option, server, weights)) if server else []
    if any(row.party not in ("", "own") and not row.agreements for _, row in sold):
        notes.append("Declare in crossover.toml what is signed with the seller (agreements), or sensitive data stays")
    return Site(
        option=option.id,
        title=" ".join("".join(char if char.isprintable() else " " for char in option.title).split()),
        alias="auto",
        server=server,
        sellers=tuple(sellers),
        split=any(line.name.startswith("rest to") for line in option.lines),
        regimes=plan.workload.regimes,
        notes=tuple(notes),
    )


def _sold(plan: Plan, option: Option) -> list[tuple[PerToken, Zone]]:
    """What is bought by the token: the option itself, or what takes the overflow of own machines."""
    billing = option.deployment.billing
    if isinstance(billing, PerToken):
        return [(billing, option.deployment.zone)]
    if not option.overflow_to:
        return []
    other = next((each for each in plan.options if each.id == option.overflow_to), None)
    if other is not None and isinstance(other.deployment.billing, PerToken):
        return [(other.deployment.billing, other.deployment.zone)]
    provider, _, model = option.overflow_to.partition(":")[2].partition("/")
    return [(PerToken(provider=provider, model=model), Zone(name=provider, operator="provider", party=provider))]


def _seller(billing: PerToken, zone: Zone, registry: Mapping[str, Provider], base_url: str | None) -> Seller:
    """The registry's row for a seller of the price list; a router's partner is reached through the router."""
    provider, model = billing.provider, billing.model
    row = next((each for each in registry.values() if provider in (each.name, each.price_provider)), None)
    if row is None and provider.startswith("huggingface_"):
        row, model = registry["huggingface"], f"{model}:{provider.removeprefix('huggingface_')}"
    if row is None or row.base_url is None:
        if base_url is None:
            title = row.title if row else provider
            like = f", like {row.url_shape}" if row and row.url_shape else ""
            raise InputError(
                f"{title} has no address that is known here",
                hint=f"Say it with --base-url{like}; or choose another option with --option",
            )
        row = row or registry["openai-compatible"]
    key = row.key_env or f"{re.sub(r'[^A-Z0-9]+', '_', provider.upper())}_API_KEY"
    like_price = None if provider in (row.name, row.price_provider) else f"{provider}/{billing.model}"
    return Seller(
        name=slug(billing.model), provider=row.name, model=model, zone=zone, key_env=key,
        base_url=base_url if row.base_url is None else None, like=like_price,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- own servers


def _server(plan: Plan, option: Option, accelerators: Mapping[str, Accelerator], weights: str) -> Server:
    deployment, launch = option.deployment, option.launch
    engine = deployment.model.engine
    if launch is None:
        raise InputError("the plan does not say with which flags its machines are started", hint="Make it anew")
    if engine not in ("vllm", "llamacpp"):
        raise InputError(
            f"no artefact is written for {engine}",
            hint="Plan with --engine vllm or --engine llamacpp, or take --option",
        )
    device = accelerators.get(deployment.accelerator)
    if device is None:
        raise UnknownNameError("accelerator", deployment.accelerator, accelerators)
    vendor = "any" if device.kind == "cpu" else device.vendor
    gpu = GPU_RESOURCES.get(vendor, "")
    image = image_for(engine, vendor)
    short = slug(deployment.model.name.rpartition("/")[2])
    file = weights or f"{deployment.model.name.rpartition('/')[2]}-{deployment.model.quantisation}.gguf"
    args = _vllm(option, launch, weights) if engine == "vllm" else _llamacpp(option, launch, file)
    return Server(
        name=short, engine=engine, image=image.name, model=deployment.model.name, args=tuple(args), port=PORTS[engine],
        waiting=WAITING[engine], waiting_most=waiting_most(option), replicas=max(option.replicas, 1),
        spare=option.spare_replicas, gpus=deployment.accelerators if gpu else 0, gpu_resource=gpu,
        accelerator=deployment.accelerator, zone=deployment.zone, context=launch.context, sequences=launch.sequences,
        usd_per_hour=hourly(option), tokens_per_hour=_tokens(plan, option),
        weights=file if engine == "llamacpp" else "",
    )  # fmt: skip


def _vllm(option: Option, launch: Launch, weights: str) -> list[str]:
    name, kind = option.deployment.model.name, option.deployment.model.quantisation or "bf16"
    args = [
        "--model", weights or name, "--served-model-name", name, "--max-model-len", str(launch.context),
        "--max-num-seqs", str(launch.sequences), "--max-num-batched-tokens", str(max(launch.step_tokens, 2048)),
        "--tensor-parallel-size", str(max(option.deployment.accelerators, 1)), "--port", str(PORTS["vllm"]),
    ]  # fmt: skip
    if kind not in _VLLM_FORMATS:
        raise InputError(f"vLLM has no flag for weights in {kind}", hint="Choose another option with --option")
    flag, _ = _VLLM_FORMATS[kind]
    if flag:
        args += ["--quantization", flag]
    return [*args, "--dtype", "bfloat16"] if kind == "bf16" else args


def _llamacpp(option: Option, launch: Launch, file: str) -> list[str]:
    args = [
        "--model", f"/models/{file}", "--alias", option.deployment.model.name,
        "--ctx-size", str(launch.context * launch.sequences), "--parallel", str(launch.sequences),
        "--batch-size", str(launch.step_tokens), "--metrics", "--host", _EVERYWHERE,
        "--port", str(PORTS["llamacpp"]),
    ]  # fmt: skip
    if option.deployment.accelerators:
        args += ["--n-gpu-layers", "999"]
    return [*args, "--split-mode", "layer"] if option.deployment.accelerators > 1 else args


def waiting_most(option: Option) -> int:
    """How many requests may wait for one replica: half the promised time to the first token, at its own rate.

    By Little's law, ``n`` waiting requests wait ``n / rate`` seconds.
    """
    limits = [check.limit_s for check in option.slo if check.label.startswith("ttft")]
    most = 0.5 * min(limits, default=_TTFT_S) * option.replica_rps
    sequences = option.launch.sequences if option.launch else 1
    return max(1, min(int(most), sequences))


def hourly(option: Option) -> Usd:
    """Dollars of one replica an hour, machines and their power over the month, to a hundredth of a cent."""
    month = sum(line.usd_month for line in option.lines if line.kind in _COMPUTE)
    return Decimal(str(round(month / max(option.machines, 1) / HOURS_PER_MONTH, 4)))


def _tokens(plan: Plan, option: Option) -> int:
    """Tokens that one replica does in a busy hour."""
    each = plan.workload.input_tokens_mean + plan.workload.output_tokens_mean
    return max(1, round(option.replica_rps * each * 3600))


def server_notes(option: Option, server: Server, weights: str) -> Sequence[str]:
    """What somebody has to do or know before it starts."""
    kind = option.deployment.model.quantisation or "bf16"
    notes = []
    if server.engine == "llamacpp":
        notes.append(f"Put the model file {server.weights} into the volume of models: crossover models pull")
    elif _VLLM_FORMATS[kind][1] and not weights:
        notes.append(f"{kind} needs weights quantised before: name their repository with --weights")
    if not option.calibrated:
        notes.append(
            "The speed of this machine is extrapolated: measure it with crossover loadtest before you rely on it"
        )
    if isinstance(option.deployment.billing, PerHour) and option.deployment.billing.purchase == "spot":
        notes.append("Spot machines are taken away: keep the other deployments of the alias")
    return notes


def slug(name: str) -> str:
    """A name that Kubernetes, compose and TOML all take: lower case, digits and hyphens, at most 40 characters."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return found if found and found[0].isalpha() else f"m-{found}".strip("-")
