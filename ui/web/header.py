"""What a run's page begins with: its claim and figures, or how far it is; and the list of runs beside it."""

from datetime import datetime

import streamlit as st

from data.identity import short
from optimizer.methods import METHODS, OURS
from ui.views import RunView
from ui.web import claim, figures, noise
from ui.web.ledger import Ledger, Pulse
from ui.web.markup import box, escaped

REFRESH_SECONDS = 2.0
QUIET_SECONDS = 300.0
"""Without news for so long, an unfinished run may have been killed."""
LISTED_RUNS = 12
"""In the sidebar; a longer list is folded."""


def choose_run(ledger: Ledger, runs: list[str]) -> str:
    """Lists ``runs`` in the sidebar, and returns the one that is chosen."""
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


def header(ledger: Ledger, view: RunView) -> None:
    """Draws what a finished run claims, its figures and its noise; how far an unfinished one is."""
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
    else:
        _progress(ledger, view)
    _noise(ledger, view)


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
