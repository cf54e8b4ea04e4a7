"""The page of a run: what it claims, the lineage of its system prompts, and the pictures of each beside those of its parent.

Drawing and the state of the page only: the tree and the selected system prompt here, what stands above in header.py, the pictures below in
gallery.py. What is drawn is prepared in claim.py, graph.py and pictures.py. The run and the selected system prompt stand in the URL, so
that a page can be sent to somebody.
"""

from functools import partial
from pathlib import Path

import streamlit as st

from data.errors import PhoropterError
from data.identity import short
from ui.settings import Settings, resolve
from ui.views import Node, RunView, word_diff
from ui.web import graph
from ui.web.gallery import gallery
from ui.web.header import choose_run, header
from ui.web.ledger import Ledger
from ui.web.markup import box, diff_html, escaped, signed

PANEL_HEIGHT = 250
OPERATIONS = {
    "root": "where the search began",
    "reflect": "reflected on failures",
    "merge": "merged from two",
    "condense": "condensed",
    "explore": "explored freely",
    "edit": "edited by a person",
}
STYLE = Path(__file__).with_name("look.css")


def page() -> None:
    """Draws the whole page; errors of the ledger become a box with what to do."""
    st.html(STYLE)
    st.sidebar.html('<div class="ph-brand">Phoropter<small>better one, or better two?</small></div>')
    try:
        settings = resolve().settings
        _page(Ledger(settings), settings)
    except PhoropterError as error:
        st.html(box("error", str(error), error.hint))


def _page(ledger: Ledger, settings: Settings) -> None:
    runs = [run.id for run in ledger.runs()] if ledger.exists else []
    if not runs:
        _nothing_yet(ledger, settings)
        return
    _follow_url(runs)
    run_id = choose_run(ledger, runs)
    view = graph.rebased(ledger.view(run_id))
    header(ledger, view)
    if not view.nodes:
        _remember_url(run_id, "")
        return
    _settle_node(view)
    left, right = st.columns([11, 9], gap="medium")
    with left:
        _graph(view)
    with right:
        other = _node_panel(view)
    _remember_url(run_id, st.session_state["node"])
    gallery(ledger, view, view.node(st.session_state["node"]), other)


def _nothing_yet(ledger: Ledger, settings: Settings) -> None:
    what = "No run yet" if ledger.exists else "No ledger yet"
    st.html(
        box(
            "empty",
            f"{what} in {settings.ledger or settings.home}",
            "A run optimizes a system prompt and leaves its lineage and pictures here. The first one needs no key, no GPU and no network:",
            f"make demo\n\nor\n\nphoropter optimize --home {settings.home}",
        )
    )


# -- what is shown, and how the URL says so


def _follow_url(runs: list[str]) -> None:
    """Takes over run and node from the URL when it was opened, or edited, or gone back to."""
    url = (st.query_params.get("run", ""), st.query_params.get("node", ""))
    if st.session_state.get("url") == url:
        return
    st.session_state["url"] = url
    wanted = [run for run in runs if url[0] and short(run).startswith(url[0][:8])]
    if url[0] and not wanted:
        st.html(box("note", f"There is no run {url[0]} here; this is the newest."))
    if wanted:
        st.session_state["run"] = wanted[0]
    if url[1]:
        st.session_state["node"] = url[1]


def _remember_url(run_id: str, node: str) -> None:
    url = (short(run_id), short(node))
    st.session_state["url"] = url
    if (st.query_params.get("run", ""), st.query_params.get("node", "")) != url:
        st.query_params.from_dict({name: value for name, value in zip(("run", "node"), url, strict=True) if value})


def _settle_node(view: RunView) -> None:
    """Makes the selected node one of this run's: by id or a beginning of it, else the winner, else the best so far."""
    wanted = str(st.session_state.get("node", ""))
    ids = [node.id for node in view.nodes]
    found = [identifier for identifier in ids if wanted and (identifier == wanted or short(identifier).startswith(wanted[:8]))]
    st.session_state["node"] = found[0] if found else _favourite(view)


def _favourite(view: RunView) -> str:
    if view.winner is not None:
        return view.winner
    return max(view.nodes, key=lambda node: float("-inf") if node.mean is None else node.mean).id


def _select(node: str) -> None:
    st.session_state["node"] = node


# -- the lineage


def _graph(view: RunView) -> None:
    st.html(f'<h3 class="ph-section">Lineage<small>{lineage_words(view)}</small></h3>')
    st.html(legend(view))
    st.echarts_chart(
        graph.chart(view, st.session_state["node"]),
        height=graph.chart_height(view.nodes),
        key=f"lineage-{short(view.id)}",
        on_select=partial(_clicked, view),
        alt="Lineage of system prompts, roots at the left, coloured by gain",
    )


def _clicked(view: RunView) -> None:
    """A click in the chart. A second click on a node unselects it there; here it means the same node."""
    state = st.session_state[f"lineage-{short(view.id)}"]
    selected = state["selection"]["selected"]
    index = clicked_index(selected)
    if index is None and not selected:
        index = st.session_state.get(f"clicked-{view.id}")
    if index is not None and index < len(view.nodes):
        st.session_state[f"clicked-{view.id}"] = index
        _select(view.nodes[index].id)


def clicked_index(selected: list[dict[str, object]]) -> int | None:
    """The index of the selected node; lines between nodes can be clicked too, and mean nothing."""
    for group in selected:
        indices = group.get("data_indices")
        if group.get("data_type") == "node" and isinstance(indices, list) and indices:
            return int(str(indices[0]))  # pyright: ignore[reportUnknownArgumentType]
    return None


def lineage_words(view: RunView) -> str:
    """How large the lineage is."""
    roots = sum(not node.parents for node in view.nodes)
    merged = sum(len(node.parents) > 1 for node in view.nodes)
    words = [f"{len(view.nodes)} system prompts from {roots} {'root' if roots == 1 else 'roots'}"]
    if merged:
        words.append(f"{merged} merged")
    return ", ".join(words) + "; larger: more trials; click one"


def legend(view: RunView) -> str:
    """What colours, rings and lines mean."""
    reach = graph.gain_range(view.nodes)
    below = "≤ " if any(node.gain is not None and node.gain < -reach for node in view.nodes) else ""
    root = escaped(graph.title(graph.reference(view)))
    ring = '<span><span class="ph-ring" style="border:{}"></span>{}</span>'
    entries = [
        f'<span>gain over {root}: {below}{signed(-reach, 2)}<span class="ph-ramp" style="background:linear-gradient(to right,'
        f'{",".join(graph.SCALE)})"></span>{signed(reach, 2)}</span>',
        ring.format(f"3px solid {graph.INK}", "selected"),
    ]
    if view.winner is not None:
        entries.append(ring.format(f"2.5px solid {graph.WINNER}", "★ winner"))
    if any(node.gain is None for node in view.nodes):
        entries.append(ring.format("1px dashed #7b8794", "not measured"))
    if any(len(node.parents) > 1 for node in view.nodes):
        entries.append('<span><span class="ph-dash"></span>second parent</span>')
    return f'<div class="ph-legend">{"".join(entries)}</div>'


# -- the selected node


def _node_panel(view: RunView) -> Node | None:
    """Everything about the selected system prompt; returns the one that its text and pictures are compared with."""
    ranked = sorted(view.nodes, key=lambda node: (node.mean is None, -(node.mean or 0.0)))
    labels = {node.id: node_label(node, view) for node in ranked}
    st.selectbox("System prompt", [node.id for node in ranked], key="node", format_func=labels.__getitem__, filter_mode="contains")
    node = view.node(st.session_state["node"])
    st.html(node_html(node, graph.title(graph.reference(view))))
    other = _choose_other(view, node)
    changes, text = st.tabs(["Changes", "Text"]) if other is not None else (None, st.container())
    if changes is not None and other is not None:
        with changes.container(height=PANEL_HEIGHT, border=False):
            st.html(diff_html(word_diff(other.system_prompt.text, node.system_prompt.text)))
    with text.container(height=PANEL_HEIGHT, border=False):
        st.code(node.system_prompt.text, language=None, wrap_lines=True)
    return other


def node_label(node: Node, view: RunView) -> str:
    """A node in a list."""
    gain = "not measured" if node.gain is None else signed(node.gain)
    return f"{'★ ' if node.id == view.winner else ''}{graph.title(node)}  {gain}  {node.operation}"


def node_html(node: Node, reference: str) -> str:
    """Figures and reason."""
    figures: list[tuple[str, str]] = []
    if node.gain is not None and node.sd is not None and node.mean is not None:
        figures += [(f"{signed(node.gain)} ± {node.sd:.3f}", f"gain over {reference}"), (f"{node.mean:.3f}", "mean score")]
    if node.p_best is not None:
        figures.append((graph.percent(node.p_best), "P(best)"))
    figures += [(f"{node.trials:,}", "trials"), (f"{len(node.system_prompt.text.split())}", "words")]
    cells = "".join(f"<div><b>{escaped(value)}</b><span>{escaped(name)}</span></div>" for value, name in figures)
    how = OPERATIONS.get(node.operation, node.operation)
    reason = f" {escaped(node.reason)}" if node.reason and node.parents else ""
    return f'<div class="ph-node"><div class="ph-figures">{cells}</div><p><b>{escaped(how)}</b>{":" if reason else ""}{reason}</p></div>'


def _choose_other(view: RunView, node: Node) -> Node | None:
    others = comparable(view, node)
    if not others:
        return None
    by_id = {other.id: (other, word) for other, word in others}
    choices = list(by_id) if node.parents else ["", *by_id]

    def named(identifier: str) -> str:
        return f"{by_id[identifier][1]} {graph.title(by_id[identifier][0])}" if identifier else "nothing"

    # The winner and the reference were confirmed on the same prompts and seeds: there is most to see.
    reference = graph.reference(view).id
    first = reference if node.id == view.winner and reference in by_id else choices[0]
    chosen = st.segmented_control(
        "Compared with", choices, default=first, required=True, format_func=named, key=f"other-{node.id}", wrap=True
    )
    return by_id[chosen][0] if chosen else None


def comparable(view: RunView, node: Node) -> list[tuple[Node, str]]:
    """What a node may be held against: its parents, then the roots, then the winner; each with the word for what it is."""
    by_id = {entry.id: entry for entry in view.nodes}
    words: dict[str, str] = {}
    for parent in node.parents:
        words.setdefault(parent, "parent")
    for entry in view.nodes:
        if not entry.parents:
            words.setdefault(entry.id, "root")
    if view.winner is not None:
        words.setdefault(view.winner, "winner")
    words.pop(node.id, None)
    return [(by_id[identifier], word) for identifier, word in words.items() if identifier in by_id]
