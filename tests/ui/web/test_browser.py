"""The page in a real browser: the graph is drawn and can be clicked, pictures appear, nothing is asked for outside this machine.

Leaves screenshots in shots/, for people to look at.
"""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from data.identity import short
from data.store import open_store
from ui.views import RunView, run_view
from ui.web import graph
from ui.web.serving import command

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[3] / "shots"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def served(home: Path, log: Path) -> Generator[str]:
    """The pages' server on a free port, healthy; its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with log.open("wb") as output:
        server = subprocess.Popen(command(port), env={**os.environ, "PHOROPTER_HOME": str(home)}, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                        break
                except OSError:
                    assert server.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def browser_page(chromium_path: Path, tmp_path: Path) -> Iterator[tuple[Page, list[str]]]:
    """A page, and the list of what may not happen in it: errors, and requests that leave this machine."""
    trouble: list[str] = []
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium_path, headless=True, args=ARGUMENTS, viewport={"width": 1280, "height": 900}
        )
        try:
            page = context.new_page()
            page.on("console", lambda said: trouble.append(f"console: {said.text}") if said.type == "error" else None)
            page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
            page.on("request", lambda request: trouble.append(f"request: {request.url}") if not _is_here(request.url) else None)
            yield page, trouble
        finally:
            context.close()


def _is_here(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def spot(page: Page, run: RunView, identifier: str) -> tuple[float, float]:
    """Where on the page the chart has the node, computed from its axes."""
    option = graph.chart(run, "")
    box = page.locator(".st-key-lineage-" + short(run.id)).locator("canvas").first.bounding_box()
    assert box is not None
    grid, x_axis, y_axis = option["grid"], option["xAxis"], option["yAxis"]
    dot = next(dot for dot in option["series"][0]["data"] if dot["id"] == identifier)
    across = (dot["value"][0] - x_axis["min"]) / (x_axis["max"] - x_axis["min"])
    down = (dot["value"][1] - y_axis["min"]) / (y_axis["max"] - y_axis["min"])
    x = box["x"] + grid["left"] + across * (box["width"] - grid["left"] - grid["right"])
    y = box["y"] + grid["top"] + down * (box["height"] - grid["top"] - grid["bottom"])
    return x, y


def click_node(page: Page, run: RunView, identifier: str) -> None:
    page.mouse.click(*spot(page, run, identifier))


def settle(page: Page) -> None:
    """Until Streamlit has nothing to do, and all pictures are there."""
    page.wait_for_selector(".ph-card img")
    page.wait_for_function("!document.querySelector('[data-test-script-state=running]')")
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_clicking_a_node_shows_what_changed_and_its_pictures(
    embedded_home: Path, browser_page: tuple[Page, list[str]], tmp_path: Path
) -> None:
    page, trouble = browser_page
    with open_store(f"sqlite:///{embedded_home / 'ledger.db'}") as store:
        run = run_view(store, store.runs()[0].id)
    wanted = next(node for node in run.nodes if len(node.parents) == 1 and node.id != run.winner)
    SHOTS.mkdir(exist_ok=True)
    with served(embedded_home, tmp_path / "server.log") as address:
        page.goto(address)
        page.wait_for_selector("canvas")
        settle(page)
        assert "general" in page.locator("h2.ph-title").inner_text()
        assert page.locator(".ph-claim").first.locator("tbody tr").count() == 5
        assert page.locator(".ph-card").count() >= 1, "a child is first measured on a pair of its parent's"
        page.wait_for_timeout(500)  # the chart is drawn a moment after its canvas is there
        page.screenshot(path=SHOTS / "lineage-1280x900.png")

        click_node(page, run, wanted.id)
        page.wait_for_url(f"**node={short(wanted.id)}**")
        settle(page)
        page.locator(".ph-diff ins, .ph-diff del").first.wait_for()
        first = page.locator(".ph-card").first
        assert first.locator("img").count() == 2
        assert first.locator("details").count() == 4, "rewrite and reasoning of both"

        click_node(page, run, run.nodes[0].id)
        page.wait_for_url(f"**node={short(run.nodes[0].id)}**")
        settle(page)
        page.locator(".ph-diff").wait_for(state="detached")

        # The chart holds the first root as selected, the list chooses another, and a click on the root unselects it in the chart.
        page.get_by_role("combobox", name="System prompt").click()
        page.get_by_role("option").filter(has_text=short(wanted.id)).click()
        page.wait_for_url(f"**node={short(wanted.id)}**")
        settle(page)
        click_node(page, run, run.nodes[0].id)
        page.wait_for_url(f"**node={short(run.nodes[0].id)}**")

        page.goto(f"{address}/?run={short(run.id)}&node={short(wanted.id)}")
        settle(page)
        page.set_viewport_size({"width": 1600, "height": 1000})
        page.wait_for_timeout(500)
        page.screenshot(path=SHOTS / "node-1600x1000.png")
        page.mouse.move(*spot(page, run, wanted.id))
        page.get_by_text("P(best)").last.wait_for()
        page.wait_for_timeout(300)
        page.screenshot(path=SHOTS / "tooltip-1600x1000.png")
        page.locator(".ph-card").first.scroll_into_view_if_needed()
        page.get_by_role("button", name="Enlarge").first.click()
        page.get_by_role("dialog").locator("img").first.wait_for()
        page.wait_for_timeout(500)
        page.screenshot(path=SHOTS / "enlarged-1600x1000.png")
    assert trouble == []
