"""The preference judge: how much people like an image for a text, by a CLIP trained on their choices (PickScore, HPS and the like).

It sees the whole of image and text at once, counts and reads badly, and is easily pleased with polish: of use as a monitor in a panel, and
no measure of what was asked for. Files are found and checked in clip_files.py; nothing is loaded before the first image is judged.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateImportUsage=false

import asyncio
import math
import time
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import FailureKind, FatalError, StageError
from data.records import CriterionScore, Judgment
from optimizer.judges import JudgeRequest
from optimizer.judges.clip_files import INSTALL, ClipFiles, clip_files
from optimizer.judges.showing import decoded

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""Part of the judge's identity: raised whenever an image could be judged differently than before."""
SCORE = "preference"
"""The id of its only score."""
BATCH = 16
"""Images that the model is shown at once."""


def load_preference(source: str, *, revision: str | None = None) -> "PreferenceJudge":
    """The judge over the model in the folder or hub repository ``source``. Its files are looked at, and loaded when they are needed.

    UsageError where it is no CLIP model that can be loaded, or a library is missing.
    """
    return PreferenceJudge(clip_files(source, revision))


class _Loaded(NamedTuple):
    """``longest``: tokens of a text that the model reads, its marks included."""

    model: Any
    tokenizer: Any
    processor: Any
    longest: int
    device: str


class PreferenceJudge:
    """A Judge over a CLIP model in this process, on a GPU if there is one. Needs no checklist. Calls at the same time take turns.

    A value is (cosine + 1) / 2 of text and image, in [0, 1]. Models use a small part of that range: compare images of one prompt with it,
    not prompts. The evidence holds the score as its makers report it, the cosine times the model's logit scale.
    """

    def __init__(self, files: ClipFiles) -> None:
        self._files = files
        self._loaded: _Loaded | None = None
        self._turn = Lock()

    @property
    def identity(self) -> str:
        return f"preference:{VERSION}:{self._files.name}#{self._files.digest}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        """One Judgment per request, in order, or its StageError: UNSUPPORTED (no file), MALFORMED (no image), OUT_OF_MEMORY. FatalError
        where the model can't be loaded."""
        return await asyncio.to_thread(self._judge, requests)

    def _judge(self, requests: Sequence[JudgeRequest]) -> list[Judgment | Exception]:
        outcomes: list[Judgment | Exception] = []
        for start in range(0, len(requests), BATCH):
            batch = [(request.prompt.text, _picture(request)) for request in requests[start : start + BATCH]]
            seen = [(text, picture) for text, picture in batch if not isinstance(picture, StageError)]
            judged = iter(self._scored(seen) if seen else ())
            outcomes += [picture if isinstance(picture, StageError) else next(judged) for _, picture in batch]
        return outcomes

    def _scored(self, seen: "Sequence[tuple[str, Image]]") -> list[Judgment | Exception]:
        with self._turn:
            if self._loaded is None:
                self._loaded = _load(self._files)
            start = time.perf_counter()
            cosines = _cosines(self._loaded, seen)
            latency = (time.perf_counter() - start) / len(seen)
            cut = _cut(self._loaded, [text for text, _ in seen])
            scale = float(self._loaded.model.logit_scale.exp())
        return [_judgment(cosine, scale, note, latency) for cosine, note in zip(cosines, cut, strict=True)]


def _picture(request: JudgeRequest) -> "Image | StageError":
    try:
        return decoded(request.image)
    except StageError as error:
        return error


def _judgment(cosine: float | StageError, scale: float, note: str, latency: float) -> Judgment | Exception:
    if isinstance(cosine, StageError):
        return cosine
    if not math.isfinite(cosine):
        return StageError(FailureKind.MALFORMED, "the preference model gave a score that is no number", hint="are its weights whole?")
    value = min(1.0, max(0.0, (cosine + 1) / 2))
    return Judgment(value, (CriterionScore(SCORE, value, f"raw score {scale * cosine:.3f}{note}"),), latency=latency)


def _load(files: ClipFiles) -> _Loaded:
    """The model in the numbers that it was trained in, so that a score is the same on every device but for rounding. FatalError where it
    can't be loaded, or would be completed with random numbers."""
    try:
        import torch
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        model, info = AutoModel.from_pretrained(
            files.folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
        # Pillow's arithmetic, since the other backend's differs, and is not installed everywhere.
        processor = AutoImageProcessor.from_pretrained(files.folder, local_files_only=True, backend="pil")
        tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = model.to(device).eval().requires_grad_(False)
    except Exception as error:
        raise FatalError(f"{files.name} can't be loaded: {type(error).__name__}: {error}", hint=f"{INSTALL}, or another model") from error
    if missing := sorted(info["missing_keys"]):
        message = f"the weights of {files.name} lack {len(missing)} of the tensors that the model has, such as {missing[0]}"
        raise FatalError(message, hint="download them again")
    longest = min(tokenizer.model_max_length, model.config.text_config.max_position_embeddings)
    return _Loaded(model, tokenizer, processor, longest, device)


def _cosines(loaded: _Loaded, seen: "Sequence[tuple[str, Image]]") -> list[float | StageError]:
    """The cosine of each text and image; what does not fit into memory together is halved."""
    import torch

    try:
        texts = loaded.tokenizer([text for text, _ in seen], padding=True, truncation=True, max_length=loaded.longest, return_tensors="pt")
        images = loaded.processor([picture for _, picture in seen], return_tensors="pt")
        with torch.inference_mode():
            output = loaded.model(**texts.to(loaded.device), **images.to(loaded.device))
            return (output.image_embeds * output.text_embeds).sum(-1).tolist()
    except torch.OutOfMemoryError:
        if len(seen) == 1:
            message = f"no room on {loaded.device} to judge even one image"
            return [StageError(FailureKind.OUT_OF_MEMORY, message, hint="leave the preference judge out, or free the GPU")]
    half = len(seen) // 2
    return [*_cosines(loaded, seen[:half]), *_cosines(loaded, seen[half:])]


def _cut(loaded: _Loaded, texts: Sequence[str]) -> list[str]:
    """What there is to say of each text's length: "" where the model reads it whole."""
    lengths = [len(ids) for ids in loaded.tokenizer(list(texts), verbose=False)["input_ids"]]
    said = f"tokens only the first {loaded.longest} were read"
    return [f"; of the text's {length} {said}" if length > loaded.longest else "" for length in lengths]
