"""Reasoning and answer apart: what a model sent, in whatever form its server left it, as the final text and what was thought before it.

Models reason in channels (harmony, as GPT-OSS writes it) or between tags (``<think>``). Good servers take that
apart; others send it raw, or with the special tokens lost. All functions are pure. The final text itself is cleaned in
reasoner/parse.py.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from data.errors import FailureKind, StageError
from data.remote.errors import REWORD
from data.usage import NOTHING, Usage

_MARKER = re.compile(r"<\|(start|channel|constrain|message|end|return|call)\|>")
_CUT_MARKER = re.compile(r"<\|[a-z]*\|?\Z")
_ENDS = frozenset(("end", "return", "call"))
_HEADER_END = re.compile(r"\s*(?:assistant)?(analysis|commentary|final)\s*")
_STRIPPED = re.compile(r"assistant(analysis|commentary|final)")
_STRIPPED_START = re.compile(r"\s*(?:assistant)?(analysis|commentary)")
_UNFINISHED_START = re.compile(r"\s*(?:assistant)?analysis(?=[^\W\d_a-z])")
"""Reasoning whose answer never came: no word goes on with a capital or in another script right after "analysis"."""
_TAG = re.compile(r"<(/?)(?:think|thinking|thought|seed:think)>|\[(/?)THINK\]|◁(/?)think▷")


class Answer(NamedTuple):
    """What a model said in the end, and what it thought before, both without any markers. Either may be ""."""

    text: str
    reasoning: str


def final_answer(
    content: str | None,
    reasoning: str | None = "",
    finish: str | None = "stop",
    *,
    refusal: str | None = None,
    tool_called: bool = False,
    usage: Usage = NOTHING,
    section: str = "reasoner",
) -> Answer:
    """A model's usable answer; ``text`` is never blank.

    ``reasoning`` is what the server took apart itself. ``finish`` is a chat completion's finish_reason: "length", "content_filter" and
    "tool_calls" mean what they mean there, anything else is a proper end. ``usage`` goes on the error, since such an answer is paid for.
    ``section``: the profile's whose settings hints name.

    StageError: REFUSED, MALFORMED (a tool call), UNFINISHED (no answer yet at the token limit), TOO_LONG (half an answer), EMPTY.
    """
    apart = split(content or "")
    answer = Answer(apart.text, _joined([reasoning or "", apart.reasoning]))
    if refusal:
        raise StageError(FailureKind.REFUSED, f"the model declined: {' '.join(refusal.split())[:200]}", hint=REWORD, usage=usage)
    if finish == "content_filter":
        raise StageError(FailureKind.REFUSED, "the answer was stopped by a content filter", hint=REWORD, usage=usage)
    if tool_called or finish in ("tool_calls", "function_call"):
        message = "the model called a tool instead of answering"
        raise StageError(FailureKind.MALFORMED, message, retryable=True, hint="serve it without tools, or use another model", usage=usage)
    if finish == "length":
        raise _cut_off(answer, usage, section)
    if not answer.text.strip():
        thought = "reasoned, stopped, and " if answer.reasoning else ""
        message = f"the model {thought}answered nothing"
        raise StageError(FailureKind.EMPTY, message, retryable=True, hint="look at the server's own log, or use another model", usage=usage)
    return answer


def _cut_off(answer: Answer, usage: Usage, section: str) -> StageError:
    if answer.text.strip():
        return StageError(
            FailureKind.TOO_LONG,
            "the answer hit its token limit before it ended",
            hint=f"raise {section}.max_tokens, or ask for shorter answers",
            usage=usage,
        )
    return StageError(
        FailureKind.UNFINISHED,
        "the model reasoned until it hit its token limit, and never came to an answer",
        hint=f"raise {section}.max_tokens, or lower the effort (reasoning_effort=low in the spec)",
        usage=usage,
    )


def split(content: str) -> Answer:
    """``content`` as final text and reasoning. Text without markers is all final, and unchanged; without a final channel none is."""
    text, thoughts = content, list[str]()
    for apart in (_harmony, _stripped_harmony, _tagged):
        text, thought = apart(text)
        thoughts.append(thought)
    return Answer(text, _joined(thoughts))


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, map(str.strip, parts)))


def _harmony(content: str) -> Answer:
    """Raw harmony. Of several final messages the last counts. Text outside of messages is reasoning, unless there are only end markers."""
    if "<|" not in content:
        return Answer(content, "")
    lead, *rest = _MARKER.split(content)
    markers, following = rest[::2], rest[1::2]
    if not markers:
        return Answer(content, "")
    if _ENDS.issuperset(markers):
        return Answer(lead.strip(), "")
    role, channel = "", ""
    texts: dict[str, list[str]] = {"final": [], "thought": [], "ignored": []}
    # The prompt may have ended within a header, whose end is then all that is left of it.
    if markers[0] in ("message", "constrain") and (header := _HEADER_END.fullmatch(lead)):
        channel = header[1]
    else:
        texts["thought"].append(lead)
    for marker, text in zip(markers, following, strict=True):
        if marker == "start":
            role, channel = text.strip(), ""
        elif marker == "channel":
            channel = text.strip()
        elif marker == "message":
            texts[_place(role, channel)].append(text)
        elif marker in _ENDS:
            role, channel = "", ""
            texts["thought"].append(text)
    final = _CUT_MARKER.sub("", texts["final"][-1]).strip() if texts["final"] else ""
    return Answer(final, _joined(texts["thought"]))


def _place(role: str, channel: str) -> Literal["final", "thought", "ignored"]:
    """What a message is, by its header."""
    if role and not role.startswith("assistant"):
        return "ignored"
    if not channel or channel.startswith("final"):
        return "final"
    return "ignored" if " to=" in f"{role} {channel}" else "thought"


def _stripped_harmony(content: str) -> Answer:
    """Harmony whose special tokens were lost on the way: ``analysis…assistantfinal…``. English that begins with such a word is none."""
    if "assistantfinal" not in content:
        return Answer("", content[start.end() :]) if (start := _UNFINISHED_START.match(content)) else Answer(content, "")
    if not content.lstrip().startswith("assistantfinal") and not _STRIPPED_START.match(content):
        return Answer(content, "")
    lead, *rest = _STRIPPED.split(_STRIPPED_START.sub(r"assistant\1", content, count=1))
    final = [text for channel, text in zip(rest[::2], rest[1::2], strict=True) if channel == "final"][-1]
    thoughts = [text for channel, text in zip(rest[::2], rest[1::2], strict=True) if channel != "final"]
    return Answer(final.strip(), _joined([lead, *thoughts]))


def _tagged(content: str) -> Answer:
    """Reasoning between tags. All before a closing tag is reasoning, whether or not it was opened: the prompt may have done that."""
    outside: list[str] = []
    inside: list[str] = []
    begin, is_open = 0, False
    for tag in _TAG.finditer(content):
        text = content[begin : tag.start()]
        begin = tag.end()
        if not any(tag.groups()):
            (inside if is_open else outside).append(text)
            is_open = True
        elif is_open:
            inside.append(text)
            is_open = False
        else:
            inside += [*outside, text]
            outside.clear()
    if begin == 0:
        return Answer(content, "")
    (inside if is_open else outside).append(content[begin:])
    return Answer(_joined(outside), _joined(inside))
