"""The embedded writer: names subjects, types wishes and writes checklists by rule. It is not a language model, and says so.

It speaks of what the embedded world can draw, in English. Of a text that it makes nothing of it writes no checklist; of one that it
understands in part, a checklist of that part. It answers the three questions of optimizer/authoring, told apart by what is in them.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, cast

from data import lexicon
from data.chat import Chat, Completion, blind
from data.checklists import scene_checklist
from data.errors import FailureKind, StageError
from data.identity import derived_random
from data.mentions import Mention, Sense
from data.reading import read
from data.records import Criterion, CriterionKind, Need
from data.scene import BACKGROUNDS, KINDS, Test
from data.scenes import scene_of
from data.usage import Usage
from reasoner.embedded.english import plural_of
from reasoner.embedded.wishes import wish

LEAST_CRITERIA = 5
MOST_PASSED_OVER = 3
"""Words that a text may have which the embedded world does not know, before the writer stops saying what may not be in the picture."""
_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "people": ("birthday", "wedding", "picnic", "party", "baseball", "moving in", "fishing", "road trip"),
    "animals": ("cat", "bird", "fish", "butterfly", "kitten", "parrot", "goldfish", "seagull", "fruit bat", "pets"),
    "food": ("apple", "cake", "mushroom", "cup", "breakfast", "birthday cake", "tea time", "coffee cup"),
    "places": ("house", "tree", "village", "garden", "forest", "cottage", "neighbourhood", "orchard", "hut"),
    "objects": ("key", "bell", "umbrella", "gift", "club", "mug", "baseball bat", "parcel", "parasol", "door key"),
    "vehicles": ("car", "boat", "rocket", "taxi", "sailboat", "ship", "yacht", "spaceship", "regatta"),
    "design": ("balloon", "star", "heart", "kite", "bell", "cup", "car", "gift", "flower"),
    "fantasy": ("rocket", "star", "vampire bat", "heart", "toadstool", "space travel", "rocket ship", "halloween"),
    "ideas": ("love", "heart", "celebration", "spring", "autumn", "christmas", "rain", "windy day", "valentine"),
    "gatherings": ("flower", "apple", "balloon", "bird", "boat", "gift", "kite", "mushroom", "butterfly", "tulip"),
}
"""What of each category the embedded world can draw."""


class EmbeddedAuthor:
    """A ChatEngine. Equal chats get equal answers."""

    @property
    def identity(self) -> str:
        return "embedded-author:1"

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        return [blind(chat, "the embedded writer") or _answered(chat) for chat in chats]


def _answered(chat: Chat) -> Completion | StageError:
    started = time.perf_counter()
    try:
        text = written(chat.user, chat.seed)
    except StageError as error:
        return error
    usage = Usage(_tokens(f"{chat.system} {chat.user}"), _tokens(text))
    return Completion(text, "", usage, time.perf_counter() - started, chat.seed)


def _tokens(text: str) -> int:
    return math.ceil(1.3 * len(text.split()))


def written(question: str, seed: int) -> str:
    """The answer to a question of optimizer/authoring, as JSON. StageError UNSUPPORTED where the writer knows none."""
    asked: dict[str, Any] = {}
    with suppress(ValueError):
        asked = json.loads(question[question.index("{") :])
    if "requests" in asked:
        answer: dict[str, Any] = {"prompts": _prompts(asked["requests"], seed)}
    elif "subcategories" in asked:
        answer = {"items": _items(asked, derived_random("embedded author", seed, question))}
    elif "request" in asked:
        answer = {"criteria": [_record(criterion) for criterion in checklist_of(str(asked["request"]))]}
    else:
        raise _unsupported("writes subjects, prompts and checklists, and was asked for something else")
    return json.dumps(answer, ensure_ascii=False)


def _unsupported(what: str) -> StageError:
    return StageError(FailureKind.UNSUPPORTED, f"the embedded writer {what}", hint="name a language model: --writer openai:MODEL@http://…")


# -- subjects


def _items(asked: Mapping[str, Any], random: Random) -> list[str]:
    subjects = list(_SUBJECTS.get(str(asked.get("category")), ()))
    if about := str(asked.get("about") or ""):
        kinds = {kind for mention in read(about).wanted for kind in mention.kinds}
        if not kinds:
            raise _unsupported(f"knows {len(KINDS)} kinds of things and {len(BACKGROUNDS)} places, and none of them in {about!r}")
        subjects = [subject for subject in subjects if kinds & {kind for mention in read(subject).wanted for kind in mention.kinds}]
    random.shuffle(subjects)
    return subjects[: int(asked.get("count", len(subjects)))]


# -- prompts


def _prompts(requests: Sequence[Any], seed: int) -> list[dict[str, str]]:
    """A text for each request that it has words for: those in English, about things that it knows."""
    texts: list[dict[str, str]] = []
    for entry in requests:
        request = cast(dict[str, Any], entry)
        subject = next(iter(read(str(request["item"])).wanted), None)
        if subject is not None and request.get("language", "en") == "en":
            random = derived_random("embedded author", seed, request["id"], request["item"])
            text = wish(str(request["item"]), subject, str(request["level"]), frozenset(request.get("skills", ())), random)
            texts.append({"id": str(request["id"]), "text": text})
    return texts


# -- checklists


def checklist_of(text: str) -> list[Criterion]:
    """What a good picture for a text has, as far as it speaks of the embedded world: what pixels can answer, then what eyes can.

    StageError UNSUPPORTED where it speaks of nothing in it.
    """
    scene, reading = scene_of(text), read(text)
    if scene is None:
        raise _unsupported(f"makes nothing of {text[:60]!r}")
    criteria = list(scene_checklist(scene))
    if reading.unknown > MOST_PASSED_OVER:
        criteria = [criterion for criterion in criteria if criterion.check is None or criterion.check.test is not Test.OTHERS]
    criteria = [_with_parents(criterion, criteria) for criterion in criteria]
    general = _general(reading.wanted[0]) if reading.wanted else _of_the_picture()
    return criteria + general[: max(0, LEAST_CRITERIA - len(criteria))]


def _with_parents(criterion: Criterion, criteria: Sequence[Criterion]) -> Criterion:
    """A colour, a size and a place make no sense without the things that have them."""
    check = criterion.check
    if check is None or check.test not in (Test.COLOR, Test.SIZE, Test.RELATION):
        return criterion
    parents = tuple(
        other.id
        for other in criteria
        if other.need is Need.MUST
        and other.check
        and other.check.test is Test.COUNT
        and other.check.kinds in (check.kinds, check.other_kinds)
    )
    return Criterion(criterion.id, criterion.text, criterion.kind, criterion.need, criterion.weight, check, parents)


def _general(mention: Mention) -> list[Criterion]:
    """What holds of every picture for a text about this thing or occasion, whatever else is open."""
    if mention.sense is Sense.THEME:
        return [
            _should("about", f"At first glance the picture is about {mention.noun}", CriterionKind.GLOBAL),
            _should("subject", f"What stands for {mention.noun} is the main subject", CriterionKind.RELATION),
            _should("whole", "The main subject is within the picture, with nothing important cut off", CriterionKind.GLOBAL),
            *_of_the_picture(),
        ]
    noun = mention.noun if mention.noun in lexicon.NOUNS else mention.kinds[0]
    name, verb = (f"{plural_of(noun)}", "are") if mention.plural or (mention.least or 1) > 1 else (noun, "is")
    return [
        _should("subject", f"The {name} {verb} among what the eye falls on first", CriterionKind.RELATION),
        _should("known", f"The {name} can be recognized at first glance, of whatever make or breed", CriterionKind.ATTRIBUTE),
        _should("whole", f"The {name} {verb} within the picture, with nothing important cut off", CriterionKind.GLOBAL),
        *_of_the_picture(),
    ]


def _of_the_picture() -> list[Criterion]:
    return [
        _should("clear", "What matters in the picture stands out from its background", CriterionKind.GLOBAL),
        _should("light", "The picture is light enough to make out everything that matters", CriterionKind.GLOBAL),
        Criterion("blurred", "The main subject is lost in blur", CriterionKind.GLOBAL, Need.MUST_NOT),
        _should("sized", "The main subject is large enough to be seen in a small copy of the picture", CriterionKind.GLOBAL),
    ]


def _should(name: str, text: str, kind: CriterionKind) -> Criterion:
    return Criterion(name, text, kind, Need.SHOULD, weight=0.5)


def _record(criterion: Criterion) -> dict[str, Any]:
    return {
        "id": criterion.id,
        "statement": criterion.text,
        "kind": criterion.kind.value,
        "need": criterion.need.value,
        "weight": criterion.weight,
        "parents": list(criterion.parents),
    }
