"""What an id on the command line stands for: a run, or a system prompt."""

from typing import TYPE_CHECKING

from data.errors import UsageError

if TYPE_CHECKING:
    from data.records import SystemPrompt
    from data.store import Store
    from ui.views import RunView


def find(identifier: str, store: "Store") -> "tuple[RunView | None, SystemPrompt | None]":
    """The run or the system prompt (also by shipped name) that ``identifier`` names; UsageError for none, or for both."""
    from reasoner.library import shipped, shipped_names
    from ui.views import run_view

    if identifier in shipped_names():
        return None, shipped(identifier)
    run: RunView | None = None
    system_prompt: SystemPrompt | None = None
    problems: list[UsageError] = []
    try:
        run = run_view(store, identifier)
    except UsageError as error:
        problems.append(error)
    try:
        system_prompt = store.system_prompt(identifier)
    except UsageError as error:
        problems.append(error)
    if run is not None and system_prompt is not None:
        raise UsageError(f"{identifier!r} begins the ids of a run and of a system prompt", hint="give more of its id")
    if run is None and system_prompt is None:
        several = [problem for problem in problems if "begin with" in str(problem)]
        raise (several[0] if several else UsageError(f"there is no run and no system prompt {identifier!r}", hint=problems[0].hint))
    return run, system_prompt
