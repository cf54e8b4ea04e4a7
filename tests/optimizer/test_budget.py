"""Budgets are shared out so that a claim can be confirmed, or refused before anything is spent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FatalError, UsageError
from data.records import Prompt, Rewrite, SystemPrompt, Trial, TrialRequest, Usage
from optimizer.budget import MIN_SEARCH_IMAGES, MIN_TEST_PROMPTS, Budget, Limits, share_out


@given(st.integers(200, 20_000), st.integers(20, 500), st.integers(0, 80))
def test_no_image_too_many_and_none_too_few(images: int, test: int, select: int):
    shares = share_out(images, arms=5, shortlist=3, select_prompts=select, test_prompts=test)
    confirmation = 5 * shares.test_prompts * shares.test_seeds
    assert shares.search + 3 * shares.select_prompts + confirmation == images
    assert shares.search >= MIN_SEARCH_IMAGES
    assert MIN_TEST_PROMPTS <= shares.test_prompts <= test
    assert shares.select_prompts <= select


@given(st.integers(1, 199))
def test_too_few_images_are_refused_with_the_number_to_type(images: int):
    with pytest.raises(UsageError) as error:
        share_out(images, arms=5, shortlist=3, select_prompts=20, test_prompts=100)
    assert "--images 200" in error.value.hint


def test_too_few_test_prompts_can_confirm_nothing():
    with pytest.raises(UsageError, match="19 test prompts"):
        share_out(10_000, arms=5, shortlist=3, select_prompts=10, test_prompts=19)


def trial(usage: Usage) -> Trial:
    return Trial("t", TrialRequest(SystemPrompt("s"), Prompt("p"), 0, 0), rewrite=Rewrite("r", usage=usage))


def test_limits_count_what_is_spent_and_look_ahead():
    budget = Budget(Limits(1000, dollars=1.0, tokens=10_000, seconds=60))
    assert budget.exhausted(ahead=10**6) == ""
    for _ in range(10):
        budget.charge(trial(Usage(30, 20, cost=0.01)))
    assert (budget.images, budget.tokens) == (10, 500)
    assert budget.dollars == pytest.approx(0.1)
    assert budget.exhausted(ahead=80) == ""
    assert budget.exhausted(ahead=100) == "dollars"
    budget.seconds = 61
    assert budget.exhausted() == "seconds"


def test_an_unknown_price_is_not_zero():
    budget = Budget(Limits(10))
    budget.charge(trial(Usage(1, 1, cost=None)))
    assert not budget.cost_known
    with pytest.raises(FatalError, match="price of a call is not known"):
        Budget(Limits(10, dollars=5)).charge(trial(Usage(1, 1, cost=None)))
