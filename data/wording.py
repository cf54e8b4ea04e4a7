"""How a criterion is worded: whether it leads the judge, denies something, or states several facts at once. English, by form."""

import re

from data.quotes import without_quoted

_LEADING = re.compile(
    # "where a tooth should be" leads nobody.
    r"\b(should(?! (?:not )?be\b\s*(?:[.,;]|$))|must|ought to|as (requested|expected|described|intended)|the (prompt|user|rewrite)|"
    r"properly|appropriate(ly)?|beautiful(ly)?|stunning|high[- ]quality|masterpiece|impressive|perfect(ly)?)\b",
    re.IGNORECASE,
)
_DENYING = re.compile(r"^(no|there (is|are) no|nothing|without)\b|\b(is|are|does|do) not\b|n't\b", re.IGNORECASE)
_VERB = r"(?:is|are|has|have|wears?|holds?|shows?|reads?|says|sits?|stands?|lies|flies|looks?|contains?|carr(?:y|ies))"
_COUNTED = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|\d+)"
_SEVERAL = (
    # "The cat is red and the dog is blue", "The cat is red and it has a hat"
    re.compile(
        rf"\b{_VERB}\b[^,;.]*?,?\s+(?:and|while|but)\s+(?:(?:the|an?|it|he|she|they|its|his|her|their|there|both|one|two|three)\b[^,;.]*?\s)?{_VERB}\b",
        re.I,
    ),
    # "There is a red cat and two dogs", "A red cat and two dogs are visible"
    re.compile(
        rf"^(?:there (?:is|are)|the (?:image|picture) (?:shows|has|contains)|it shows)?\s*(?:exactly |at least )?{_COUNTED} [^,;.]*?"
        rf"(?:,| and|, and) (?:exactly |at least )?{_COUNTED} [^,;.]*?(?:$|\.|\b(?:is|are|can be) (?:visible|seen|present|shown|there)\b)",
        re.I,
    ),
    re.compile(r"[;]|\w{3}[.!?]\s+[A-Z]"),
)


def leading(text: str) -> str | None:
    """The words of a criterion that tell the judge what to answer; None where there are none."""
    match = _LEADING.search(text)
    return match[0] if match else None


def denies(text: str) -> bool:
    """Whether a statement says what is not."""
    return bool(_DENYING.search(text))


def several_facts(text: str) -> bool:
    """Whether a statement could be half true: it has two clauses, two sentences, or two things that are counted apart."""
    plain = without_quoted(text).strip()
    # "A float, a band or dancers are visible" is met by any of them.
    return " or " not in plain and any(pattern.search(plain) for pattern in _SEVERAL)
