"""Pictures of the same prompts and seeds under one system prompt and another: which, in which order, and how a card of them looks.

Plain data and HTML, no Streamlit: what a thumbnail is comes from the caller.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from data.errors import FailureKind
from data.records import Failure, Trial
from ui.web.markup import escaped, signed
from ui.web.verdicts import findings, findings_html, opinions_html

PER_PAGE = 6
Thumbnail = Callable[[str], bytes | str]
"""From an image's sha256 to its WebP bytes, or to words for what is wrong with it."""


class Order(StrEnum):
    """How pairs are sorted. Unscored ones come last."""

    CHANGE = "biggest change"
    GAIN = "biggest gain"
    LOSS = "biggest loss"
    PROMPT = "prompt"
    LOWEST = "lowest score"
    HIGHEST = "highest score"


PAIR_ORDERS = (Order.CHANGE, Order.GAIN, Order.LOSS, Order.PROMPT)
ALONE_ORDERS = (Order.LOWEST, Order.HIGHEST, Order.PROMPT)


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt, sample and seed: the trial of the selected system prompt, and the other's where there is one to compare with."""

    ours: Trial
    theirs: Trial | None = None

    @property
    def change(self) -> float | None:
        """Ours less theirs; None where either is unscored."""
        if self.theirs is None or self.ours.score is None or self.theirs.score is None:
            return None
        return self.ours.score - self.theirs.score


def paired(ours: Iterable[Trial], theirs: Iterable[Trial]) -> list[Pair]:
    """What both have tried."""
    other = {_key(trial): trial for trial in theirs}
    return [Pair(trial, other[key]) for trial in ours if (key := _key(trial)) in other]


def _key(trial: Trial) -> tuple[str, int, int]:
    return trial.request.prompt.id, trial.request.sample, trial.request.seed


def ordered(pairs: Sequence[Pair], order: Order) -> list[Pair]:
    """``pairs`` in this order; ties by prompt, then seed, so that the same ledger always looks the same."""

    def rank(pair: Pair) -> float:
        value = pair.ours.score if order in ALONE_ORDERS else pair.change
        if order is Order.PROMPT:
            return 0.0
        if value is None:
            return float("inf")
        return {Order.CHANGE: -abs(value), Order.GAIN: -value, Order.HIGHEST: -value}.get(order, value)

    def tie(pair: Pair) -> tuple[str, int, int]:
        request = pair.ours.request
        return request.prompt.text.casefold(), request.sample, request.seed

    return sorted(pairs, key=lambda pair: (rank(pair), tie(pair)))


def page_of(pairs: Sequence[Pair], number: int) -> Sequence[Pair]:
    """The pairs of page ``number``, from 1."""
    return pairs[(number - 1) * PER_PAGE : number * PER_PAGE]


def page_count(pairs: Sequence[Pair]) -> int:
    return max(1, -(-len(pairs) // PER_PAGE))


@dataclass(frozen=True, slots=True)
class Balance:
    """How pairs came out: better, worse and equal counts, unscored ones, and the mean change (None where nothing was scored)."""

    better: int
    worse: int
    equal: int
    unscored: int
    mean: float | None


def balance(pairs: Sequence[Pair]) -> Balance:
    """The count over ``pairs``. A reading aid, no claim: the pairs are those that the search chose to measure."""
    changes = [pair.change for pair in pairs if pair.change is not None]
    better, worse = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    mean = sum(changes) / len(changes) if changes else None
    return Balance(better, worse, len(changes) - better - worse, len(pairs) - len(changes), mean)


def picture_html(trial: Trial, thumbnail: Thumbnail) -> str:
    """The picture, or words in its place: what failed, or which file is missing."""
    if trial.image is None:
        failure = trial.failure
        return f'<div class="ph-hole"><span>{escaped(failure_words(failure) if failure else "no picture")}</span></div>'
    content = thumbnail(trial.image.sha256)
    if isinstance(content, str):
        return f'<div class="ph-hole"><span>{escaped(content)}</span></div>'
    ratio = f"{trial.image.width}/{trial.image.height}" if trial.image.width and trial.image.height else "1/1"
    return f'<img alt="{escaped(trial.request.prompt.text)}" style="aspect-ratio:{ratio}" src="{data_uri(content)}">'


def failure_words(failure: Failure) -> str:
    """What did not come about. What a guard or a moderation stopped is told apart from what broke."""
    if failure.kind is FailureKind.BLOCKED:
        return f"blocked: {failure.message}"
    return f"{failure.stage.value} failed: {failure.message}"


def data_uri(webp: bytes) -> str:
    """The bytes as part of the page: nothing else to ask for, and nothing left behind on the server."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


def score_html(trial: Trial) -> str:
    """The score, or that there is none."""
    return '<b class="ph-warn">unscored</b>' if trial.score is None else f"<b>{trial.score:.2f}</b>"


def side_html(trial: Trial, name: str, thumbnail: Thumbnail, before: Trial | None = None) -> str:
    """One picture with its caption, its failed criteria, and the rewrite to unfold."""
    failure = trial.failure
    said = ""
    if failure is not None and trial.image is not None:
        said = f'<p class="ph-warn">{escaped(failure_words(failure))}</p>'
    return (
        f"<figure><figcaption><span>{escaped(name)}</span>{score_html(trial)}</figcaption>{picture_html(trial, thumbnail)}"
        f"{said}{image_notes_html(trial)}{findings_html(findings(trial, before))}{opinions_html(trial)}{rewrite_html(trial)}</figure>"
    )


def image_notes_html(trial: Trial) -> str:
    """What about the picture's making may spoil a comparison; the text that the far side drew in place of ours, to unfold."""
    image = trial.image
    if image is None:
        return ""
    notes = "".join(f'<p class="ph-warn">picture: {escaped(flaw)}</p>' for flaw in image.flaws)
    told = f'<details><summary>what the server drew</summary><p class="ph-rewrite">{escaped(image.revised_prompt)}</p></details>'
    return notes + (told if image.revised_prompt else "")


def rewrite_html(trial: Trial) -> str:
    """The rewrite and what the reasoner thought, folded; what of the user's intent drifted, and other flaws, stay visible."""
    rewrite = trial.rewrite
    if rewrite is None:
        return ""
    notes = [f"drift: {entry}" for entry in rewrite.drift] + [f"flaw: {entry}" for entry in rewrite.flaws]
    warnings = "".join(f'<p class="ph-warn">{escaped(note)}</p>' for note in notes)
    words = len(rewrite.text.split())
    told = f'<details><summary>rewrite, {words} words</summary><p class="ph-rewrite">{escaped(rewrite.text)}</p></details>'
    thought = f'<details><summary>reasoning</summary><p class="ph-rewrite">{escaped(rewrite.reasoning)}</p></details>'
    return warnings + told + (thought if rewrite.reasoning else "")


def card_html(pair: Pair, our_name: str, their_name: str, thumbnail: Thumbnail) -> str:
    """A prompt's card: its text as the title, then one picture, or two side by side, the older one at the left."""
    prompt = pair.ours.request.prompt
    about = " · ".join(part for part in (prompt.category, prompt.split.value, f"seed {pair.ours.request.seed}") if part)
    sides = [] if pair.theirs is None else [side_html(pair.theirs, their_name, thumbnail)]
    sides.append(side_html(pair.ours, our_name, thumbnail, pair.theirs))
    return (
        f'<article class="ph-card"><header><h4>{escaped(prompt.text)}</h4>{change_chip(pair.change)}</header>'
        f'<p class="ph-about">{escaped(about)}</p><div class="ph-sides">{"".join(sides)}</div></article>'
    )


def change_chip(change: float | None) -> str:
    """A change of score as a coloured chip."""
    if change is None:
        return ""
    kind = "good" if change > 0.005 else "bad" if change < -0.005 else "even"
    return f'<span class="ph-chip ph-{kind}">{signed(change, 2)}</span>'
