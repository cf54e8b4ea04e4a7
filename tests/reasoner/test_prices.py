"""Costs by the price table in litellm's package: as it says, and unknown where it says nothing."""

import subprocess
import sys

import pytest

from data.remote.prices import cost_of, listed
from data.usage import Usage

USAGE = Usage(1000, 200, None, cached_tokens=600, reasoning_tokens=150)


def price(model: str, name: str) -> float:
    entry = listed(model)
    assert entry is not None
    return entry[name]


def test_cached_input_costs_what_the_table_says():
    sent, cached, received = (
        price("gpt-5.5", name) for name in ("input_cost_per_token", "cache_read_input_token_cost", "output_cost_per_token")
    )
    assert cached < sent
    assert cost_of("gpt-5.5", USAGE) == pytest.approx(400 * sent + 600 * cached + 200 * received)


def test_without_a_cache_price_cached_input_costs_as_much_as_other():
    assert "cache_read_input_token_cost" not in (listed("o1-pro") or {})
    assert cost_of("o1-pro", USAGE) == pytest.approx(
        1000 * price("o1-pro", "input_cost_per_token") + 200 * price("o1-pro", "output_cost_per_token")
    )


def test_tier_and_region_have_their_own_prices():
    plain = cost_of("gpt-5.5", USAGE)
    assert plain is not None
    flex = cost_of("gpt-5.5", USAGE, tier="flex")
    assert flex is not None
    assert flex < plain
    assert cost_of("gpt-5.5", USAGE, tier="default") == plain
    assert cost_of("gpt-5.5", USAGE, region="eu") == pytest.approx(plain * price("gpt-5.5", "regional_processing_uplift_multiplier_eu"))


@pytest.mark.parametrize(
    ("model", "provider"), [("gpt-5.5-2031-01-01", "openai"), ("gpt-oss-20b", "openai"), ("gpt-5.5", "anthropic"), ("gpt-5.5", "nobody")]
)
def test_what_the_table_has_not_got_is_unknown(model: str, provider: str):
    assert cost_of(model, USAGE, provider) is None


def test_a_tier_without_a_price_is_unknown():
    assert cost_of("o1-pro", USAGE, tier="priority") is None


def test_an_input_too_long_for_the_listed_price_is_unknown():
    assert cost_of("gpt-5.5", Usage(500_000, 1)) is None


def test_nothing_used_costs_nothing():
    assert cost_of("gpt-5.5", Usage()) == 0


def test_litellm_is_not_imported():
    code = (
        "import sys; from data.remote.prices import cost_of; from data.usage import Usage; "
        "assert cost_of('gpt-5.5', Usage(1, 1)); assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
