"""The nouns of Phoropter, as frozen values. Standard library only; every package may import this one, and it imports none of them.

One prompt's way: ``Prompt → Rewrite → GeneratedImage → Judgment``, together a ``Trial``; what did not deliver is a ``Failure`` and never a
score. Ids are derived from content (data/identity.py), so equal things are the same thing wherever they were made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from data.errors import FailureKind, Stage, StageError
from data.identity import content_id
from data.scene import Check, Scene
from data.usage import Usage


class Split(StrEnum):
    """What a prompt may be used for. A prompt is in one split only."""

    SEARCH = "search"
    """The search measures on it, and the proposer may read its failures."""
    SELECT = "select"
    """Used to pick among the last few candidates; the proposer never sees it."""
    TEST = "test"
    """Used once, for the confirmation that is reported."""
    CANARY = "canary"
    """Known traps, reported apart: complete prompts, minimal pairs, negation, quotes."""


class Need(StrEnum):
    """How much a criterion matters."""

    MUST = "must"
    SHOULD = "should"
    MUST_NOT = "must_not"
    """The statement names what may not be there: a high score for it is bad."""


class CriterionKind(StrEnum):
    """Which skill a criterion tries."""

    ENTITY = "entity"
    ATTRIBUTE = "attribute"
    COUNT = "count"
    RELATION = "relation"
    ACTION = "action"
    TEXT = "text"
    STYLE = "style"
    NEGATION = "negation"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One statement about a good image for a prompt, true or false on sight, written from the user's text alone.

    ``weight`` > 0. ``check`` is the same statement for a judge that measures pixels; None where only eyes can tell.
    ``parents``: ids of criteria of the same checklist without which this one makes no sense (a cat, for the cat's colour). They are shown,
    and change no score.
    """

    id: str
    text: str
    kind: CriterionKind
    need: Need = Need.MUST
    weight: float = 1.0
    check: Check | None = None
    parents: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"id": self.id, "text": self.text, "kind": self.kind.value, "need": self.need.value, "weight": self.weight}
        if self.check is not None:
            record["check"] = self.check.to_json()
        if self.parents:
            record["parents"] = list(self.parents)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            id=record["id"],
            text=record["text"],
            kind=CriterionKind(record["kind"]),
            need=Need(record.get("need", Need.MUST)),
            weight=float(record.get("weight", 1.0)),
            check=Check.from_json(record["check"]) if record.get("check") else None,
            parents=tuple(record.get("parents", ())),
        )


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a user asked for: the text, and how a good image for it can be told. ``scene`` is the truth behind an embedded prompt.

    ``checklist_from``: the text that the checklist was written from, where that is on record; "" where it is not. One that was written from
    anything but ``text`` (a rewrite, an earlier wording) may not judge.
    """

    text: str
    checklist: tuple[Criterion, ...] = ()
    category: str = ""
    language: str = "en"
    split: Split = Split.SEARCH
    tags: tuple[str, ...] = ()
    scene: Scene | None = None
    checklist_from: str = ""

    @property
    def id(self) -> str:
        """Text, language and checklist; category, split and tags are how a set files it, not what it is."""
        return content_id("prompt", [self.text, self.language, [criterion.to_json() for criterion in self.checklist]])

    def to_json(self) -> dict[str, Any]:
        """A row of a prompt set (docs/formats.md)."""
        record: dict[str, Any] = {
            "text": self.text,
            "category": self.category,
            "language": self.language,
            "split": self.split.value,
            "tags": list(self.tags),
        }
        if self.scene is not None:
            record["scene"] = self.scene.to_json()
        record["checklist"] = [criterion.to_json() for criterion in self.checklist]
        if self.checklist_from:
            record["checklist_from"] = self.checklist_from
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads a row of a prompt set; ValueError, KeyError or TypeError says what is wrong with it."""
        return cls(
            text=record["text"],
            checklist=tuple(Criterion.from_json(entry) for entry in record.get("checklist", ())),
            category=record.get("category", ""),
            language=record.get("language", "en"),
            split=Split(record.get("split", Split.SEARCH)),
            tags=tuple(record.get("tags", ())),
            scene=Scene.from_json(record["scene"]) if record.get("scene") else None,
            checklist_from=record.get("checklist_from", ""),
        )


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The instructions given to the reasoner: what is optimized. The empty text is the raw arm: the user's prompt goes to the generator as
    it is."""

    text: str
    name: str = ""

    @property
    def id(self) -> str:
        """The hash of the text; a name is a label, not identity."""
        return content_id("system_prompt", self.text)


class Operation(StrEnum):
    """How a system prompt came to be."""

    ROOT = "root"
    REFLECT = "reflect"
    MERGE = "merge"
    CONDENSE = "condense"
    EXPLORE = "explore"
    EDIT = "edit"


@dataclass(frozen=True, slots=True)
class Derivation:
    """An edge of the lineage: ``child`` was made from ``parents`` (system prompt ids; none for a root) by ``operation``, because of
    ``reason``."""

    child: SystemPrompt
    parents: tuple[str, ...]
    operation: Operation
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The reasoner's answer for one prompt.

    ``drift``: what of the user's intent did not survive (quotes, numbers, negations), in words; empty when all did.
    ``flaws``: which of the other rules for a rewrite it breaks (length, language, form), in words; empty when none.
    ``removed``: what was cut off around it (a preamble, a code fence), in words.
    ``tokens``: its length by the generator's own tokenizer; None where the generator has no limit.
    ``seed``: what the model sampled with; None where the engine takes no seed.
    ``aspect_ratio``: width to height, such as "16:9", where the reasoner asked for one; else "".
    ``latency`` in seconds.
    """

    text: str
    reasoning: str = ""
    drift: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    tokens: int | None = None
    seed: int | None = None
    aspect_ratio: str = ""
    usage: Usage = field(default=Usage(), compare=False)
    latency: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One image. ``sha256`` names its PNG file; ``content`` holds the file's bytes while it is on its way, and is None afterwards.

    ``flaws``: what about its making may spoil a comparison, in words: a text cut off, a seed not taken; empty when nothing.
    ``revised_prompt``: the text that the far side says it drew instead of ours; "" where it says nothing, or drew ours.
    ``batch``: how many images were drawn in one call with it, which shifts pixels by the kernels' rounding; 0 where it is not known.
    """

    sha256: str
    width: int
    height: int
    flaws: tuple[str, ...] = ()
    revised_prompt: str = ""
    batch: int = field(default=0, compare=False)
    usage: Usage = field(default=Usage(), compare=False)
    latency: float = field(default=0.0, compare=False)
    content: bytes | None = field(default=None, repr=False, compare=False)

    def without_content(self) -> Self:
        return replace(self, content=None)


@dataclass(frozen=True, slots=True)
class CriterionScore:
    """How far a criterion's statement holds: 0 no, 1 yes, between is the judge's doubt, None is an abstention. ``evidence`` says what was
    seen."""

    id: str
    score: float | None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge of a panel said: ``value`` in [0, 1], None where it had nothing to say. ``weight``: its part of the panel's value.

    ``family``: who made its model ("openai", "qwen" …), or "" for judges without one. ``note``: why there is no value, or else what there
    is to know.
    """

    judge: str
    value: float | None
    weight: float
    family: str = ""
    note: str = ""
    scores: tuple[CriterionScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgment:
    """A judge's scores for one image against one checklist, and their aggregate ``value`` in [0, 1], higher is better.

    ``scores`` may go beyond the prompt's checklist: data.checklists.GLOBAL_CRITERIA are asked of every image. ``opinions``: a panel's.
    """

    value: float
    scores: tuple[CriterionScore, ...] = ()
    usage: Usage = field(default=Usage(), compare=False)
    latency: float = field(default=0.0, compare=False)
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A stage did not deliver. Never a score: its trial is unscored, and its prompt drops out of both sides of a comparison.

    ``attempts`` were made in all, and used ``usage``: an answer that can't be used is paid for, too.
    """

    stage: Stage
    kind: FailureKind
    message: str
    retryable: bool = False
    hint: str = ""
    attempts: int = 1
    usage: Usage = field(default=Usage(), compare=False)

    @classmethod
    def of(cls, stage: Stage, error: StageError, attempts: int = 1, usage: Usage | None = None) -> Self:
        return cls(stage, error.kind, str(error), error.retryable, error.hint, attempts, usage or error.usage)


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """What a trial tries: this system prompt on this prompt, with this reasoner ``sample`` and this image ``seed``.

    ``look``: which of the judge's looks at the image this is. Looks beyond the first (0) measure the judge's own noise.
    """

    system_prompt: SystemPrompt
    prompt: Prompt
    sample: int
    seed: int
    look: int = 0

    def id(self, pipeline: str) -> str:
        """The trial's id under a pipeline (the identities of its engines)."""
        again = [self.look] if self.look else []
        return content_id("trial", [pipeline, self.system_prompt.id, self.prompt.id, self.sample, self.seed, *again])


@dataclass(frozen=True, slots=True)
class Trial:
    """One pass through the stages: everything up to the first failure, or to the judgment.

    ``*_key`` are the content keys under which each stage's result is kept and found again; empty where the stage was not reached.
    """

    id: str
    request: TrialRequest
    rewrite: Rewrite | None = None
    image: GeneratedImage | None = None
    judgment: Judgment | None = None
    failure: Failure | None = None
    rewrite_key: str = ""
    image_key: str = ""
    judgment_key: str = ""

    @property
    def score(self) -> float | None:
        """The judgment's value in [0, 1]; None for a failure."""
        return None if self.judgment is None else self.judgment.value
