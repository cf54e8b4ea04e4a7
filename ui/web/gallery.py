"""The pictures of a system prompt, beside those of another on the same prompts and seeds. What is drawn is prepared in pictures.py and
verdicts.py.
"""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from ui.views import Node, RunView
from ui.web import graph, pictures, verdicts
from ui.web.ledger import Ledger
from ui.web.markup import box, clipped, escaped, signed
from ui.web.pictures import Pair

THUMBNAIL = 384
"""Pixels: sharp on a screen with twice the pixels, at half a card's width."""


def gallery(ledger: Ledger, view: RunView, node: Node, other: Node | None) -> None:
    """Draws the pictures of ``node``, beside those of ``other`` on the same prompts and seeds, page by page."""
    ours = ledger.trials(view, node.id)
    if other is None:
        pairs = [Pair(trial) for trial in ours]
        orders = pictures.ALONE_ORDERS
        words = f"{len(pairs)} of {escaped(graph.title(node))}"
    else:
        pairs = pictures.paired(ours, ledger.trials(view, other.id))
        orders = pictures.PAIR_ORDERS
        words = f"same prompts, same seeds: {escaped(graph.title(other))} at the left, {escaped(graph.title(node))} at the right"
    title, sorting = st.columns(2, vertical_alignment="bottom")
    title.html(f'<h3 class="ph-section">Pictures<small>{words}</small></h3>{balance_html(pairs) if other else ""}')
    if not pairs:
        st.html(box("note", "No pictures yet", _why_none(node, other)))
        return
    scope = f"{node.id}-{other.id if other else ''}"
    with sorting.container(horizontal=True, horizontal_alignment="right"):
        order = st.segmented_control(
            "Sorted by",
            orders,
            default=orders[0],
            required=True,
            key=f"order-{bool(other)}",
            format_func=lambda order: order.value,
            label_visibility="collapsed",
            wrap=True,
        )
    in_order = pictures.ordered(pairs, order or orders[0])
    place = st.container()
    number = 1
    if pictures.page_count(pairs) > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            number = st.pagination(pictures.page_count(pairs), key=f"page-{scope}-{order}")
    with place:
        _cards(ledger, pictures.page_of(in_order, number), node, other)


def _why_none(node: Node, other: Node | None) -> str:
    if other is None:
        return "This system prompt has not been measured."
    return f"{graph.title(node)} and {graph.title(other)} were never measured on the same prompt and seed. Compare with another."


def _cards(ledger: Ledger, pairs: Sequence[Pair], node: Node, other: Node | None) -> None:
    across = 2 if other is not None else 3
    names = graph.title(node), "" if other is None else graph.title(other)
    thumbnail = partial(ledger.thumbnail, size=THUMBNAIL)
    for start in range(0, len(pairs), across):
        for column, pair in zip(st.columns(across), pairs[start : start + across], strict=False):
            with column.container(border=True, gap="xxsmall", height="stretch"):
                st.html(pictures.card_html(pair, *names, thumbnail))
                key = f"enlarge-{pair.ours.id}-{other.id if other else ''}"
                if st.button("Enlarge", key=key, type="tertiary", icon=":material/zoom_out_map:"):
                    _enlarged(ledger, pair, *names)


def balance_html(pairs: list[Pair]) -> str:
    """How the pairs came out, in a line."""
    counts = pictures.balance(pairs)
    if not pairs:
        return ""
    words = [f"{counts.better} better", f"{counts.equal} equal", f"{counts.worse} worse"]
    if counts.unscored:
        words.append(f"{counts.unscored} unscored")
    mean = "" if counts.mean is None else f", mean change {signed(counts.mean)}"
    return f'<p class="ph-under">{len(pairs)} pairs: {", ".join(words)}{mean}</p>'


@st.dialog("Full size", width="large")
def _enlarged(ledger: Ledger, pair: Pair, our_name: str, their_name: str) -> None:
    """The pictures as they were drawn, every criterion, and how the rewrites came about."""
    prompt = pair.ours.request.prompt
    st.html(f'<h3 class="ph-section">{escaped(prompt.text)}</h3><p class="ph-under">seed {pair.ours.request.seed}</p>')
    sides = [(pair.ours, our_name, pair.theirs)]
    if pair.theirs is not None:
        sides.insert(0, (pair.theirs, their_name, None))
    for column, (trial, name, before) in zip(st.columns(len(sides)), sides, strict=True):
        with column:
            st.html(f'<p class="ph-under">{escaped(name)} {pictures.score_html(trial)}</p>')
            content = ledger.image(trial.image.sha256, trial) if trial.image is not None else "no picture"
            if isinstance(content, bytes):
                st.image(content, width="stretch", alt=clipped(prompt.text, 200))
            else:
                st.html(f'<div class="ph-hole"><span>{escaped(content)}</span></div>')
            found = verdicts.findings(trial, before)
            notes = pictures.image_notes_html(trial) + pictures.rewrite_html(trial)
            said = verdicts.findings_html(found, everything=True) + verdicts.opinions_html(trial)
            st.html(f'{said}<div class="ph-sides">{notes}</div>')
