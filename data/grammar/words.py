"""The small words of English that the grammar steers by."""

NEGATORS = frozenset(("no", "without", "not", "never", "neither", "nor", "zero", "lacking", "excluding", "except", "minus"))
NEGATED_PHRASES = frozenset((
    ("free", "of"), ("devoid", "of"), ("instead", "of"), ("rather", "than"), ("leave", "out"), ("leaving", "out"), ("skip", "the"),
    ("omit", "the"),
    ("exclude", "the"), ("drop", "the"), ("get", "rid"),
))  # fmt: skip
NOT_NEGATING = frozenset(("only", "just", "else", "more", "other", "others", "merely", "later", "longer"))
"""After a negator: "not only", "no other objects", "nothing more"."""
AFFIRMERS = frozenset(("but", "only", "just", "showing", "shows", "is", "are", "with", "and", "there", "in", "on", "at"))
"""Words that end what a negator governs, where no noun follows them at once."""
DEFINITE = frozenset(("the", "these", "those", "this", "that", "each", "every", "both", "all", "its", "their"))
PRONOUNS = frozenset(("it", "them", "they", "these", "those", "him", "her"))
ORDINALS = frozenset(("one", "another", "other", "first", "second", "third", "fourth", "fifth", "sixth", "last", "each"))
SHAPED = frozenset(("shaped", "like", "themed", "patterned", "print", "printed", "style", "covered", "filled", "lit", "design"))
COPULAS = frozenset(("is", "are", "be", "colored", "coloured", "painted", "was", "were"))
FILLERS = frozenset(
    ("ones", "to", "be", "exact", "exactly", "please", "bright", "dark", "light", "deep", "pale", "really", "should", "oh", "plus", "which")
)
"""Words that may stand in a clause of attributes alone: "pink ones", "four to be exact"."""
RESET = frozenset((
    "is", "are", "in", "on", "at", "with", "to", "for", "from", "by", "into", "near", "next", "beside", "behind", "between", "around",
    "through",
    "of", "as", "while", "against", "under", "that", "which", "who", "has", "have", "stands", "sits", "floats", "float", "stand", "sit",
    "reading",
))  # fmt: skip
ASKING = frozenset(
    ("says", "say", "saying", "reads", "read", "reading", "spells", "spelling", "lettering", "labelled", "labeled", "inscribed")
)
NAMING = frozenset(("word", "words", "text", "letters", "caption", "slogan", "title", "message", "label"))
TEXT_WORDS = frozenset(
    ("text", "words", "writing", "letters", "lettering", "captions", "caption", "watermark", "watermarks", "typography", "logos")
)
TEXT_ENDS = frozenset((
    "above", "over", "below", "under", "on", "in", "at", "and", "with", "beside", "next", "near", "hangs", "stands", "is", "are", "to",
    "across",
    "appears", "written", "painted", "for", "by", "from", "beneath", "the", "of", "that",
))  # fmt: skip
PLACE_LEADS = frozenset(("the", "at", "on", "in", "to", "far", "very", "across", "along", "near", "and", "towards", "toward", "its"))
PLACE_FILLERS = frozenset(
    ("far", "very", "hand", "extreme", "exact", "half", "third", "corner", "side", "edge", "part", "portion", "area", "row", "section")
)
MOST_TEXT_WORDS = 4
SIGNS = frozenset(("sign", "signs", "banner", "written", "painted", "printed", "label", "poster", "board", "plate", "flag", "lettering"))
