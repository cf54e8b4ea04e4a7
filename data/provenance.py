"""Where a picture comes from, written into its PNG: what was asked, what was drawn from it, by which model, with which seed.

It stands in text chunks of the PNG's own (iTXt, UTF-8), one for each word below, under ``phoropter:WORD``; any reader of PNG metadata
shows them. The pixels' bytes stay as they are. Nothing is taken from it: the ledger is the only truth.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PREFIX = b"phoropter:"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a picture was made from. Empty: not known where it was written.

    ``prompt`` and ``system_prompt`` (its id) belong to a trial; ``rewrite``, ``seed`` and ``model`` (the generator's identity) determine
    the picture, which several trials may share.
    """

    prompt: str = ""
    system_prompt: str = ""
    rewrite: str = ""
    model: str = ""
    seed: str = ""


WORDS = tuple(entry.name for entry in fields(Provenance))


def stamped(png: bytes, provenance: Provenance) -> bytes:
    """``png`` with ``provenance`` in place of what it carried of it. ValueError where it is no PNG."""
    chunks = [chunk for chunk in _chunks(png) if not _is_ours(*chunk)]
    texts = [(b"iTXt", _text(word, value)) for word, value in asdict(provenance).items() if value]
    # Behind the header, where readers that stop at the first pixels still see it.
    return SIGNATURE + b"".join(_packed(*chunk) for chunk in [chunks[0], *texts, *chunks[1:]])


def provenance_of(png: bytes) -> Provenance:
    """What ``png`` carries, empty where it carries nothing. ValueError where it is no PNG."""
    found: dict[str, str] = {}
    for kind, content in _chunks(png):
        if _is_ours(kind, content):
            keyword, _, rest = content.partition(b"\0")
            word = keyword.removeprefix(_PREFIX).decode("latin-1")
            if word in WORDS:
                found[word] = rest[2:].split(b"\0", 2)[2].decode("utf-8", "replace")
    return Provenance(**found)


def _is_ours(kind: bytes, content: bytes) -> bool:
    return kind == b"iTXt" and content.startswith(_PREFIX)


def _text(word: str, value: str) -> bytes:
    # Keyword, not compressed, no language, no translated keyword. A NUL would end the text.
    return _PREFIX + word.encode() + b"\0\0\0\0\0" + value.replace("\0", "\ufffd").encode("utf-8", "replace")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk."""
    if png[:8] != SIGNATURE or png[12:16] != b"IHDR":
        raise ValueError("no PNG")
    place = 8
    while place < len(png):
        head = png[place : place + 8]
        if len(head) < 8:
            raise ValueError("a PNG that breaks off")
        length, kind = struct.unpack(">I4s", head)
        end = place + 12 + length
        if end > len(png):
            raise ValueError("a PNG that breaks off")
        yield kind, png[place + 8 : end - 4]
        place = end


def _packed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
