"""What a call to a model used."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, and dollars. ``cost`` None is unknown, which is not 0.

    ``cached_tokens`` are those of ``input_tokens`` that the far side had in its cache, ``reasoning_tokens`` those of ``output_tokens`` that
    went into reasoning; 0 where it does not say.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Both together; what is unknown of one is unknown of the sum."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if self.cost is None or other.cost is None else self.cost + other.cost,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


NOTHING = Usage()
"""No call was made, or nothing is known to have been used."""
