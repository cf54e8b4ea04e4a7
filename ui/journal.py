"""The answers of language models that were paid for, kept beside a file that is being written, until it is there.

One line of JSON per answer, on disk before it is used: a killed command finds them again by the content of the question. A line that was
being written when it was killed is cut off. One process at a time writes a journal, which a lock says that ends with the process.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from data.chat import Completion
from data.errors import FailureKind, FatalError, StageError, UsageError
from data.usage import Usage

Outcome = Completion | StageError
"""What became of a question: an answer, or the reason why this one has none."""


class Answers(Protocol):
    """Where outcomes are kept by the content of their questions: a Journal, or the ledger (ui/intent.py)."""

    def __len__(self) -> int: ...

    def find(self, key: str) -> Outcome | None: ...

    def used(self) -> Usage: ...

    def add(self, key: str, outcome: Outcome) -> None: ...


class Journal:
    """The journal of the file ``target``. Use inside ``with``; :meth:`finish` removes it. UsageError where another process holds it."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.journal.jsonl")
        self._lock_path = target.with_name(f".{target.name}.journal.lock")
        self._kept: dict[str, Outcome] = {}

    def __enter__(self) -> "Journal":
        with ExitStack() as undone:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = self._locked()
                undone.callback(self._unlock)
                self._file = undone.enter_context(self.path.open("ab+"))
                self._kept = self._read()
            except OSError as error:
                raise UsageError(f"{self.path} can't be written: {error.strerror or error}", hint="choose another --out") from error
            undone.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._kept:  # Nothing was paid for: nothing stays.
            self.path.unlink(missing_ok=True)
        self._unlock()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: str) -> Outcome | None:
        """What became of a question; None where it was not asked yet."""
        return self._kept.get(key)

    def used(self) -> Usage:
        """What all answers of the journal used."""
        return sum((outcome.usage for outcome in self._kept.values()), Usage())

    def add(self, key: str, outcome: Outcome) -> None:
        """Keeps an outcome; it is on disk when this returns. FatalError where it can't be."""
        try:
            self._file.write(json.dumps({"key": key, **outcome_to_json(outcome)}, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise FatalError(f"{self.path} can't be written: {error.strerror or error}", hint="make room on the disk") from error
        self._kept[key] = outcome

    def finish(self) -> None:
        """Forgets everything: the file that the answers were for is there."""
        self._kept = {}

    def _locked(self) -> int:
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
                os.close(lock)
                raise UsageError(
                    f"{self.path} is being written by process {holder or 'of another command'}",
                    hint="wait until it is done, stop it, or choose another --out",
                ) from None
            # Whoever held it may have removed the file between the two calls; then it locks nothing.
            if self._lock_path.exists() and os.fstat(lock).st_ino == self._lock_path.stat().st_ino:
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
                return lock
            os.close(lock)

    def _unlock(self) -> None:
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)

    def _read(self) -> dict[str, Outcome]:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        kept: dict[str, Outcome] = {}
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                record = json.loads(line)
                kept[record["key"]] = outcome_of(record)
            except (ValueError, KeyError, TypeError):
                raise UsageError(
                    f"{self.path}:{number}: no line of a journal",
                    hint=f"remove the line, or the file, and what it paid for: rm {self.path}",
                ) from None
        return kept


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """What is kept of an outcome: the text or the failure, and what it used."""
    used = asdict(outcome.usage)
    if isinstance(outcome, Completion):
        return {"text": outcome.text, "usage": used}
    return {"failure": outcome.kind.value, "message": str(outcome), "hint": outcome.hint, "usage": used}


def outcome_of(record: Mapping[str, Any]) -> Outcome:
    """The outcome that was kept so."""
    usage = Usage(**record["usage"])
    if "failure" in record:
        return StageError(FailureKind(record["failure"]), record["message"], hint=record["hint"], usage=usage)
    return Completion(record["text"], usage=usage)
