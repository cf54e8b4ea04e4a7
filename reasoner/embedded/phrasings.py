"""The phrasings that reasoner/embedded/rules.py recognises, by rule name.

A pattern is a tuple of regular expressions over one lower-case sentence in British spelling. The first begins with "+" (must stand affirmed),
"-" (must stand negated) or "~" (either); the others must be found somewhere in the sentence, or nowhere where they begin with "!".
"""

from collections.abc import Mapping

Pattern = tuple[str, ...]

_EACH = r"\b(?:each|every|all|any|individual(?:ly)?|one by one|per)\b"
_THING = r"\b(?:objects?|things?|items?|elements?|subjects?|nouns?|entit(?:y|ies)|figures?)\b"
_COLOUR = r"\b(?:colou?rs?|coloured|hues?|attributes?|adjectives?)\b"
_COUNT = r"\b(?:counts?|numbers?|quantit(?:y|ies)|how many|amounts?|numerals?|plurals?)\b"
_PLACE = r"\b(?:place[sd]?|position(?:s|ed)?|spots?|locations?|corners?|where|upper|lower|top|bottom|left|right|frame|regions?|areas?)\b"
_FRAME = r"\b(?:frame|picture|image|canvas|composition|scene|corners?|top|bottom|left|upper|lower|far left|grid|absolute)\b"
_COPY = r"\b(?:cop(?:y|ies)|one by one|enumerate|one at|repeated|identical|several|duplicates?|instances?|individually|plural|many|them)\b"
_RELATION = r"\b(?:relations?|relationships?|relative|above|below|left of|right of|next to|spatial(?:ly)?)\b"
_TEXT = r"\b(?:text|words?|lettering|signs?|letters|writing|wording|caption|inscriptions?|strings?)\b"
_UNWANTED = (
    r"(?:\b(?:negations?|negatives?|negated|negatively|absent|absence|unwanted|excluded?|exclusions?|forbidden|undesired|ruled out|banned)\b"
    r"|(?:not|n't|never|should not|must not|without|avoid) (?:\w+ ){0,3}?(?:want|wants|wanted|appear|be there|be present|be seen|be shown|be visible|be in)\b"
    r"|\b(?:what|things?|objects?|anything|whatever) (?:\w+ ){0,3}?(?:is missing|are missing|is not|isn't|are not|aren't|left out|to avoid|not to|rejects?)\b"
    r"|\"?(?:no|without)\"? (?:x\b|\"|or\b|and\b|phrases?))"
)
_THEME = r"\b(?:abstract|themes?|moods?|ideas?|concepts?|vague|occasions?|events?|general|broad)\b"
_SENSE = r"\b(?:ambigu\w+|two meanings|double meaning|more than one (?:meaning|thing|sense)|several (?:meanings|senses)|two senses|either of two|which meaning|homonyms?|senses?|meanings?)\b"
_SETTING = r"\b(?:setting|background|backdrop|environment|surroundings|scenery|location of the scene)\b"
_ADD = r"\b(?:add|adding|invent|inventing|introduc(?:e|ing)|include|fill|enrich|sprinkle|throw in|put in|imagine)\b"
_EXTRA = (
    r"\b(?:extra|additional|more|further|decorati\w+|secondary|supporting|other|new|invented|own|unrequested|embellish\w*|little|"
    r"did not ask|never asked|not ask|nobody asked|no one asked|not mention\w*|unmentioned|surprising|else)\b"
)
_LAVISH = r"\b(?:poetic(?:ally)?|poetry|lyrical(?:ly)?|flowery|atmospher\w+|evocative(?:ly)?|rich(?:ly)?|lush(?:ly)?|vivid(?:ly)?|elaborate|immersive|metaphors?|ornate|cinematic language|dreamy|long)\b"
_BOOST = r"\b(?:8k|4k|masterpiece|best quality|high quality|award[- ]winning|trending|ultra[- ]detailed|quality (?:tags?|words?|boosters?|terms?)|highly detailed|boosters?)\b"
_CAMERA = r"\b(?:camera|lens(?:es)?|photoreal\w*|aperture|f/\d|depth of field|bokeh|dslr|focal length|photographic|hyperreal\w*|shutter)\b"

PATTERNS: Mapping[str, tuple[Pattern, ...]] = {
    "BIND": (
        (r"+\b(?:bind|attach|tie|pair|put|place|keep|write|join|link|set|state|name|give|glue|position)\b", _COLOUR, r"\b(?:nouns?|objects?|things?|items?|owner|belongs?|it describes|they describe)\b",
         r"\b(?:before|beside|next to|to its|with its|directly|right|immediately|together|own|in front of|close)\b", r"!vary|creative"),
        (r"+\b(?:before|beside|next to|in front of|precedes?|attached to|adjacent)\b", _COLOUR, r"\b(?:noun|object|thing|it describes|belongs)\b"),
        (r"-\b(?:share|shared|collect|gather|list|group|pool|lump)\b", _COLOUR),
        (r"~\bown (?:stated )?colou?r\b", _EACH),
    ),
    "SEPARATE": (
        (r"+\b(?:sentences?|statements?)\b", r"\b(?:own|separate|each|one|individual|new|per|of its own|single)\b", _THING, r"!one (?:single )?(?:long |flowing )*sentence", r"!all (?:the )?(?:objects|things)"),
        (r"+\b(?:describe|introduce|treat|present|handle|cover)\b", _EACH, _THING, r"\b(?:separate(?:ly)?|on its own|by itself|apart|in turn|one at a time|one by one|alone)\b"),
        (r"-\b(?:merge|merging|combine|combining|mix|mixing|lump|lumping|join|joining|squeeze|squeezing|cram|describe|put|pack)\b",
         r"\b(?:objects?|things?|items?|elements?|nouns?)\b", r"\b(?:sentence|clause|phrase|together|one|same|shared|several|different|two)\b"),
        (r"+\b(?:separate|split)\b", r"\bsentences?\b"),
    ),
    "COUNTS": (
        (r"+\b(?:exact(?:ly)?|definite|precise(?:ly)?|specific|explicit(?:ly)?|literal|fixed)\b", _COUNT, r"!each copy|enumerate"),
        (r"+\b(?:state|keep|write|spell|give|use|say|repeat|turn|preserve|replace|choose|pick|settle)\b", _COUNT, r"\b(?:words?|exact|definite|spelled|keep|every|number|preserve|plurals?)\b", r"!\d+ words|under|fewer|number of words|brief|short"),
        (r"+\b(?:replace|turn|convert|change|resolve)\b", r"\b(?:several|some|a few|vague (?:plurals?|quantit\w+|numbers?|amounts?))\b"),
        (r"-\b(?:round|drop|approximate|several|a few|some|blur|vague)\b", r"\b(?:numbers?|counts?|quantit\w+|plurals?)\b"),
    ),
    "PLACES": (
        (r"+\b(?:give|assign|state|say|tell|name|specify|place|put|position|locate|anchor|fix)\b", _EACH, _THING, _PLACE, r"\b(?:own|frame|picture|image|canvas|corner|top|bottom|left|right|upper|lower|spot|where|position)\b", r"!colou?r|sentence|\b(?:cop(?:y|ies)|repeated|identical|several|one by one)\b"),
        (r"+\b(?:where)\b", _THING, r"\b(?:each|every|all) (?:\w+ )?(?:object|thing|item|element|subject|one)", r"\b(?:frame|picture|image|canvas)\b", r"!\b(?:above|below|cop(?:y|ies)|repeated|identical|several)\b"),
        (r"+\b(?:position|place|spot|location)\b", r"\b(?:for|of) (?:each|every)\b", _FRAME),
        (r"-\bwithout (?:a|its|stated) (?:place|position|spot)", _THING),
    ),
    "ENUMERATE": (
        (r"+\b(?:enumerate|one by one|individually|one at the|each copy|every copy|each one of them|each of them)\b", r"\b(?:place[sd]?|copy|copies|position\w*|where|spots?|one at|them|list|left|right|location)\b", r"!colou?r"),
        (r"+\b(?:give|place|put|list|locate|assign|state)\b", r"\b(?:copy|copies|instances?|duplicates?)\b", r"\b(?:own|each|every|separate|individual)\b"),
        (r"+\b(?:several|more than (?:one|two|three)|repeated|many|plural|identical|alike)\b", r"\b(?:each|every|one)\b", r"\b(?:place|spot|position|location|corner|where)\b", r"!colou?r"),
    ),
    "RELATIONS": (
        (r"+\b(?:relations?|relationships?|above|below|left of|spatial|relative)\b", r"\b(?:absolute|frame|picture|image|canvas|top|bottom|upper|lower|half|halves)\b", r"\b(?:also|too|as|both|with|translate|anchor|restate|back|turn|repeat|state|say|and)\b", r"!such as \"(?:a|the)"),
    ),
    "QUOTE": (
        (r"+\b(?:quote|quotes|quoted|quotation|quoting|double quotes|inverted commas|verbatim|exactly)\b", _TEXT, r"\b(?:quot\w+|inverted commas)\b"),
        (r"+\b(?:quotation marks|quotes|inverted commas)\b", r"\b(?:text|words?|letters?|lettering|signs?|spell\w*|written|writing|exact\w*|verbatim)\b"),
    ),
    "AFFIRM": (
        (r"-\b(?:mention|mentioning|name|naming|list|listing|write|writing|include|refer|repeat|repeating|speak|say|bring up|word|spell)\b", _UNWANTED),
        (r"+\b(?:omit|leave|leaving|drop|skip|remove|avoid|avoiding|cut|silent|ignore|pass over|delete)\b", _UNWANTED, r"!list|things to avoid|what to avoid"),
        (r"~\b(?:unmentioned|unnamed|unsaid|out entirely)\b", _UNWANTED + "|negat"),
        (r"~\b(?:positive|positively|affirmative|affirmatively|affirm)\b", r"\b(?:only|terms|describe|phrase|write|state|wording|language|form)\b"),
        (r"-\b(?:negations?|negatives?|\"no\"|\"without\")(?:\s|\b|,)", r"\b(?:use|using|write|avoid|never|negat\w+)\b"),
        (r"+\b(?:describe|say|state|show|write)\b", r"\b(?:what is (?:there|present|visible|in)|is present|what to show|what can be seen)\b", r"\b(?:not what|never what|rather than what|instead of what|instead)\b"),
    ),
    "CONCISE": (
        (r"+\b(?:short(?! (?:sentence|user|request|prompt from))|brief|concise|concisely|compact|terse|succinct|to the point|economical|few words|tight)\b", r"\b(?:keep|be|stay|write|prompt|rewrite|answer|text|make|sentences?|description|it)\b", r"!short request|short prompt from|user's short|short user|brief request"),
        (r"-\b(?:padding|wordiness|filler|long-winded|rambling|ramble|wordy)\b",),
    ),
    "CONCRETE": (
        (r"+\b(?:concrete|concretely|visible|tangible|physical|real objects|recognisable|recognizable)\b", _THEME),
        (r"+\b(?:name|translate|turn|replace|express|show|choose|pick|list|spell out|make)\b", r"\b(?:abstract|themes?|occasions?|concepts?|ideas?|events?)\b", r"\b(?:objects?|things?|items?|concrete)\b", r"!ambigu"),
    ),
    "SENSE": (
        (r"+\b(?:disambiguate|resolve|settle|choose|pick|decide|clarify|make clear|make plain|say which|specify|spell out|explain|name|replace|use|describe)\b", _SENSE),
        (r"~\b(?:unambiguous(?:ly)?|no doubt|leave no doubt)\b", r"\b(?:word|noun|term|meaning|which|meant|sense)\b"),
    ),
    "SETTING": (
        (r"+\b(?:state|name|choose|pick|give|add|describe|set|place|put|specify|mention|say|include|fill in|supply|decide)\b", _SETTING, r"!plain (?:white )?background only"),
        (r"+\b(?:takes place|plays|happens)\b", r"\b(?:where|say|state|setting|place)\b"),
    ),
    "ONLY": (
        (r"-\b(?:add|adding|invent|inventing|introduce|introducing|include|including|imagine|extra|embellish|bring in|insert)\b", r"\b(?:objects?|things?|items?|elements?|people|subjects?|anything|figures?|props?|extras?|details?)\b",
         r"!light|words|" + _UNWANTED),
        (r"~\b(?:nothing else|nothing more|no others?|only the (?:requested|stated|listed|named)|only these|just these|only what|nothing but|no extras?)\b", r"!only what is (?:there|visible|present)\b(?!.*else)"),
        (r"-\b(?:nobody asked|did not ask|was not asked|never asked)\b",),
    ),
    "FAITHFUL": (
        (r"+\b(?:keep|preserve|retain|respect|carry over|stay|copy|honour|include|stick)\b",
         r"\b(?:user's|user|request(?:ed)?|asked|original|said|intent|faithful|verbatim)\b",
         r"\b(?:everything|all|every (?:object|detail|element|thing|relation)|wording|words|meaning|intent|faithful|relations?|objects?|request|what)\b",
         r"!quot", r"!words or (?:fewer|less)"),
        (r"+\b(?:most important|main subject|main object|key objects?|essential|requested objects?|subject)\b", r"\b(?:first|begin|start|open|beginning|lead|early)\b"),
        (r"-\b(?:drop|omit|lose|change|alter|leave out|forget|replace)\b", r"\b(?:user|request|asked|original)\b"),
    ),
    "STYLE": (
        (r"+\b(?:light|lighting|medium|art style|visual style|style|mood|point of view|viewpoint|texture|textures|materials?)\b", r"\b(?:describe|add|state|mention|include|end|close|finish|specify|name|give|choose|such as|leaves? open|fill)\b", r"!" + _LAVISH + r"|photoreal|camera|lens"),
    ),
    "POETIC": (
        ("+" + _LAVISH, r"\b(?:language|write|writing|describe|description|prose|tone|style|words?|be|use|make|paragraph|prompt|imagery|detail\w*|adjectives?|text|scene|metaphors?|mood)\b", r"!at most|no longer|as long as|no more than"),
        (r"+\b(?:paint|evoke|weave|conjure|set)\b", r"\b(?:mood|atmosphere|emotions?|feeling|story|sensory|poem)\b"),
        (r"+\b(?:at least|more than|minimum of)\b", r"\bwords\b"),
        (r"~\b(?:no fewer than|no less than)\b", r"\bwords\b"),
    ),
    "EMBELLISH": (
        ("+" + _ADD, _EXTRA, r"\b(?:details?|objects?|things?|elements?|items?|props?|creatures|ornaments?|decorations?|accessories)\b", r"!setting|light|" + _BOOST + "|vary"),
        (r"+\b(?:fill|enrich|populate|embellish|decorate|liven|crowd|dress)\b", r"\b(?:scene|picture|image|background|frame|composition|space|corners?)\b", r"\b(?:with|things?|objects?|details?|life)\b"),
    ),
    "UNWANTED": (
        (r"+\b(?:list|listing|name|state|mention|enumerate|append|add|say|spell out|end with|finish with|close with|include|repeat|write)\b", _UNWANTED, r"!\b(?:never|do not|don't|leave|omit|drop|avoid (?:naming|mentioning|negat\w+)|silent|skip|rather than|instead of|light)\b"),
        (r"+\bnegative prompts?\b",),
    ),
    "ONE_SENTENCE": (
        (r"+\b(?:one|single)\b (?:\w+,? ){0,3}?sentence\b", r"!\b(?:each|every|per|own|separate)\b", r"\b(?:flowing|long|whole|everything|write|all|single|fluent|answer|rewrite|prompt)\b"),
        (r"+\b(?:merge|combine|weave|join|blend|fuse)\b", r"\b(?:objects?|things?|everything|all|elements?|items?)\b", r"\b(?:sentence|flowing|phrase|clause|together)\b"),
    ),
    "TAGS": (
        (r"+\b(?:comma[- ]separated|keywords?|tags?|tag list|keyword list)\b", r"\b(?:list|write|use|answer|format|prompt|as|separated|style|into)\b", r"!quality|booster|" + _BOOST),
    ),
    "VARY": (
        (r"+\b(?:vary|varying|diversify|mix|play with|surprising|creative|creatively|experiment|variety|unexpected|shuffle|alternate)\b", r"\b(?:colou?rs?|hues?|palette)\b"),
    ),
    "BOOSTERS": (
        ("+" + _BOOST,),
    ),
    "CAMERA": (
        ("+" + _CAMERA, r"\b(?:use|add|include|mention|specify|state|describe|write|shot|as if|like|style|settings?|terms?|name|end|make|jargon|details?|look)\b"),
    ),
}  # fmt: skip

FORBIDS: Mapping[str, tuple[Pattern, ...]] = {
    "POETIC": (("-" + _LAVISH,),),
    "BOOSTERS": (("-" + _BOOST,),),
    "CAMERA": (("-" + _CAMERA,),),
    "TAGS": ((r"-\b(?:comma[- ]separated|keywords?|tags?)\b",),),
    "VARY": ((r"-\b(?:vary|diversify|mix|change|shuffle)\b", r"\bcolou?rs?\b"),),
    "ONE_SENTENCE": ((r"-\b(?:merge|merging|combine|weave|one long sentence|single sentence|one sentence)\b",),),
    "EMBELLISH": (("-" + _ADD, r"\b(?:objects?|things?|items?|elements?|people|details?|anything)\b"),),
    "UNWANTED": ((r"-\b(?:list|name|mention|write|repeat|naming|listing|mentioning)\b", _UNWANTED),),
}  # fmt: skip
"""What a sentence may forbid: a rule asked for elsewhere does not hold then."""
