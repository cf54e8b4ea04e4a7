"""What the pages read: the ledger and the image files of the settings, each thing once. Opens, and never creates.

Finished runs never change, so they are kept; of the others only what a page needs is read again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import streamlit as st

from data.blobs import ImageFiles
from data.errors import PhoropterError, UsageError
from data.records import Trial
from data.runs import RunRecord
from ui.eventlog import SITTING
from ui.keeping import with_trial
from ui.noise import Noise, noise_of
from ui.placebo import SEARCHES, placebo_view
from ui.settings import PLACEBO_OF, Settings
from ui.views import RunView, run_view

if TYPE_CHECKING:
    from data.store import Store


@dataclass(frozen=True, slots=True)
class Pulse:
    """``stopped``: the last sitting ended, and nothing was decided since. ``last_news``: UTC, ISO 8601 with offset."""

    stopped: bool
    last_news: str


class Ledger:
    """The ledger at ``settings``' place, for reading."""

    def __init__(self, settings: Settings) -> None:
        self.where = settings.ledger_url
        self._images_at = settings.image_location
        self._stamp = _stamp(self.where)

    @property
    def exists(self) -> bool:
        """Whether there is a ledger to open. A server's is only known by trying."""
        return self._stamp is not None

    @property
    def _store(self) -> "Store":
        return _open(self.where, self._stamp)

    @property
    def _images(self) -> ImageFiles:
        return _image_files(self._images_at)

    def runs(self) -> list[RunRecord]:
        """The runs that have a lineage to show, newest first, each followed by its placebo run."""
        runs = [run for run in self._store.runs() if run.kind in SEARCHES]
        placebos = {run.config[PLACEBO_OF]: run for run in runs if PLACEBO_OF in run.config}
        return [shown for run in runs if PLACEBO_OF not in run.config for shown in (run, placebos.get(run.id)) if shown is not None]

    def view(self, run_id: str) -> RunView:
        """The run as it is now."""
        view = _view(self.where, self._stamp, run_id)
        if view.state != "finished":
            _view.clear(self.where, self._stamp, run_id)
        return view

    def placebo(self, view: RunView) -> RunView | None:
        """The placebo run of a run, as it is now; None where there is none."""
        return None if view.placebo_of is not None else placebo_view(self._store, view.id)

    def pulse(self, view: RunView) -> Pulse:
        """Whether somebody may be at work on an unfinished run. A killed process leaves no word: then only time tells."""
        events = self._store.events(view.id)
        ended = max((event.at for event in events if event.kind == SITTING), default="")
        decided = max((event.at for event in events if event.kind != SITTING), default="")
        return Pulse(stopped=bool(ended) and ended >= decided, last_news=max(ended, decided, view.created_at))

    def images(self, view: RunView) -> int:
        """How many images a run has tried so far, failed ones included."""
        return self._store.trial_count(view.id)

    def trials(self, view: RunView, system_prompt_id: str) -> list[Trial]:
        """A system prompt's trials in a run; read again only when the run has gone on."""
        progress = (view.state, view.rounds, self._store.trial_count(view.id, system_prompt_id=system_prompt_id))
        return _trials(self.where, self._stamp, view.id, system_prompt_id, progress)

    def noise(self, view: RunView) -> Noise | None:
        """Where the noise of a run's scores comes from; None where they are too few to tell."""
        try:
            return _noise(self.where, self._stamp, view.id, self._store.trial_count(view.id))
        except UsageError:
            return None

    def thumbnail(self, sha256: str, size: int) -> bytes | str:
        """A WebP of at most ``size`` pixels; in place of a file that is missing or damaged, what is wrong with it."""
        try:
            return self._images.thumbnail(sha256, size)
        except (PhoropterError, OSError) as error:
            return str(error)

    def image(self, sha256: str, trial: Trial) -> bytes | str:
        """The whole PNG as it is handed out for ``trial``, or what is wrong with it."""
        try:
            return with_trial(self._images.read(sha256), trial)
        except (PhoropterError, OSError) as error:
            return str(error)


def _stamp(url: str) -> int | None:
    """Tells a SQLite file from another one that later took its place; None where there is no file; 0 for a server."""
    if not url.startswith("sqlite"):
        return 0
    path = Path(unquote(url.partition("///")[2].partition("?")[0]))
    try:
        return path.stat().st_ino
    except OSError:
        return None


@st.cache_resource(show_spinner=False, max_entries=4, on_release=lambda store: store.close())
def _open(url: str, stamp: int | None) -> "Store":
    from data.store import open_store

    return open_store(url)


@st.cache_resource(show_spinner=False, max_entries=4)
def _image_files(location: str) -> ImageFiles:
    return ImageFiles(location)


@st.cache_resource(show_spinner=False, max_entries=64)
def _view(url: str, stamp: int | None, run_id: str) -> RunView:
    return run_view(_open(url, stamp), run_id)


@st.cache_resource(show_spinner=False, max_entries=64)
def _trials(url: str, stamp: int | None, run_id: str, system_prompt_id: str, progress: object) -> list[Trial]:
    return list(_open(url, stamp).trials(run_id, system_prompt_id=system_prompt_id))


@st.cache_resource(show_spinner=False, max_entries=16)
def _noise(url: str, stamp: int | None, run_id: str, trials: int) -> Noise:
    store = _open(url, stamp)
    return noise_of(store, run_view(store, run_id))
