"""``phoropter optimize``: searches for a better system prompt, and says honestly how much better it is."""

from typing import Annotated

import typer

from ui.cli.options import (
    Calibrate,
    Cluster,
    GeneratorSpec,
    GuardSpec,
    Home,
    Json,
    JudgeSpec,
    Ledger,
    Profile,
    ProposerSpec,
    ReasonerSpec,
    TransferGenerator,
    TransferJudge,
    resolved,
)


def optimize(
    context: typer.Context,
    prompts: Annotated[str | None, typer.Option(help="A shipped prompt set, or a file (docs/formats.md).", metavar="SET|FILE")] = None,
    images: Annotated[int | None, typer.Option(help="How many images the run may take, confirmation included.", min=1, metavar="N")] = None,
    dollars: Annotated[float | None, typer.Option(help="Stop before calls cost more than this.", metavar="X")] = None,
    tokens: Annotated[int | None, typer.Option(help="Stop before language models use more than this.", metavar="N")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop before the run takes longer than this.", metavar="S")] = None,
    seed: Annotated[int | None, typer.Option(help="Another number, another search.", metavar="N")] = None,
    method: Annotated[
        str | None, typer.Option(help="Who searches: phoropter, or another optimizer: gepa, mipro, simba.", metavar="NAME")
    ] = None,
    root: Annotated[
        list[str] | None, typer.Option(help="Where to start, instead of from plain and general. May be repeated.", metavar="NAME|FILE")
    ] = None,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    reasoner: ReasonerSpec = None,
    generator: GeneratorSpec = None,
    guard: GuardSpec = None,
    cluster: Cluster = None,
    judge: JudgeSpec = None,
    proposer: ProposerSpec = None,
    transfer_judge: TransferJudge = None,
    transfer_generator: TransferGenerator = None,
    calibrate: Calibrate = False,
    json: Json = False,
) -> None:
    """Search for a better system prompt, and measure the gain.

    The same command on the same ledger is the same run: unfinished, it goes on; finished, it answers at once.
    """
    from ui.cli.conduct import conduct, with_origins
    from ui.cli.opening import parts
    from ui.running import checked_problem, plan_run

    asked = resolved(context)
    checked_problem(asked.settings)  # Before a ledger is made that nothing would come into.
    with parts(asked.settings) as made:
        planned = with_origins(plan_run(asked.settings, made), asked.origins)
        conduct(planned, made, asked.settings, as_json=json, calibrate=calibrate)
