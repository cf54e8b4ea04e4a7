"""Content ids: the same content has the same id, in every process, on every machine, for ever.

An id is ``b2:`` and the first 32 hex digits of the BLAKE2b hash of a noun's name and its canonical JSON. The tag names the algorithm, so
that another can be introduced beside it. Changing the canonical form changes every id: it is part of the ledger's format.
"""

import hashlib
import json
import random

HASH_TAG = "b2:"


def canonical_json(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no escapes for letters, NaN and infinity refused with ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_id(noun: str, value: object) -> str:
    """The id of ``value`` (anything JSON can hold) as a ``noun``; two nouns with equal content have different ids."""
    digest = hashlib.blake2b(f"{noun}\n{canonical_json(value)}".encode(), digest_size=16)
    return HASH_TAG + digest.hexdigest()


def short(identifier: str) -> str:
    """The first eight hex digits of an id: what people read and type."""
    return identifier.removeprefix(HASH_TAG)[:8]


def derived_seed(*names: object) -> int:
    """A 63-bit seed that depends on ``names`` alone: randomness is derived by name, never drawn from a global state."""
    digest = hashlib.blake2b(canonical_json([str(name) for name in names]).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1


def derived_random(*names: object) -> random.Random:
    """A random source of its own for ``names``; see :func:`derived_seed`."""
    return random.Random(derived_seed(*names))
