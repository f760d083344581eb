"""The one law: undeclared is not signed, old rules are unknown, own machines leave things to do."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover import compliance, sensitivity
from crossover.compliance import Permit, Refusal, permit
from crossover.deployment import Zone
from crossover.errors import UnknownNameError
from tests.docs_examples import rerun

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compliance.md"

TODAY = dt.date(2026, 12, 1)
HEALTH = sensitivity.of(["health"])
PLAIN = sensitivity.NOT_SENSITIVE


def provider(*agreements: str, country: str | None = None) -> Zone:
    return Zone(name="api", operator="provider", party="openai", country=country, agreements=frozenset(agreements))


def rented(*agreements: str, country: str | None = None) -> Zone:
    return Zone(name="gpu", operator="rented", party="aws", country=country, agreements=frozenset(agreements))


OWN = Zone(name="office", operator="own")


def refused(zone: Zone, *regimes: str, data: sensitivity.Sensitivity | None = HEALTH) -> Refusal:
    answer = permit(zone, data, regimes, TODAY)
    assert isinstance(answer, Refusal)
    return answer


def permitted(zone: Zone, *regimes: str, data: sensitivity.Sensitivity | None = HEALTH) -> Permit:
    answer = permit(zone, data, regimes, TODAY)
    assert isinstance(answer, Permit)
    return answer


def test_hipaa_asks_for_an_agreement_not_for_a_place() -> None:
    answer = refused(provider(), "hipaa")
    assert "164.502(e)" in answer.rule
    assert "no baa with openai is declared" in answer.reason
    assert answer.sentence.endswith("verify with counsel")
    assert permitted(provider("baa"), "hipaa").grounds
    assert refused(rented(), "hipaa").regime == "hipaa"
    assert permitted(rented("baa"), "hipaa")
    assert any("risk analysis" in row for row in permitted(OWN, "hipaa").remains)


@pytest.mark.parametrize(
    ("zone", "rule"),
    [
        (provider(country="DE"), "28(3)"),
        (provider("dpa"), "44-46"),
        (provider("dpa", country="US"), "44-46"),
        (provider("dpa", country="India"), "44-46"),
        (rented("scc", country="FR"), "28(3)"),
    ],
)
def test_gdpr_refuses(zone: Zone, rule: str) -> None:
    assert rule in refused(zone, "gdpr").rule


@pytest.mark.parametrize(
    "zone",
    [
        provider("dpa", country="DE"),
        provider("dpa", country="germany"),
        provider("dpa", country="JP"),
        provider("dpa", "dpf", country="US"),
        provider("dpa", "scc", country="US"),
        provider("dpa", "scc"),
        rented("dpa", "bcr", country="IN"),
        OWN,
    ],
)
def test_gdpr_permits(zone: Zone) -> None:
    assert "counsel" in permitted(zone, "gdpr").sentence


def test_gdpr_says_what_is_missing() -> None:
    assert "not declared" in refused(provider("dpa"), "gdpr").reason
    assert "adequate only with dpf" in refused(provider("dpa", country="US"), "gdpr").reason
    assert "no adequacy decision" in refused(provider("dpa", country="IN"), "gdpr").reason


def test_fedramp_and_soc2_bind_all_data() -> None:
    assert refused(provider(), "fedramp", data=PLAIN).regime == "fedramp"
    assert permitted(rented("fedramp_high"), "FedRAMP", data=PLAIN)
    assert refused(provider(), "soc2", data=PLAIN).regime == "soc2"
    assert permitted(provider("soc2"), "SOC 2", data=PLAIN)
    assert any("attestation" in row for row in permitted(OWN, "soc2").remains)


def test_pci_needs_attestation_and_agreement() -> None:
    card = sensitivity.of(["financial"])
    assert "12.8.4" in refused(provider("pci_agreement"), "pci", data=card).rule
    assert "12.8.2" in refused(provider("pci_aoc", "nda"), "pci_dss", data=card).rule
    assert permitted(provider("pci_aoc", "pci_agreement", "dpa"), "PCI DSS", data=card)


def test_plain_data_is_not_bound_by_rules_on_sensitive_data() -> None:
    assert permitted(provider(), "hipaa", "gdpr", data=PLAIN).grounds == ()


def test_what_nobody_looked_at_counts_as_sensitive() -> None:
    assert refused(provider(), "hipaa", data=None).regime == "hipaa"
    assert refused(provider(), data=None).regime == compliance.HOUSE_RULE


def test_sensitive_requests_stay_without_agreement_even_without_a_regime() -> None:
    assert "does not leave" in refused(provider()).rule
    assert permitted(provider("zero_retention"))
    assert any("can reach them" in row for row in permitted(rented()).remains)
    assert permitted(OWN).remains == ()
    assert permitted(provider(), data=PLAIN)


def test_all_regimes_must_agree() -> None:
    assert refused(provider("baa"), "hipaa", "gdpr").regime == "gdpr"
    assert permitted(provider("baa", "dpa", country="IE"), "hipaa", "gdpr")


def test_rules_expire_and_can_be_confirmed() -> None:
    late = TODAY + dt.timedelta(days=365)
    answer = permit(provider("baa"), HEALTH, ["hipaa"], late)
    assert isinstance(answer, Refusal)
    assert "unknown" in answer.reason
    assert isinstance(permit(OWN, HEALTH, ["hipaa"], late), Permit)  # nothing leaves, nothing is required
    renewed = permit(provider("baa"), HEALTH, ["hipaa"], late, confirmed=late - dt.timedelta(days=30))
    assert isinstance(renewed, Permit)
    assert isinstance(permit(provider("baa"), HEALTH, ["hipaa"], late, confirmed=TODAY), Refusal)
    future = late + dt.timedelta(days=1)
    assert isinstance(permit(provider("baa"), HEALTH, ["hipaa"], late, confirmed=future), Refusal)


def test_names_are_checked() -> None:
    with pytest.raises(UnknownNameError) as caught:
        permit(OWN, PLAIN, ["hippa"], TODAY)
    assert caught.value.nearest == ("hipaa",)
    with pytest.raises(UnknownNameError, match="agreement"):
        permit(provider("baaa"), PLAIN, [], TODAY)
    assert [compliance.regime(name) for name in ("SOC 2", "pci", "Gdpr")] == ["soc2", "pci-dss", "gdpr"]
    assert set(compliance.regime_names()) == {"hipaa", "gdpr", "fedramp", "soc2", "pci-dss"}


def test_the_wording_promises_nothing() -> None:
    texts = [
        permitted(provider("baa"), "hipaa").sentence,
        refused(provider(), "hipaa").sentence,
        permitted(OWN).sentence,
    ]
    for rule in compliance.shipped_rules():
        texts += [rule.remains, rule.title]
    assert all("compliant" not in text.casefold() for text in texts)


def test_every_rule_has_a_source_and_every_need_a_name() -> None:
    for rule in compliance.shipped_rules():
        assert rule.source.text
        assert rule.regime == compliance.HOUSE_RULE or rule.source.url.startswith("https://")
        assert set(rule.needs_any) - {"@country"} <= set(compliance.agreement_names())
    for country in compliance.countries():
        assert country.status != "adequate_if" or country.needs in compliance.agreement_names()
    assert len({country.code for country in compliance.countries()}) == len(compliance.countries())


AGREEMENTS = st.frozensets(st.sampled_from(sorted(compliance.agreement_names())))
REGIMES = st.lists(st.sampled_from(compliance.regime_names()), unique=True)
ZONES = st.builds(
    Zone,
    name=st.just("zone"),
    operator=st.sampled_from(["own", "rented", "provider"]),
    party=st.just("party"),
    country=st.sampled_from([None, "DE", "US", "IN", "CA"]),
    agreements=AGREEMENTS,
)


@settings(max_examples=150, deadline=None)
@given(ZONES, REGIMES, REGIMES, AGREEMENTS, st.sampled_from([None, HEALTH, PLAIN]))
def test_more_agreements_never_refuse_and_more_regimes_never_permit(
    zone: Zone, regimes: list[str], more: list[str], signed: frozenset[str], data: sensitivity.Sensitivity | None
) -> None:
    answer = permit(zone, data, regimes, TODAY)
    richer = msgspec.structs.replace(zone, agreements=zone.agreements | signed)
    if isinstance(answer, Permit):
        assert isinstance(permit(richer, data, regimes, TODAY), Permit)
    else:
        assert isinstance(permit(zone, data, regimes + more, TODAY), Refusal)
        assert isinstance(permit(zone, None, regimes, TODAY), Refusal)


def test_the_page_lists_every_rule_and_its_examples_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert rerun(PAGE) == text
    for rule in compliance.shipped_rules():
        assert f"| {rule.title} |" in text
        assert rule.rule in text
        assert (rule.requirement or rule.remains) in text
    for name, title in compliance.agreement_names().items():
        assert f"| `{name}` | {title} |" in text
