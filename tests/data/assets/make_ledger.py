"""Makes the ledger of the newest revision, to be read by all that come after it. Run once, when a revision is done; never again."""

import importlib.util
import sys
from pathlib import Path

from data.identity import content_id
from data.records import Derivation, Operation, SystemPrompt
from data.runs import RunRecord
from data.store import open_store
from data.tables import REVISION

HERE = Path(__file__).parent


def main() -> None:
    spec = importlib.util.spec_from_file_location("trial_factory", HERE.parent / "conftest.py")
    assert spec
    assert spec.loader
    factory = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(factory)
    path = HERE / f"ledger-{REVISION}.db"
    if path.exists():
        sys.exit(f"{path} is there: an old ledger stays as it was written")
    run = RunRecord(content_id("run", 1), "optimize", {"seed": 1, "name": "ü"}, "2026-01-01T00:00:00+00:00")
    with open_store(f"sqlite:///{path}") as store:
        store.add_run(run)
        store.add_derivations(run.id, [(0, Derivation(SystemPrompt("Draw.", "root"), (), Operation.ROOT, "given"))])
        store.add_trials(run.id, [factory._trial(1), factory._trial(2, failed=True)])
        store.add_event(run.id, 0, "round", {"number": 1})


if __name__ == "__main__":
    main()
