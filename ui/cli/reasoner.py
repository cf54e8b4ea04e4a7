"""``phoropter reasoner serve``: a vLLM of one's own in the foreground, with flags that suit rewriting, for runs to point at."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import Home, Json, Profile, resolved

if TYPE_CHECKING:
    from reasoner.serving.launch import Features
    from reasoner.serving.server import Report, VllmServer
    from ui.settings import Settings

app = typer.Typer(help="Serve a model that rewrites.", no_args_is_help=True, rich_markup_mode=None)

GIB = 1024**3


@app.callback()
def before_any_command() -> None:
    """Serve a model that rewrites."""


@app.command("serve")
def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model's name, or the folder that its weights lie in.", metavar="MODEL")],
    port: Annotated[int | None, typer.Option(help="The port; a free one by default.", min=1, max=65535, metavar="N")] = None,
    host: Annotated[str, typer.Option(help="Where to listen. Beyond this machine only with PHOROPTER_API_KEY set.", metavar="ADDRESS")] = (
        "127.0.0.1"
    ),
    vllm: Annotated[str | None, typer.Option(help="The command that starts vLLM, or a Python that has it.", metavar="COMMAND")] = None,
    memory_share: Annotated[float | None, typer.Option(help="Of the GPU's memory; 0.45 by default.", metavar="SHARE")] = None,
    max_model_len: Annotated[int | None, typer.Option(help="Tokens of question and answer together; 8192 by default.", metavar="N")] = None,
    features: Annotated[bool, typer.Option("--features", help="Let --generator lens:FOLDER@URL read with this model, too.")] = False,
    feature_layers: Annotated[
        str,
        typer.Option(
            help="The layers that it reads, from 0, such as 5,11,17,23; by default the ends of the model's quarters.", metavar="N,…"
        ),
    ] = "",
    profile: Profile = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Start vLLM for MODEL and report its address, memory and speed; Ctrl-C ends it."""
    import asyncio
    import signal

    from reasoner.serving.server import VllmServer
    from ui.engines import OWN_KEY
    from ui.settings import environment_for, secret

    settings = resolved(context).settings
    options: dict[str, Any] = {"memory_share": memory_share, "max_model_len": max_model_len}
    if features or feature_layers:
        options["features"] = _features(settings, model, feature_layers)
    server = VllmServer(
        model,
        environment=environment_for(settings),
        log_folder=settings.home / "logs",
        command=vllm or settings.vllm,
        host=host,
        port=port,
        api_key=secret(OWN_KEY),
        **{name: value for name, value in options.items() if value is not None},
    )

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    # Whoever ends us politely wants the server gone as well.
    signal.signal(signal.SIGTERM, interrupt)
    try:
        asyncio.run(_serve(server, json))
    except KeyboardInterrupt:
        from ui.cli.output import say

        say("stopped")


def _features(settings: "Settings", model: str, layers: str) -> "Features":
    import os

    from reasoner.serving.launch import Features, feature_layers

    return Features(settings.home.absolute() / "features" / str(os.getpid()), feature_layers(model, layers))


async def _serve(server: "VllmServer", json: bool) -> None:
    from ui.cli.output import print_json, say

    try:
        await server.ready()
        report = await server.report()
        if json:
            print_json(_record(server, report))
        else:
            print("\n".join(_lines(server, report)))
            say("Ctrl-C ends it")
        # A program that waits for the report has it now.
        print(end="", flush=True)
        await server.watch()
    finally:
        await server.stop()


def _spec(server: "VllmServer") -> str:
    return f"openai:{server.name}@{server.url}"


def _generator(server: "VllmServer") -> str:
    """What to put FOLDER of Lens's own weights into."""
    return f"lens:FOLDER@{server.url}?reader={server.name}"


def _record(server: "VllmServer", report: "Report") -> dict[str, Any]:
    features = server.features
    return {
        "model": server.name,
        "url": server.url,
        "reasoner": _spec(server),
        "generator": _generator(server) if features else None,
        "feature_layers": features.layers if features else None,
        "process": server.process,
        "log": str(server.log_file),
        "memory": {"bytes": report.memory, "gpu_bytes": report.gpu_memory},
        "timing": {"start_seconds": round(report.start_seconds, 1), "tokens_per_second": round(report.tokens_per_second, 1)},
    }


def _lines(server: "VllmServer", report: "Report") -> list[str]:
    import shlex

    from ui.cli.output import seconds

    memory = [f"{size / GIB:.1f} GiB {where}" for where, size in (("on the GPU", report.gpu_memory), ("of RAM", report.memory)) if size]
    features = server.features
    lines = [
        f"{server.name} is served at {server.url}",
        f"memory   {', '.join(memory) or 'unknown'}",
        f"speed    {report.tokens_per_second:.0f} tokens/s, eight chats at once; it took {seconds(report.start_seconds)} to start",
        f"log      {server.log_file}",
        "",
        "next: " + shlex.join(["phoropter", "rewrite", "a birthday", "--reasoner", _spec(server)]),
    ]
    if features:
        lines.insert(3, f"features after layers {', '.join(map(str, features.layers))}")
        lines.append(
            "or:   "
            + shlex.join(["phoropter", "imagine", "a quiet harbour", "--reasoner", _spec(server), "--generator", _generator(server)])
        )
    return lines
