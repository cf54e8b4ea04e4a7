"""Placebo runs: the very same procedure as a run's, on as many images, where all system prompts do what the reference does.

What a placebo run gains is what the procedure finds where there is nothing to be found. It is a run of its own, beside the one that it
belongs to.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.identity import content_id
from ui.settings import PLACEBO_OF

if TYPE_CHECKING:
    from data.store import Store
    from optimizer.evaluate import Pipeline
    from ui.running import PlannedRun
    from ui.views import RunView
    from ui.wiring import Parts

KIND = "placebo"
"""The kind of these runs."""
SEARCHES = ("optimize", KIND)
"""The kinds of runs that search: they have a lineage, and can be resumed."""


def placebo_run(run_id: str) -> str:
    """The id of a run's placebo run."""
    return content_id("placebo", run_id)


def placebo_of(planned: "PlannedRun", parts: "Parts") -> "tuple[PlannedRun, Parts]":
    """The placebo run of a planned one, and the parts that it takes: the same with a reasoner that is deaf to system prompts."""
    from optimizer.placebo import DeafReasoner

    deaf = DeafReasoner(parts.pipeline.reasoner, planned.problem.reference_arm.system_prompt)

    def deafened(pipeline: "Pipeline") -> "Pipeline":
        return replace(pipeline, reasoner=deaf)

    others = {exchanged: deafened(other) for exchanged, other in parts.others.items()}
    config = {**planned.config, PLACEBO_OF: planned.id}
    plan = replace(planned, id=placebo_run(planned.id), kind=KIND, config=config)
    return plan, replace(parts, pipeline=deafened(parts.pipeline), others=others)


def placebo_view(store: "Store", run_id: str) -> "RunView | None":
    """The placebo run of a run, as it stands; None where nobody has begun one."""
    from ui.views import run_view

    try:
        return run_view(store, placebo_run(run_id))
    except UsageError:
        return None
