"""What a request's row says: of answers, failures, prices and of what it would have cost elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.account import Account, code_of, turned_away
from crossover.chat import Caller, ChatChunk, ChatRequest, Delta, EmbedRequest, EmbedResponse, ToolDelta
from crossover.cost.request import PriceList, Step
from crossover.errors import NoTargetError, RequestError, ServingError, UpstreamError
from crossover.ledger.words import Alternative
from crossover.privacy.clearance import Cleared
from crossover.privacy.policy import knowing
from crossover.privacy.words import NOTHING_FOUND
from crossover.routing.eligibility import Ask
from crossover.routing.words import Decision, Refusal, Route, Target
from crossover.sensitivity import Sensitivity
from crossover.usage import Usage
from tests.dispatch_parts import answer, failure, local, say, target

CLEARED = Cleared(request=None)
SENSITIVE = knowing(NOTHING_FOUND, Sensitivity("hard", frozenset({"health", "financial"})), ())
WALL = 1_800_000_000.0


def account(*rows: Target, refused: tuple[Refusal, ...] = (), streamed: bool = False, **ask: Any) -> Account:
    names = tuple(row.id for row in rows)
    return Account(
        "r-1",
        "chat",
        Caller(key="k", door="openai"),
        Route(name="chat", targets=names, policy="cheapest"),
        Ask(**{"needs": frozenset({"chat"}), "input_tokens": 100, **ask}),
        Decision(policy="cheapest", order=names, refused=refused, reason="cheapest: a, it adds the least to the bill"),
        arrived=10.0,
        streamed=streamed,
        kind="chat",
    )


def test_the_row_of_a_stream_from_its_arrival_to_its_end() -> None:
    row = target("a", price=(10, 40))
    one = account(
        row, streamed=True, known=knowing(NOTHING_FOUND, Sensitivity("hard", frozenset({"health", "financial"})), ())
    )
    one.begin(row, CLEARED, 10.5, probe=False)
    one.first_at = 11.0
    one.read(say("fine"))
    one.read(ChatChunk(usage=Usage(input=90, output=5, cached_read=40, reasoning=2), last=True))
    one.answered(12.0)
    made = one.record(12.0, WALL, {"a": row})
    assert (made.id, made.time, made.door, made.asked, made.key) == ("r-1", WALL, "openai", "chat", "k")
    assert (made.status, made.http_status, made.error) == ("ok", 200, "")
    assert (made.deployment, made.provider, made.model, made.zone) == ("a", "provider-of-a", "model-of-a", "zone-of-a")
    assert (made.queue_ms, made.ttft_ms, made.total_ms) == (500.0, 1000.0, 2000.0)
    assert (made.input_tokens, made.output_tokens, made.cached_read, made.reasoning) == (90, 5, 40, 2)
    assert (made.input_basis, made.output_basis) == ("measured", "measured")
    assert (made.tier, made.categories) == ("hard", ("financial", "health"))
    assert made.cost == made.marginal == 90 * 10 + 5 * 40
    (attempt,) = made.attempts
    assert (attempt.outcome, attempt.start_ms, attempt.duration_ms) == ("ok", 500.0, 1500.0)


def test_an_own_machine_costs_its_share_and_nothing_more() -> None:
    row = local("own", price=(3, 3))
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.read_whole(answer())
    one.answered(11.0)
    made = one.record(11.0, WALL, {"own": row})
    assert (made.cost, made.marginal, made.local, made.cost_known) == (360, 0, True, True)
    served = one.served(final=True)
    assert served.cost == Decimal(360) / 10**12
    assert one.served(final=False).cost is None


def test_an_unknown_price_is_said_to_be_unknown() -> None:
    row = target("a", price=None)
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.read_whole(answer())
    one.answered(11.0)
    assert not one.record(11.0, WALL, {"a": row}).cost_known
    assert one.served(final=True).cost is None


def test_a_failed_attempt_of_unknown_price_leaves_the_whole_unknown() -> None:
    unknown, row = target("b", price=None), target("a")
    one = account(unknown, row)
    one.begin(unknown, CLEARED, 10.0, probe=False)
    one.failed(failure("cut", accepted=True), 11.0)
    one.begin(row, CLEARED, 11.0, probe=False)
    one.answered(12.0)
    assert not one.record(12.0, WALL, {"a": row, "b": unknown}).cost_known


@pytest.mark.parametrize(
    ("error", "written", "tokens"),
    [
        (failure("refused"), "", (0, 0)),
        (failure("rate_limited", accepted=True), "", (0, 0)),
        (failure("server_error", accepted=True), "", (0, 0)),
        (failure("server_error", accepted=True), "x" * 40, (100, 10)),
        (failure("reset"), "", (0, 0)),
        (failure("reset", accepted=True), "", (100, 0)),
        (failure("gap_timeout", accepted=True), "x" * 41, (100, 11)),
    ],
)
def test_a_failed_attempt_is_priced_where_the_work_may_have_been_done(
    error: UpstreamError, written: str, tokens: tuple[int, int]
) -> None:
    row = target("a", price=(10, 40))
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    if written:
        one.read(say(written))
    one.failed(error, 11.0)
    (attempt,) = one.record(11.0, WALL, {"a": row}).attempts
    assert (attempt.input_tokens, attempt.output_tokens) == tokens
    assert attempt.cost == one.cost == one.spent == 10 * tokens[0] + 40 * tokens[1]
    assert attempt.accepted == (tokens != (0, 0))


def test_a_call_costs_even_where_no_token_does() -> None:
    row = target("a")
    price = PriceList(steps=(Step(0, 0, 0, 0, 0, 0, 0),), per_request=500)
    row = Target(deployment=row.deployment, provider="p", can=row.can, price=price, timeouts=row.timeouts)
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.failed(failure("refused"), 10.0)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.read_whole(answer(usage=Usage()))
    one.answered(11.0)
    assert one.cost == 500


@pytest.mark.parametrize(
    ("said", "written", "tokens", "basis"),
    [
        (None, 40, (100, 10), ("estimated", "estimated")),
        (Usage(input=90, output=1), 40, (90, 10), ("measured", "estimated")),
        (Usage(input=90, output=30), 40, (90, 30), ("measured", "measured")),
    ],
)
def test_what_the_client_left_behind_is_no_less_than_was_seen(
    said: Usage | None, written: int, tokens: tuple[int, int], basis: tuple[str, str]
) -> None:
    row = target("a")
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.read(ChatChunk(deltas=(Delta(text="x" * written),), usage=said))
    one.leave()
    one.broken_off(11.0)
    made = one.record(11.0, WALL, {"a": row})
    assert (made.status, made.http_status, made.error) == ("cancelled", 499, "")
    assert (made.input_tokens, made.output_tokens) == tokens
    assert (made.input_basis, made.output_basis) == basis


def test_everything_that_was_written_counts() -> None:
    row = target("a")
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    for delta in (
        Delta(text="x" * 10),
        Delta(thinking="x" * 10),
        Delta(refusal="x" * 10),
        Delta(tool=ToolDelta(index=0, arguments="x" * 10)),
    ):
        one.read(ChatChunk(deltas=(delta, Delta(choice=1))))
    assert one.written == 40


def test_a_usage_without_the_output_that_was_seen_is_completed() -> None:
    row = target("a")
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.read(say("x" * 40))
    one.read(ChatChunk(usage=Usage(input=90), last=True))
    one.answered(11.0)
    made = one.record(11.0, WALL, {"a": row})
    assert (made.input_tokens, made.output_tokens, made.output_basis) == (90, 10, "estimated")


def test_each_attempt_is_measured_anew() -> None:
    first, second = target("a"), target("b")
    one = account(first, second)
    one.begin(first, CLEARED, 10.0, probe=False)
    one.read(ChatChunk(deltas=(Delta(),), usage=Usage(input=5), dropped=("seed",)))
    one.held.append(say(""))
    one.failed(failure("cut", accepted=True), 11.0)
    one.begin(second, CLEARED, 11.0, probe=False)
    assert (one.usage, one.written, one.dropped, one.held) == (None, 0, (), [])
    assert one.record(12.0, WALL, {"a": first, "b": second}).queue_ms == 0.0


def test_what_the_same_tokens_would_have_cost_elsewhere() -> None:
    rows = [target("a", price=(10, 40)), target("b", price=(1, 1)), target("c", price=None), local("d"), target("e")]
    refused = (Refusal("b", "law", "not there"), Refusal("d", "resting", "it rests"))
    one = account(*rows, refused=refused)
    one.begin(rows[0], CLEARED, 10.0, probe=False)
    one.read_whole(answer(usage=Usage(input=100, output=20)))
    one.answered(11.0)
    made = one.record(11.0, WALL, {row.id: row for row in rows})
    assert made.alternatives == (
        Alternative("b", 120, False),  # the rules forbid it
        Alternative("d", 120, True, True),  # it only rested; an own machine sends no bill
        Alternative("e", 100 * 10 + 20 * 40, True),
    )


def test_what_used_nothing_has_no_alternatives() -> None:
    rows = [target("a"), target("b")]
    one = account(*rows)
    one.begin(rows[0], CLEARED, 10.0, probe=False)
    one.failed(failure("refused"), 11.0)
    assert one.record(11.0, WALL, {row.id: row for row in rows}).alternatives == ()


def test_a_request_that_nobody_took_waited_all_the_time() -> None:
    row = local("a")
    one = account(row)
    one.leave_out(Refusal("a", "busy", "a is busy"))
    one.status, one.error = "refused", one.why_nobody(None)
    made = one.record(14.0, WALL, {"a": row})
    assert (made.queue_ms, made.total_ms, made.ttft_ms) == (4000.0, 4000.0, 0.0)
    assert (made.status, made.http_status, made.error, made.deployment) == ("refused", 503, "no_target", "")
    assert made.refused == (("a", "a is busy"),)
    assert one.left == ()


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ([], 422),
        (["law"], 422),
        (["law", "ability", "context", "max_output", "local_only", "pinned", "unpriced"], 422),
        (["law", "resting"], 503),
        (["busy", "overflow"], 503),
        (["deadline"], 503),
        (["budget"], 429),
        (["budget", "law"], 429),
        (["budget", "busy"], 503),
    ],
)
def test_why_nobody_answered(codes: list[str], status: int) -> None:
    rows = [target(f"t{number}") for number in range(len(codes))]
    refused = tuple(Refusal(row.id, code, f"because {code}") for row, code in zip(rows, codes, strict=True))
    error = account(*rows, refused=refused).why_nobody(5.0)
    assert error.status == status
    assert all(code in str(error) for code in codes)
    if isinstance(error, NoTargetError):
        assert [code for _, code, _ in error.refused] == codes
        assert error.retry_after_s == 5.0


def test_a_failure_outweighs_refusals() -> None:
    one = account(target("a"), refused=(Refusal("b", "law", "no"),))
    one.error = failure("cut")
    assert one.why_nobody(None) is one.error


def test_fallbacks_are_deployments_and_not_calls() -> None:
    row = target("a")
    one = account(row, target("b"))
    assert one.may_try("a", 0)
    for _ in range(3):
        one.begin(row, CLEARED, 10.0, probe=False)
        one.failed(failure("overloaded"), 10.0)
    assert one.tries_at(row) == 3
    assert one.may_try("a", 0)
    assert not one.may_try("b", 0)
    assert one.may_try("b", 1)


def test_whoever_has_the_whole_answer_may_leave() -> None:
    row = target("a")
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.answered(11.0)
    one.leave()
    assert one.status == "ok"


def test_an_unexpected_end_is_priced_and_a_refused_request_is_not() -> None:
    errors: list[tuple[ServingError | None, str, int, bool]] = [
        (None, "internal", 500, True),
        (RequestError("wrong", code="invalid_value"), "invalid_value", 400, False),
        (NoTargetError("nobody"), "no_target", 503, False),
    ]
    for error, outcome, status, billed in errors:
        row = target("a")
        one = account(row)
        one.begin(row, CLEARED, 10.0, probe=False)
        one.error = error
        one.broken_off(11.0)
        made = one.record(11.0, WALL, {"a": row})
        assert (made.attempts[0].outcome, made.http_status, made.error) == (outcome, status, outcome)
        assert (made.cost > 0) == billed


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        ("gpt-4o-mni-2024-07-18", "gpt-4o-mni-2024-07-18"),
        ("meta-llama/Llama-3.1-8B:q4_K_M", "meta-llama/Llama-3.1-8B:q4_K_M"),
        ("best 4111 1111 1111 1111", "(no name)"),
        ("4111111111111111", "(no name)"),
        ("bob@corp.com", "(no name)"),
        ("", "(no name)"),
    ],
)
def test_what_is_no_name_is_not_written_down(model: str, kept: str) -> None:
    request = ChatRequest(model=model, messages=())
    assert turned_away(request, "chat", "r", RequestError("no"), WALL).asked == kept


def test_the_row_of_a_request_that_was_wrong_from_the_start() -> None:
    request = ChatRequest(model="x" * 1000, messages=(), caller=Caller(key="k", door="openai"))
    made = turned_away(request, "chat", "r-9", RequestError("no", status=404, code="model_not_found"), WALL)
    assert (made.id, made.status, made.http_status, made.error) == ("r-9", "refused", 404, "model_not_found")
    assert (made.key, made.door, made.time, made.asked) == ("k", "openai", WALL, "(no name)")
    assert turned_away(EmbedRequest(model="m", inputs=()), "embed", "r", RequestError("no"), WALL).kind == "embed"


def test_short_words_for_errors() -> None:
    assert code_of(failure("tls")) == "tls"
    assert code_of(RequestError("no", code="invalid_json")) == "invalid_json"
    assert code_of(NoTargetError("nobody")) == "no_target"
    assert code_of(None) == "internal"


def test_vectors_without_usage_are_estimated() -> None:
    row = target("a")
    one = account(row)
    one.begin(row, CLEARED, 10.0, probe=False)
    one.read_whole(EmbedResponse(vectors=((1.0,),)))
    one.answered(11.0)
    made = one.record(11.0, WALL, {"a": row})
    assert (made.input_tokens, made.input_basis, made.output_tokens) == (100, "estimated", 0)


USAGES = st.builds(
    lambda fresh, read, short, long, said, thought: Usage(
        input=fresh + read + short + long,
        output=said + thought,
        cached_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        reasoning=thought,
    ),
    *[st.integers(0, 10**6)] * 6,
)


@given(USAGES, st.integers(1, 6))
def test_streamed_and_whole_cost_the_same_to_the_last_digit(used: Usage, parts: int) -> None:
    price = PriceList(steps=(Step(0, 7, 3, 5, 6, 11, 13), Step(200_000, 14, 6, 10, 12, 22, 26)), per_request=17)
    row = target("a")
    row = Target(deployment=row.deployment, provider="p", can=row.can, price=price, timeouts=row.timeouts)
    costs = []
    for streamed in (False, True):
        one = account(row)
        one.begin(row, CLEARED, 10.0, probe=False)
        if streamed:
            for _ in range(parts):
                one.read(say("some words"))
            one.read(ChatChunk(usage=used, last=True))
        else:
            one.read_whole(answer("some words" * parts, usage=used))
        one.answered(11.0)
        costs.append((one.cost, one.record(11.0, WALL, {"a": row}).output_tokens))
    assert costs[0] == costs[1]
    if used.output:
        assert costs[0][0] == price.cost(used)
