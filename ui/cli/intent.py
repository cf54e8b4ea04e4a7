"""``phoropter intent``: whether a run's rewrites still ask for what their users asked for, read by a language model."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved
from ui.cli.resume import RunId
from ui.cli.writing import Dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from optimizer.stats import Interval
    from ui.authoring import Tally, Watch
    from ui.intent import Intent, Read

T = TypeVar("T")

EXAMPLES = 5
"""Rewrites per arm whose losses are told in words: the first by the ids of their prompts, so that nobody chooses them."""


def intent(
    context: typer.Context,
    run: RunId,
    model: Annotated[
        str,
        typer.Option("--model", help="Who reads: openai:MODEL@http://host:8000/v1, vllm:MODEL, litellm:PROVIDER/MODEL.", metavar="SPEC"),
    ],
    arm: Annotated[
        list[str] | None, typer.Option(help="An arm to read beside the reference; best. May be repeated.", metavar="NAME")
    ] = None,
    dollars: Dollars = None,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """Ask a language model what a run's rewrites lost.

    It reads the user's text and the rewrite, and says what was dropped, contradicted or added. It sees no picture.
    """
    from ui.cli.opening import ledger as open_ledger
    from ui.intent import chosen_arms, intent_of, read_intent
    from ui.views import run_view

    settings = resolved(context).settings
    with open_ledger(settings) as store:
        view = run_view(store, run)
        arms = chosen_arms(view, arm or [])
        intent_id, tally = _carried_out(lambda watch: read_intent(store, view, arms, model, settings, dollars, watch))
        show_intent(intent_of(store, intent_id, arms), tally, as_json=json)


def _carried_out(work: "Callable[[Watch], Coroutine[Any, Any, T]]") -> "T":
    """Runs ``work`` and shows how far it is; where it is interrupted or can't go on, says that nothing is lost."""
    import asyncio

    from data.errors import FatalError
    from ui.cli.output import say
    from ui.cli.writing import watching

    again = "give the same command again: what was answered is in the ledger"
    try:
        with watching("the ledger") as watch:
            return asyncio.run(work(watch))
    except KeyboardInterrupt:
        say(f"\nstopped. To go on, {again}.")
        raise typer.Exit(130) from None
    except FatalError as error:
        raise FatalError(str(error), hint=f"{error.hint or 'find out why'}; then {again}") from error


# -- the report


def show_intent(found: "Intent", tally: "Tally | None", *, as_json: bool) -> None:
    """The report; ``tally`` is what reading took just now, where it did."""
    from ui.cli.output import print_json, say
    from ui.cli.writing import used_in_words

    if as_json:
        print_json(intent_to_json(found))
    else:
        _print(found)
    if tally is not None:
        say(used_in_words(tally, "the ledger"))


def intent_to_json(found: "Intent") -> dict[str, Any]:
    """The report as documented in docs/json.md. What reading took is no part of it: the same answers are the same report."""
    from optimizer.comparison_json import interval_to_json

    def intervals(by_rate: "Mapping[str, Interval]") -> dict[str, Any] | None:
        return {rate: interval_to_json(interval) for rate, interval in by_rate.items()} or None

    return {
        "run": found.config["of"],
        "intent": found.run_id,
        "model": found.config["spec"],
        "reference": found.reference,
        "arms": [
            {
                "name": arm.name,
                "rewrites": arm.rewrites,
                "failed": arm.failed,
                "rates": intervals(arm.rates),
                "difference_to_reference": intervals(arm.changes),
                "prompts": arm.common,
                "reads": [_read_to_json(read) for read in found.reads[arm.name]],
            }
            for arm in found.arms
        ],
    }


def _read_to_json(read: "Read") -> dict[str, Any]:
    from data.errors import StageError
    from ui.intent import texts_of

    text, rewrite = texts_of(read.trial)
    outcome = read.outcome
    failed = isinstance(outcome, StageError)
    return {
        "prompt": read.trial.request.prompt.id,
        "text": text,
        "rewrite": rewrite,
        **({} if failed else {loss.value: list(whats) for loss, whats in outcome.losses.items()}),
        "failure": {"kind": outcome.kind.value, "message": str(outcome), "hint": outcome.hint} if failed else None,
    }


def _print(found: "Intent") -> None:
    from rich.table import Table

    from data.identity import short
    from optimizer.entailment import RATES
    from ui.cli.output import console

    out = console()
    title = f"rewrites of run {short(found.config['of'])} as {found.config['spec']} reads them: what they lost, with 95% intervals"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("arm", no_wrap=True)
    for name in ("rewrites", *RATES, "not read"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in found.arms:
        table.add_row(arm.name, str(arm.rewrites), *(_percent(arm.rates.get(rate)) for rate in RATES), str(arm.failed))
        if arm.changes:
            cells = (_percent(arm.changes[rate], signed=True) for rate in RATES)
            table.add_row(f"  minus {found.reference}", "", *cells, "")
    out.print(table)
    for arm in found.arms:
        _print_examples(arm.name, found.reads[arm.name])


def _percent(interval: "Interval | None", *, signed: bool = False) -> str:
    if interval is None:
        return "–"
    sign = "+" if signed else ""
    bounds = "?" if interval.low is None else f"{interval.low:{sign}.0%}, {interval.high:{sign}.0%}"
    return f"{interval.estimate:{sign}.1%} [{bounds}]"


def _print_examples(arm: str, reads: "Sequence[Read]") -> None:
    from data.errors import StageError
    from ui.cli.output import console, numbered, one_line

    out = console()
    lost = [read for read in reads if not isinstance(read.outcome, StageError) and not read.outcome.faithful]
    failed = [read.outcome for read in reads if isinstance(read.outcome, StageError)]
    if lost:
        out.print(f"\n{arm}, {'the first of ' if len(lost) > EXAMPLES else ''}{numbered(len(lost), 'rewrite')} that lost something:")
    for read in lost[:EXAMPLES]:
        assert not isinstance(read.outcome, StageError)
        out.print(f"  “{one_line(read.trial.request.prompt.text, 100)}”")
        for loss, whats in read.outcome.losses.items():
            if whats:
                out.print(f"    {loss.value}: {one_line('; '.join(whats), 200)}")
    if failed:
        out.print(f"\n{arm}: {numbered(len(failed), 'rewrite')} could not be read, the first because: {one_line(str(failed[0]), 160)}")
        if failed[0].hint:
            out.print(f"    hint: {failed[0].hint}")
