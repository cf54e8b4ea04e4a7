"""Which trial next, or which system prompt to mutate: the decisions of the search, as a function of what has been measured and a seed.

Each round draws from the posterior (Thompson sampling). A draw's best system prompt is measured again, or, once it is well enough known for
its number of children, handed to the proposer. New children are first measured on pairs that their parent has, so that the difference is
paired. Plain state and arithmetic: no engine, no clock, no concurrency; the same trials in give the same round out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.identity import derived_random, derived_seed
from data.records import Derivation, Operation, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.events import Standing
from optimizer.posterior import Beliefs, LineagePosterior, Prior

BARREN_TRIALS = 8
"""A system prompt without a score after so many trials is left alone."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How the search spends its images.

    ``round_size`` trials are decided at once, in blocks of ``block`` for one system prompt. ``ahead`` rounds are under way beyond the one
    being waited for, and a proposal enters the lineage ``thinking`` rounds after it was asked for: both keep the generator busy, and both
    cost images, since decisions then rest on less (docs/decisions/0003-rounds-ahead.md has the figures). A child is first measured on
    ``first_look`` pairs. From ``mature`` scores on, a system prompt may have a child per ``scores_per_child`` scores. At most
    ``proposals_per_round`` proposals are asked for at once. ``shortlist`` system prompts go to the selection. ``max_words`` bounds a
    proposed system prompt.
    """

    round_size: int = 4
    block: int = 4
    ahead: int = 2
    thinking: int = 1
    first_look: int = 8
    mature: int = 8
    scores_per_child: float = 6.0
    proposals_per_round: int = 3
    shortlist: int = 3
    max_words: int = 260
    prior: Prior = Prior()


@dataclass(slots=True)
class Candidate:
    """A system prompt under search: its place in the lineage, and its trials by pair. ``planned`` are pairs asked for, done or not."""

    system_prompt: SystemPrompt
    parents: tuple[int, ...]
    operation: Operation = Operation.ROOT
    planned: set[int] = field(default_factory=set[int])
    trials: dict[int, Trial] = field(default_factory=dict[int, Trial])
    children: int = 0

    @property
    def scored(self) -> int:
        return sum(trial.score is not None for trial in self.trials.values())

    @property
    def barren(self) -> bool:
        """Whether it has only ever failed: a system prompt that makes the reasoner refuse teaches nothing, however often it is tried."""
        return len(self.trials) >= BARREN_TRIALS and self.scored == 0


@dataclass(frozen=True, slots=True)
class Mutation:
    """Ask the proposer for a child of ``parents`` (candidate numbers, the one to improve first)."""

    operation: Operation
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measure candidate ``node`` on ``pair``."""

    node: int
    pair: int


@dataclass(frozen=True, slots=True)
class Round:
    """What is decided at once."""

    number: int
    measurements: tuple[Measurement, ...]
    mutations: tuple[Mutation, ...] = ()


class Pairs:
    """The endless row of (prompt, sample, seed) pairs on some prompts: all prompts once in a shuffled order, then all again with new seeds.

    ``purpose`` keeps the seeds of search, selection and confirmation apart.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int, purpose: str) -> None:
        self.prompts = list(prompts)
        derived_random(seed, purpose, "order").shuffle(self.prompts)
        self._seed = seed
        self._purpose = purpose

    def request(self, pair: int, system_prompt: SystemPrompt) -> TrialRequest:
        turn, place = divmod(pair, len(self.prompts))
        # 31 bits: what every generator takes as a seed.
        seed = derived_seed(self._seed, self._purpose, "image", turn, self.prompts[place].id) >> 32
        sample = derived_seed(self._seed, self._purpose, "sample", turn) >> 32
        return TrialRequest(system_prompt, self.prompts[place], sample=sample, seed=seed)


def select_pair(place: int) -> int:
    """The number of a pair on a select prompt: from -1 downwards, so that the search never meets it."""
    return -1 - place


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
        self._fresh: list[Measurement] = []

    def knows(self, system_prompt: SystemPrompt) -> bool:
        return system_prompt.id in self._by_id

    def node(self, system_prompt_id: str) -> int:
        return self._by_id[system_prompt_id]

    def add(self, derivation: Derivation) -> int:
        """Takes a system prompt into the lineage, and plans its first look."""
        parents = tuple(self._by_id[parent] for parent in derivation.parents)
        node = self._posterior.add(parents)
        self._by_id[derivation.child.id] = node
        self.candidates.append(Candidate(derivation.child, parents, derivation.operation))
        for pair in self._first_pairs(node, parents):
            self._plan(node, pair, self._fresh)
        return node

    def _first_pairs(self, node: int, parents: tuple[int, ...]) -> list[int]:
        if not parents:
            return list(range(self.policy.mature))
        known = sorted(set[int]().union(*(self.candidates[parent].trials for parent in parents)))
        look = min(self.policy.first_look, len(known))
        return derived_random(self._seed, "first look", node).sample(known, look)

    def _plan(self, node: int, pair: int, into: list[Measurement]) -> None:
        self.candidates[node].planned.add(pair)
        into.append(Measurement(node, pair))

    def request(self, measurement: Measurement) -> TrialRequest:
        system_prompt = self.candidates[measurement.node].system_prompt
        if measurement.pair < 0:
            return self.select_pairs.request(-1 - measurement.pair, system_prompt)
        return self._pairs.request(measurement.pair, system_prompt)

    def take(self, measurement: Measurement, trial: Trial) -> None:
        """Takes in a trial's outcome; a failure teaches nothing about the system prompt."""
        self.candidates[measurement.node].trials[measurement.pair] = trial
        if trial.score is not None:
            self._posterior.observe(measurement.node, measurement.pair, trial.score)

    def beliefs(self) -> Beliefs:
        return self._posterior.beliefs()

    def next_round(self, number: int, images: int) -> Round:
        """A round of at most ``images`` measurements, which are all that are left, and the mutations to ask for meanwhile."""
        size = min(images, self.policy.round_size)
        measurements, self._fresh = self._fresh[:size], self._fresh[size:]
        mutations: list[Mutation] = []
        generator = np.random.default_rng(derived_seed(self._seed, "round", number))
        beliefs = self.beliefs()
        barren = [node for node, candidate in enumerate(self.candidates) if candidate.barren]
        # A child that is born too late to be measured is not asked for.
        mutable = self.policy.proposals_per_round if images > 2 * self.policy.first_look else 0
        while len(measurements) < size:
            draw = beliefs.draw(generator)[0]
            draw[barren] = -np.inf
            node = int(draw.argmax())
            if self._ripe(node) and len(mutations) < mutable:
                mutations.append(self._mutation(node, beliefs, number, len(mutations)))
                self.candidates[node].children += 1
            else:
                self._measure_again(node, measurements, size, number)
        return Round(number, tuple(measurements), tuple(mutations))

    def _ripe(self, node: int) -> bool:
        candidate = self.candidates[node]
        scored = candidate.scored
        return scored >= self.policy.mature and candidate.children < scored / self.policy.scores_per_child

    def _mutation(self, node: int, beliefs: Beliefs, number: int, index: int) -> Mutation:
        """Mostly reflection on failures; at times a merge with another good one, a condensation, or a step in the dark."""
        random = derived_random(self._seed, "mutation", number, index)
        choice = random.random()
        if choice < 0.68:
            return Mutation(Operation.REFLECT, (node,))
        if choice < 0.82:
            others = [other for other in np.argsort(-beliefs.mean, kind="stable")[:5].tolist() if other != node]
            return Mutation(Operation.MERGE, (node, random.choice(others))) if others else Mutation(Operation.REFLECT, (node,))
        return Mutation(Operation.CONDENSE if choice < 0.9 else Operation.EXPLORE, (node,))

    def _measure_again(self, node: int, measurements: list[Measurement], size: int, number: int) -> None:
        """A block on pairs that relatives have (the difference is paired), else on fresh ones."""
        candidate = self.candidates[node]
        relatives = [self.candidates[parent] for parent in candidate.parents]
        relatives += [other for other in self.candidates if node in other.parents]
        shared = sorted(set[int]().union(*(other.planned for other in relatives)) - candidate.planned)
        derived_random(self._seed, "pairs", number, node, len(candidate.planned)).shuffle(shared)
        block = min(self.policy.block, size - len(measurements))
        wanted = shared[:block]
        pair = 0
        while len(wanted) < block:
            if pair not in candidate.planned and pair not in wanted:
                wanted.append(pair)
            pair += 1
        for pair in wanted:
            self._plan(node, pair, measurements)

    def standings(self, beliefs: Beliefs, number: int) -> tuple[Standing, ...]:
        """What is believed of every candidate, in order of birth."""
        p_best = beliefs.p_best(np.random.default_rng(derived_seed(self._seed, "standing", number)))
        sd = beliefs.sd
        return tuple(
            Standing(candidate.system_prompt.id, float(beliefs.mean[node]), float(sd[node]), float(p_best[node]), candidate.scored)
            for node, candidate in enumerate(self.candidates)
        )

    def ranking(self) -> list[int]:
        """Measured candidates by posterior mean, best first; ties go to the older one."""
        mean = self.beliefs().mean
        measured = [node for node, candidate in enumerate(self.candidates) if candidate.scored]
        return sorted(measured, key=lambda node: (-mean[node], node))
