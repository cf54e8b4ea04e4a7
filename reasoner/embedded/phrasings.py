"""The phrasings that reasoner/embedded/rules.py recognises, by rule name.

A pattern is a tuple of alternatives over one lower-case sentence in British spelling, each a regular expression of whole words. The first
begins with "+" (must stand affirmed), "-" (must stand negated) or "~" (either); the others must be found somewhere in the sentence, or
nowhere where they begin with "!".
"""

from collections.abc import Mapping

Pattern = tuple[str, ...]

_EACH = "each|every|all|any|individual(?:ly)?|one by one|per"
_THING = "objects?|things?|items?|elements?|subjects?|nouns?|entit(?:y|ies)|figures?"
_COLOUR = "colou?rs?|coloured|hues?|attributes?|adjectives?"
_COUNT = "counts?|numbers?|quantit(?:y|ies)|how many|amounts?|numerals?|plurals?"
_PLACE = "place[sd]?|position(?:s|ed)?|spots?|locations?|corners?|where|upper|lower|top|bottom|left|right|frame|regions?|areas?"
_FRAME = "frame|picture|image|canvas|composition|scene|corners?|top|bottom|left|upper|lower|far left|grid|absolute"
_TEXT = "text|words?|lettering|signs?|letters|writing|wording|caption|inscriptions?|strings?"
_UNWANTED = (
    r"(?:\b(?:negations?|negatives?|negated|negatively|absent|absence|unwanted|excluded?|exclusions?|forbidden|"
    r"undesired|ruled out|banned)\b|(?:not|n't|never|should not|must not|without|avoid) (?:\w+ ){0,3}?(?:want|wants|"
    r"wanted|appear|be there|be present|be seen|be shown|be visible|be in)\b|\b(?:what|things?|objects?|anything|"
    r"whatever) (?:\w+ ){0,3}?(?:is missing|are missing|is not|isn't|are not|aren't|left out|to avoid|not to|"
    r"rejects?)\b|\"?(?:no|without)\"? (?:x\b|\"|or\b|and\b|phrases?))"
)
_THEME = "abstract|themes?|moods?|ideas?|concepts?|vague|occasions?|events?|general|broad"
_SENSE = (
    r"ambigu\w+|two meanings|double meaning|more than one (?:meaning|thing|sense)|several (?:meanings|senses)|"
    "two senses|either of two|which meaning|homonyms?|senses?|meanings?"
)
_SETTING = "setting|background|backdrop|environment|surroundings|scenery|location of the scene"
_ADD = "add|adding|invent|inventing|introduc(?:e|ing)|include|fill|enrich|sprinkle|throw in|put in|imagine"
_EXTRA = (
    r"extra|additional|more|further|decorati\w+|secondary|supporting|other|new|invented|own|unrequested|"
    r"embellish\w*|little|did not ask|never asked|not ask|nobody asked|no one asked|not mention\w*|unmentioned|"
    "surprising|else"
)
_LAVISH = (
    r"poetic(?:ally)?|poetry|lyrical(?:ly)?|flowery|atmospher\w+|evocative(?:ly)?|rich(?:ly)?|lush(?:ly)?|"
    "vivid(?:ly)?|elaborate|immersive|metaphors?|ornate|cinematic language|dreamy|long"
)
_BOOST = (
    "8k|4k|masterpiece|best quality|high quality|award[- ]winning|trending|ultra[- ]detailed|quality (?:tags?|"
    "words?|boosters?|terms?)|highly detailed|boosters?"
)
_CAMERA = r"camera|lens(?:es)?|photoreal\w*|aperture|f/\d|depth of field|bokeh|dslr|focal length|photographic|hyperreal\w*|shutter"

PATTERNS: Mapping[str, tuple[Pattern, ...]] = {
    "BIND": (
        (
            "+bind|attach|tie|pair|put|place|keep|write|join|link|set|state|name|give|glue|position",
            _COLOUR,
            "nouns?|objects?|things?|items?|owner|belongs?|it describes|they describe",
            "before|beside|next to|to its|with its|directly|right|immediately|together|own|in front of|close",
            r"!vary|creativ\w*",
        ),
        ("+before|beside|next to|in front of|precedes?|attached to|adjacent", _COLOUR, "noun|object|thing|it describes|belongs"),
        ("-share|shared|collect|gather|list|group|pool|lump", _COLOUR),
        (r"~\bown (?:stated )?colou?r\b", _EACH),
    ),
    "SEPARATE": (
        (
            "+sentences?|statements?",
            "own|separate|each|one|individual|new|per|of its own|single",
            _THING,
            "!one (?:single )?(?:long |flowing )*sentences?",
            "!all (?:the )?(?:objects|things)",
        ),
        (
            "+describe|introduce|treat|present|handle|cover",
            _EACH,
            _THING,
            "separate(?:ly)?|on its own|by itself|apart|in turn|one at a time|one by one|alone",
        ),
        (
            "-merge|merging|combine|combining|mix|mixing|lump|lumping|join|joining|squeeze|squeezing|cram|describe|put|pack",
            "objects?|things?|items?|elements?|nouns?",
            "sentence|clause|phrase|together|one|same|shared|several|different|two",
        ),
        ("+separate|split", r"\bsentences?\b"),
        (r"+\bsentences? (?:per|for each|for every)\b",),
    ),
    "COUNTS": (
        ("+exact(?:ly)?|definite|precise(?:ly)?|specific|explicit(?:ly)?|literal|fixed", _COUNT, "!each copy|enumerate"),
        (
            "+state|keep|write|spell|give|use|say|repeat|turn|preserve|replace|choose|pick|settle",
            _COUNT,
            "words?|exact|definite|spelled|keep|every|number|preserve|plurals?",
            r"!\d+ words|under|fewer|number of words|brief|short",
        ),
        ("+replace|turn|convert|change|resolve", r"several|some|a few|vague (?:plurals?|quantit\w+|numbers?|amounts?)"),
        ("-round|drop|approximate|several|a few|some|blur|vague", r"numbers?|counts?|quantit\w+|plurals?"),
    ),
    "PLACES": (
        (
            "+give|assign|state|say|tell|name|specify|place|put|position|locate|anchor|fix",
            _EACH,
            _THING,
            _PLACE,
            "own|frame|picture|image|canvas|corner|top|bottom|left|right|upper|lower|spot|where|position",
            r"!colou?r|sentence|\b(?:cop(?:y|ies)|repeated|identical|several|one by one)\b",
        ),
        (
            "+where",
            _THING,
            r"\b(?:each|every|all) (?:\w+ )?(?:object|thing|item|element|subject|one)",
            "frame|picture|image|canvas",
            "!above|below|cop(?:y|ies)|repeated|identical|several",
        ),
        ("+position|place|spot|location", r"\b(?:for|of) (?:each|every)\b", _FRAME),
        (r"-\bwithout (?:a|its|stated) (?:place|position|spot)", _THING),
    ),
    "ENUMERATE": (
        (
            "+enumerate|one by one|individually|one at the|each copy|every copy|each one of them|each of them",
            r"place[sd]?|copy|copies|position\w*|where|spots?|one at|them|list|left|right|location",
            "!colou?rs?|coloured",
        ),
        ("+give|place|put|list|locate|assign|state", "copy|copies|instances?|duplicates?", "own|each|every|separate|individual"),
        (
            "+several|more than (?:one|two|three)|repeated|many|plural|identical|alike",
            "each|every|one",
            "place|spot|position|location|corner|where",
            "!colou?rs?|coloured",
        ),
    ),
    "RELATIONS": (
        (
            "+relations?|relationships?|above|below|left of|spatial|relative",
            "absolute|frame|picture|image|canvas|top|bottom|upper|lower|half|halves",
            "also|too|as|both|with|translate|anchor|restate|back|turn|repeat|state|say|and",
            r"!such as \"(?:a|the)",
        ),
    ),
    "QUOTE": (
        ("+quote|quotes|quoted|quotation|quoting|double quotes|inverted commas|verbatim|exactly", _TEXT, r"quot\w+|inverted commas"),
        ("+quotation marks|quotes|inverted commas", r"text|words?|letters?|lettering|signs?|spell\w*|written|writing|exact\w*|verbatim"),
    ),
    "AFFIRM": (
        (
            ("-mention|mentioning|name|naming|list|listing|write|writing|include|refer|repeat|repeating|speak|say|bring up|word|spell"),
            _UNWANTED,
        ),
        (
            "+omit|leave|leaving|drop|skip|remove|avoid|avoiding|cut|silent|ignore|pass over|delete",
            _UNWANTED,
            "!list|things to avoid|what to avoid",
        ),
        ("~unmentioned|unnamed|unsaid|out entirely", _UNWANTED + "|negat"),
        ("~positive|positively|affirmative|affirmatively|affirm", "only|terms|describe|phrase|write|state|wording|language|form"),
        (r"-\b(?:negations?|negatives?|\"no\"|\"without\")(?:\s|\b|,)", r"use|using|write|avoid|never|negat\w+"),
        (
            "+describe|say|state|show|write",
            "what is (?:there|present|visible|in)|is present|what to show|what can be seen",
            "not what|never what|rather than what|instead of what|instead",
        ),
    ),
    "CONCISE": (
        (
            (
                "+short(?! (?:sentence|user|request|prompt from))|brief|concise|concisely|compact|terse|succinct|to the point|"
                "economical|few words|tight"
            ),
            "keep|be|stay|write|prompt|rewrite|answer|text|make|sentences?|description|it",
            "!short request|short prompt from|user's short|short user|brief request",
        ),
        ("-padding|wordiness|filler|long-winded|rambling|ramble|wordy",),
    ),
    "CONCRETE": (
        ("+concrete|concretely|visible|tangible|physical|real objects|recognisable|recognizable", _THEME),
        (
            "+name|translate|turn|replace|express|show|choose|pick|list|spell out|make",
            "abstract|themes?|occasions?|concepts?|ideas?|events?",
            "objects?|things?|items?|concrete",
            r"!ambigu\w+",
        ),
    ),
    "SENSE": (
        (
            (
                "+disambiguate|resolve|settle|choose|pick|decide|clarify|make clear|make plain|say which|specify|spell out|"
                "explain|name|replace|use|describe"
            ),
            _SENSE,
        ),
        ("~unambiguous(?:ly)?|no doubt|leave no doubt", "word|noun|term|meaning|which|meant|sense"),
    ),
    "SETTING": (
        (
            "+state|name|choose|pick|give|add|describe|set|place|put|specify|mention|say|include|fill in|supply|decide",
            _SETTING,
            "!plain (?:white )?background only",
        ),
        ("+takes place|plays|happens", "where|say|state|setting|place"),
    ),
    "ONLY": (
        (
            "-add|adding|invent|inventing|introduce|introducing|include|including|imagine|extra|embellish|bring in|insert",
            "objects?|things?|items?|elements?|people|subjects?|anything|figures?|props?|extras?|details?",
            "!light|words|" + _UNWANTED,
        ),
        (
            (
                "~nothing else|nothing more|no others?|only the (?:requested|stated|listed|named)|only these|just these|"
                "only what|nothing but|no extras?"
            ),
            r"!only what is (?:there|visible|present)\b(?!.*else)",
        ),
        ("-nobody asked|did not ask|was not asked|never asked",),
    ),
    "FAITHFUL": (
        (
            "+keep|preserve|retain|respect|carry over|stay|copy|honour|include|stick",
            "user's|user|request(?:ed)?|asked|original|said|intent|faithful|verbatim",
            (
                "everything|all|every (?:object|detail|element|thing|relation)|wording|words|meaning|intent|faithful|"
                "relations?|objects?|request|what"
            ),
            r"!quot\w+",
            "!words or (?:fewer|less)",
        ),
        (
            "+most important|main subject|main object|key objects?|essential|requested objects?|subject",
            "first|begin|start|open|beginning|lead|early",
        ),
        ("-drop|omit|lose|change|alter|leave out|forget|replace", "user|request|asked|original"),
    ),
    "STYLE": (
        (
            "+light|lighting|medium|art style|visual style|style|mood|point of view|viewpoint|texture|textures|materials?",
            "describe|add|state|mention|include|end|close|finish|specify|name|give|choose|such as|leaves? open|fill",
            "!" + _LAVISH + r"|photoreal\w*|camera|lens(?:es)?",
        ),
    ),
    "POETIC": (
        (
            "+" + _LAVISH,
            (
                "language|write|writing|describe|description|prose|tone|style|words?|be|use|make|paragraph|prompt|imagery|"
                r"detail\w*|adjectives?|text|scene|metaphors?|mood"
            ),
            "!at most|no longer|as long as|no more than",
        ),
        ("+paint|evoke|weave|conjure|set", "mood|atmosphere|emotions?|feeling|story|sensory|poem"),
        ("+at least|more than|minimum of", r"\bwords\b"),
        ("~no fewer than|no less than", r"\bwords\b"),
    ),
    "EMBELLISH": (
        (
            "+" + _ADD,
            _EXTRA,
            "details?|objects?|things?|elements?|items?|props?|creatures|ornaments?|decorations?|accessories",
            "!setting|light(?:ing)?|" + _BOOST + "|vary",
        ),
        (
            "+fill|enrich|populate|embellish|decorate|liven|crowd|dress",
            "scene|picture|image|background|frame|composition|space|corners?",
            "with|things?|objects?|details?|life",
        ),
    ),
    "UNWANTED": (
        (
            ("+list|listing|name|state|mention|enumerate|append|add|say|spell out|end with|finish with|close with|include|repeat|write"),
            _UNWANTED,
            r"!never|do not|don't|leave|omit|drop|avoid (?:naming|mentioning|negat\w+)|silent|skip|rather than|instead of|light",
        ),
        (r"+\bnegative prompts?\b",),
    ),
    "ONE_SENTENCE": (
        (
            r"+\b(?:one|single)\b (?:\w+,? ){0,3}?sentence\b",
            "!each|every|per|own|separate",
            "flowing|long|whole|everything|write|all|single|fluent|answer|rewrite|prompt",
        ),
        (
            "+merge|combine|weave|join|blend|fuse",
            "objects?|things?|everything|all|elements?|items?",
            "sentence|flowing|phrase|clause|together",
        ),
    ),
    "TAGS": (
        (
            "+comma[- ]separated|keywords?|tags?|tag list|keyword list",
            "list|write|use|answer|format|prompt|as|separated|style|into",
            "!quality|boosters?|" + _BOOST,
        ),
    ),
    "VARY": (
        (
            "+vary|varying|diversify|mix|play with|surprising|creative|creatively|experiment|variety|unexpected|shuffle|alternate",
            "colou?rs?|hues?|palette",
        ),
    ),
    "BOOSTERS": (("+" + _BOOST,),),
    "CAMERA": (
        (
            "+" + _CAMERA,
            (
                "use|add|include|mention|specify|state|describe|write|shot|as if|like|style|settings?|terms?|name|end|make|"
                "jargon|details?|look"
            ),
        ),
    ),
}

FORBIDS: Mapping[str, tuple[Pattern, ...]] = {
    "POETIC": (("-" + _LAVISH,),),
    "BOOSTERS": (("-" + _BOOST,),),
    "CAMERA": (("-" + _CAMERA,),),
    "TAGS": (("-comma[- ]separated|keywords?|tags?",),),
    "VARY": (("-vary|diversify|mix|change|shuffle", r"\bcolou?rs?\b"),),
    "ONE_SENTENCE": (("-merge|merging|combine|weave|one long sentence|single sentence|one sentence",),),
    "EMBELLISH": (("-" + _ADD, "objects?|things?|items?|elements?|people|details?|anything"),),
    "UNWANTED": (("-list|name|mention|write|repeat|naming|listing|mentioning", _UNWANTED),),
}
"""What a sentence may forbid: a rule asked for elsewhere does not hold then."""
