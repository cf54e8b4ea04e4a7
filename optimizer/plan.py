"""Which trial next, and where the next system prompt comes from: the decisions of the search, as a function of what has been measured and a
seed.

A round mostly measures composites, texts that put changes of all branches together (breeding.py); now and then, or where there is nothing
to put together, what a sample of the posterior holds for the best. Whenever enough images were planned since the last request, the
proposer is asked for something new. Prompts are met by chance, more often such as tell system prompts apart. What is handed over is the
text with all changes that are good on average. Plain state and arithmetic: no engine, no clock, no concurrency; the same trials in give
the same round out.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from data.identity import derived_random, derived_seed
from data.records import Derivation, Operation, SystemPrompt, Trial, TrialRequest
from optimizer.ancestry import Ancestry, wording
from optimizer.beliefs import Beliefs, Prior
from optimizer.breeding import Mutation, mutation, promising
from optimizer.events import Standing
from optimizer.pairs import Pairs
from optimizer.posterior import LineagePosterior
from optimizer.scores import Floats
from optimizer.worth import composites_worth, images_worth

BARREN_TRIALS = 8
"""A system prompt without a score after so many trials is left alone."""
SUSPECT_TRIALS = 3
"""A new child without a score is tried so often before anything else rests on it: a failure says nothing about how good it is."""
LEAST_IMAGES = 200
"""Before so many images the search does not give up: what a proposal brings is not known yet."""
GREEDY = 3
"""Every so many composites, one takes the changes that are good on average: what is believed of the best set is checked."""
GROWTH = 150
"""Rounds and blocks grow with what has been measured, beyond a part of this many: a few scores more no longer change a decision, and each
composite is one more system prompt to reckon with."""
IMAGES_PER_START = 6
"""No more is asked for at the start than one proposal per so many images of the budget."""
LARGEST_ROUND = 16
"""Decisions about more images at once rest on too little; a pool of generators is filled by more rounds."""
TOO_LATE = 6
"""With so few images left no child is asked for: it would hardly be measured."""
REFUSAL = 1 / 3
"""A refused proposal counts as so much of one: the request is made again, and a proposer with nothing new to say is not asked for ever."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How the search spends its images.

    ``round_size`` trials are decided at once, in blocks of ``block`` for one system prompt; ``compose`` of the blocks are for composites.
    ``ahead`` rounds are under way beyond the one being waited for, and a proposal enters the lineage ``thinking`` rounds after it was asked
    for: both keep the generator busy, and both cost images, since decisions then rest on less (docs/decisions/0003-rounds-ahead.md has the
    figures). A root is first measured on ``root_look`` pairs, a child on ``first_look``; from ``mature`` scores on, a system prompt may
    have children. A proposal is asked for per ``images_per_child`` images, and ``head_start`` at once. ``shortlist`` system prompts go to
    the selection. ``max_words`` bounds a proposed system prompt. The search ends before its images do when another one is expected to gain
    less than ``price``, in scores; 0: never.
    """

    round_size: int = 4
    block: int = 2
    ahead: int = 2
    thinking: int = 1
    compose: float = 0.9
    root_look: int = 8
    first_look: int = 1
    mature: int = 2
    images_per_child: float = 15.0
    head_start: float = 90.0
    shortlist: int = 3
    max_words: int = 260
    price: float = 5e-5
    prior: Prior = Prior()

    @classmethod
    def filling(cls, batch: int, images: int) -> Self:
        """The policy for a run of ``images`` on a generator that has ``batch`` of them under way at once: rounds that fill it, up to 16,
        and enough of them that it is never idle, though rewriting and judging take about as long as a batch, and a proposal five times as
        long (benchmarks/utilisation.py). A run so small that a sixteenth of it would pass before the first proposal came in has small
        rounds."""
        usual = cls()
        if batch <= usual.round_size:
            return usual
        size = min(batch, LARGEST_ROUND)
        rounds = math.ceil(batch / size)
        filled = replace(usual, round_size=size, ahead=3 * rounds, thinking=6 * rounds)
        return filled if 16 * size * (filled.ahead + filled.thinking) <= images else usual


@dataclass(slots=True)
class Candidate:
    """A system prompt under search: its place in the lineage, and its trials by pair. ``planned`` are pairs asked for, done or not."""

    system_prompt: SystemPrompt
    parents: tuple[int, ...]
    operation: Operation = Operation.ROOT
    planned: set[int] = field(default_factory=set[int])
    trials: dict[int, Trial] = field(default_factory=dict[int, Trial])
    scored: int = 0
    """How many of its trials have a score."""

    @property
    def suspect(self) -> bool:
        """Whether it has failed whenever it was tried: no composite takes a change that may make the reasoner refuse."""
        return bool(self.trials) and self.scored == 0

    @property
    def barren(self) -> bool:
        """Whether it has only ever failed: a system prompt that makes the reasoner refuse teaches nothing, however often it is tried."""
        return len(self.trials) >= BARREN_TRIALS and self.scored == 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measure candidate ``node`` on ``pair``."""

    node: int
    pair: int


@dataclass(frozen=True, slots=True)
class Composite:
    """``child`` is ``root`` with the changes ``together``, the root's own among them, of so many ``edits``. ``known``: the node that has
    these changes or this text already."""

    child: SystemPrompt
    root: int
    together: frozenset[int]
    edits: int
    known: int | None


@dataclass(frozen=True, slots=True)
class Round:
    """What is decided at once."""

    number: int
    beliefs: Beliefs
    """What the decisions rest on."""
    measurements: tuple[Measurement, ...]
    mutations: tuple[Mutation, ...] = ()
    composites: tuple[tuple[int, Derivation], ...] = ()
    """Texts that the search put together itself, and their numbers: they are in the lineage already."""


class Planner:
    """The search's memory and judgment; see the module's text."""

    def __init__(self, pairs: Pairs, policy: Policy, seed: int) -> None:
        self.policy = policy
        self.candidates: list[Candidate] = []
        self.select_pairs = pairs
        self._pairs = pairs
        self._seed = seed
        self._posterior = LineagePosterior(policy.prior)
        self._by_id: dict[str, int] = {}
        self._by_changes: dict[frozenset[int], int] = {}
        self._wordings: set[str] = set()
        self._ancestry = Ancestry()
        self._fresh: list[Measurement] = []
        self._planned = 0
        self._asked = 0.0
        self._merged: set[frozenset[int]] = set()
        self._turn = 0.0
        self._composed = 0
        self._crown: int | None = None

    def knows(self, system_prompt: SystemPrompt) -> bool:
        return system_prompt.id in self._by_id

    @property
    def wordings(self) -> frozenset[str]:
        """The wordings of all system prompts so far."""
        return frozenset(self._wordings)

    def node(self, system_prompt_id: str) -> int:
        return self._by_id[system_prompt_id]

    def add(self, derivation: Derivation) -> int:
        """Takes a system prompt into the lineage, and plans its first look."""
        node = self._enter(derivation)
        self._plan(node, self.policy.first_look if derivation.parents else self.policy.root_look, self._fresh)
        return node

    def _enter(self, derivation: Derivation, together: frozenset[int] = frozenset()) -> int:
        """Takes a system prompt in; ``together``: the changes of a composite, its root among them."""
        parents = tuple(self._by_id[parent] for parent in derivation.parents)
        text, node = derivation.child.text, len(self.candidates)
        if together:
            new = False
            self._ancestry.put_together(text, self._ancestry.root_of(parents[0]), together)
        else:
            new = self._ancestry.add(text, parents)
        self._posterior.add(parents, derivation.operation, self._ancestry.changes[node] - {node}, new=new)
        self._by_id[derivation.child.id] = node
        self._by_changes.setdefault(self._ancestry.changes[node], node)
        self._wordings.add(wording(text))
        self.candidates.append(Candidate(derivation.child, parents, derivation.operation))
        return node

    def _plan(self, node: int, count: int, into: list[Measurement]) -> None:
        """Plans ``count`` more measurements of a node, on pairs that it does not have; of a proposal's first look, one on a pair of its
        parent's, so that people can look at both side by side."""
        candidate = self.candidates[node]
        planned = candidate.planned
        shared = sorted(self.candidates[candidate.parents[0]].planned) if candidate.parents and not planned and into is self._fresh else []
        if shared:
            self._take_up(node, derived_random(self._seed, "beside its parent", node).choice(shared), into)
        # Roots begin on the same pairs.
        name = node if candidate.parents else "root"
        left = count - bool(shared)
        for pair in self._pairs.fresh(planned, left, self._posterior.spread_by_prompt, name, len(planned)):
            self._take_up(node, pair, into)
        self._planned += count

    def _take_up(self, node: int, pair: int, into: list[Measurement]) -> None:
        self.candidates[node].planned.add(pair)
        into.append(Measurement(node, pair))

    def request(self, measurement: Measurement) -> TrialRequest:
        system_prompt = self.candidates[measurement.node].system_prompt
        if measurement.pair < 0:
            return self.select_pairs.request(-1 - measurement.pair, system_prompt)
        return self._pairs.request(measurement.pair, system_prompt)

    def take(self, measurement: Measurement, trial: Trial) -> None:
        """Takes in a trial's outcome; a failure teaches nothing about the system prompt."""
        candidate = self.candidates[measurement.node]
        candidate.trials[measurement.pair] = trial
        if trial.score is not None:
            candidate.scored += 1
            prompt, category = self._prompt_of(measurement.pair)
            self._posterior.observe(measurement.node, measurement.pair, trial.score, prompt, category)
        elif self._needs_another_look(measurement.node):
            self._plan(measurement.node, 1, self._fresh)

    def _needs_another_look(self, node: int) -> bool:
        """Whether a new change has failed so far, and it may have been chance."""
        candidate = self.candidates[node]
        return candidate.suspect and len(candidate.planned) < SUSPECT_TRIALS and node in self._ancestry.edits()

    def _prompt_of(self, pair: int) -> tuple[int, str]:
        """The number of a pair's prompt, and its category; numbers of the selection's prompts lie below 0."""
        if pair >= 0:
            return self._pairs.prompt_of(pair), self._pairs.category_of(pair)
        return -1 - self.select_pairs.prompt_of(-1 - pair), self.select_pairs.category_of(-1 - pair)

    def refused(self) -> None:
        """A proposal was refused: another one is due."""
        self._asked -= 1.0 - REFUSAL

    def beliefs(self) -> Beliefs:
        return self._posterior.beliefs()

    def worthwhile(self) -> bool:
        """Whether more images are expected to gain as much as they cost."""
        return self.policy.price <= 0.0 or self._planned < LEAST_IMAGES or self._worth() >= self.policy.price

    def _worth(self) -> float:
        beliefs = self.beliefs()
        edits = self._composable(beliefs)
        if not edits:
            return images_worth(beliefs)
        return composites_worth(beliefs, edits, np.array([candidate.scored for candidate in self.candidates], dtype=np.float64))

    @property
    def round_size(self) -> int:
        """How many trials are decided at once by now."""
        return max(self.policy.round_size, self._grown)

    @property
    def _grown(self) -> int:
        return min(LARGEST_ROUND, self._planned // GROWTH)

    def next_round(self, number: int, images: int) -> Round:
        """A round of at most ``images`` measurements, which are all that are left, and the mutations to ask for meanwhile."""
        size, block = min(images, self.round_size), max(self.policy.block, self._grown // 2)
        measurements, self._fresh = self._fresh[:size], self._fresh[size:]
        mutations: list[Mutation] = []
        composites: list[tuple[int, Derivation]] = []
        generator = np.random.default_rng(derived_seed(self._seed, "round", number))
        beliefs = self.beliefs()
        ripe = [node for node, candidate in enumerate(self.candidates) if candidate.scored >= self.policy.mature]
        most = self.policy.round_size if ripe and images > TOO_LATE else 0
        while len(measurements) < size:
            draw = beliefs.draw(generator)[0]
            if self._due(images) and len(mutations) < most:
                mutations.append(self._mutation(beliefs, draw, ripe, number, len(mutations)))
                continue
            composite = self._composite(beliefs, draw, generator, composites)
            node = self._leader(draw) if composite is None else composite
            self._plan(node, min(block, size - len(measurements)), measurements)
        return Round(number, beliefs, tuple(measurements), tuple(mutations), tuple(composites))

    def _due(self, images: int) -> bool:
        """Whether it is time for another proposal, where so many ``images`` are left."""
        start = min(self.policy.head_start, (self._planned + images) / IMAGES_PER_START)
        return self._asked < start + self._planned / self.policy.images_per_child

    def _mutation(self, beliefs: Beliefs, draw: Floats, ripe: list[int], number: int, index: int) -> Mutation:
        edits, children = len(self._ancestry.edits()), sum(bool(candidate.parents) for candidate in self.candidates)
        # While most texts are edits, composites do what merges would. Later a merge is asked for now and then: that a proposer may word
        # what is known to be good anew is worth a proposal in a dozen.
        merged = self._merged if self.policy.compose == 0.0 or 2 * edits < children else None
        chosen = mutation(beliefs, draw, ripe, merged, derived_random(self._seed, "mutation", number, index))
        if chosen.operation is Operation.MERGE:
            self._merged.add(frozenset(chosen.parents))
        self._asked += 1.0
        return chosen

    def _leader(self, draw: Floats) -> int:
        """The best of a draw, but for such as have only ever failed."""
        draw = draw.copy()
        draw[[node for node, candidate in enumerate(self.candidates) if candidate.barren]] = -np.inf
        return int(draw.argmax())

    def _composite(
        self, beliefs: Beliefs, draw: Floats, generator: np.random.Generator, composites: list[tuple[int, Derivation]]
    ) -> int | None:
        """A text with all changes that are good in a sample that goes with ``draw``: a new one, or the one that is this already. None where
        there is nothing to put together yet."""
        self._turn += self.policy.compose
        if self._turn < 1.0:
            return None
        greedy = self._composed % GREEDY == GREEDY - 1
        found = self._put_together(beliefs, beliefs.changes(beliefs.mean) if greedy else beliefs.draw_changes(generator, draw))
        if found is None:
            return None
        self._turn -= 1.0
        self._composed += 1
        if found.known is not None:
            return None if self.candidates[found.known].barren else found.known
        node, derivation = self._take_in(found)
        composites.append((node, derivation))
        return node

    def _put_together(self, beliefs: Beliefs, changes: Floats) -> Composite | None:
        """The text with all edits that are good where ``changes`` [nodes] are what they come to, or with as many of the best as a system
        prompt has room for. None where nothing can be put together."""
        edits = self._composable(beliefs)
        if not edits:
            return None
        root = self._ancestry.root_of(int(beliefs.mean.argmax()))
        chosen = promising(changes, edits)
        while len((text := self._ancestry.composed(root, chosen)).split()) > self.policy.max_words and chosen:
            chosen.pop()
        together, child = frozenset({root, *chosen}), SystemPrompt(text)
        known = self._by_changes.get(together, self._by_id.get(child.id))
        return Composite(child, root, together, len(edits), known) if text else None

    def _composable(self, beliefs: Beliefs) -> list[int]:
        """The edits that composites are made of; none while there are fewer than two."""
        # Nodes that entered in this round are not in the beliefs yet.
        edits = [change for change in self._ancestry.edits() if change < beliefs.mean.size and not self.candidates[change].suspect]
        return edits if self.policy.compose > 0.0 and len(edits) > 1 else []

    def _take_in(self, composite: Composite) -> tuple[int, Derivation]:
        """Takes a composite into the lineage, below those on the same root that share most with it."""
        reason = f"{len(composite.together) - 1} of {composite.edits} changes together"
        derivation = Derivation(composite.child, self._nearest(composite.together, composite.root), Operation.MERGE, reason)
        return self._enter(derivation, composite.together), derivation

    def leading(self) -> SystemPrompt:
        """What would be handed over now: the text with all changes that are good on average, measured or not, where it promises more than
        all that was measured."""
        crown = self._promised()
        return crown.child if crown else self.candidates[self.ranking()[0]].system_prompt

    def crown(self) -> tuple[int, Derivation] | None:
        """Takes :meth:`leading` into the lineage and the ranking, where it is not there yet."""
        crown = self._promised()
        if crown is None:
            return None
        self._crown, derivation = self._take_in(crown)
        return self._crown, derivation

    def _promised(self) -> Composite | None:
        """The composite of what is good on average, if it is new and promises more than all that was measured."""
        beliefs = self.beliefs()
        changes = beliefs.changes(beliefs.mean)
        found = self._put_together(beliefs, changes)
        if found is None or found.known is not None:
            return None
        return found if float(changes[list(found.together)].sum()) > float(beliefs.mean[self.ranking()[0]]) else None

    def _nearest(self, together: frozenset[int], root: int) -> tuple[str, ...]:
        """The two system prompts on the same root that share most with a set of changes."""
        kin = [node for node, changes in enumerate(self._ancestry.changes) if root in changes]
        kin.sort(key=lambda node: len(self._ancestry.changes[node] ^ together))
        return tuple(self.candidates[node].system_prompt.id for node in kin[:2])

    def standings(self, beliefs: Beliefs, number: int) -> tuple[Standing, ...]:
        """What is believed of every candidate, in order of birth."""
        p_best = beliefs.p_best(np.random.default_rng(derived_seed(self._seed, "standing", number)))
        # Several good changes may promise more than there is.
        mean, sd = beliefs.mean.clip(0.0, 1.0), beliefs.sd
        # By id in order of birth, too: hashing all texts anew takes as long as the rest.
        return tuple(
            Standing(identity, float(mean[node]), float(sd[node]), float(p_best[node]), self.candidates[node].scored)
            for identity, node in self._by_id.items()
        )

    def ranking(self) -> list[int]:
        """Measured candidates, and the crown, by posterior mean, best first; ties go to the older one."""
        mean = self.beliefs().mean
        measured = [node for node, candidate in enumerate(self.candidates) if candidate.scored or node == self._crown]
        return sorted(measured, key=lambda node: (-mean[node], node))

    def shortlist(self) -> list[int]:
        """Who goes to the selection: the first of the ranking, and the best of the roots, in the last place if need be. What the search has
        found must beat what it started from once more, on prompts that it never met."""
        ranking, size = self.ranking(), self.policy.shortlist
        roots = [node for node in ranking if not self.candidates[node].parents]
        chosen = ranking[:size]
        return chosen if not roots or roots[0] in chosen or size < 2 else [*chosen[: size - 1], roots[0]]
