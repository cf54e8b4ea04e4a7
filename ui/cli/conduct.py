"""From a planned run to its report: what `optimize` and `resume` have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from data.errors import PhoropterError, UsageError
from optimizer.methods import METHODS, OURS
from ui.cli.output import command_line, numbered, print_json, say
from ui.placebo import KIND as PLACEBO

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store
    from optimizer.compare import Exchanged
    from ui.running import PlannedRun
    from ui.settings import Settings
    from ui.views import RunView
    from ui.wiring import Parts


def with_origins(planned: "PlannedRun", origins: Mapping[str, str]) -> "PlannedRun":
    """The run, remembering where each of its settings came from."""
    from ui.settings import ORIGINS, PLACES

    kept = {name: origin for name, origin in sorted(origins.items()) if name not in (*PLACES, "description")}
    return replace(planned, config={**planned.config, ORIGINS: kept})


def conduct(planned: "PlannedRun", parts: "Parts", places: "Settings", *, as_json: bool, calibrate: bool = False) -> None:
    """Carries the run out, or finds it finished on record, and reports on it. With ``calibrate``, its placebo run, too."""
    from ui.cli.opening import parts as opened
    from ui.placebo import placebo_of
    from ui.views import run_view

    if calibrate and planned.kind == PLACEBO:
        raise UsageError(f"run {short_id(planned)} is a placebo run itself", hint="leave --calibrate out")
    if calibrate:
        images = planned.limits.images
        say(f"--calibrate: {images} images for the run, and as many again for its placebo run; other limits, too, hold for each")
    if is_finished(parts, planned.id):
        say(f"run {short_id(planned)} is on record, and finished: this is its report")
    else:
        _carry_out(planned, parts, places)
    if calibrate:
        with opened(parts.settings) as again:  # A run's engines are closed when it ends.
            placebo, deaf = placebo_of(planned, again)
            if not is_finished(deaf, placebo.id):
                say(f"\nplacebo: the same procedure, where all system prompts do what {planned.problem.reference} does")
                _carry_out(placebo, deaf, places)
    report(run_view(parts.store, planned.id), parts.store, places, as_json=as_json, images=parts.images)


def _carry_out(planned: "PlannedRun", parts: "Parts", places: "Settings") -> None:
    """A run under way, with what is to be said before and meanwhile."""
    from ui.cli.live import Watch, watching
    from ui.cli.opening import run_to_end
    from ui.judging import standing
    from ui.running import carry_out

    resume = command_line("resume", short_id(planned), settings=places)
    say(plan_in_words(planned))
    for warning in standing(parts.settings, parts).warnings:
        say(f"judge: {warning}")
    say(f"run {short_id(planned)}; Ctrl-C stops it without loss, `{resume}` goes on\n")
    with watching(Watch(method=planned.problem.method)) as listen:
        run_to_end(carry_out(planned, parts, listen), lambda: resume)


def report(view: "RunView", store: "Store", places: "Settings", *, as_json: bool, images: "ImageFiles") -> None:
    """The report on a run, whatever its state, with a contact sheet where there is something to compare."""
    from ui.cli.report import count_failures, print_run, run_to_json
    from ui.monitoring import monitors_of
    from ui.placebo import placebo_view

    of_its_own = view.placebo_of is None
    if view.comparison is not None and view.monitors is None and of_its_own:
        say("looking at the pictures: saturation, contrast, sharpness, diversity")
        try:
            view = replace(view, monitors=monitors_of(store, images, view.id))
        except PhoropterError as error:
            say(f"warning: {error}")  # As below: a ledger that can only be read still has its figures.
    sheet = _sheet(view, store, places, images) if of_its_own else None
    placebo = placebo_view(store, view.id) if of_its_own else None
    failures = count_failures(store, view.id)
    if as_json:
        print_json(run_to_json(view, failures, places, sheet, placebo))
    else:
        print_run(view, failures, places, sheet, placebo)


def _sheet(view: "RunView", store: "Store", places: "Settings", images: "ImageFiles") -> str | None:
    """The contact sheet's path below the home folder, made where it is not there yet."""
    from data.identity import short
    from ui.contact_sheet import contact_sheet

    if view.comparison is None:
        return None
    relative = f"runs/{short(view.id)}/contact-sheet.png"
    if not (places.home / relative).exists():
        try:
            contact_sheet(store, images, view.id, places.home / relative)
        except PhoropterError as error:
            say(f"warning: {error}")  # The figures are there all the same.
            return None
    return relative


def short_id(planned: "PlannedRun") -> str:
    from data.identity import short

    return short(planned.id)


def is_finished(parts: "Parts", run_id: str) -> bool:
    from ui.eventlog import CONFIRMED

    return any(event.kind == CONFIRMED for event in parts.store.events(run_id))


def plan_in_words(planned: "PlannedRun") -> str:
    """How the images are shared out, before the first is drawn."""
    shares, problem = planned.shares, planned.problem
    arms = len(problem.baselines) + 2
    tested = shares.test_prompts * shares.test_seeds
    shortlist = problem.policy.shortlist
    confirmation = f"{arms} arms on {numbered(shares.test_prompts, 'test prompt')}"
    if shares.test_seeds > 1:
        confirmation += f" with {shares.test_seeds} seeds each"
    searching = (
        f"{shares.search} to search, "
        f"{shortlist * shares.select_prompts} to select ({shortlist} system prompts on {numbered(shares.select_prompts, 'prompt')})"
    )
    if problem.method != OURS:
        searching = f"{shares.searched(shortlist)} for {METHODS[problem.method].title}"
    return (
        f"{planned.limits.images} images: {searching}, "
        f"{arms * tested} to confirm ({confirmation}){_others_in_words(problem.exchanged, problem.reference, tested)}"
    )


def _others_in_words(exchanged: "Sequence[Exchanged]", reference: str, tested: int) -> str:
    """What is measured again with other engines."""
    from optimizer.compare import Exchanged

    words = {
        Exchanged.JUDGE: f", none for another judge, who looks at those of best and {reference}",
        Exchanged.GENERATOR: f", {2 * tested} for another generator (best and {reference})",
    }
    return "".join(words[entry] for entry in exchanged)
