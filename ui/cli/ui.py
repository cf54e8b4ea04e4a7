"""``phoropter ui``: the pages, in a browser. Streamlit runs as a child; this only starts it and waits."""

from typing import Annotated

import typer

from ui.cli.options import Home, Ledger, Profile, resolved

DEFAULT_PORT = 8501


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1.", min=1, max=65535, metavar="N")] = DEFAULT_PORT,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
) -> None:
    """Show lineages and pictures in the browser; Ctrl-C ends it."""
    import importlib.util
    import signal
    import subprocess

    from data.errors import UsageError
    from ui.cli.opening import ledger_missing
    from ui.cli.output import say
    from ui.settings import environment_for
    from ui.web.serving import command

    if importlib.util.find_spec("streamlit") is None:
        raise UsageError("streamlit is not installed, which draws the pages", hint="pip install streamlit")
    _refuse_taken(port)
    settings = resolved(context).settings
    if path := ledger_missing(settings):
        say(f"there is no ledger at {path} yet; the pages fill when `phoropter optimize` has made one")
    say(f"the pages are at http://127.0.0.1:{port}   (Ctrl-C ends)")
    child = subprocess.Popen(command(port), env=environment_for(settings))
    # Whoever ends this command means the pages; Ctrl-C reaches both by itself.
    signal.signal(signal.SIGTERM, lambda signum, frame: child.terminate())
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        code = 130
    raise typer.Exit(code if code >= 0 else 128 - code)


def _refuse_taken(port: int) -> None:
    import socket

    from data.errors import UsageError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} can't be had: {error.strerror}", hint=f"choose another: phoropter ui --port {port + 1}"
            ) from None
