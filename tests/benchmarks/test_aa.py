"""A/A: what is counted as a false claim, in ours and beside it."""

from benchmarks.aa import AA, Run, gepa_run, ours_of, synthetic_run, theirs_of
from benchmarks.gepa_beside import Named


def test_runs_that_keep_the_reference_compare_nothing():
    ours = ours_of([Run(False, None, False, True), Run(False, 0.02, False, True), Run(True, 0.1, True, False)])
    assert (ours.runs, ours.kept, ours.claimed, ours.above_zero) == (3, 1, 1, 1)
    assert ours.covered == 0.5
    assert abs(ours.mean_gain - 0.06) < 1e-12


def test_more_than_one_false_claim_in_twenty_misses_the_goal():
    quiet, loud = Run(False, 0.0, False, True), Run(True, 0.1, True, False)
    assert AA("", 600, ours_of([loud, *[quiet] * 19]), (), 1.0).ok
    assert not AA("", 600, ours_of([loud, loud, *[quiet] * 18]), (), 1.0).ok


def test_gepas_gain_is_that_of_the_runs_that_named_another():
    theirs = theirs_of(8, [Named("a", False, 0.0, ("a",), 1), Named("b", True, 0.2, ("a", "b"), 1)])
    assert (theirs.named, theirs.mean_gain) == (1, 0.2)


def test_whole_runs_where_nothing_differs():
    runs = [synthetic_run(seed, 300) for seed in range(3)]
    assert not any(run.claimed for run in runs)
    assert gepa_run(0, 300, 8).gain >= 0.0
