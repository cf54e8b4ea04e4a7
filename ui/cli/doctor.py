"""``phoropter doctor``: what works here, what is missing, and how to get it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from ui.cli.options import Cluster, GeneratorSpec, GuardSpec, Home, Json, JudgeSpec, Ledger, Profile, ProposerSpec, ReasonerSpec, resolved

if TYPE_CHECKING:
    from ui.settings import EngineSettings, Resolved, Settings

PACKAGES = (
    ("openai", "reasoners and proposers behind OpenAI-shaped endpoints", "pip install openai"),
    ("streamlit", "the pages: phoropter ui", "pip install streamlit"),
    ("dspy", "loading what `phoropter export --format dspy` writes", "pip install dspy"),
    ("psycopg", "a ledger in PostgreSQL", "pip install 'phoropter[postgres]'"),
    ("keyring", "API keys from the system's keyring", "pip install 'phoropter[keyring]'"),
    ("torch", "models in this process", "pip install 'phoropter[local]'"),
    ("diffusers", "image models in this process", "pip install 'phoropter[local]'"),
    ("rapidocr", "the judge that reads words in pictures", "pip install 'phoropter[ocr]'"),
    ("vllm", "language models in this process", "pip install 'phoropter[vllm]', in an environment of its own"),
    ("ray", "a pool of machines", "pip install 'phoropter[ray]'"),
)
"""What may be installed, what for, and how to get it."""
TEST_TEXT = "three red balloons above a blue house"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``ok`` None: missing, and not needed by the chosen profile. ``hint``: how to get it."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


def doctor(
    context: typer.Context,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    reasoner: ReasonerSpec = None,
    generator: GeneratorSpec = None,
    guard: GuardSpec = None,
    cluster: Cluster = None,
    judge: JudgeSpec = None,
    proposer: ProposerSpec = None,
    json: Json = False,
) -> None:
    """Say what works, what is missing and how to get it.

    Ends with exit status 1 where the chosen profile can't run.
    """
    from ui.cli.output import print_json

    asked = resolved(context)
    checks = list(_checks(asked))
    ready = all(check.ok is not False for check in checks)
    if json:
        values = {name: {**entry, "value": _shown(name, entry["value"])} for name, entry in asked.to_json().items()}
        print_json({"ok": ready, "profile": asked.profile, "checks": [asdict(check) for check in checks], "settings": values})
    else:
        _print(asked, checks, ready=ready)
    if not ready:
        raise typer.Exit(1)


def _shown(name: str, value: Any) -> Any:
    """A setting's value as it may be shown: a database's address without its password; no spec that may hold a key."""
    from data.errors import UsageError
    from ui.cli.output import without_password
    from ui.engines import judge_specs
    from ui.spec import parse_spec

    if name in ("ledger", "images_at") and isinstance(value, str):
        return without_password(value)
    if name.endswith("engine"):
        try:
            (judge_specs if name == "judge.engine" else parse_spec)(value)
        except UsageError:
            return "not shown"
    return value


def _print(asked: "Resolved", checks: list[Check], *, ready: bool) -> None:
    from ui.cli.output import console

    out = console()
    for check in checks:
        mark = {True: "✓", False: "✗", None: "–"}[check.ok]
        style = {True: "green", False: "bold red", None: "dim"}[check.ok]
        out.print(f"{mark} {check.name:<22} {check.detail}", style=style)
        if check.hint:
            out.print(f"  {'':<22} → {check.hint}")
    out.print(f"\nsettings of profile {asked.profile}, and where each comes from")
    for name, entry in asked.to_json().items():
        value = _shown(name, entry["value"])
        out.print(f"  {name:<24} {'–' if value in (None, '') else value}   ({entry['from']})")
    out.print(f"\nprofile {asked.profile} {'can run' if ready else 'can not run: see ✗ above'}")


def _checks(asked: "Resolved") -> Iterator[Check]:
    import platform

    from ui.cli.usage import own_version

    yield Check("phoropter", True, f"{own_version()}, Python {platform.python_version()}")
    yield from _engines(asked.settings)
    yield _prompts(asked.settings)
    yield from _places(asked.settings)
    yield _picture()
    yield from _keys()
    yield from _packages()
    yield from _kinds()


def _engines(settings: "Settings") -> Iterator[Check]:
    """Each engine of the profile is built, which loads its library, and its endpoints asked for their models."""
    from data.errors import PhoropterError
    from ui import engines

    building = engines.Building(settings)
    built = {
        # The generator comes first: a reasoner may share its language model.
        "generator": (settings.generator, engines.build_generator),
        "reasoner": (settings.reasoner, engines.build_reasoner),
        "judge": (settings.judge, engines.build_judge),
        "proposer": (settings.proposer, engines.build_proposer),
        "writer": (settings.writer, engines.build_writer),
    }
    for stage, (engine, build) in built.items():
        try:
            build(building)
            yield from _reached(stage, engine.engine, engine)
        except PhoropterError as error:
            yield Check(stage, False, f"{_shown('engine', engine.engine)}: {error}", error.hint)
        except ImportError as error:
            yield Check(stage, False, f"{engine.engine}: {error}", _how_to_get(error.name or ""))


def _how_to_get(module: str) -> str:
    return next((how for name, _, how in PACKAGES if name == module.split(".")[0]), "install what is missing")


def _reached(stage: str, text: str, settings: "EngineSettings") -> Iterator[Check]:
    """What an engine that was built finds at the other end; no model is called, but one that reads for Lens, with two words."""
    from data.errors import StageError
    from ui.engines import features_of
    from ui.probe import probe
    from ui.spec import parse_spec

    if stage == "judge":
        yield from _judges(text)
        return
    spec = parse_spec(text)
    if spec.kind == "lens" and spec.endpoints:
        try:
            features_of(spec, settings).probe()
            yield Check(stage, True, f"{spec.text}: text features come from there")
        except StageError as error:
            yield Check(stage, False, f"{spec.text}: {error}", error.hint)
    elif spec.kind in ("openai", "images"):
        yield from (Check(stage, seen.ok, f"{spec.text}: {seen.detail}", seen.hint) for seen in probe(spec))
    elif spec.kind == "dspy" and "lm" in spec.parameters:
        from dataclasses import replace

        model = replace(spec, kind="openai", model=str(spec.parameters["lm"]))
        yield from (Check(stage, seen.ok, f"{spec.text}: {seen.detail}", seen.hint) for seen in probe(model))
    else:
        yield Check(stage, True, spec.text)


def _judges(text: str) -> Iterator[Check]:
    """A judge, or each of a panel's, with what answers where its vision model is to be."""
    from ui.engines import judge_specs
    from ui.probe import probe

    for judge in judge_specs(text):
        if judge.model is not None and judge.model.kind == "openai":
            yield from (Check("judge", seen.ok, f"{judge.spec.text}: {seen.detail}", seen.hint) for seen in probe(judge.model))
        else:
            yield Check("judge", True, judge.spec.text)


def _prompts(settings: "Settings") -> Check:
    from data.errors import PhoropterError
    from ui.wiring import load_prompt_set

    try:
        prompts = load_prompt_set(settings.run.prompts)
    except PhoropterError as error:
        return Check("prompts", False, f"{settings.run.prompts}: {error}", error.hint)
    return Check("prompts", True, f"{settings.run.prompts}: {len(prompts)} prompts")


def _places(settings: "Settings") -> Iterator[Check]:
    """The ledger is opened where there is one; where there is none, it is only asked whether one could be made."""
    from urllib.parse import urlsplit

    from data.errors import PhoropterError
    from data.store import open_store
    from ui.cli.opening import ledger_missing
    from ui.cli.output import without_password

    where = without_password(settings.ledger_url)
    if path := ledger_missing(settings):
        yield _writable("ledger", path, "none yet, will be made at")
    else:
        try:
            with open_store(settings.ledger_url) as store:
                yield Check("ledger", True, f"{where}: opens, {len(store.runs())} runs")
        except PhoropterError as error:
            yield Check("ledger", False, str(error), error.hint)
    if len(urlsplit(settings.image_location).scheme) > 1:
        yield Check("images", True, f"{without_password(settings.image_location)}, not tried")
    else:
        yield _writable("images", settings.image_location, "writable:")


def _writable(name: str, path: str, detail: str) -> Check:
    import os
    from pathlib import Path

    folder = Path(path).absolute()
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Check(name, True, f"{detail} {path}")
    return Check(
        name, False, f"{path} can't be written: {folder} is {'closed' if folder.is_dir() else 'no folder'}", "choose another --home"
    )


def _picture() -> Check:
    """A picture all the way through the embedded world, in memory."""
    import asyncio

    try:
        score, seconds = asyncio.run(_test_trial())
    except Exception as error:  # Whatever is broken in an installation, doctor says so and goes on.
        return Check("test picture", False, f"{type(error).__name__}: {error}", "reinstall Phoropter and what it depends on")
    return Check(
        "test picture", True, f"{TEST_TEXT!r} rewritten, drawn and judged ({score:.2f}) in {seconds:.1f} s by the embedded engines"
    )


async def _test_trial() -> tuple[float, float]:
    import time

    from data.records import Prompt
    from generator import ImageRequest
    from generator.engines.embedded import EmbeddedGenerator
    from optimizer.judges import JudgeRequest
    from optimizer.judges.scene import SceneJudge
    from reasoner import RewriteRequest
    from reasoner.engines.embedded import EmbeddedReasoner
    from reasoner.library import shipped
    from reasoner.rewrite import Rewriter
    from ui.cli.free_text import checklist_of

    started = time.monotonic()
    prompt = Prompt(TEST_TEXT, checklist_of(TEST_TEXT))
    (rewrite,) = await Rewriter(EmbeddedReasoner())([RewriteRequest(shipped("general"), prompt, 0)])
    if isinstance(rewrite, Exception):
        raise rewrite
    (image,) = await EmbeddedGenerator()([ImageRequest(rewrite.text, 1)])
    if isinstance(image, Exception):
        raise image
    (judgment,) = await SceneJudge()([JudgeRequest(prompt, image)])
    if isinstance(judgment, Exception):
        raise judgment
    return judgment.value, time.monotonic() - started


def _keys() -> Iterator[Check]:
    """Which keys are set; never what they are. An engine that misses its key was reported as such."""
    from ui.engines import OPENAI_KEY, OWN_KEY
    from ui.settings import secret

    for name, purpose in ((OPENAI_KEY, "OpenAI"), (OWN_KEY, "endpoints of your own that ask for a key")):
        found = bool(secret(name))
        yield Check(name, True if found else None, f"{'set' if found else 'not set'}; for {purpose}")


def _packages() -> Iterator[Check]:
    import importlib.util
    from importlib.metadata import PackageNotFoundError, version

    for name, purpose, how in PACKAGES:
        if importlib.util.find_spec(name) is None:
            yield Check(name, None, f"not installed; for {purpose}", how)
            continue
        try:
            number = version(name)
        except PackageNotFoundError:
            number = "installed"
        yield Check(name, True, f"{number}; for {purpose}")


def _kinds() -> Iterator[Check]:
    from ui import engines

    for stage, kinds in (
        ("reasoner", engines.REASONERS),
        ("generator", engines.GENERATORS),
        ("judge", [*engines.JUDGES, "panel"]),
        ("proposer", engines.PROPOSERS),
    ):
        yield Check(f"kinds of {stage}", True, ", ".join([*kinds, "package.module:factory"]))
