"""``phoropter rewrite``: what the reasoner makes of a text. Nothing is drawn, and nothing goes on record."""

from typing import TYPE_CHECKING, Annotated

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

    refuse_empty(text)
    settings = resolved(context).settings
    instructions = find_system_prompt(system_prompt, settings)
    answer = asyncio.run(_rewritten(text, instructions, sample, settings))
    if json:
        _print_json(text, instructions, sample, answer)
    else:
        _print(answer, verbose=verbose)


def refuse_empty(text: str) -> None:
    """UsageError for a text without words."""
    from data.errors import UsageError

    if not text.strip():
        raise UsageError("the text is empty", hint='for example: phoropter rewrite "a birthday"')


async def _rewritten(text: str, system_prompt: "SystemPrompt", sample: int, settings: "Settings") -> "Rewrite":
    from contextlib import AsyncExitStack

    from data.errors import Stage as StageName
    from data.records import Prompt
    from optimizer.stage import Stage, StageFailed
    from reasoner import RewriteRequest
    from ui.wiring import build_reasoner

    async with AsyncExitStack() as closing:
        reasoner = build_reasoner(settings.reasoner, closing)
        request = RewriteRequest(system_prompt, Prompt(text), sample)
        stage = await closing.enter_async_context(Stage(StageName.REWRITE, reasoner, settings.reasoner.limits))
        try:
            return await stage(request.key(reasoner.identity), request)
        except StageFailed as failed:
            raise failed.error from None


def _print(answer: "Rewrite", *, verbose: bool) -> None:
    from ui.cli.output import say

    if verbose:
        print(f"reasoning:\n{answer.reasoning or '(the reasoner showed none)'}\n\nrewrite:")
    print(answer.text, flush=True)
    for note in answer.drift:
        say(f"drift: {note}")
    if verbose:
        say(f"{answer.usage.input_tokens} tokens in, {answer.usage.output_tokens} out, {answer.latency:.2f} s")


def _print_json(text: str, system_prompt: "SystemPrompt", sample: int, answer: "Rewrite") -> None:
    from ui.cli.output import print_json

    print_json(
        {
            "prompt": text,
            "system_prompt": {"id": system_prompt.id, "name": system_prompt.name},
            "sample": sample,
            "rewrite": {"text": answer.text, "reasoning": answer.reasoning, "drift": list(answer.drift)},
            "timing": {
                "seconds": round(answer.latency, 3),
                "input_tokens": answer.usage.input_tokens,
                "output_tokens": answer.usage.output_tokens,
                "dollars": answer.usage.cost,
            },
        }
    )
