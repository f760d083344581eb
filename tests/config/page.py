"""The tables of docs/configuration.md, from the structs. Run it to print them."""

from __future__ import annotations

import msgspec

from crossover.config.fields import FIELDS
from crossover.config.schema import rows
from crossover.config.settings import (
    AliasSettings,
    BudgetSettings,
    CascadeSettings,
    DashboardSettings,
    DeploymentSettings,
    PriceSettings,
    PrivacySettings,
    ProfileSettings,
    ReserveSettings,
    RetentionSettings,
    RuleSettings,
    ServerSettings,
    Settings,
    WatchSettings,
    ZoneSettings,
)
from crossover.deployment import Timeouts
from crossover.routing.words import BreakerRule, Retries

TABLES: dict[type[msgspec.Struct], str] = {
    Settings: "The top of the file",
    ServerSettings: "`[server]`",
    DashboardSettings: "`[dashboard]`",
    ZoneSettings: "`[zones.NAME]`",
    DeploymentSettings: "`[deployments.NAME]`",
    PriceSettings: "`[deployments.NAME.price]`",
    Timeouts: "`[timeouts]` and `[deployments.NAME.timeouts]`",
    AliasSettings: "`[aliases.NAME]`",
    CascadeSettings: "`[aliases.NAME.cascade]`",
    WatchSettings: "`[aliases.NAME.watch]`",
    BudgetSettings: "`[budgets.NAME]`",
    Retries: "`[retries]`",
    BreakerRule: "`[breaker]`",
    RetentionSettings: "`[retention]`",
    ReserveSettings: "`[reserve]`",
    PrivacySettings: "`[privacy]`",
    ProfileSettings: "`[privacy.profiles.NAME]`",
    RuleSettings: "`[privacy.rules.NAME]`",
}


def table(shape: type[msgspec.Struct]) -> str:
    """One table of the page."""
    lines = [f"| `{name}` | {kind} | {default} | {meaning} |" for name, kind, default, meaning in rows(shape)]
    return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *lines])


if __name__ == "__main__":
    for shape in FIELDS:
        print(f"### {TABLES[shape]}\n\n{table(shape)}\n")
