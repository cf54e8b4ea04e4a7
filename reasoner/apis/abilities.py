"""What an endpoint takes: which API its model speaks, and which of the things that we add to a request it refuses.

Only what we add can be given up. What the user wrote in the spec is sent as it stands, or the call fails.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.remote.errors import ApiName, Refusal
from data.remote.prices import listed

_LIMIT = re.compile(r"max_completion_tokens")
_SEED = re.compile(r"\bseed\b")
_SCHEMA = re.compile(r"response[_ ]format|json[_ ]schema|text\.format|structured[_ ]output|\bschema\b|\bgrammar\b|guided[_ ]")
_TEMPERATURE = re.compile(r"\btemperature\b")
_LOGPROBS = re.compile(r"log[_ ]?prob")
_TOO_LARGE = re.compile(r"too large|too high|at most|exceed|maximum of|less than")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a request may hold. ``limit`` is what chat completions call the token limit."""

    api: ApiName = "chat"
    limit: str = "max_completion_tokens"
    seed: bool = True
    schema: bool = True
    temperature: bool = True
    alternatives: bool = True

    def lacks(self) -> Iterator[str]:
        """What can't be had, as people are told."""
        if self.api == "responses":
            yield "is asked by the Responses API, which takes no seed: the same request may be answered otherwise next time"
        elif not self.seed:
            yield "takes no seed: the same request may be answered otherwise next time"
        if not self.schema:
            yield "takes no JSON schema, and is asked for plain text"
        if not self.temperature:
            yield "takes no temperature: it samples as it does, and its answers to one question may differ"
        if not self.alternatives:
            yield "hands out no log-probabilities: its answers are taken as they stand"


def first_guess(model: str, parameters: Mapping[str, Any], *, at_openai: bool) -> ApiName:
    """The API to begin with: where OpenAI's own models are served, the one that the price table names, else chat completions."""
    if "reasoning_summary" in parameters:
        return "responses"
    entry = (listed(model) if at_openai else None) or {}
    endpoints = entry.get("supported_endpoints") or ["/v1/chat/completions"]
    return "responses" if entry.get("mode") == "responses" or "/v1/chat/completions" not in endpoints else "chat"


def without_refused(can: Abilities, refusal: Refusal, sent: Mapping[str, Any], own: Mapping[str, Any]) -> Abilities | None:
    """What to try next, when ``sent`` was refused; None where nothing that we added is to blame. ``own`` is what the user wrote."""
    if refusal.status not in (400, 422, 500):
        return None
    blamed = _blamed(refusal, own)
    if blamed == "schema" and ("response_format" in sent or "text" in sent) and can.schema:
        return replace(can, schema=False)
    if refusal.status == 500:
        return None
    if blamed == "seed" and "seed" in sent:
        return replace(can, seed=False)
    if blamed == "temperature" and "temperature" in sent:
        return replace(can, temperature=False)
    if blamed == "alternatives" and "logprobs" in sent:
        return replace(can, alternatives=False)
    if blamed == "limit" and can.limit in sent and can.limit != "max_tokens" and not _TOO_LARGE.search(refusal.text):
        return replace(can, limit="max_tokens")
    return None


def _blamed(refusal: Refusal, own: Mapping[str, Any]) -> str | None:
    """Which of the things we add a refusal names: in its ``param``, else first in its text. None where the user's own come first."""
    patterns = {"limit": _LIMIT, "seed": _SEED, "schema": _SCHEMA, "temperature": _TEMPERATURE, "alternatives": _LOGPROBS}
    patterns |= {f"own {name}": re.compile(rf"\b{re.escape(name.lower())}\b") for name in own}
    for text in (refusal.param, refusal.text):
        found = {what: match.start() for what, pattern in patterns.items() if (match := pattern.search(text))}
        if found:
            # The user's own parameter comes after ours here only where both are named at the same place.
            return min(found, key=lambda what: (found[what], not what.startswith("own ")))
    return None


def learned(known: Abilities, began: Abilities, now: Abilities) -> Abilities:
    """``known`` and what a call found out that ``began`` with other ideas; calls that run at the same time each find out a part."""
    return Abilities(
        now.api if now.api != began.api else known.api,
        now.limit if now.limit != began.limit else known.limit,
        known.seed and now.seed,
        known.schema and now.schema,
        known.temperature and now.temperature,
        known.alternatives and now.alternatives,
    )
