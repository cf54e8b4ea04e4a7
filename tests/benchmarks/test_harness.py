"""A whole run in memory ends with a report, and work shared by processes comes back in order."""

import math

from benchmarks.harness import in_processes, run_in_memory
from benchmarks.worlds import REFERENCE, SyntheticProposer, synthetic_pipeline, synthetic_problem, synthetic_world


def test_a_run_ends_with_a_report_and_what_its_search_says():
    world = synthetic_world(5)
    outcome = run_in_memory(synthetic_problem(world, 5), synthetic_pipeline(world), SyntheticProposer(world), 300)
    assert outcome.trials <= 300
    assert outcome.system_prompts > 2
    assert outcome.searched.reference == REFERENCE
    assert outcome.gain is not None
    assert (outcome.gain.arm, outcome.gain.reference) == ("best", REFERENCE)


def test_results_come_in_the_order_of_the_arguments():
    assert in_processes(math.sqrt, [9.0, 4.0, 1.0]) == [3.0, 2.0, 1.0]
