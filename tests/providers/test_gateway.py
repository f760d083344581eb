"""What a gateway says beside an answer is understood however the network cuts it."""

from __future__ import annotations

from decimal import Decimal

from crossover.providers.gateway import _Heard

STREAM = (
    b'data: {"choices":[{"index":0,"delta":{"content":"a: crossover cost_usd=9 attempts=9"}}]}\n\n'
    b": crossover cost_usd=0.0000675 attempts=12\n\ndata: [DONE]\n\n"
)


def test_the_price_at_the_end_of_a_stream_is_heard_wherever_it_is_cut() -> None:
    for cut in range(len(STREAM)):
        heard = _Heard()
        heard.headers({"x-crossover-deployment": "api"})
        heard.data(STREAM[:cut])
        heard.data(STREAM[cut:])
        served = heard.served("req_1")
        assert served is not None
        assert (served.cost, served.attempts) == (Decimal("0.0000675"), 12), cut


def test_the_price_comes_byte_by_byte() -> None:
    heard = _Heard()
    heard.headers({"x-crossover-deployment": "api"})
    for at in range(len(STREAM)):
        heard.data(STREAM[at : at + 1])
    served = heard.served("req_1")
    assert served is not None
    assert (served.cost, served.attempts) == (Decimal("0.0000675"), 12)
