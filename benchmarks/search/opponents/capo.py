"""CAPO of promptolution: an evolution by crossover and mutation, with a race by paired t-tests over blocks of prompts."""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false, reportAttributeAccessIssue=false

import logging
import random
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.search.meter import Meter, Spent
from benchmarks.search.opponents.names import Names
from data.identity import derived_random
from data.records import Operation


@dataclass(frozen=True, slots=True)
class Capo:
    """A population of ``population``, ``crossovers`` children per step, blocks of ``block`` prompts, ``alpha`` of the race's test. Its
    language model sees two system prompts to merge, or one to vary, and no scores. Few-shot examples are no part of a system prompt, and
    its names are all equally long, so neither plays a role. Everything else is promptolution's default."""

    population: int = 10
    crossovers: int = 4
    block: int = 30
    alpha: float = 0.2
    libraries: ClassVar[tuple[str, ...]] = ("promptolution", "pandas")
    anytime: ClassVar[bool] = True

    def __call__(self, meter: Meter, seed: int) -> None:
        import pandas as pd

        prompts = list(range(len(meter.world.categories)))
        derived_random("CAPO", seed, "order").shuffle(prompts)
        names = Names()
        initial = [meter.world.root, *(meter.propose([meter.world.root], ()) for _ in range(self.population - 1))]
        _load()
        with _alone(seed):
            from promptolution.optimizers.capo import CAPO
            from promptolution.tasks.reward_tasks import RewardTask

            task = RewardTask(
                pd.DataFrame({"x": [str(prompt) for prompt in prompts]}),
                reward_function=float,
                task_description="Write a prompt for an image model.",
                n_subsamples=self.block,
                eval_strategy="sequential_block",
                seed=seed % 2**32,
            )
            optimizer = CAPO(
                _predictor(meter, names),
                task,
                _meta_model(meter, names),
                initial_prompts=[names.name(text) for text in initial],
                crossovers_per_iter=self.crossovers,
                upper_shots=0,
                alpha=self.alpha,
                length_penalty=0.0,
                df_few_shots=pd.DataFrame({"x": []}),
                callbacks=[_handing_over(meter, names)],
            )
            # A step takes at least one proposal; CAPO ends where the meter raises.
            optimizer.optimize(meter.images)


def _load() -> None:
    """Imports promptolution without torch and transformers, for which it looks: they take ten seconds, and no local model plays here."""
    # What would stumble over a hidden torch has to be there already.
    for name in ("scipy.stats", "sklearn.metrics"):
        import_module(name)
    hidden = [name for name in ("torch", "transformers", "vllm") if name not in sys.modules]
    try:
        # None makes an import fail as if there were no such package.
        sys.modules.update(dict.fromkeys(hidden))  # pyright: ignore[reportArgumentType, reportCallIssue]
        import_module("promptolution")
    finally:
        for name in hidden:
            del sys.modules[name]


def _predictor(meter: Meter, names: Names) -> Any:
    """A predictor whose prediction is the meter's score, in decimals."""
    from promptolution.predictors.base_predictor import BasePredictor

    class Scoring(BasePredictor):
        def _extract_preds(self, preds: list[str]) -> list[str]:
            return preds

    def scored(asked: str) -> str:
        written, prompt = asked.rsplit("\n", 1)
        return repr(meter.score(names.text(written), int(prompt)))

    return Scoring(_model(scored))


def _meta_model(meter: Meter, names: Names) -> Any:
    """The language model that CAPO asks for children."""

    def proposed(asked: str) -> str:
        parents = names.texts(asked)
        text = meter.propose(parents, (), Operation.MERGE if len(parents) > 1 else Operation.REFLECT)
        return f"<prompt>{names.name(text)}</prompt>"

    return _model(proposed)


def _model(answer: Callable[[str], str]) -> Any:
    """A language model of promptolution's."""
    from promptolution.llms.base_llm import BaseLLM

    class Model(BaseLLM):
        def _get_response(self, prompts: Sequence[str], system_prompts: Sequence[str]) -> list[str]:
            return [answer(prompt) for prompt in prompts]

    return Model()


def _handing_over(meter: Meter, names: Names) -> Any:
    """After each step the first of the population is the best one."""
    from promptolution.utils.callbacks import BaseCallback

    class HandingOver(BaseCallback):
        def on_step_end(self, optimizer: Any) -> bool:
            meter.hand_over(names.text(optimizer.prompts[0].instruction))
            # Where every child is known already, images are no limit.
            return meter.spent < meter.images and meter.proposals < meter.images // 4

    return HandingOver()


@contextmanager
def _alone(seed: int) -> Generator[None]:
    """promptolution draws from Python's global source of chance, and logs; both are as before afterwards."""
    state = random.getstate()
    logging.disable(logging.CRITICAL)
    random.seed(seed)
    try:
        yield
    except Spent:
        pass
    finally:
        random.setstate(state)
        logging.disable(logging.NOTSET)
