# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Any dspy program with a ``prompt -> rewrite`` signature as a reasoner. The system prompt becomes the instructions of its predictor that
writes ``rewrite``; what else the program does is its own affair.

Programs come from code, or as JSON. A pickled one is refused: loading it can run anything.
"""

import asyncio
import contextvars
import importlib
import inspect
import json
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from data.chat import ChatEngine
from data.errors import FailureKind, FatalError, PhoropterError, StageError, UsageError
from data.identity import content_id, short
from data.records import Prompt, Rewrite
from data.textlimit import TextLimit
from data.usage import NOTHING, Usage
from reasoner import RewriteRequest
from reasoner.apis.wire import read_usage
from reasoner.dspy_lm import Calls, lm_of, seeds_from
from reasoner.dspy_module import SIGNATURE, PromptRewriter
from reasoner.dspy_state import OUTPUT, labels, predictor_states, read_state
from reasoner.intent import drift
from reasoner.rewrite import checked, seed_of, usable

VERSION = 1
"""Part of the identity: raised when what is asked or cleaned changes."""
KEPT = 16
"""Copies of the program, one per system prompt, that are kept: a search goes to and fro between a few."""
THREADS = 64
"""Programs without aforward that run at once; the engine below them holds the real limit."""

_FACTORY = "write dspy:package.module:factory, a function without arguments that returns a dspy.Module"
_INPUT = "Prompt:"


# -- loading


def load_program(source: str) -> dspy.Module:
    """The program of ``package.module:name`` (a function that returns one, a class, or a module itself), or of a state saved as JSON.

    UsageError: there is none, it does not load, or it has no output ``rewrite``.
    """
    path = Path(source)
    program = _saved(path) if path.suffix in (".json", ".pkl") or path.is_dir() else _made(source)
    _rewriting_predictor(program, source)
    return program


def _made(source: str) -> dspy.Module:
    module_name, _, name = source.partition(":")
    if not name:
        raise UsageError(f"{source!r} names no program", hint=f"{_FACTORY}, or dspy:./program.json")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"{source!r}: the module can't be imported: {error}", hint="is its folder on PYTHONPATH?") from None
    except Exception as error:
        raise UsageError(
            f"{source!r}: importing the module failed: {type(error).__name__}: {error}", hint=f"python -m {module_name}"
        ) from error
    made = getattr(module, name, None)
    if made is None:
        there_are = ", ".join(sorted(public for public in vars(module) if not public.startswith("_")))
        raise UsageError(f"{source!r}: {module_name} has no {name!r}", hint=f"there are: {there_are}"[:300])
    if callable(made) and not isinstance(made, dspy.Module):
        try:
            made = made()
        except PhoropterError:
            raise
        except Exception as error:
            raise UsageError(f"{source!r} failed: {type(error).__name__}: {error}", hint=_FACTORY) from error
    if not isinstance(made, dspy.Module):
        raise UsageError(f"{source!r} is a {type(made).__name__}, and no dspy program", hint=_FACTORY)
    return made


def _saved(path: Path) -> dspy.Module:
    """The program of a state. A state has no code: only programs whose structure is known can be made from it."""
    states = predictor_states(read_state(path))
    shape = {name: labels(state) for name, state in states.items()}
    program: dspy.Module
    if shape == {"self": [_INPUT, OUTPUT]}:
        program = dspy.Predict(SIGNATURE)
    elif shape == {"rewriter": [_INPUT, OUTPUT]}:
        program = PromptRewriter()
    elif len(shape) == 1 and next(iter(shape.values())) == [_INPUT, "Reasoning:", OUTPUT] and "predict" in shape:
        program = dspy.ChainOfThought(SIGNATURE)
    else:
        told = "; ".join(f"{name}: {' '.join(fields)}" for name, fields in shape.items())
        raise UsageError(
            f"{path} is the state of a program that can't be told from it ({told})",
            hint=f'load it in a function of your own, program.load("{path.name}"), and {_FACTORY.removeprefix("write ")}',
        )
    program.load(path)
    return program


def _rewriting_predictor(program: dspy.Module, source: str) -> str:
    """The name of the one predictor that writes ``rewrite``."""
    predictors = _predictors(program)
    writing = [name for name, predictor in predictors.items() if "rewrite" in predictor.signature.output_fields]
    if len(writing) == 1:
        return writing[0]
    if writing:
        raise UsageError(
            f"{source!r}: {len(writing)} predictors write `rewrite` ({', '.join(writing)}), and only one can take the system prompt",
            hint="name the outputs of the others differently",
        )
    there_are = "; ".join(f"{name}: {', '.join(predictor.signature.output_fields)}" for name, predictor in predictors.items())
    raise UsageError(
        f"{source!r} has no predictor with an output `rewrite`", hint=f"its predictors write: {there_are}" if there_are else "it has none"
    )


def _predictors(program: dspy.Module) -> dict[str, Any]:
    """All predictors by name. Those of finished (compiled) modules are among them, which dspy's own list leaves out."""
    return dict(program.named_sub_modules(dspy.Predict))


# -- the reasoner


class DspyReasoner:
    """A Reasoner that runs ``program``. ``source`` is where it came from, for the identity and for messages.

    ``lm``: the engine that all of the program's calls go to; None: the LMs that the program or ``dspy.configure`` has.
    ``max_tokens`` bounds each answer of ``lm``, reasoning included; an LM of the program's own has its own bound, and its own seeds. dspy's
    cache is not used. ``limit`` flags rewrites that are longer than the generator reads; ``ratios`` are those that it draws.
    """

    def __init__(
        self,
        program: dspy.Module,
        *,
        source: str,
        lm: ChatEngine | None = None,
        max_tokens: int = 2048,
        limit: TextLimit | None = None,
        ratios: Sequence[str] = (),
    ) -> None:
        self._source = source
        self._engine = lm
        self._max_tokens = max_tokens
        self._limit = limit
        self._ratios = tuple(ratios)
        self._writes = _rewriting_predictor(program, source)
        self._program: dspy.Module = program.deepcopy()
        self._is_async = hasattr(program, "aforward")
        self._check_lms()
        self._digest = self._digested()
        self._ready: OrderedDict[str, dspy.Module] = OrderedDict()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="phoropter-dspy")
        self.times_itself: bool = getattr(lm, "times_itself", False)

    @property
    def identity(self) -> str:
        """Another state of the program, or a change in its source file, is another reasoner. Changes in further files are not noticed."""
        parameters = f"program={self._digest}&max_tokens={self._max_tokens}"
        return f"dspy:{self._source}?version={VERSION}&{parameters} {'own' if self._engine is None else self._engine.identity}"

    async def aclose(self) -> None:
        """Ends the threads. The engine is its maker's to close."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return await asyncio.gather(*(self._outcome(request) for request in requests))

    def checked(self, prompt: Prompt, rewrite: Rewrite) -> Rewrite:
        """``rewrite`` with ``tokens`` and ``flaws`` for the generator's limit, as a Rewriter does it."""
        return checked(prompt, rewrite, self._limit, self._ratios)

    async def _outcome(self, request: RewriteRequest) -> Rewrite | Exception:
        if not request.system_prompt.text:
            return self.checked(request.prompt, Rewrite(request.prompt.text))
        try:
            return await self._rewrite(request)
        except FatalError:
            raise
        except Exception as error:
            return _explained(error, self._source)

    async def _rewrite(self, request: RewriteRequest) -> Rewrite:
        program = self._under(request.system_prompt.text)
        started = time.perf_counter()
        if self._engine is None:
            prediction, usage = await self._with_own_lms(program, request.prompt.text)
            thoughts, seeds = [], [None]
        else:
            async with _calls(self._engine, self._max_tokens, seed_of(request)) as calls:
                with dspy.context(lm=lm_of(calls, num_retries=0), disable_history=True, trace=[]):
                    prediction = await self._run(program, request.prompt.text)
            usage = calls.usage
            thoughts, seeds = [one.reasoning for one in calls.completions], [one.seed for one in calls.completions] or [None]
        text = prediction.get("rewrite") if isinstance(prediction, dspy.Prediction) else None
        if not isinstance(text, str):
            raise StageError(
                FailureKind.MALFORMED,
                f"{self._source} returned no text as `rewrite`",
                hint="return dspy.Prediction(rewrite=...)",
                usage=usage,
            )
        cleaned = usable(request, text, usage)
        thoughts.append(str(prediction.get("reasoning") or ""))
        rewrite = Rewrite(
            cleaned.text,
            "\n\n".join(filter(None, thoughts)),
            drift(request.prompt.text, cleaned.text),
            removed=(*prediction.get("removed", ()), *cleaned.removed),
            seed=None if None in seeds else seeds[0],
            aspect_ratio=cleaned.aspect_ratio or prediction.get("aspect_ratio", ""),
            usage=usage,
            latency=time.perf_counter() - started,
        )
        return self.checked(request.prompt, rewrite)

    async def _with_own_lms(self, program: dspy.Module, prompt: str) -> tuple[Any, Usage]:
        default = dspy.settings.lm
        lm = default.copy(cache=False) if default is not None else None
        with dspy.track_usage() as tracker, dspy.context(lm=lm, disable_history=True, trace=[]):
            prediction = await self._run(program, prompt)
        return prediction, _summed(tracker.get_total_tokens())

    async def _run(self, program: dspy.Module, prompt: str) -> Any:
        if self._is_async:
            return await program.acall(prompt=prompt)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(program, prompt=prompt))

    def _under(self, system_prompt: str) -> dspy.Module:
        """The program with ``system_prompt`` as its instructions."""
        program = self._ready.pop(system_prompt, None)
        if program is None:
            program = self._program.deepcopy()
            predictor = _predictors(program)[self._writes]
            predictor.signature = predictor.signature.with_instructions(system_prompt)
        self._ready[system_prompt] = program
        if len(self._ready) > KEPT:
            self._ready.popitem(last=False)
        return program

    def _check_lms(self) -> None:
        """Every predictor has an LM, without dspy's cache."""
        predictors = _predictors(self._program).values()
        if self._engine is None and dspy.settings.lm is None and not all(predictor.lm for predictor in predictors):
            raise UsageError(
                f"{self._source!r} has no language model",
                hint=f"write dspy:{self._source}@http://localhost:8000/v1?lm=MODEL, or call dspy.configure(lm=...) in the program's module",
            )
        self._own = [predictor.lm for predictor in predictors if predictor.lm is not None]
        for predictor in predictors:
            predictor.lm = None if self._engine is not None or predictor.lm is None else predictor.lm.copy(cache=False)

    def _digested(self) -> str:
        bare = self._program.deepcopy()
        for predictor in _predictors(bare).values():
            predictor.lm = None
        states = {name: predictor.dump_state() for name, predictor in _predictors(bare).items()}
        lms = [] if self._engine is not None else [_described(lm) for lm in (*self._own, dspy.settings.lm) if lm is not None]
        content = json.dumps([states, lms, type(self._program).__qualname__, _source_text(self._source)], sort_keys=True, default=str)
        return short(content_id("dspy", content))


@asynccontextmanager
async def _calls(engine: ChatEngine, max_tokens: int, seed: int) -> AsyncGenerator[Calls]:
    """The calls of one rewrite, given up where the rewrite is."""
    loop = asyncio.get_running_loop()
    calls = Calls(engine, lambda: loop, max_tokens, seeds_from(seed))
    try:
        yield calls
    except Exception as error:
        if (failed := _ours(error)) is not None and isinstance(failed, StageError):
            failed.usage = calls.usage
        raise
    finally:
        calls.end()


def _ours(error: BaseException | None) -> StageError | FatalError | None:
    """Our own exception under what dspy made of it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, StageError | FatalError):
            return error
        seen.add(id(error))
        error = error.__cause__
    return None


def _explained(error: Exception, source: str) -> Exception:
    failed = _ours(error)
    if isinstance(failed, FatalError):
        raise failed
    if failed is not None:
        return failed
    if isinstance(error, AdapterParseError):
        said = " ".join(str(error.lm_response).split())[:120]
        return StageError(
            FailureKind.MALFORMED, f"{source}: the answer has not the fields that the program asked for: {said}", retryable=True
        )
    return error


def _summed(used: dict[str, dict[str, Any]]) -> Usage:
    """What LMs of the program's own used. What it cost is not known."""
    total = NOTHING
    for one in used.values():
        total += read_usage({"usage": one}, "prompt_tokens", "completion_tokens")
    return total


def _described(lm: Any) -> list[Any]:
    """What of an LM determines its answers; the keys among its settings are left out."""
    kept = {name: value for name, value in lm.kwargs.items() if "key" not in name and "token" not in name.removeprefix("max_")}
    return [lm.model, lm.model_type, kept]


def _source_text(source: str) -> str:
    path = Path(source)
    if path.suffix == ".json":
        return path.read_text(encoding="utf-8")
    module = sys.modules.get(source.partition(":")[0])
    try:
        return inspect.getsource(module) if module is not None else ""
    except OSError:
        return ""
