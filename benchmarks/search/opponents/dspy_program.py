"""What dspy's optimizers are given: a program whose instructions are the system prompt, and a language model that proposes.

Nothing of dspy is replaced. Its optimizers hold a system prompt under a short name (names.py), since some of them append to instructions or
clean them up. A program's answer is the meter's score, so it is asked for once per pass, however often a metric is called. The language
model reads names, prompts and scores where dspy's own templates put them, and knows nothing else.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

import io
import json
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, ClassVar

import dspy
from dspy import lm15
from dspy.signatures.signature import ensure_signature

from benchmarks.search.meter import Meter, Spent
from benchmarks.search.opponents.names import Names
from benchmarks.search.worlds import Evidence

FIELD = re.compile(r"^\[\[ ## (\w+) ## \]\]$", re.MULTILINE)
OUTPUTS = re.compile(r"Your output fields are:\n(.*?)\nAll interactions", re.DOTALL)
UNSCORED = 0.5
"""The score of a prompt that a proposer is shown without one: it may write for it, and knows nothing better."""


class Ended(BaseException):
    """The images are spent. No Exception: dspy would take it for a bad answer, score it 0, and go on."""


class Board:
    """The meter, with names for system prompts."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.names = Names()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Board":
        # dspy copies programs; there is one meter.
        return self

    def score(self, instructions: str, prompt: str) -> float:
        try:
            return self.meter.score(self.names.text(instructions), int(prompt))
        except Spent:
            raise Ended from None

    def propose(self, instructions: str, evidence: Evidence) -> str:
        """The name of a new system prompt."""
        return self.names.name(self.meter.propose([self.names.text(instructions)], evidence))

    def hand_over(self, program: Any) -> None:
        """Hands over the instructions of a Rewriting."""
        self.meter.hand_over(self.names.text(program.rewriter.signature.instructions))


class Drawing(dspy.Predict):
    """A predictor whose answer is the score of its instructions on the prompt; traced like any other."""

    def __init__(self, board: Board) -> None:
        signature: Any = ensure_signature("prompt: str -> score: float", board.names.name(board.meter.world.root))
        super().__init__(signature)
        self.board = board

    def forward(self, **kwargs: Any) -> dspy.Prediction:
        signature: Any = self.signature
        prediction = dspy.Prediction(score=self.board.score(signature.instructions, kwargs["prompt"]))
        if dspy.settings.trace is not None:
            dspy.settings.trace.append((self, kwargs, prediction))
        return prediction


class Rewriting(dspy.Module):
    """The program that is optimized."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.rewriter = Drawing(board)

    def forward(self, prompt: str) -> dspy.Prediction:
        return self.rewriter(prompt=prompt)


def metric(gold: Any, prediction: Any, trace: Any = None, name: Any = None, name_trace: Any = None) -> float:
    """The score is in the prediction."""
    return prediction.score


def examples(prompts: list[int]) -> list[dspy.Example]:
    return [dspy.Example(prompt=str(prompt)).with_inputs("prompt") for prompt in prompts]


class Proposing:
    """A dspy engine: answers what GEPA, SIMBA and MIPROv2 ask their prompt model."""

    supports_response_schema: ClassVar[bool] = False
    supported_params: ClassVar[frozenset[str]] = frozenset({"temperature", "max_tokens", "n"})

    def __init__(self, board: Board) -> None:
        self._board = board

    def __deepcopy__(self, memo: dict[int, Any]) -> "Proposing":
        return self

    def complete(self, request: lm15.Request) -> lm15.Response:
        asked = fields(_text(request.messages[-1].parts))
        system = request.system if isinstance(request.system, str) else _text(request.system or ())
        answer = self._answer(system, asked)
        return lm15.Response(
            id=None,
            model=request.model,
            message=lm15.Message.assistant([lm15.TextPart(answer)]),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=0, output_tokens=0),
        )

    def stream(self, request: lm15.Request) -> Any:
        raise NotImplementedError("answers can't be streamed")

    def close(self) -> None:
        pass

    def _answer(self, system: str, asked: dict[str, str]) -> str:
        if "examples_with_feedback" in asked:
            return json.dumps(
                {"new_instruction": self._board.propose(asked["current_instruction"], _examined(asked["examples_with_feedback"]))}
            )
        outputs = OUTPUTS.search(system)
        wanted = re.findall(r"^\d+\. `(\w+)`", outputs[1] if outputs else "", re.MULTILINE)
        return "\n\n".join([*(f"[[ ## {name} ## ]]\n{self._said(name, asked)}" for name in wanted), "[[ ## completed ## ]]"])

    def _said(self, output: str, asked: dict[str, str]) -> str:
        match output:
            case "module_advice":
                advice = self._board.propose(asked["modules_defn"], _contrasted(asked))
                return json.dumps(dict.fromkeys(_first_json(asked["module_names"]), advice))
            case "proposed_instruction":
                return self._board.propose(asked["basic_instruction"], _demonstrated(asked))
            case "observations":
                return "Prompts " + " ".join(re.findall(r"'prompt': '(\d+)'", asked["examples"]))
            case "summary":
                return "Prompts " + " ".join(re.findall(r"\d+", asked["observations"]))
            case _:
                return "It draws pictures."


def _text(parts: Any) -> str:
    return "".join(part.text for part in parts)


def fields(text: str) -> dict[str, str]:
    """The fields of a message, as dspy's adapters write them."""
    _, *parts = FIELD.split(text)
    return {name: value.strip() for name, value in zip(parts[::2], parts[1::2], strict=True)}


def _first_json(text: str) -> Any:
    """The JSON that a field starts with: the last field of a message is followed by what an answer should look like."""
    return json.JSONDecoder().raw_decode(text)[0]


def _examined(listed: str) -> Evidence:
    """GEPA's minibatch, with the scores there."""
    return [(int(entry["Inputs"]["prompt"]), float(entry["Generated Outputs"]["score"])) for entry in _first_json(listed)]


def _contrasted(asked: dict[str, str]) -> Evidence:
    """SIMBA's prompt, with the scores of its better and its worse pass."""
    prompt = int(_first_json(asked["program_inputs"])["prompt"])
    values = (asked["worse_reward_value"], asked["better_reward_value"])
    return [(prompt, float(value)) for value in values if value != "N/A"]


def _demonstrated(asked: dict[str, str]) -> Evidence:
    """What MIPROv2 shows: demonstrations with their scores where it has some, else the prompts of its data set."""
    shown = re.findall(r"Prompt: (\d+)\nScore: ([\d.]+)", asked.get("task_demos", ""))
    described = re.findall(r"\d+", asked.get("dataset_description", ""))
    return [(int(prompt), float(score)) for prompt, score in shown] or [(int(prompt), UNSCORED) for prompt in described]


@contextmanager
def dspy_alone(board: Board) -> Generator[dspy.LM]:
    """dspy with our language model, silent, and without memory of earlier games; ends quietly where the images are spent."""
    lm = dspy.LM("phoropter/proposing", engine=Proposing(board), cache=False)  # pyright: ignore[reportArgumentType]
    logger = logging.getLogger("dspy")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), dspy.context(lm=lm, disable_history=True):
            yield lm
    except Ended:
        pass
    finally:
        logger.setLevel(level)
