"""What all scores so far say about all system prompts at once: one joint Gaussian posterior over the lineage.

The model::

    score = mean[node] + leanings of its changes + prompt + pair + noise
    mean[node] = its root's mean + every change that it has inherited or made + own[node]
    change ~ N(typical[operation], spread[operation]²)     own ~ N(0, own² · changes[node])
    prompt ~ N(0, prompt²)     pair ~ N(0, pair²)          noise ~ N(0, noise²)

A pair is a (prompt, sample, seed). Which changes a node has is told (ancestry.py); by descent alone, it has all of its parents', each once.
Good changes add up, and every score of a node says something about each of its changes. The more changes it has, the further it may be
from their sum, since instructions get in each other's way: that is its ``own``, and not passed on. Where nothing is inherited, all of a
child's difference turns out to be that. A hard prompt does not count against the node that happened to meet it; nor does it count what
changes do to the categories of prompts that it met (leanings.py).

Each score is one more reading of the means (scores.py), and the solution is carried on from reading to reading (gaussian.py). What the
prior only guesses is estimated again whenever the scores have grown by a quarter, and all is solved anew. It knows nothing of budgets,
texts or proposals, and holds no randomness of its own.
"""
# scipy's and threadpoolctl's types are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from data.records import Operation
from optimizer.beliefs import Beliefs, Heredity, Prior, missed
from optimizer.gaussian import Descent, Solution, evidence, solved
from optimizer.leanings import Leanings
from optimizer.noisescale import estimated_scale, spread_by_prompt
from optimizer.scores import Floats, Reading, ScoreSums
from optimizer.silence import Silence

GROWTH = 1.25
"""The prior's guesses are estimated again when there are this many times the scores of the last time."""
LEAST_SCORES = 24
MOST_NODES = 150
"""What nodes inherit is estimated from so many of them, the best measured: more would say little more, and take cubically longer."""
MOST_NEWS = 0.5
"""More new nodes and readings than this part of the nodes are not carried on from the last solution."""
STEPS = tuple(2.0 ** (step / 2) for step in range(-6, 7))
"""Factors of the first guesses that are considered."""
USUAL = Prior()


P = ParamSpec("P")
R = TypeVar("R")


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Keeps linear algebra on one thread: for matrices this small, more of them only wait for each other, and for who paints meanwhile."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _blas().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


class LineagePosterior:
    """Collects nodes and scores, and answers with :class:`Beliefs`. Nodes are numbers from 0, in order of appearance."""

    def __init__(self, prior: Prior = USUAL) -> None:
        self.prior = prior
        self.heredity = Heredity(1.0, prior.own, {})
        self._scores = ScoreSums(prior.scale)
        self._leanings = Leanings(prior.lean)
        self._silence = Silence()
        self._parents: list[tuple[int, ...]] = []
        self._operations: list[Operation] = []
        self._inherits: Floats = np.zeros((0, 0))
        self._fitted_at = 0
        self._solution: Solution | None = None
        self._news: list[Reading] = []
        """What was read since the solution."""
        self._beliefs: Beliefs | None = None
        self._spread_by_prompt: dict[int, float] = {}
        self._told: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._parents)

    def add(
        self, parents: Sequence[int] = (), operation: Operation = Operation.REFLECT, has: Collection[int] | None = None, *, new: bool = True
    ) -> int:
        """A new node below ``parents`` (none: a root), made by ``operation``; returns its number.

        ``has``: the nodes whose changes it has, None for all of its parents'. ``new``: whether it made one that no other node has; what it
        may still differ by is then as little as in a merge.
        """
        size = len(self._parents)
        if any(not 0 <= other < size for other in (*parents, *(has or ()))):
            raise ValueError(f"node {size} can't descend from {list(parents)} or have {has}: there are {size} nodes")
        self._parents.append(tuple(parents))
        self._operations.append((operation if new else Operation.MERGE) if parents else Operation.ROOT)
        self._scores.add_node()
        self._inherits = np.pad(self._inherits, (0, 1))
        row = self._inherits[size]
        for parent in parents if has is None else ():
            np.maximum(row, self._inherits[parent], out=row)
        row[list(has or ())] = 1.0
        # Changes add up on one root: the first parent's.
        row[[node for node in range(size) if parents and not self._parents[node] and not self._inherits[parents[0]][node]]] = 0.0
        row[size] = 1.0
        self._beliefs = None
        return size

    def observe(self, node: int, pair: int, score: float, prompt: int | None = None, category: str = "") -> None:
        """Takes in one score of ``node`` on ``pair``, a pair of ``prompt`` (None: of one that has no other) of a ``category``. ValueError
        for a score twice, or outside the finite numbers."""
        of = ("of", pair) if prompt is None else prompt
        self._leanings.meet(of, category)
        self._silence.meet(of, score)
        self._news.append(self._scores.add(node, pair, of, score, self._leanings.offset(of, self._inherits[node])))
        self._beliefs = None

    def beliefs(self) -> Beliefs:
        """The posterior given everything observed."""
        if not self._parents:
            raise ValueError("no node to believe anything about")
        if self._beliefs is None:
            self._beliefs = self._updated()
        return self._beliefs

    @property
    def spread_by_prompt(self) -> dict[int, float]:
        """How far scores on each prompt that was met lie apart, relative to all (noisescale.py), 0 where it is silent for sure
        (silence.py); as of the last :meth:`beliefs`."""
        return self._told

    @_on_one_thread
    def _updated(self) -> Beliefs:
        beliefs = self._follow()
        silent = self._silence.probabilities()
        self._told = {
            of: self._spread_by_prompt.get(of, 1.0) * (1.0 - chance) ** 0.5 for of, chance in silent.items() if isinstance(of, int)
        }
        if len(self._scores) < max(LEAST_SCORES, GROWTH * self._fitted_at):
            return beliefs
        self._fitted_at = len(self._scores)
        free = self._estimate_leanings(beliefs) if self.prior.lean else 0.0
        self._estimate_noise(self._fit() if free else beliefs, free, silent)
        if any(self._parents):
            self._estimate_heredity()
        return self._fit()

    def _estimate_leanings(self, beliefs: Beliefs) -> float:
        """What changes do to single categories, taken off the scores; returns how many free numbers that is worth."""
        free = self._leanings.estimate(self._scores, self._inherits, beliefs.mean)
        if free:
            self._scores.set_off(self._leanings.offsets(self._scores.rows(), self._scores.prompts, self._inherits))
            self._scores.rescale(self._scores.scale)
        return free

    def _estimate_noise(self, beliefs: Beliefs, free: float, silent: Mapping[Hashable, float]) -> None:
        """The noise, where the scores were fitted with ``free`` numbers besides the means, and prompts are ``silent`` so probably."""
        precision, _ = self._told_together()
        effective = free + float(np.sum((beliefs.root.T @ precision) * beliefs.root.T))
        rows = self._scores.rows()
        self._scores.rescale(estimated_scale(rows, beliefs.mean, effective, self.prior.scale, self.prior.trust))
        telling = 1.0 - np.array([silent[prompt] for prompt in self._scores.prompts])
        spreads = spread_by_prompt(rows, beliefs.mean, telling)
        named = zip(self._scores.prompts, spreads.tolist(), strict=True)
        self._spread_by_prompt = {prompt: spread for prompt, spread in named if isinstance(prompt, int)}

    def _estimate_heredity(self) -> None:
        """The most plausible spreads, and then what each operation typically does."""
        nodes = self._best_measured()
        told, inherits, apart = self._told_together(nodes), self._inherits[nodes], missed(self._inherits, self._roots())[nodes]

        def plausible(each: Heredity) -> float:
            descent = Descent(inherits, self._expected(each), self._spreads(each), each.own * apart)
            return evidence(descent, *told) - self._implausible(each)

        # Together at first: what is not passed on looks like large changes while ``own`` is believed to be small.
        guesses = [replace(self.heredity, stretch=stretch, own=step * self.prior.own) for stretch in STEPS[::2] for step in STEPS[::2]]
        heredity = max(guesses, key=plausible)
        heredity = max((replace(heredity, stretch=step) for step in STEPS), key=plausible)
        heredity = max((replace(heredity, own=step * self.prior.own) for step in STEPS), key=plausible)
        self.heredity = heredity
        beliefs = self._fit()
        changes = beliefs.changes(beliefs.mean)
        self.heredity = replace(
            heredity, typical={kind: self._typical(kind, changes) for kind in sorted(set(self._operations) - {Operation.ROOT})}
        )

    def _implausible(self, heredity: Heredity) -> float:
        away = np.log([heredity.stretch, heredity.own / self.prior.own]) / self.prior.doubt
        return 0.5 * float(away @ away)

    def _typical(self, operation: Operation, changes: Floats) -> float:
        """The mean change of an operation, pulled towards 0 by the prior."""
        own = [node for node, other in enumerate(self._operations) if other is operation]
        spread = np.hypot(self.heredity.stretch * self.prior.change_of(operation), self.heredity.own)
        return float(changes[own].sum()) / (len(own) + (spread / self.prior.drift) ** 2)

    def _best_measured(self) -> "np.ndarray[Any, np.dtype[np.intp]]":
        counts = np.bincount(self._scores.rows().nodes, minlength=len(self))
        return np.sort(np.argsort(-counts, kind="stable")[:MOST_NODES])

    def _expected(self, heredity: Heredity) -> Floats:
        """The changes' prior means, [nodes]."""
        return np.array(
            [heredity.typical.get(kind, 0.0) if kind is not Operation.ROOT else self.prior.root_mean for kind in self._operations]
        )

    def _spreads(self, heredity: Heredity) -> Floats:
        """The changes' prior standard deviations, [nodes]."""
        return np.array(
            [
                heredity.stretch * self.prior.change_of(kind) if kind is not Operation.ROOT else self.prior.root_sd
                for kind in self._operations
            ]
        )

    def _roots(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        return np.array([not above for above in self._parents])

    def _descent(self) -> Descent:
        """What is believed before any score."""
        heredity = self.heredity
        apart = heredity.own * missed(self._inherits, self._roots())
        return Descent(self._inherits, self._expected(heredity), self._spreads(heredity), apart)

    def _told_together(self, nodes: "np.ndarray[Any, np.dtype[np.intp]] | None" = None) -> tuple[Floats, Floats]:
        """The precision and the shift, in scores, of these nodes' scores (None: of all)."""
        precision, shift = self._scores.together() if nodes is None or nodes.size == len(self) else self._scores.of_nodes(nodes)
        noise = self._scores.scale.noise
        return precision / noise**2, shift / noise**2

    def _fit(self) -> Beliefs:
        """Everything solved anew."""
        descent = self._descent()
        self._solution = solved(descent, *self._told_together())
        self._news.clear()
        return self._believed(self._solution, descent)

    def _follow(self) -> Beliefs:
        """The last solution carried on; solved anew where so much has come that this is no longer less work."""
        solution, size = self._solution, len(self)
        if solution is None or size - solution.mean.size + len(self._news) > MOST_NEWS * size:
            return self._fit()
        descent = self._descent()
        if size > solution.mean.size:
            solution = solution.grown(descent)
        if self._news:
            noise = self._scores.scale.noise
            readings = np.array([np.pad(reading.told, (0, size - reading.told.size)) for reading in self._news])
            solution = solution.told(readings / noise, np.array([reading.value for reading in self._news]) / noise)
            self._news.clear()
        self._solution = solution
        return self._believed(solution, descent)

    def _believed(self, solution: Solution, descent: Descent) -> Beliefs:
        heredity = self.heredity
        return Beliefs(
            solution.mean,
            solution.root,
            self._scores.scale,
            heredity,
            self._inherits,
            solution.factor,
            descent.expected,
            descent.spreads,
            self._roots(),
            typical=heredity.typical.get(Operation.REFLECT, 0.0),
            spread=float(np.hypot(heredity.stretch * self.prior.change, heredity.own)),
        )
