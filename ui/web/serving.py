"""How the pages' server is started. Loads nothing: the command line may import it."""

import sys
from pathlib import Path

APP = Path(__file__).with_name("app.py")
OPTIONS = {
    "server.address": "127.0.0.1",
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "theme.primaryColor": "#01766c",
    "theme.baseRadius": "8px",
}
"""Streamlit's options: nobody else gets in, nothing phones home, and the pages' colours."""


def command(port: int) -> list[str]:
    """What to run for the pages on 127.0.0.1:``port``, with PHOROPTER_HOME or PHOROPTER_LEDGER in its environment."""
    options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port), *options]
