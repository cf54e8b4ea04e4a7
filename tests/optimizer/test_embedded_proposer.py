"""The embedded proposer: what its bank says means what it should, and its operations do what their names say."""

import re
from collections import Counter

import pytest

from data.errors import FailureKind, StageError
from data.records import CriterionKind, Operation, SystemPrompt
from optimizer.propose import FORBIDDEN
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, Proposal, ProposalRequest
from optimizer.proposers.embedded import INSIGHT, EmbeddedProposer, bank
from reasoner.embedded.rules import USEFUL, Rule, recognise
from reasoner.library import shipped

PHRASINGS = [(instruction.name, phrasing) for instruction in bank() for phrasing in instruction.phrasings]


def rule_named(name: str) -> Rule:
    return Rule[name.upper().replace("-", "_")]


def parent(text: str, *kinds: CriterionKind, attempts: tuple[Attempt, ...] = ()) -> ParentHistory:
    failures = tuple(FailedCriterion("a cup", "There is one cup", kind, "none seen", "A cup.") for kind in kinds)
    return ParentHistory(SystemPrompt(text), 0.5, 20, failures, attempts)


async def proposed(operation: Operation, *parents: ParentHistory, max_words: int = 250, seed: int = 1) -> Proposal:
    return await EmbeddedProposer()(ProposalRequest(operation, parents, max_words, seed))


def lines(text: str) -> list[str]:
    return text.splitlines()


# -- the bank


def test_the_bank_has_every_rule_in_several_phrasings() -> None:
    assert {rule_named(instruction.name) for instruction in bank()} == set(Rule)
    assert all(len(set(instruction.phrasings)) >= 3 for instruction in bank())


@pytest.mark.parametrize(("name", "phrasing"), PHRASINGS)
def test_a_phrasing_is_recognised_as_what_it_means(name: str, phrasing: str) -> None:
    found = recognise(phrasing).rules
    assert rule_named(name) in found
    meant = rule_named(name) in USEFUL
    assert all((rule in USEFUL) is meant for rule in found)


@pytest.mark.parametrize(("name", "phrasing"), PHRASINGS)
def test_a_phrasing_passes_the_lint(name: str, phrasing: str) -> None:
    assert not FORBIDDEN.search(phrasing)
    assert phrasing.endswith(".")


# -- reflection


async def test_a_reflection_adds_one_instruction_to_its_parent() -> None:
    text = shipped("general").text
    for seed in range(30):
        proposal = await proposed(Operation.REFLECT, parent(text, CriterionKind.COUNT), seed=seed)
        assert proposal.reason
        assert proposal.text != text
        added = [line for line in lines(proposal.text) if line in {phrasing for _, phrasing in PHRASINGS}]
        assert len(added) == 1


async def test_a_reflection_finds_what_helps_about_as_often_as_it_should() -> None:
    helps = {phrasing for instruction in bank() if CriterionKind.TEXT in instruction.helps for phrasing in instruction.phrasings}
    tries = 300
    history = parent("You write prompts.", CriterionKind.TEXT)
    found = 0
    for seed in range(tries):
        proposal = await proposed(Operation.REFLECT, history, seed=seed)
        found += lines(proposal.text)[-1] in helps
    assert found / tries == pytest.approx(INSIGHT, abs=0.09)


async def test_reflections_also_do_harm() -> None:
    history = parent("You write prompts.", CriterionKind.COUNT, CriterionKind.ATTRIBUTE)
    asked: Counter[Rule] = Counter()
    for seed in range(200):
        proposal = await proposed(Operation.REFLECT, history, seed=seed)
        asked.update(recognise(lines(proposal.text)[-1]).rules)
    harmful = sum(number for rule, number in asked.items() if rule not in USEFUL)
    assert 0.1 < harmful / asked.total() < 0.5


async def test_what_was_tried_on_a_parent_is_not_tried_again() -> None:
    tried = bank()[:-2]
    attempts = tuple(Attempt(Operation.REFLECT, f"You write prompts.\n{instruction.phrasings[0]}", 0.0, 4) for instruction in tried)
    history = parent("You write prompts.", CriterionKind.COUNT, attempts=attempts)
    for seed in range(30):
        proposal = await proposed(Operation.REFLECT, history, seed=seed)
        assert lines(proposal.text)[-1] in {phrasing for instruction in bank()[-2:] for phrasing in instruction.phrasings}


async def test_a_reflection_on_the_raw_arm_starts_a_prompt() -> None:
    proposal = await proposed(Operation.REFLECT, parent("", CriterionKind.COUNT))
    assert len(lines(proposal.text)) == 2
    assert "prompt" in lines(proposal.text)[0]


# -- the other operations


async def test_a_merge_has_the_instructions_of_both() -> None:
    first = parent("You write prompts.\nState one clear setting for the scene.\nStay within 50 words.")
    second = parent("You write prompts.\nDescribe every thing.\nUse at most 55 words.\nNever invent additional objects.")
    proposal = await proposed(Operation.MERGE, first, second)
    assert lines(proposal.text) == [
        "You write prompts.",
        "State one clear setting for the scene.",
        "Stay within 50 words.",
        "Describe every thing.",
        "Never invent additional objects.",
    ]


async def test_a_condensation_drops_one_sentence_and_repetitions_first() -> None:
    text = "You write prompts.\nStay within 50 words.\nState exact counts.\nUse at most 55 words."
    for seed in range(20):
        proposal = await proposed(Operation.CONDENSE, parent(text), seed=seed)
        assert lines(proposal.text) == ["You write prompts.", "Stay within 50 words.", "State exact counts."]


async def test_an_exploration_adds_or_reorders() -> None:
    text = "You write prompts.\nStay within 50 words.\nState exact counts."
    lengths = {len(lines((await proposed(Operation.EXPLORE, parent(text), seed=seed)).text)) for seed in range(40)}
    assert lengths == {3, 4}


@pytest.mark.parametrize("operation", [Operation.REFLECT, Operation.MERGE, Operation.CONDENSE, Operation.EXPLORE])
@pytest.mark.parametrize("text", ["", "You write prompts.", shipped("general").text, "word " * 300])
@pytest.mark.parametrize("max_words", [1, 12, 40, 250])
async def test_proposals_keep_to_their_length_and_repeat(operation: Operation, text: str, max_words: int) -> None:
    history = parent(text, CriterionKind.COUNT, CriterionKind.RELATION)
    for seed in range(5):
        proposal = await proposed(operation, history, history, max_words=max_words, seed=seed)
        assert 1 <= len(re.findall(r"[\w'-]+", proposal.text)) <= max_words
        assert proposal == await proposed(operation, history, history, max_words=max_words, seed=seed)


@pytest.mark.parametrize("operation", [Operation.ROOT, Operation.EDIT])
async def test_what_no_proposer_makes_is_refused(operation: Operation) -> None:
    with pytest.raises(StageError) as caught:
        await proposed(operation, parent("You write prompts."))
    assert caught.value.kind is FailureKind.UNSUPPORTED


# -- the request's key


def test_a_request_key_depends_on_all_that_determines_the_answer() -> None:
    base = ProposalRequest(Operation.REFLECT, (parent("a", CriterionKind.COUNT),), 250, 1)
    attempt = Attempt(Operation.REFLECT, "a b", 0.1, 3)
    others = [
        ProposalRequest(Operation.EXPLORE, base.parents, 250, 1),
        ProposalRequest(Operation.REFLECT, (parent("b", CriterionKind.COUNT),), 250, 1),
        ProposalRequest(Operation.REFLECT, (parent("a", CriterionKind.TEXT),), 250, 1),
        ProposalRequest(Operation.REFLECT, (parent("a", CriterionKind.COUNT, attempts=(attempt,)),), 250, 1),
        ProposalRequest(Operation.REFLECT, base.parents, 251, 1),
        ProposalRequest(Operation.REFLECT, base.parents, 250, 2),
    ]
    keys = {base.key("p"), base.key("q"), *(other.key("p") for other in others)}
    assert len(keys) == 2 + len(others)
    assert base.key("p") == ProposalRequest(Operation.REFLECT, (parent("a", CriterionKind.COUNT),), 250, 1).key("p")


def test_the_last_bits_of_a_mean_do_not_change_the_key() -> None:
    def key(mean: float) -> str:
        return ProposalRequest(Operation.REFLECT, (ParentHistory(SystemPrompt("a"), mean, 1, (), ()),), 250, 1).key("p")

    assert key(0.1 + 0.2) == key(0.3)
    assert key(0.3) != key(0.3001)
