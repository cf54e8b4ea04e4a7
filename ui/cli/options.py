"""The options that commands share, each declared once, and how they become settings. Standard library and typer only.

An option's parameter has the same name in every command; :data:`SETTINGS` says which setting it sets.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ui.settings import Resolved

Profile = Annotated[
    str | None, typer.Option(help="A shipped profile (embedded, openai, lens, qwen-image …), or a TOML file.", metavar="NAME|FILE")
]
Home = Annotated[str | None, typer.Option(help="The folder of the ledger, the images and what else a run leaves.", metavar="FOLDER")]
Ledger = Annotated[
    str | None, typer.Option(help="The ledger's database: sqlite:///FILE, or postgresql://USER@HOST/DATABASE.", metavar="URL")
]
ReasonerSpec = Annotated[
    str | None,
    typer.Option(
        "--reasoner",
        help="Who rewrites: embedded, openai:MODEL@http://host:8000/v1, vllm:MODEL, litellm:PROVIDER/MODEL, dspy:package.module:factory.",
        metavar="SPEC",
    ),
]
GeneratorSpec = Annotated[
    str | None,
    typer.Option(
        "--generator",
        help="Who draws: embedded, diffusers:REPOSITORY, lens:REPOSITORY, images:MODEL@http://host:8000/v1, litellm:PROVIDER/MODEL, "
        "ray:SPEC.",
        metavar="SPEC",
    ),
]
GuardSpec = Annotated[
    str | None,
    typer.Option(
        "--guard", help="Who looks at texts and images first: moderation, chat:MODEL@http://host:8000/v1. Else nobody.", metavar="SPEC"
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(help="The Ray cluster of a ray: generator, host:port or ray://host:port. Else one of its own.", metavar="ADDRESS"),
]
JudgeSpec = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help='Who judges: scene, text, checklist:openai:MODEL@http://host:8000/v1, vqa:…, several as "panel: SPEC + SPEC".',
        metavar="SPEC",
    ),
]
ProposerSpec = Annotated[
    str | None,
    typer.Option("--proposer", help="Who proposes system prompts: embedded, or a language model as for --reasoner.", metavar="SPEC"),
]
TransferJudge = Annotated[
    str | None,
    typer.Option(help="Let this judge, too, look at the confirmation's pictures: does the gain hold before it?", metavar="SPEC"),
]
TransferGenerator = Annotated[
    str | None,
    typer.Option(help="Let this generator, too, draw the confirmation's rewrites: does the gain hold with it?", metavar="SPEC"),
]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate", help="Also run the very same procedure where nothing differs, as a placebo: as many images again, a run of its own."
    ),
]
WriterSpec = Annotated[
    str | None,
    typer.Option("--writer", help="Who writes prompts and checklists: embedded, or a language model as for --reasoner.", metavar="SPEC"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else (docs/json.md).")]
SystemPromptName = Annotated[
    str, typer.Option("--system-prompt", help="A shipped name, a text file, or the first digits of an id.", metavar="NAME|FILE|ID")
]

SETTINGS = {
    "home": "home",
    "ledger": "ledger",
    "reasoner": "reasoner.engine",
    "generator": "generator.engine",
    "guard": "guard",
    "cluster": "cluster",
    "judge": "judge.engine",
    "proposer": "proposer.engine",
    "writer": "writer.engine",
    "transfer_judge": "transfer.judge",
    "transfer_generator": "transfer.generator",
    "prompts": "run.prompts",
    "images": "run.images",
    "dollars": "run.dollars",
    "tokens": "run.tokens",
    "seconds": "run.seconds",
    "seed": "run.seed",
    "method": "run.method",
    "root": "run.roots",
}
"""The dotted name of the setting behind each parameter."""


def resolved(context: typer.Context) -> "Resolved":
    """The settings of a command: its own options over the environment over the profile."""
    from ui.settings import resolve

    given: dict[str, Any] = {
        dotted: context.params[name] for name, dotted in SETTINGS.items() if context.params.get(name) not in (None, [], ())
    }
    return resolve(context.params.get("profile"), given)
