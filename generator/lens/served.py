"""Lens's text features from the vLLM server that writes the rewrites, so that no language model is needed in this process.

The server is one of ``phoropter reasoner serve MODEL --features``, on this machine: features come as a file in a folder that only this user
can look into, named in the answer to a completion of one token. Text is made into token ids here; no tokenizer's files are needed, either.
"""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
import fcntl
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from data.errors import FailureKind, StageError
from data.identity import canonical_json
from data.remote.client import Client
from data.remote.errors import Wording
from data.textlimit import TextLimit
from generator.lens.template import FROZEN_DATE, MAX_TOKENS, Rendered
from generator.lens.text import LAYERS, TextFeatures
from generator.limits import harmony_limit, lens_template

SERVE = "phoropter reasoner serve MODEL --features"
HERE = f"start it on this machine, as the same user: `{SERVE}`"
SECONDS = 120.0
CHECK_SECONDS = 0.002
MOST_BYTES = 1 << 28
"""Of a file of features. 512 tokens of gpt-oss-20b make twelve million."""
_WORDING = Wording(
    section="generator",
    serves="vLLM",
    delivers="text features",
    shorten="shorten the text",
    smaller="leave parameters out of the engine spec",
)


class ServedEncoder:
    """A TextEncoder. ``url``: the server's, ending in /v1. ``model``: its name there; None: whatever is served, and ``identity`` then names
    the address. ``layers``: that the server has to hand out. ``date``, ``max_tokens``: as in template.py. ``timeout``: seconds for all
    texts of a call.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        layers: Sequence[int] = LAYERS,
        date: str = FROZEN_DATE,
        max_tokens: int = MAX_TOKENS,
        timeout: float = SECONDS,
    ) -> None:
        self._url = url
        self._model = model
        self._key = api_key
        self._layers = tuple(layers)
        self._timeout = timeout
        self._template = lens_template(date, max_tokens)
        self._name = self._client().name
        asked = {"layers": self._layers, "date": date, "max_tokens": max_tokens}
        self.identity = f"{model or self._name}?{canonical_json(asked)}"

    @property
    def text_limit(self) -> TextLimit:
        return harmony_limit(self._template.room)

    def __call__(self, texts: Sequence[str], /) -> list[TextFeatures]:
        """Raises the StageError of the first text that failed."""
        # A loop of its own, since any thread may ask.
        return asyncio.run(self._all([self._template(text) for text in texts]))

    def probe(self) -> None:
        """Raises the StageError that the features of a short text end in; returns where they come."""
        self(["a cat"])

    def _client(self) -> Client:
        return Client(self._model or "its model", url=self._url, api_key=self._key, timeout=self._timeout, wording=_WORDING)

    async def _all(self, rendered: Sequence[Rendered]) -> list[TextFeatures]:
        client = self._client()
        # A loop ends with its connections.
        try:
            outcomes = await asyncio.gather(*(self._one(client, text) for text in rendered), return_exceptions=True)
        finally:
            await client.aclose()
        features: list[TextFeatures] = []
        # Only now: while one text fails, the files of the others are read and removed.
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            features.append(outcome)
        return features

    async def _one(self, client: Client, text: Rendered) -> TextFeatures:
        body: dict[str, Any] = {"prompt": text.ids, "max_tokens": 1, "temperature": 0, "kv_transfer_params": {"hidden_states": True}}
        if self._model:
            body["model"] = self._model
        try:
            async with asyncio.timeout(self._timeout):
                answer = (await client.ask("/completions", body, {})).answer
                path = self._file(answer)
                with _lock(path) as lock:
                    while not _is_complete(lock):
                        await asyncio.sleep(CHECK_SECONDS)
                return TextFeatures(await asyncio.to_thread(self._read, path, text), text.cut)
        except TimeoutError:
            self._fail(
                FailureKind.TIMEOUT, f"handed out no text features in {self._timeout:g} s", "raise generator.timeout", retryable=True
            )
        except FileNotFoundError as error:
            self._fail(FailureKind.UNSUPPORTED, f"keeps text features in {error.filename}, which is not on this machine", HERE)
        except OSError as error:
            self._fail(FailureKind.UNSUPPORTED, f"keeps text features where they can't be read ({error})", HERE)

    def _file(self, answer: Mapping[str, Any]) -> Path:
        """The file that an answer names. It is not read unless it is surely the server's, and the server this user's."""
        given = answer.get("kv_transfer_params")
        told: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        name, layers = told.get("hidden_states_path"), told.get("layers")
        if not isinstance(name, str) or not isinstance(layers, list):
            self._fail(FailureKind.UNSUPPORTED, "hands out no text features", f"start it so that it does: `{SERVE}`")
        if tuple(layers) != self._layers:
            wanted = ",".join(map(str, self._layers))
            self._fail(FailureKind.UNSUPPORTED, f"hands out layers {layers}, not {wanted}", f"`{SERVE} --feature-layers {wanted}`")
        path = Path(name)
        if not (path.is_absolute() and name.isprintable()) or os.path.normpath(name) != name or path.suffix != ".safetensors":
            self._fail(FailureKind.MALFORMED, f"named {name!r}, which can't be a file of text features")
        folder = path.parent.lstat()
        if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.geteuid() or folder.st_mode & 0o077:
            self._fail(
                FailureKind.UNSUPPORTED,
                f"keeps text features in {path.parent}, which is no private folder of this user",
                HERE,
            )
        return path

    def _read(self, path: Path, text: Rendered) -> Tensor:
        """The features in a file, which is removed; one that is not what was asked for stays."""
        try:
            file = path.lstat()
        except FileNotFoundError:
            self._fail(FailureKind.SERVER_ERROR, "did not write the text features", "is its disk full? see its log", retryable=True)
        if not stat.S_ISREG(file.st_mode) or file.st_size > MOST_BYTES:
            self._fail(FailureKind.MALFORMED, f"named {path}, which can't be a file of text features")
        try:
            with safe_open(path, framework="pt") as tensors:
                ids, states = tensors.get_tensor("token_ids"), tensors.get_tensor("hidden_states")
        except (SafetensorError, OSError) as error:
            self._fail(FailureKind.MALFORMED, f"wrote text features that can't be read ({error})", "see its log", retryable=True)
        if ids.tolist() != list(text.ids) or states.ndim != 3 or states.shape[:2] != (len(text.ids), len(self._layers)):
            self._fail(FailureKind.MALFORMED, f"handed out the features of another text ({path})", "see its log")
        for done in (path, _lock_file(path)):
            done.unlink(missing_ok=True)
        # A copy: what was opened is the file's memory, with the template's part that Lens does not see.
        layers = states[text.dropped :].transpose(0, 1).clone(memory_format=torch.contiguous_format)
        if not layers.isfinite().all():
            self._fail(FailureKind.MALFORMED, "handed out text features that are not finite", "does its model fit its number format?")
        return layers

    def _fail(self, kind: FailureKind, what: str, hint: str = "", *, retryable: bool = False) -> NoReturn:
        raise StageError(kind, f"{self._name} {what}", hint=hint, retryable=retryable)


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _lock(path: Path) -> Any:
    """The file that the server has locked while it writes ``path``, opened."""
    return os.fdopen(os.open(_lock_file(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))


def _is_complete(lock: Any) -> bool:
    try:
        # Released with the file, which is closed at once.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
