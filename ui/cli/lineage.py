"""``phoropter lineage``: who was derived from whom in a run, how well each did, and which words changed."""

from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved
from ui.cli.resume import RunId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text
    from rich.tree import Tree

    from ui.views import Node, RunView

CONTEXT_WORDS = 6
"""Unchanged words shown on each side of a change."""
CHANCE_WORDS = 2
"""So few unchanged words between two changes are in both texts by chance."""


def lineage(
    context: typer.Context,
    run: RunId,
    no_diff: Annotated[bool, typer.Option("--no-diff", help="Leave out the words that changed.")] = False,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """Draw a run's tree of system prompts.

    Each with its score, its gain over the first root, and the words that differ from its parent.
    """
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import print_json
    from ui.cli.report import node_to_json
    from ui.views import run_view

    with open_ledger(resolved(context).settings) as store:
        view = run_view(store, run)
    if json:
        print_json({"run": view.id, "state": view.state, "winner": view.winner, "lineage": [node_to_json(node) for node in view.nodes]})
    else:
        _print(view, diff=not no_diff)


def _print(view: "RunView", *, diff: bool) -> None:
    from data.identity import short
    from optimizer.methods import METHODS, OURS
    from ui.cli.output import console, numbered, say

    if not view.nodes:
        say(f"run {short(view.id)} has no lineage: it is {'of kind ' + view.kind if view.kind != 'optimize' else view.state}")
        return
    out = console()
    rounds = f"after {numbered(view.rounds, 'round')} and {numbered(view.images, 'image')}"
    ours = view.method == OURS
    by = "" if ours else f", searched with {METHODS[view.method].title}"
    out.print(f"run {short(view.id)}{by}, {view.state}, {numbered(len(view.nodes), 'system prompt')} {rounds}")
    out.print(f"score: {'posterior mean ± sd' if ours else 'mean of its trials ± sd of that mean,'} in [0, 1]; gain: over the first root\n")
    for tree in _trees(view, diff=diff, colors=out.color_system is not None):
        out.print(tree, soft_wrap=False)


def _trees(view: "RunView", *, diff: bool, colors: bool) -> "list[Tree]":
    """A tree per root; a merged one hangs under the parent that it was to improve, its first."""
    from rich.tree import Tree

    nodes = {node.id: node for node in view.nodes}
    trees: dict[str, Tree] = {}
    roots: list[Tree] = []
    for node in view.nodes:
        parent = nodes.get(node.parents[0]) if node.parents else None
        label = _label(node, view)
        if parent is not None and diff:
            label.append("\n").append_text(_diff(parent.system_prompt.text, node.system_prompt.text, colors=colors))
        elif diff:
            label.append(f"\n{_clipped(node.system_prompt.text)}", style="dim")
        if parent is None:
            trees[node.id] = Tree(label)
            roots.append(trees[node.id])
        else:
            trees[node.id] = trees[parent.id].add(label)
    return roots


def _clipped(text: str) -> str:
    from ui.cli.output import one_line

    return one_line(text, 160)


def _label(node: "Node", view: "RunView") -> "Text":
    from rich.text import Text

    from data.identity import short
    from ui.cli.output import figure, one_line
    from ui.cli.report import standing

    label = Text()
    label.append(short(node.id), style="bold")
    if node.id == view.winner:
        label.append(" winner", style="bold green")
    label.append(f"  {standing(node)}")
    if node.gain is not None and node.parents:
        label.append(f"  gain {figure(node.gain, signed=True)}", style="green" if node.gain > 0 else "red")
    label.append(f"  {node.trials} trials")
    name = f" “{node.system_prompt.name}”" if node.system_prompt.name else ""
    also = f", also from {' and '.join(short(parent) for parent in node.parents[1:])}" if len(node.parents) > 1 else ""
    label.append(f"  {node.operation}{name}{also}", style="cyan")
    if node.parents and node.reason:
        label.append(f"\n{one_line(node.reason, 160)}", style="italic")
    return label


def _diff(old: str, new: str, *, colors: bool) -> "Text":
    """The words that changed, with a few around them; without colours, marked as git marks them: ``[-gone-]`` and ``{+new+}``."""
    from rich.text import Text

    stretches = _stretches(old, new)
    pieces: list[Text] = []
    for index, (same, removed, added) in enumerate(stretches):
        if same:
            pieces.append(Text(_around(same, first=index == 0, last=index == len(stretches) - 1), "dim"))
        if removed:
            pieces.append(Text(" ".join(removed) if colors else f"[-{' '.join(removed)}-]", "red strike"))
        if added:
            pieces.append(Text(" ".join(added) if colors else f"{{+{' '.join(added)}+}}", "green"))
    return Text(" ").join(pieces)


def _stretches(old: str, new: str) -> "list[tuple[list[str], list[str], list[str]]]":
    """Words unchanged, gone and new, in turns. Line breaks do not count; a word or two that happen to be in both break up no change."""
    from ui.views import word_diff

    stretches: list[tuple[list[str], list[str], list[str]]] = []
    parts = word_diff(" ".join(old.split()), " ".join(new.split()))
    for index, part in enumerate(parts):
        words = part.text.split()
        inside = 0 < index < len(parts) - 1 and len(words) <= CHANCE_WORDS
        if part.kind == "same" and not inside:
            stretches.append((words, [], []))
            continue
        if not stretches:
            stretches.append(([], [], []))
        _, removed, added = stretches[-1]
        if part.kind != "added":
            removed += words
        if part.kind != "removed":
            added += words
    return stretches


def _around(words: "Sequence[str]", *, first: bool, last: bool) -> str:
    """An unchanged stretch, without its middle: only what stands next to a change is of interest."""
    head = [] if first else list(words[:CONTEXT_WORDS])
    tail = [] if last else list(words[-CONTEXT_WORDS:])
    if len(words) <= len(head) + len(tail) + 2:
        return " ".join(words)
    return " ".join([*head, "…", *tail])
