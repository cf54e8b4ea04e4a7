"""``phoropter rewrite``: what the reasoner makes of a text. Nothing is drawn, and nothing goes on record."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import Home, Json, Ledger, Profile, ReasonerSpec, SystemPromptName, resolved

if TYPE_CHECKING:
    from data.records import Rewrite, SystemPrompt
    from ui.settings import Settings

Text = Annotated[str, typer.Argument(help="What a user would ask for.", metavar="TEXT")]


def rewrite(
    context: typer.Context,
    text: Text,
    system_prompt: SystemPromptName = "general",
    sample: Annotated[int, typer.Option(help="Another number, another answer.", metavar="N")] = 0,
    samples: Annotated[int, typer.Option(help="So many answers, from sample N on.", metavar="COUNT", min=1, max=1000)] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the reasoning, too.")] = False,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    reasoner: ReasonerSpec = None,
    json: Json = False,
) -> None:
    """Rewrite one text with a system prompt."""
    import asyncio

    from ui.cli.opening import system_prompt as find_system_prompt
    from ui.cli.output import print_json

    refuse_empty(text)
    settings = resolved(context).settings
    instructions = find_system_prompt(system_prompt, settings)
    numbers = range(sample, sample + samples)
    answers = asyncio.run(_rewritten(text, instructions, numbers, settings))
    if json:
        first, *more = [_to_json(number, answer) for number, answer in zip(numbers, answers, strict=True)]
        print_json({"prompt": text, "system_prompt": {"id": instructions.id, "name": instructions.name}, **first, "more": more})
        return
    for number, answer in zip(numbers, answers, strict=True):
        if samples > 1:
            print(f"{'' if number == sample else chr(10)}sample {number}:")
        _print(answer, verbose=verbose)


def refuse_empty(text: str) -> None:
    """UsageError for a text without words."""
    from data.errors import UsageError

    if not text.strip():
        raise UsageError("the text is empty", hint='for example: phoropter rewrite "a birthday"')


async def _rewritten(text: str, system_prompt: "SystemPrompt", samples: range, settings: "Settings") -> "list[Rewrite]":
    """One rewrite per sample, asked for at once. The first failure ends it."""
    import asyncio

    from data.errors import Stage as StageName
    from data.records import Prompt
    from optimizer.stage import Stage, StageFailed
    from reasoner import RewriteRequest
    from ui.engines import Building, build_generator, build_reasoner, stage_limits

    building = Building(settings)
    async with building.closing as closing:
        reasoner = build_reasoner(building, build_generator(building))
        requests = [RewriteRequest(system_prompt, Prompt(text), sample) for sample in samples]
        stage = await closing.enter_async_context(Stage(StageName.REWRITE, reasoner, stage_limits(settings.reasoner, reasoner)))
        try:
            return await asyncio.gather(*(stage(request.key(reasoner.identity), request) for request in requests))
        except StageFailed as failed:
            raise failed.error from None


def _print(answer: "Rewrite", *, verbose: bool) -> None:
    from ui.cli.output import say

    if verbose:
        print(f"reasoning:\n{answer.reasoning or '(the reasoner showed none)'}\n\nrewrite:")
    print(answer.text, flush=True)
    for name, entries in (("drift", answer.drift), ("flaw", answer.flaws)):
        for entry in entries:
            say(f"{name}: {entry}")
    if verbose:
        for entry in answer.removed:
            say(f"removed: {entry}")
        if answer.aspect_ratio:
            say(f"aspect ratio: {answer.aspect_ratio}")
        say(_used(answer))


def _used(answer: "Rewrite") -> str:
    usage = answer.usage
    cached = f" ({usage.cached_tokens} of them cached)" if usage.cached_tokens else ""
    thought = f" ({usage.reasoning_tokens} of them reasoning)" if usage.reasoning_tokens else ""
    cost = "price unknown" if usage.cost is None else f"${usage.cost:.6f}"
    seed = "no seed" if answer.seed is None else f"seed {answer.seed}"
    return f"{usage.input_tokens} tokens in{cached}, {usage.output_tokens} out{thought}, {cost}, {seed}, {answer.latency:.2f} s"


def _to_json(sample: int, answer: "Rewrite") -> dict[str, Any]:
    return {
        "sample": sample,
        "rewrite": rewrite_to_json(answer),
        "timing": {
            "seconds": round(answer.latency, 3),
            "input_tokens": answer.usage.input_tokens,
            "cached_tokens": answer.usage.cached_tokens,
            "output_tokens": answer.usage.output_tokens,
            "reasoning_tokens": answer.usage.reasoning_tokens,
            "dollars": answer.usage.cost,
        },
    }


def rewrite_to_json(answer: "Rewrite") -> dict[str, Any]:
    """What the reasoner wrote, and what is to be said of it; not what it took."""
    return {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "drift": list(answer.drift),
        "flaws": list(answer.flaws),
        "removed": list(answer.removed),
        "tokens": answer.tokens,
        "seed": answer.seed,
        "aspect_ratio": answer.aspect_ratio or None,
    }
