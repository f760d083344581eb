"""The words of ``crossover.toml``: what the gateway serves, to whom, by which rules. Plain values, no reading here.

Durations are seconds, sizes bytes, money dollars. Names refer to each other (an alias to deployments, a deployment to
a zone and a provider row); ``load`` checks every reference with its line. A secret is a ``${ENV}`` or a file in the
text and a plain value here; ``Secret`` never shows it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from crossover.deployment import Timeouts
from crossover.ledger.words import Period
from crossover.privacy.policy import Action
from crossover.routing.words import BreakerRule, PolicyName, Retries, StreamRule
from crossover.sensitivity import Category


class Secret:
    """A secret and where it came from. Printing shows only the place, and no encoder writes it: it is no struct."""

    __slots__ = ("origin", "value")

    def __init__(self, value: str, origin: str) -> None:
        self.value = value
        self.origin = origin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.value, self.origin) == (other.value, other.origin)

    def __hash__(self) -> int:
        return hash((self.value, self.origin))

    def __repr__(self) -> str:
        return f"Secret({self.origin})"

    __str__ = __repr__


class ZoneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A declared place: who operates it, in which country, under which agreements in force with that party."""

    operator: Literal["own", "rented", "provider"]
    party: str = "own"
    country: str | None = None
    agreements: tuple[str, ...] = ()


class PriceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The user's own price per million tokens; what is left out keeps the list price.

    ``like``: priced as this model (``openai/gpt-4o-mini``). ``per_hour`` and ``tokens_per_hour`` price a local
    deployment: dollars of the machine an hour, shared out over the output and input tokens it does in a busy hour.
    """

    like: str | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cached_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    per_hour: Decimal | None = None
    tokens_per_hour: float | None = None


class DeploymentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a model answers. ``provider`` is a row of the registry (``crossover catalog`` is not asked).

    ``context`` in tokens; ``concurrency`` calls at once (0: no limit); ``queue`` how many may wait for a place and
    ``queue_wait`` how long; ``quality`` is the user's own rank for ``quality_first`` (higher is better).
    ``cannot`` names abilities this model lacks (tools, images, schema, logprobs …) and ``can`` adds some; ``drops``
    names parameters it does not accept. ``reasoning_field`` is how it is told how much to think.
    ``headers``: their values may hold secrets, so all of them are shown as little; ``value`` is what is sent.
    """

    provider: str
    model: str
    zone: str
    base_url: str | None = None
    api_key: Secret | None = None
    context: int | None = None
    max_output: int | None = None
    concurrency: int = 0
    queue: int = 0
    queue_wait: float = 10.0
    quality: float | None = None
    can: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    reasoning_field: str | None = None
    price: PriceSettings = PriceSettings()
    timeouts: Timeouts | None = None
    keep_alive: str | None = None
    headers: dict[str, Secret] = {}
    options: dict[str, str | int | float | bool] = {}
    tls_ca: str | None = None
    enabled: bool = True


class CascadeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a cascade judges the answer of a weaker model.

    ``confidence`` is the least geometric mean of its tokens' probabilities (None: it does not count). ``stream`` says
    what of a stream is judged: the whole, its first ``first_tokens`` pieces, nothing. ``second`` is another own model
    that is asked the same, to see whether the two agree.
    """

    confidence: float | None = None
    stream: StreamRule = "hold"
    first_tokens: int = 48
    second: str | None = None


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the rule of a name is checked while it is used.

    ``explore``: so large a share of all requests gets both answers, at random. ``shadow``: an own
    deployment that is asked the same as the API, for so large a share as ``shadow_share``. ``grader`` compares the two
    answers: ``agreement``, or the name of a model that judges. At most ``per_day`` pairs are graded in 24 hours.
    """

    explore: float = 0.0
    shadow: str | None = None
    shadow_share: float = 0.05
    grader: str = "agreement"
    per_day: int = 500


class AliasSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients ask for. ``deployments`` in order of preference; a label here raises the sensitivity.

    ``strong`` are its stronger deployments, for the policies complexity, cascade and route (none: the paid ones);
    ``learned`` is the file that `crossover route train` made.
    """

    deployments: tuple[str, ...]
    policy: PolicyName | None = None
    sensitivity: str | None = None
    overflow: bool = False
    privacy: str | None = None
    strong: tuple[str, ...] = ()
    learned: str | None = None
    cascade: CascadeSettings = CascadeSettings()
    watch: WatchSettings = WatchSettings()


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``usd`` dollars per ``period`` for ``keys`` (ids or ``*``) and ``aliases`` together; periods are UTC."""

    usd: Decimal
    period: Period = "month"
    keys: tuple[str, ...] = ("*",)
    aliases: tuple[str, ...] = ("*",)


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP door. Without keys it serves loopback only. ``hosts``: Host headers accepted beside loopback's."""

    host: str = "127.0.0.1"
    port: int = 4000
    hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    body_limit: int = 32 * 1024 * 1024
    header_limit: int = 32 * 1024
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    connections: int = 4096
    drain: float = 30.0


class DashboardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The pages for people, on 127.0.0.1 alone. ``port`` None: the one after ``server.port``; 0: a free one."""

    enabled: bool = True
    port: int | None = None


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the ledger keeps rows, in days (0: for ever). ``bodies``: keep prompts and answers (off by default).

    ``audit_days`` is for the audit of what left, which outlives the rows of its requests.
    """

    records: int = 400
    bodies: bool = False
    bodies_days: int = 30
    audit_days: int = 0


class ReserveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is reserved from a budget before a call: ``output_tokens`` where the request states no maximum."""

    output_tokens: int = 4096


class ProfileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A privacy profile on top of ``base``. ``actions`` by category, kind or ``opaque``; ``zones`` the same by zone."""

    base: str = "balanced"
    actions: dict[str, Action] = {}
    zones: dict[str, dict[str, Action]] = {}


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What else is sensitive here: one of ``pattern``, ``words``, ``file`` (one word a line), ``header``, ``field``.

    ``value`` is a pattern that the value of the header or of the field must hold; left out: any value.
    """

    pattern: str | None = None
    words: tuple[str, ...] = ()
    file: str | None = None
    header: str | None = None
    field: str | None = None
    value: str | None = None
    category: Category = "custom"
    ignore_case: bool = True


class PrivacySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for in every request, and what may leave. ``keys`` maps a key's id to a profile."""

    profile: str = "balanced"
    names: bool = True
    health: bool = True
    presidio: bool = False
    models: str | None = None
    keys: dict[str, str] = {}
    profiles: dict[str, ProfileSettings] = {}
    rules: dict[str, RuleSettings] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of ``crossover.toml``. ``require_keys`` None: keys are required as soon as one exists."""

    server: ServerSettings = ServerSettings()
    dashboard: DashboardSettings = DashboardSettings()
    policy: PolicyName = "local_first"
    require_keys: bool | None = None
    regimes: tuple[str, ...] = ()
    rules_confirmed: str | None = None
    sensitivity: str | None = None
    sensitivity_header: bool = True
    policy_header: bool = True
    zones: dict[str, ZoneSettings] = {}
    deployments: dict[str, DeploymentSettings] = {}
    aliases: dict[str, AliasSettings] = {}
    budgets: dict[str, BudgetSettings] = {}
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    breaker: BreakerRule = BreakerRule()
    retention: RetentionSettings = RetentionSettings()
    reserve: ReserveSettings = ReserveSettings()
    privacy: PrivacySettings = PrivacySettings()
