"""What an image costs, by the price table in litellm's package: by the token, or unknown."""

import pytest

from data.remote.prices import image_cost_of, listed
from data.usage import Usage

USED = Usage(9, 1056)


def test_text_and_image_tokens_have_prices_of_their_own():
    entry = listed("gpt-image-1")
    assert entry is not None
    assert entry["output_cost_per_image_token"] > entry["input_cost_per_token"]
    expected = 9 * entry["input_cost_per_token"] + 1056 * entry["output_cost_per_image_token"]
    assert image_cost_of("gpt-image-1", USED) == pytest.approx(expected)


@pytest.mark.parametrize(("model", "usage"), [("dall-e-3", USED), ("gpt-5.5", USED), ("nobody", USED), ("gpt-image-1", Usage())])
def test_else_the_price_is_unknown(model: str, usage: Usage):
    assert image_cost_of(model, usage) is None
