"""The same words are the same change, whatever branch they are in; and changes of all branches make one text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.ancestry import Ancestry, sentences

ROOT = "Rewrite the request.\nName every color."
RULES = [f"Mind rule {number}." for number in range(8)]


def text(*rules: int) -> str:
    return "\n".join([ROOT, *(RULES[rule] for rule in rules)])


def grown(*nodes: tuple[str, list[int]]) -> Ancestry:
    ancestry = Ancestry()
    for node in nodes:
        ancestry.add(*node)
    return ancestry


def test_sentences_are_the_same_but_for_case_bullets_and_spacing():
    assert (
        sentences("- Be vivid!  Name colors.\n\n* be VIVID").keys()
        == sentences("Be vivid. name  colors").keys()
        == {"be vivid", "name colors"}
    )
    assert list(sentences("Say 3.5 cats.").values()) == ["Say 3.5 cats."]
    assert sentences(" \n--- \n") == {}


def test_a_sentence_that_two_branches_add_is_one_change():
    ancestry = Ancestry()
    assert ancestry.add(ROOT, [])
    assert ancestry.add(text(1), [0])
    assert ancestry.add(text(2), [0])
    assert not ancestry.add(text(2, 1), [2])  # it makes nothing that node 1 did not make
    assert ancestry.changes[3] == {0, 1, 2}


def test_a_change_whose_words_are_gone_is_gone():
    ancestry = grown((ROOT, []), (text(1), [0]), (text(1, 2), [1]), (text(2), [2]))
    assert ancestry.changes[2] == {0, 1, 2}
    assert ancestry.changes[3] == {0, 2}
    assert not ancestry.add(ROOT, [2])
    assert ancestry.changes[4] == {0}


def test_a_sentence_that_is_dropped_from_the_root_is_a_change():
    ancestry = grown((ROOT, []), ("Rewrite the request.", [0]), (text(1), [0]), ("Rewrite the request.\nMind rule 1.", [2]))
    assert ancestry.changes[1] == {0, 1}
    assert ancestry.changes[3] == {0, 1, 2}
    assert ancestry.composed(0, [1]) == "Rewrite the request."


def test_a_merge_has_what_both_have():
    ancestry = grown((ROOT, []), (text(1), [0]), (text(2), [0]))
    assert not ancestry.add(text(1, 2), [1, 2])
    assert ancestry.changes[3] == {0, 1, 2}
    assert ancestry.add(text(1, 2, 3), [1, 2])
    assert ancestry.changes[4] == {0, 1, 2, 4}


def test_a_text_written_anew_has_a_change_of_its_own_and_is_no_edit():
    ancestry = grown((ROOT, []), (text(1), [0]), ("Something else.\nAnd more.\nAnd yet more.", [1]))
    assert ancestry.changes[2] == {0, 2}
    assert ancestry.edits() == [1]


def test_roots_never_mix():
    other = "Draw it.\nPlainly."
    ancestry = grown((ROOT, []), (other, []), (text(1), [0]), (other + "\nMind rule 2.", [1]))
    ancestry.add(text(1, 2), [2, 3])
    assert ancestry.changes[4] == {0, 2, 3}
    ancestry.add(other + "\nMind rule 2.\nMind rule 1.", [3, 2])
    assert ancestry.changes[5] == {1, 2, 3}
    assert [ancestry.root_of(node) for node in range(6)] == [0, 1, 0, 1, 0, 1]
    assert ancestry.composed(1, [2, 3]) == other + "\nMind rule 1.\nMind rule 2."


@st.composite
def lineages(draw: st.DrawFn) -> list[tuple[str, list[int]]]:
    """Edits of one root: each adds and drops some rules."""
    rules: list[tuple[int, ...]] = [()]
    nodes: list[tuple[str, list[int]]] = [(ROOT, [])]
    for number in range(1, draw(st.integers(2, 9))):
        parents = draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=2, unique=True))
        had = set[int]().union(*(rules[parent] for parent in parents))
        rules.append(tuple(sorted(had ^ draw(st.sets(st.integers(0, 7), min_size=0, max_size=2)))))
        nodes.append((text(*rules[-1]), parents))
    return nodes


@given(lineages())
@settings(max_examples=100, deadline=None)
def test_what_a_node_has_reproduces_its_words(nodes: list[tuple[str, list[int]]]):
    ancestry = grown(*nodes)
    for node, (words, _) in enumerate(nodes):
        has = ancestry.changes[node]
        assert sentences(ancestry.composed(0, has - {0})).keys() == sentences(words).keys()


@given(lineages())
@settings(max_examples=100, deadline=None)
def test_whatever_is_new_is_a_change_of_its_own(nodes: list[tuple[str, list[int]]]):
    ancestry = Ancestry()
    for node, (words, parents) in enumerate(nodes):
        assert ancestry.add(words, parents) == (node in ancestry.changes[node])
        assert 0 in ancestry.changes[node]
        assert ancestry.changes[node] <= set(range(node + 1))
        assert set(ancestry.edits()) <= set(range(1, node + 1))
