"""``phoropter resume``: carries a run on from what the ledger has, with the settings it was begun with."""

from typing import Annotated

import typer

from ui.cli.options import Calibrate, Cluster, Home, Json, Ledger, Profile, resolved

RunId = Annotated[str, typer.Argument(help="The first digits of a run's id, as `phoropter runs` shows them.", metavar="RUN")]


def resume(
    context: typer.Context,
    run: RunId,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    cluster: Cluster = None,
    calibrate: Calibrate = False,
    json: Json = False,
) -> None:
    """Go on with a run that was stopped.

    It comes to the same end that it would have had without the stop.
    """
    from data.blobs import ImageFiles
    from data.errors import UsageError
    from ui.cli.conduct import conduct, report
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.opening import parts
    from ui.placebo import placebo_of
    from ui.running import plan_run, resumed_settings
    from ui.views import run_view

    places = resolved(context).settings
    with open_ledger(places) as store:
        settings = resumed_settings(store, run, places)
        view = run_view(store, run)
        if view.state == "finished" and not calibrate:
            report(view, store, places, as_json=json, images=ImageFiles(places.image_location))
            return
    with parts(settings) as made:
        planned = plan_run(settings, made)
        if view.placebo_of is not None:
            planned, made = placebo_of(planned, made)
        if planned.id != view.id:
            raise UsageError(
                f"run {run} can't go on: its prompts, its engines or Phoropter itself have changed since it was begun",
                hint="start a new one with `phoropter optimize`; what it shares with the old one is not paid for again",
            )
        conduct(planned, made, places, as_json=json, calibrate=calibrate)
