"""What all tests stand on: no network beyond this machine, none of the user's keys or settings, the outside programs that some drive."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything is imported that reads them. The Makefile sets the same, for what it starts besides pytest.
os.environ.update(
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    STREAMLIT_BROWSER_GATHER_USAGE_STATS="false",
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    VLLM_NO_USAGE_STATS="1",
    RAY_USAGE_STATS_ENABLED="0",
    DO_NOT_TRACK="1",
    # Tests run side by side; torch's threads would wait for each other, spinning.
    OMP_NUM_THREADS="1",
    PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
)
for name in list(os.environ):
    if name.startswith("PHOROPTER_") or name.endswith("_API_KEY"):
        del os.environ[name]


# How long an example takes depends on what else the machine does.
settings.register_profile("phoropter", deadline=None)
settings.load_profile("phoropter")


class NetworkUsedError(ConnectionError):
    """A test tried to leave this machine. To the code under test it looks like a network that is down, so that it tidies up."""


def _stay_here(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and address and not _is_local(str(address[0])):
            raise NetworkUsedError(f"connection to {address}: tests use fakes or servers of their own, on 127.0.0.1")


def _is_local(host: str) -> bool:
    return host in ("", "localhost", "::1", "0.0.0.0", "::") or host.startswith(("127.", "::ffff:127."))


sys.addaudithook(_stay_here)


def _find_chromium() -> Path | None:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Path(found) if found else None


def _find_postgres() -> Path | None:
    """The folder of initdb and pg_ctl; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a program that is not here."""
    skips = {
        "browser": None if _find_chromium() else pytest.mark.skip(reason="no Chromium: apt-get install chromium"),
        "postgres": None if _find_postgres() else pytest.mark.skip(reason="no PostgreSQL server: apt-get install postgresql"),
    }
    for item in items:
        for marker, skip in skips.items():
            if skip and item.get_closest_marker(marker):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The Chromium to drive; for tests marked ``browser``."""
    path = _find_chromium()
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL, without a database name, of a PostgreSQL server of this test session's own; for tests marked ``postgres``."""
    programs = _find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    # PostgreSQL refuses to run as root, and its user can't enter pytest's folders, which are closed to others.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="phoropter-postgres-", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]

        def call(program: str, *arguments: str) -> None:
            # Output into a file: the server inherits it, and would hold a pipe open for as long as it runs.
            with tempfile.TemporaryFile() as output:
                done = subprocess.run(
                    [programs / program, "-D", f"{folder}/data", *arguments],
                    user=user,
                    cwd=folder,
                    stdout=output,
                    stderr=output,
                    check=False,
                )
                output.seek(0)
                assert done.returncode == 0, f"{program}: {output.read().decode()}"

        call("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        # A test's server may lose its data in a power cut: speed is all that counts.
        call("pg_ctl", "start", "--wait", "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off")
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
        finally:
            call("pg_ctl", "stop", "--mode=immediate")


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty database of the test's own, on the session's server."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres_server.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"{postgres_server}/{name}"
