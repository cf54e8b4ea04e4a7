"""What models put around a prompt, one rule for each: reasoning, JSON, fences, tags, greetings, lists, offers, marks.

A rule takes a text and gives a :class:`Step` where it applies, else None. It cuts wrapping and nothing else: what may belong to the scene
stays. Rules are linear in the text's length. In which order they apply is reasoner/parse.py's business.
"""

import html
import re
from typing import NamedTuple

from data.quotes import is_within_quotes, outside_quotes, without_outer_quotes
from reasoner.text import phrases
from reasoner.text.lists import without_list
from reasoner.text.structured import read_json

JSON_AROUND = "JSON around it"
"""How ``removed`` says that the answer was a JSON object."""
ALTERNATIVES = "further alternatives"
"""How ``removed`` says that the answer held several prompts."""

_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Joiners stay: emoji and several scripts are written with them. Private use goes: it is no text.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff"
    "\U000e0000-\U000e007f\U000f0000-\U0010ffff]+"
)
_THOUGHT_END = re.compile(r"</(?:think|thinking|thought|reasoning|analysis)>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_THOUGHT = re.compile(r"<(?:think|thinking|thought|reasoning|analysis)>|\[THINK\]|◁think▷", re.IGNORECASE)
_FINAL = re.compile(r"<\|channel\|>\s*final\b[^<\n]{0,40}<\|message\|>|assistantfinal")
_CONTROL = re.compile(r"<\|[a-z_]{1,30}\|>|</?s>|<end_of_turn>|<start_of_turn>(?:model)?|\[/?INST\]|<eos>|<bos>")
_FENCE = re.compile(r"^[ \t]*(?:`{3,9}|~{3,9})[ \t]*[\w+-]{0,20}[ \t]*$", re.MULTILINE)
_INLINE_FENCE = re.compile(r"```(?:(?:text|json|markdown|md|txt|plaintext|prompt|xml|yaml)\b)?\s*([^`]+?)\s*```")
_WRAPPER = re.compile(
    r"<(/?)((?:rewritten|final|enhanced|improved|image|refined|revised|new|optimized)?[_-]?(?:prompt|answer)|rewrite|output|result|"
    r"response|final|caption)>",
    re.IGNORECASE,
)
_AMPERSANDS = re.compile(r"&(?:(?:amp|#0{0,4}38|#x0{0,4}26);)+", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_TAG = re.compile(
    r"<(/?)(b|i|em|strong|u|span|p|br|hr|div|h[1-6]|ul|ol|li|code|pre|blockquote|center|small|big|font|mark|sub|sup)(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
_BLOCKS = frozenset({"p", "br", "hr", "div", "ul", "ol", "li", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"})
_SENTENCE = re.compile(r"[.!?…][\"”’»」)\]*_']{0,4}\s+|[。！？][”’」』)）]{0,3}\s*|\n+|\s(?=[(\[*（])")
_LINE = re.compile(r"\n+")
_PREFIX = re.compile(r"[^\w\n\"“«「¿¡(\[（]{0,8}")
_FLAGS = frozenset({
    "ar", "aspect", "v", "version", "style", "stylize", "s", "q", "quality", "chaos", "c", "no", "seed", "niji", "tile", "iw", "weird",
    "w", "hd", "uplight", "stop", "raw", "fast", "relax", "turbo", "p", "profile", "sref", "cref", "cw", "sw", "steps", "cfg",
})  # fmt: skip
_SIDES = r"(\d{1,4}(?:\.\d{1,2})?)\s*[:：x×/]\s*(\d{1,4}(?:\.\d{1,2})?)"
_RATIO = re.compile(_SIDES)
_RATIO_LINE = re.compile(
    r"(?:^|(?<=[\s(\[（]))[(\[（*_]{0,4}(?:(?:suggested|recommended|target|image) )?(?:aspect[ -]?ratio|ratio d['’]aspect|"
    r"format d['’]image|seitenverhältnis|relación de aspecto|proporção|rapporto d['’]aspetto|宽高比|纵横比|长宽比|画幅比?例?|"
    r"アスペクト比|縦横比|соотношение сторон|"
    rf"화면 ?비율|종횡비)[*_]{{0,3}}\s?[:：=]\s?[*_]{{0,3}}\s?{_SIDES}[*_)\]）.。]{{0,4}}[ \t]*(?=\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
_EMPHASIS = re.compile(
    r"(?<![\w*])\*{1,3}(?=[^\s*])([^*]{1,4000}?)(?<=\S)\*{1,3}(?![\w*])|(?<!\w)_{1,2}(?=[^\s_])([^_\n]{1,300})(?<=\S)_{1,2}(?!\w)|"
    r"`([^`\n]{1,300})`"
)
_STRAY = re.compile(r"\*\*+|__(?=\s|$)|(?:(?<=\s)|^)__(?=\w)")
_EXCERPT = 60


class Step(NamedTuple):
    """The text after a rule, what it removed, in words (or ""), and the aspect ratio that it found (or "")."""

    text: str
    removed: str = ""
    ratio: str = ""


def invisible(text: str) -> Step | None:
    if text.isprintable() and text[:1] != " " != text[-1:]:
        return None
    changed = _INVISIBLE.sub("", _NEWLINES.sub("\n", text)).strip()
    return None if changed == text else Step(changed, "" if changed == text.strip().replace("\r\n", "\n") else "control characters")


def reasoning(text: str) -> Step | None:
    """Reasoning that came with the answer. Where it has no end, there is no answer."""
    if finals := list(_FINAL.finditer(text)) if "<|" in text or "assistantfinal" in text else []:
        if finals[-1].group() != "assistantfinal" or text.startswith("analysis"):
            return Step(_until_mark(text[finals[-1].end() :]), "reasoning")
    elif text.startswith("<|channel|>analysis") or re.match(r"analysis(?=[A-Z])", text):
        return Step("", "reasoning")
    if "</" in text or "/THINK" in text or "◁/" in text:
        ends = list(_THOUGHT_END.finditer(text))
        if ends:
            return Step(text[ends[-1].end() :].strip(), "reasoning")
    if _THOUGHT.match(text):
        return Step("", "reasoning")
    if ("<" in text or "[" in text) and _CONTROL.search(text):
        return Step(_CONTROL.sub(" ", text).strip(), "control marks")
    return None


def _until_mark(text: str) -> str:
    return text.split("<|", 1)[0].strip()


def structured(text: str) -> Step | None:
    found = read_json(text)
    if found is None:
        return None
    removed = [
        JSON_AROUND,
        *([_further(found.further)] if found.further else []),
        *([_excerpt("text after", found.rest)] * bool(found.rest)),
    ]
    return Step(found.prompt.strip(), "; ".join(removed), ratio_of(found.ratio))


def fence(text: str) -> Step | None:
    """The first code block, where the answer has one: what stands outside of it is not the prompt."""
    if "```" not in text and "~~~" not in text:
        return None
    marks = list(_FENCE.finditer(text))
    if not marks:
        inline = _INLINE_FENCE.fullmatch(text)
        return Step(inline[1].strip(), "code fence") if inline else None
    closed = len(marks) > 1
    before, after = text[: marks[0].start()].strip(), text[marks[1].end() :].strip() if closed else ""
    inside = text[marks[0].end() : marks[1].start() if closed else len(text)].strip()
    if len(inside.split()) < 4 and len(f"{before} {after}".split()) > max(12, 4 * len(inside.split())):
        # A block of settings beside the prompt.
        return Step(f"{before}\n{after}".strip(), _excerpt("a code block:", inside))
    blocks = len(marks) // 2 - 1
    if blocks > 0 and "negative" in text[marks[1].end() : marks[2].start()].lower():
        blocks -= 1
    removed = ["code fence", *([_excerpt("text before", before)] * bool(before)), *([_excerpt("text after", after)] * bool(after))]
    return Step(inside, "; ".join([*removed, *([_further(blocks)] if blocks > 0 else [])]))


def wrapper(text: str) -> Step | None:
    """What stands between ``<prompt>`` and ``</prompt>``, or other tags of that meaning."""
    tags = list(_WRAPPER.finditer(text)) if "<" in text and ">" in text else []
    if not tags:
        return None
    opening = next((tag for tag in tags if not tag[1]), None)
    if opening is None:
        return Step(_WRAPPER.sub(" ", text).strip(), "tags")
    name = opening[2].lower()
    closing = next((tag for tag in tags if tag[1] and tag[2].lower() == name and tag.start() > opening.start()), None)
    inside = text[opening.end() : closing.start() if closing else len(text)].strip()
    further = sum(1 for tag in tags if not tag[1] and tag[2].lower() == name) - 1
    return Step(_WRAPPER.sub(" ", inside).strip(), "tags; " + _further(further) if further else "tags")


def markup(text: str) -> Step | None:
    """HTML: entities become characters, and tags of formatting go."""
    changed = text
    if "&" in text:
        changed = _ENTITY.sub(lambda match: html.unescape(match.group()), _AMPERSANDS.sub("&", text))
        changed = _INVISIBLE.sub("", changed)
    if "<" in changed and _TAG.search(changed):
        changed = outside_quotes(lambda part: _TAG.sub(lambda tag: "\n" if tag[2].lower() in _BLOCKS else "", part), changed)
    return None if changed == text else Step(changed.strip(), "HTML")


def ratio_line(text: str) -> Step | None:
    """A line, or the end of one, that states the aspect ratio."""
    if not _RATIO.search(text):
        return None
    match = _RATIO_LINE.search(text)
    if match is None or is_within_quotes(text, match.start()):
        return None
    ratio = f"{match[1]}:{match[2]}"
    return Step(f"{text[: match.start()]}{text[match.end() :]}".strip(), f"aspect ratio {ratio}", ratio_of(ratio))


def flags(text: str) -> Step | None:
    """Midjourney's parameters at the end of a line."""
    if "--" not in text:
        return None
    lines = text.split("\n")
    for number, line in enumerate(lines):
        start = _flags_start(line)
        if start is not None and not is_within_quotes(line, start):
            cut = line[start:].strip()
            match = re.search(rf"--(?:ar|aspect)\s+{_SIDES}", cut)
            lines[number] = line[:start].rstrip()
            return Step("\n".join(lines).strip(), _excerpt("parameters", cut), f"{match[1]}:{match[2]}" if match else "")
    return None


def _flags_start(line: str) -> int | None:
    """Where the parameters begin that ``line`` ends with."""
    start: int | None = None
    room = 0
    for token in re.finditer(r"\S+", line):
        word = token.group()
        if word.startswith("--") and word[2:].lower() in _FLAGS:
            start = token.start() if start is None else start
            room = 12 if word == "--no" else 2 if word[2:].lower() in ("sref", "cref") else 1
        elif start is not None:
            room -= 1
            if room < 0:
                start = None
    return start


def introduction(text: str) -> Step | None:
    """A greeting, an announcement, a label before the prompt."""
    for pattern in (phrases.REFUSAL, phrases.GREETING, phrases.ORIGINAL, phrases.TITLE_LABEL, phrases.WEAK_LABEL):
        match = pattern.match(text)
        if match and pattern is phrases.REFUSAL:
            match = phrases.REFUSAL_LEAD.match(text)
        if match:
            return Step(text[match.end() :].strip(), _excerpt("an introduction:", match.group()))
    return _announcement(text)


def _announcement(text: str) -> Step | None:
    first, _, others = text.partition("\n")
    if match := phrases.LEAD.match(text):
        announced, rest = match.group(), text[match.end() :].strip()
        if match["end"] == "\n" and not rest:
            return None
    elif others.strip() and first.rstrip("*_ ").endswith((":", "：")) and len(first) < 240 and phrases.PROMPT_WORD.search(first):
        announced, rest = first, others.strip()
    else:
        return None
    several = _several(text, rest) if phrases.PLURAL.match(announced) else None
    return several or Step(rest, _excerpt("an introduction:", announced))


def _several(text: str, rest: str) -> Step | None:
    """The first of several prompts that were announced as such: entries of a list, or paragraphs. Labelled ones are another rule's."""
    if (flat := without_list(text)) and flat.further:
        return Step(flat.text, _further(flat.further))
    paragraphs = [paragraph for paragraph in rest.split("\n\n") if paragraph.strip()]
    if len(paragraphs) < 2 or phrases.OPTION.match(rest):
        return None
    return Step(paragraphs[0].strip(), _further(len(paragraphs) - 1))


def label(text: str) -> Step | None:
    """A label such as “Rewritten prompt:” at the beginning of a line, with all that stands before it."""
    if ":" not in text and "：" not in text:
        return None
    matches = [match for match in phrases.STRONG_LABEL.finditer(text) if text[match.end() :].strip() or match.start() == 0]
    if not matches:
        return None
    before = text[: matches[0].start()].strip()
    inside, further = text[matches[0].end() :], len(matches) - 1
    if further:
        inside = text[matches[0].end() : matches[1].start()]
        if not inside.strip():
            return Step(text[matches[1].start() :].strip(), _excerpt("an introduction:", matches[0].group()))
    removed = _excerpt("an introduction:", f"{before} {matches[0].group()}")
    return Step(inside.strip(), f"{removed}; {_further(further)}" if further else removed)


def alternatives(text: str) -> Step | None:
    """“Option 1: …”, “Option 2: …”: the first one."""
    first = phrases.OPTION.match(text)
    # Inside of a line they are labels only where the answer begins with one.
    if not first and "\n" not in text:
        return None
    starts = [match.end() for match in (_SENTENCE if first else _LINE).finditer(text)]
    labels = [match for start in dict.fromkeys([0, *starts]) if (match := phrases.OPTION.match(text, start))]
    labels = [match for match in labels if not is_within_quotes(text, match.start())]
    numbers = {match["number"].lower() for match in labels}
    if len(numbers) > 1:
        return Step(text[labels[0].end() : labels[1].start()].strip(), _further(len(labels) - 1))
    if first and len(numbers) == 1 and text[first.end() :].strip():
        return Step(text[first.end() :].strip(), _excerpt("an introduction:", first.group()))
    others = (phrases.OTHERWISE.match(text, line.end()) for line in _LINE.finditer(text))
    other = next((match for match in others if match), None)
    return Step(text[: other.start()].strip(), _further(1)) if other else None


def chatter(text: str) -> Step | None:
    """From the first sentence or section on that is about the prompt, to the user."""
    for boundary in _SENTENCE.finditer(text):
        place = boundary.end()
        is_line = "\n" in boundary.group()
        inner = _PREFIX.match(text, place)
        start = place if inner is None else inner.end()
        found = phrases.CHATTER.match(text, start) or (start != place and phrases.CHATTER.match(text, place))
        found = found or (is_line and phrases.SECTION.match(text, place))
        if found and text[:place].strip() and not is_within_quotes(text, place):
            kept = text[: boundary.start()] + boundary.group().rstrip()
            return Step(kept.strip(), _excerpt("text after:", text[place:]))
    return None


def lists(text: str) -> Step | None:
    """Headings, rules and list marks; several prompts in a list are alternatives."""
    flat = without_list(text)
    if flat is None:
        return None
    return Step(flat.text, _further(flat.further) if flat.further else flat.removed)


def quotes(text: str) -> Step | None:
    changed = without_outer_quotes(text)
    return None if changed == text else Step(changed, "quotation marks")


def emphasis(text: str) -> Step | None:
    """Markdown's marks around words."""
    if not any(mark in text for mark in "*_`"):
        return None
    changed = outside_quotes(lambda part: _STRAY.sub("", _EMPHASIS.sub(lambda match: match[1] or match[2] or match[3], part)), text).strip()
    return None if changed == text else Step(changed, "emphasis")


def spaces(text: str) -> Step | None:
    changed = " ".join(text.split())
    return None if changed == text else Step(changed)


def ratio_of(text: str) -> str:
    """The aspect ratio that ``text`` names, as "16:9"; "" where it names none. Sizes in pixels are no ratio."""
    match = _RATIO.fullmatch(text.strip())
    if match is None or max(len(match[1]), len(match[2])) > 4 or float(match[1]) > 100 or float(match[2]) > 100:
        return ""
    return "" if float(match[1]) == 0 or float(match[2]) == 0 else f"{match[1]}:{match[2]}"


def _further(count: int) -> str:
    return f"{count} {ALTERNATIVES}"


def _excerpt(what: str, text: str) -> str:
    short = " ".join(text.split())
    return f"{what} “{short if len(short) <= _EXCERPT else short[: _EXCERPT - 1].rstrip() + '…'}”"
