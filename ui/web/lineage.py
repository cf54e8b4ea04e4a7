"""The page of a run: what it claims, the lineage of its system prompts, and the pictures of each beside those of its parent.

Drawing and the state of the page only; what is drawn is prepared in claim.py, graph.py and pictures.py. The run and the selected system
prompt stand in the URL, so that a page can be sent to somebody.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import streamlit as st

from data.errors import PhoropterError
from data.identity import short
from optimizer.methods import METHODS, OURS
from ui.settings import Settings, resolve
from ui.views import Node, RunView, word_diff
from ui.web import claim, figures, graph, noise, pictures, verdicts
from ui.web.ledger import Ledger, Pulse
from ui.web.markup import box, clipped, diff_html, escaped, signed
from ui.web.pictures import Pair

REFRESH_SECONDS = 2.0
QUIET_SECONDS = 300.0
"""Without news for so long, an unfinished run may have been killed."""
THUMBNAIL = 384
"""Pixels: sharp on a screen with twice the pixels, at half a card's width."""
LISTED_RUNS = 12
"""In the sidebar; a longer list is folded."""
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
    run_id = _choose_run(ledger, runs)
    view = graph.rebased(ledger.view(run_id))
    _header(ledger, view)
    _noise(ledger, view)
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
    _pictures(ledger, view, view.node(st.session_state["node"]), other)


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


# -- the sidebar


def _choose_run(ledger: Ledger, runs: list[str]) -> str:
    if st.session_state.get("run") not in runs:
        st.session_state["run"] = runs[0]
    current: str = st.session_state["run"]
    with st.sidebar:
        if len(runs) <= LISTED_RUNS:
            views = {run: ledger.view(run) for run in runs}
            states = {run: run_state(view, None if view.state == "finished" else ledger.pulse(view)) for run, view in views.items()}
            return st.radio(
                "Runs",
                runs,
                key="run",
                format_func=lambda run: f"**{short(run)}** · {states[run]}",
                captions=[run_caption(views[run], ledger.images(views[run])) for run in runs],
            )
        chosen = st.selectbox("Runs, newest first", runs, key="run", format_func=lambda run: f"{short(run)}  {run_began(ledger.view(run))}")
    return chosen or current


def run_state(view: RunView, pulse: Pulse | None) -> str:
    """A run's state in a word; ``pulse`` is None for a finished one."""
    return "stopped" if pulse is not None and pulse.stopped else view.state


def run_caption(view: RunView, images: int) -> str:
    """When it began, how large it is, and who searches where that is another method than our own."""
    by = "" if view.method == OURS else f" · {METHODS[view.method].title}"
    placebo = "" if view.placebo_of is None else f" · placebo of {short(view.placebo_of)}"
    return f"{run_began(view)} · {images:,} images{by}{placebo}"


def run_began(view: RunView) -> str:
    """When a run began, in this machine's time zone."""
    began = datetime.fromisoformat(view.created_at).astimezone()
    year = "" if began.year == datetime.now().astimezone().year else f" {began.year}"
    return f"{began.day} {began:%b}{year}, {began:%H:%M}"


# -- the header


def _header(ledger: Ledger, view: RunView) -> None:
    if view.placebo_of is not None:
        belongs = f"It belongs to run {short(view.placebo_of)}, whose procedure it repeats where there is nothing to be found."
        st.html(box("note", "A placebo run: all system prompts do the same, and every claim here is false.", belongs))
    if view.state == "finished" and view.comparison is not None:
        winner = "" if view.winner is None else f"winner {short(view.winner)} of {len(view.nodes)} system prompts · "
        st.html(
            f'<h2 class="ph-title">{escaped(claim.headline(view.comparison))}</h2>'
            f'<p class="ph-under">{winner}{escaped(_facts(view, ledger.images(view)))}</p>{claim.table(view.comparison)}'
            f"{figures.figures(view, ledger.placebo(view))}{claim.beside(view.comparison, view.monitors, view.judge)}"
        )
        return
    _progress(ledger, view)


def _noise(ledger: Ledger, view: RunView) -> None:
    """Of a finished run: an unfinished one's is drawn anew too often."""
    found = ledger.noise(view) if view.state == "finished" else None
    if found is not None:
        st.html(noise.panel(found))


def _facts(view: RunView, images: int) -> str:
    run = view.config.get("run", {})
    engines = " → ".join(str(view.config[stage]["engine"]) for stage in ("reasoner", "generator", "judge") if stage in view.config)
    by = "" if view.method == OURS else f"searched with {METHODS[view.method].title}"
    facts = [by, f"{images:,} images", f"{view.rounds} rounds", duration(view.seconds), engines, f"prompts {run.get('prompts', '?')}"]
    return " · ".join(fact for fact in facts if fact)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@st.fragment(run_every=REFRESH_SECONDS)
def _progress(ledger: Ledger, shown: RunView) -> None:
    """Runs again every two seconds while a run is unfinished, and draws the whole page anew when there is something new to see."""
    view = ledger.view(shown.id)
    if (view.state, len(view.nodes), view.rounds) != (shown.state, len(shown.nodes), shown.rounds):
        st.rerun()
    planned = int(view.config.get("run", {}).get("images", 0))
    images = ledger.images(view)
    titles = {
        "searching": "Searching for a better system prompt",
        "confirming": "Confirming the winner on prompts nobody searched on",
        "not started": "Not started yet",
    }
    pulse = ledger.pulse(view)
    age = (datetime.now().astimezone() - datetime.fromisoformat(pulse.last_news)).total_seconds()
    quiet = f" · nothing new for {duration(age)}" if age > QUIET_SECONDS and not pulse.stopped else ""
    st.html(
        f'<h2 class="ph-title">{escaped("Stopped" if pulse.stopped else titles.get(view.state, view.state))}</h2>'
        f'<p class="ph-under">{images:,} of {planned:,} images · {view.rounds} rounds · {len(view.nodes)} system prompts{quiet}</p>'
    )
    st.progress(min(1.0, images / planned) if planned else 0.0)
    if pulse.stopped or quiet:
        st.html(box("note" if view.last_outcome == "stopped" or quiet else "error", *_how_to_go_on(view, pulse)))


def _how_to_go_on(view: RunView, pulse: Pulse) -> tuple[str, str, str]:
    if not pulse.stopped:
        title = "Is anybody at work on this run?"
    elif view.last_outcome == "stopped":
        title = "The run was interrupted."
    else:
        title = f"The run ended early: {view.last_outcome}"
    return title, "What was paid for is kept. To carry on:", f"phoropter resume {short(view.id)}"


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


# -- pictures


def _pictures(ledger: Ledger, view: RunView, node: Node, other: Node | None) -> None:
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
