"""``phoropter noise``: where the noise of a run's scores comes from, what it costs a comparison, and what to buy next."""

import math
from typing import TYPE_CHECKING

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved
from ui.cli.resume import RunId

if TYPE_CHECKING:
    from rich.table import Table

    from ui.noise import Noise, Source


def noise(
    context: typer.Context,
    run: RunId,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """Say where a run's noise comes from, and what to buy next.

    By source: prompt, rewrite, image, judge. Then how many prompts a comparison needs.
    """
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import print_json
    from ui.noise import noise_of
    from ui.noise_advice import noise_to_json
    from ui.views import run_view

    with open_ledger(resolved(context).settings) as store:
        found = noise_of(store, run_view(store, run))
    if json:
        print_json(noise_to_json(found))
    else:
        _print(found)


def _print(found: "Noise") -> None:
    from ui.cli.output import console, figure
    from ui.noise_advice import advice, cancelled

    out = console()
    out.print(_sources(found))
    shared = cancelled(found)
    if shared is not None:
        out.print(f"\nTwo system prompts on the same prompts and seeds: {shared:.0%} of this cancels; the rest is what a comparison sees.")
    out.print()
    out.print(_needed(found))
    out.print()
    for sentence in advice(found):
        out.print(sentence)
    if found.search_sd is not None:
        out.print(f"\nThe search reckoned with an SD of {figure(found.search_sd)}, prompts and what their images share taken out.")


def _sources(found: "Noise") -> "Table":
    from data.identity import short
    from ui.cli.output import figure, numbered
    from ui.noise import sources

    components = found.components
    scores = f"{numbered(components.trials, 'score')} on {numbered(components.prompts, 'prompt')}"
    arms = numbered(components.system_prompts, "system prompt")
    table = _table(
        f"the noise of run {short(found.run_id)}: {scores}, {arms}; SD of a score under one of them: {figure(math.sqrt(found.total))}"
    )
    table.add_column("source", no_wrap=True)
    for name in ("share", "SD", "repetitions"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for source in sources(found):
        name = f"{'  of it ' if source.part else ''}{source.label}"
        table.add_row(name, "–" if source.share is None else f"{source.share:.0%}", _sd(source), _repetitions(source), source.note)
    return table


def _sd(source: "Source") -> str:
    from ui.cli.output import figure, interval

    if source.variance is None or not source.repetitions:
        return figure(source.sd)
    bounds = (None if bound is None else math.sqrt(bound) for bound in (source.variance.low, source.variance.high))
    return interval(dict(zip(("estimate", "low", "high"), (source.sd, *bounds), strict=True)))


def _repetitions(source: "Source") -> str:
    return f"{source.repetitions:,}" if source.repetitions else ""


def _needed(found: "Noise") -> "Table":
    from ui.noise_advice import GAINS, prompts_for

    table = _table("prompts that a comparison of two needs, to find a gain with 80% power")
    table.add_column("images of each prompt", no_wrap=True)
    for gain in GAINS:
        table.add_column(f"gain of {gain:.2f}".replace("0.", ".", 1), justify="right", no_wrap=True)
    for images, row in prompts_for(found):
        table.add_row(str(images), *("–" if needed is None else f"{needed:,}" for needed in row))
    return table


def _table(title: str) -> "Table":
    from rich.table import Table

    return Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
