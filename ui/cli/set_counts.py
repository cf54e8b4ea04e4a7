"""How many prompts of which kind a set has, as figures and in words."""

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.records import Prompt


def counts(prompts: "Sequence[Prompt]") -> dict[str, Any]:
    from data.records import Split

    splits = Counter(prompt.split for prompt in prompts)
    return {
        "count": len(prompts),
        "splits": {split.value: splits[split] for split in Split},
        "categories": dict(sorted(Counter(prompt.category for prompt in prompts).items())),
        "languages": dict(sorted(Counter(prompt.language for prompt in prompts).items())),
        "with_checklist": sum(bool(prompt.checklist) for prompt in prompts),
    }


def counts_in_words(counts: dict[str, Any]) -> str:
    splits = ", ".join(f"{count} {name}" for name, count in counts["splits"].items() if count)
    categories = ", ".join(f"{name or 'none'} {count}" for name, count in counts["categories"].items())
    noun = "prompt" if counts["count"] == 1 else "prompts"
    return f"{counts['count']} {noun} ({splits}); {counts['with_checklist']} with a checklist; categories: {categories}"
