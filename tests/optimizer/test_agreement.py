"""Agreement with people: right by hand, blind to scales, honest about chance, and never above what people agree on without saying so."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.agreement import Choice, People, Rated, agreement, agreement_difference, agreement_to_json, ceiling
from optimizer.ranks import Point, spearman

scores = st.lists(st.integers(0, 5).map(float), min_size=8, max_size=24)


def rated(values: Sequence[float], per_prompt: int = 4) -> People:
    return People([Rated(f"prompt {place // per_prompt}", {"ann": value}) for place, value in enumerate(values)])


def noisy(generator: np.random.Generator, prompts: int, spread: float, raters: int = 3) -> tuple[People, list[float]]:
    """Four images of each prompt, rated with noise by some people; and the truth about them."""
    truth = generator.normal(0, 1, 4 * prompts) + np.repeat(generator.normal(0, 0.7, prompts), 4)
    images = [
        Rated(f"prompt {place // 4}", {f"rater {rater}": float(value + generator.normal(0, spread)) for rater in range(raters)})
        for place, value in enumerate(truth)
    ]
    return People(images), truth.tolist()


def test_a_judge_of_the_same_opinion_agrees_entirely():
    people, _ = noisy(np.random.default_rng(1), 12, 0.5)
    found = agreement(people, [float(np.mean(list(image.ratings.values()))) for image in people.images])
    assert found.spearman is not None
    assert found.accuracy is not None
    assert (found.spearman.estimate, found.accuracy.estimate) == (pytest.approx(1.0), 1.0)
    assert found.accuracy.low is not None
    assert 0.7 < found.accuracy.low < 0.8, "twelve prompts without a miss still leave some doubt"
    assert (found.images, found.pairs, found.prompts) == (48, 72, 12)


def test_by_hand():
    # Of the first prompt's three pairs two are shared and one is tied; of the second's one, which people hold for a tie, nothing is asked.
    people = People([Rated("a", {"x": 1, "y": 3}), Rated("a", {"x": 3}), Rated("a", {"x": 5}), Rated("b", {"x": 4}), Rated("b", {"x": 4})])
    found = agreement(people, [0.1, 0.7, 0.7, 0.2, 0.9])
    assert found.accuracy is not None
    assert found.accuracy.estimate == pytest.approx((1 + 1 + 0.5) / 3)
    assert found.accuracy.low is None, "one prompt is too few for an interval"
    # Ranks 1 2 5 3.5 3.5 and 1 3.5 3.5 2 5.
    assert found.spearman is not None
    assert found.spearman.estimate == pytest.approx(np.corrcoef([1, 2, 5, 3.5, 3.5], [1, 3.5, 3.5, 2, 5])[0, 1])


def test_rank_correlation_is_what_scipy_finds():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(2)
    people, judge = generator.integers(0, 6, 60), generator.integers(0, 9, 60)
    points = [Point(f"{place // 3}", float(one), float(other)) for place, (one, other) in enumerate(zip(people, judge, strict=True))]
    found = spearman([points], 0)
    assert found is not None
    assert found.estimate == pytest.approx(spearmanr(people, judge)[0])


@given(scores, st.randoms(use_true_random=False))
def test_only_the_order_counts(values: list[float], random):
    people = rated(values)
    judge = [random.choice([0.0, 0.25, 0.5, 0.75, 1.0]) for _ in values]
    stretched = [value**3 * 0.1 - 7 for value in judge]
    # Scaled before they are averaged, ratings of several people would become others; of one, they do not.
    curved = People([Rated(image.prompt, {"ann": image.ratings["ann"] ** 2 * 10}) for image in people.images])
    assert agreement(people, stretched) == agreement(people, judge) == agreement(curved, judge)


@given(scores)
def test_a_judge_turned_around_disagrees_as_much(values: list[float]):
    people = rated([float(place % 5) for place in range(len(values))])
    ours, turned = agreement(people, values), agreement(people, [-value for value in values])
    assert ours.accuracy is not None
    assert turned.accuracy is not None
    assert turned.accuracy.estimate == pytest.approx(1 - ours.accuracy.estimate)
    assert (ours.spearman is None) == (turned.spearman is None)
    if ours.spearman is not None and turned.spearman is not None:
        assert turned.spearman.estimate == pytest.approx(-ours.spearman.estimate)


def test_intervals_of_a_judge_that_guesses_hold_one_half_and_nothing():
    held = [0, 0]
    for number in range(60):
        generator = np.random.default_rng(number)
        people, _ = noisy(generator, 25, 0.5)
        found = agreement(people, generator.random(len(people.images)).tolist(), seed=number)
        for place, (interval, truth) in enumerate(((found.accuracy, 0.5), (found.spearman, 0.0))):
            assert interval is not None
            assert interval.low is not None
            assert interval.high is not None
            held[place] += interval.low <= truth <= interval.high
    assert min(held) >= 52


def test_what_was_not_judged_is_left_out_and_counted():
    people, truth = noisy(np.random.default_rng(3), 10, 0.3)
    found = agreement(people, [None if place % 4 == 0 else value for place, value in enumerate(truth)])
    assert (found.images, found.pairs, found.prompts) == (30, 30, 10)
    nothing = agreement(people, [None] * len(truth))
    assert (nothing.spearman, nothing.accuracy, nothing.images, nothing.prompts) == (None, None, 0, 0)


def test_where_all_are_equal_nothing_can_be_said():
    flat = agreement(rated([3.0] * 8), [0.1 * place for place in range(8)])
    assert (flat.spearman, flat.accuracy) == (None, None)
    indifferent = agreement(rated([1.0, 2.0, 3.0, 4.0] * 3), [0.5] * 12)
    assert indifferent.spearman is None
    assert indifferent.accuracy is not None
    assert indifferent.accuracy.estimate == 0.5


def test_choices_between_two_images():
    people = People(
        [Rated(f"prompt {place // 2}", {}) for place in range(8)],
        [
            Choice("prompt 0", 0, 1, {"x": 1.0, "y": 1.0, "z": 0.0}),
            Choice("prompt 1", 2, 3, {"x": 0.0}),
            Choice("prompt 2", 4, 5, {"x": 0.5, "y": 0.5}),
            Choice("prompt 3", 6, 7, {"x": 1.0, "y": 0.5}),
        ],
    )
    found = agreement(people, [0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.4, 0.4])
    assert found.accuracy is not None
    assert found.accuracy.estimate == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.spearman is None
    assert found.pairs == 3
    best = ceiling(people)
    assert best is not None
    assert best.accuracy is not None
    # Of prompt 0, z is against x and y; x and y each see the rest split, which is nothing to agree with. Of prompt 3, x sees a tie, and y
    # is undecided where x is not.
    assert best.accuracy.estimate == pytest.approx((0.0 + 0.5) / 2)
    assert people.raters == 3


def test_people_agree_with_each_other_as_well_as_they_do():
    alike, _ = noisy(np.random.default_rng(4), 20, 0.05)
    unlike, _ = noisy(np.random.default_rng(4), 20, 2.0)
    both = [ceiling(people) for people in (alike, unlike)]
    correlations = [found.spearman.estimate for found in both if found and found.spearman]
    assert correlations[0] > 0.98 > 0.6 > correlations[1]
    assert ceiling(rated([1.0, 2.0, 3.0, 4.0])) is None, "one rater has nobody to agree with"


def test_a_better_judge_is_told_from_a_worse_one():
    generator = np.random.default_rng(5)
    people, truth = noisy(generator, 40, 0.3)
    good = [value + generator.normal(0, 0.3) for value in truth]
    poor = [value + generator.normal(0, 3.0) for value in truth]
    found = agreement_difference(people, good, poor)
    back = agreement_difference(people, poor, good)
    for interval, reverse in ((found.spearman, back.spearman), (found.accuracy, back.accuracy)):
        assert interval is not None
        assert reverse is not None
        assert interval.low is not None
        assert interval.low > 0.1
        assert reverse.estimate == pytest.approx(-interval.estimate)
    same = agreement_difference(people, good, [None, *good[1:]])
    assert same.spearman is not None
    assert (same.spearman.estimate, same.spearman.low, same.spearman.high) == (0.0, 0.0, 0.0)
    assert same.images == len(truth) - 1
    assert agreement_to_json(same)["images"] == len(truth) - 1


def test_the_same_seed_gives_the_same_figures():
    people, truth = noisy(np.random.default_rng(6), 8, 0.5)
    assert agreement(people, truth, seed=1) == agreement(people, truth, seed=1)
