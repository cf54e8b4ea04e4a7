"""Prompt + image → Judgment. ``Judge`` is the stage's protocol; a file per judge, and aggregate.py for what they share.

A judge sees the user's prompt, its checklist and the image, and never the rewrite: otherwise padding wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data.identity import content_id
from data.records import GeneratedImage, Judgment, Prompt


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """Hold ``image`` (with its ``content``) against ``prompt``'s checklist. ``look`` tells repeated looks at one image apart."""

    prompt: Prompt
    image: GeneratedImage
    look: int = 0

    def key(self, judge: str) -> str:
        """The content key of the judgment: all that determines it."""
        again = [self.look] if self.look else []
        return content_id("judgment", [judge, self.image.sha256, self.prompt.id, *again])


class Judge(Protocol):
    """Judges images.

    ``identity`` holds everything besides the request that determines a verdict (engine, model, version), and no secrets.
    One outcome per request, in order: a Judgment, or the StageError that befell this one. Never a made-up score.
    """

    @property
    def identity(self) -> str: ...

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]: ...
