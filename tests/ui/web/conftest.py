"""Ledgers for the tests of the pages: a finished run and a stopped one in the toy world, and a small one in the embedded world."""

import asyncio
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.web.toy import make_run
from ui.web.serving import APP


@pytest.fixture(scope="session")
def toy_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one finished run; for reading only."""
    home = tmp_path_factory.mktemp("toy")
    make_run(home)
    return home


@pytest.fixture(scope="session")
def stopped_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one run that an error ended in the middle of its search."""
    home = tmp_path_factory.mktemp("stopped")
    make_run(home, stop_after=120)
    return home


@pytest.fixture(scope="session")
def embedded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one finished run of the embedded profile; takes some ten seconds."""
    from ui.running import carry_out, plan_run
    from ui.settings import resolve
    from ui.wiring import open_parts

    home = tmp_path_factory.mktemp("embedded")
    # With this seed the winner is no root, so that there is something to compare.
    settings = resolve("embedded", {"home": home, "run.images": 220, "run.seed": 4}).settings

    async def run() -> None:
        parts = open_parts(settings)
        with parts.store:
            await carry_out(plan_run(settings, parts), parts, lambda *_: None)

    asyncio.run(run())
    return home


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch):
    """Opens the page on a home folder, with query parameters."""

    def opened(home: Path, **parameters: str) -> AppTest:
        monkeypatch.setenv("PHOROPTER_HOME", str(home))
        page = AppTest.from_file(APP, default_timeout=20)
        for name, value in parameters.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    return opened
