"""What judges that ask a model have in common: their instructions, the seed of a question, and what a question to a model ends with."""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from data.identity import derived_seed
from optimizer.judges import JudgeRequest

ALTERNATIVES = 20
"""Tokens whose probabilities are asked for: as many as servers give. What a sure model holds of the other answer is often far down."""


def instructions(name: str) -> str:
    """A judge's own instructions: ``name`` is a file under optimizer/prompts/."""
    return (resources.files("optimizer") / "prompts" / name).read_text(encoding="utf-8").strip()


def question(lead: str, material: Mapping[str, Any]) -> str:
    """A user's text: one line, and what is judged as JSON at the end, so that no text can look like the end of itself."""
    return f"{lead}\n\n{json.dumps(material, ensure_ascii=False)}"


def seed_of(request: JudgeRequest, *names: object) -> int:
    """A 31-bit seed, since not every server takes more: the same for equal questions, another for each look."""
    return derived_seed("judge", request.image.sha256, request.prompt.id, request.look, *names) >> 32
