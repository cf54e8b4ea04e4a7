"""What calls cost, by the price table that litellm's package carries. The table is read as a file: importing litellm takes seconds.

Prices are list prices in dollars per token, as of the installed litellm. What the table does not know is unknown, and never 0.
"""

import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from data.usage import Usage

TABLE = "model_prices_and_context_window_backup.json"
LONG_INPUT = 100_000
"""Tokens above which some models cost more, at the earliest. No system prompt and question are as long, so those prices are not read."""


def cost_of(model: str, usage: Usage, provider: str = "openai", *, tier: str | None = None, region: str | None = None) -> float | None:
    """Dollars for ``usage``; None where the price is unknown.

    ``tier`` is the service_tier that the answer names ("flex", "priority"), ``region`` where it was processed ("eu", "us"): both have
    prices of their own. Models are known under the exact names of the table only; a snapshot that it has not got may cost something else.
    """
    entry = listed(model, provider)
    if entry is None:
        return None
    tier = f"_{tier}" if tier in ("flex", "priority") else ""
    if usage.input_tokens > LONG_INPUT and any("_above_" in name for name in entry):
        return None
    sent, received = entry.get(f"input_cost_per_token{tier}"), entry.get(f"output_cost_per_token{tier}")
    uplift = entry.get(f"regional_processing_uplift_multiplier_{region}", 1.0) if region else 1.0
    if not isinstance(sent, int | float) or not isinstance(received, int | float):
        return None
    cached = entry.get(f"cache_read_input_token_cost{tier}", sent)
    reasoned = entry.get(f"output_cost_per_reasoning_token{tier}", received)
    return uplift * (
        (usage.input_tokens - usage.cached_tokens) * sent
        + usage.cached_tokens * cached
        + (usage.output_tokens - usage.reasoning_tokens) * received
        + usage.reasoning_tokens * reasoned
    )


def image_cost_of(model: str, usage: Usage, provider: str = "openai") -> float | None:
    """Dollars for an image that was drawn from a text, where ``usage`` counts the text's tokens in and the image's out; None where the
    price is unknown, or not by the token."""
    entry = listed(model, provider) or {}
    sent, received = entry.get("input_cost_per_token"), entry.get("output_cost_per_image_token")
    if not usage.output_tokens or not isinstance(sent, int | float) or not isinstance(received, int | float):
        return None
    return usage.input_tokens * sent + usage.output_tokens * received


def listed(model: str, provider: str = "openai") -> Mapping[str, Any] | None:
    """The table's entry for a provider's model: prices, context, endpoints. None where it has none."""
    models = _table(provider)
    return models.get(f"{provider}/{model}") or models.get(model)


@cache
def _table(provider: str) -> Mapping[str, Mapping[str, Any]]:
    """The models of one provider. The others are not kept: the table is large."""
    found = importlib.util.find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        return {}
    path = Path(found.submodule_search_locations[0]) / TABLE
    if not path.is_file():
        return {}
    table = cast(dict[str, dict[str, Any]], json.loads(path.read_text(encoding="utf-8")))
    return {name: entry for name, entry in table.items() if entry.get("litellm_provider") == provider}
