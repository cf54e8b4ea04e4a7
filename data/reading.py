"""English → which things, colours, counts, places, relations, words and backgrounds it speaks of: a small grammar over data/lexicon.py.

Both the embedded reasoner (the user's text) and the embedded generator (the rewrite) read with it. It is no parser of English: it walks
over the words once (data/grammar/), gathers what stands before a noun (number, size, colour), and hangs places and relations on the nouns
around them. Words it does not know are passed over. It never raises, and takes time linear in the text's length.
"""

from data.grammar.reader import Reader
from data.mentions import Reading


def read(text: str) -> Reading:
    """Reads ``text``; anything may be given."""
    return Reader(text).reading()
