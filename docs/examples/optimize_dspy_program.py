"""Our search as a dspy optimizer, from a program to a better program: ``python docs/examples/optimize_dspy_program.py``.

It needs no key and no network: the language models are a few rules each (at the end of the file). The first answers customers, and mostly
does what its instructions ask for; the second reads what was wrong with the answers and adds an instruction, often a useless one. With
models of your own, what stands above them is all there is to write.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import dspy

from data.chat import Chat, Completion
from optimizer.dspy_optimizer import PhoropterSearch
from reasoner.dspy_lm import lm_over


class Support(dspy.Module):
    """A ticket in, a reply out."""

    def __init__(self) -> None:
        super().__init__()
        self.reply = dspy.Predict(dspy.Signature("ticket -> reply", "Reply to the customer."))

    def forward(self, ticket: str) -> dspy.Prediction:
        return self.reply(ticket=ticket)


def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> dspy.Prediction:
    """A quarter for each thing that a good reply has; the feedback says what is missing."""
    missing = [
        complaint
        for complaint, fine in {
            "does not greet the customer by name": example.customer in prediction.reply,
            "does not say which order it is about": example.order in prediction.reply,
            "does not say what happens next": "will" in prediction.reply,
            "is longer than forty words": len(prediction.reply.split()) <= 40,
        }.items()
        if not fine
    ]
    return dspy.Prediction(score=1 - len(missing) / 4, feedback="; ".join(missing))


def main() -> Any:
    dspy.configure(lm=lm_over(Clerk()))
    examples = tickets(80)
    optimizer = PhoropterSearch(metric=metric, budget=300, reflection_lm=lm_over(Coach()))
    better = optimizer.compile(Support(), trainset=examples[:40], valset=examples[40:])
    print("Instructions found:\n" + better.reply.signature.instructions)
    print(f"\n{better.detailed_results}")
    return better


# -- what stands in for data and models


def tickets(count: int) -> list[dspy.Example]:
    names, things = ["Ada", "Bo", "Chi", "Dana", "Emre"], ["lamp", "kettle", "chair", "radio"]
    troubles = ["came broken", "has not come", "is the wrong color", "makes a noise"]
    made = []
    for number in range(count):
        luck = random.Random(number)
        customer, order = luck.choice(names), f"{luck.randrange(10_000):04}"
        text = f"My {luck.choice(things)} {luck.choice(troubles)}. Order {order}. {customer}"
        made.append(dspy.Example(ticket=text, customer=customer, order=order).with_inputs("ticket"))
    return made


ADVICE = {
    "by name": "Greet the customer by name.",
    "which order": "Repeat the order number.",
    "happens next": "Say what the next step is.",
    "forty words": "Keep it short.",
}
USELESS = ("Apologize at length.", "Be formal.", "Think before you write.", "Use the language of the ticket.")


SENTENCES = {
    "order number": "This is about order {order}.",
    "Apologize": "We are so very sorry for all of this trouble, we do understand how it feels, and we ask you to bear with us a little.",
    "next step": "A colleague will call you tomorrow.",
}
SMALL_TALK = "Happy customers are what we live for, and it is always a joy to hear from you, whatever the weather."


class Clerk:
    """Does each thing that its instructions ask for nine times out of ten, and makes small talk where it is not asked to be short."""

    identity = "clerk"

    async def __call__(self, chats: Sequence[Chat]) -> list[Completion]:
        return [Completion(f"[[ ## reply ## ]]\n{self._reply(chat)}\n\n[[ ## completed ## ]]") for chat in chats]

    def _reply(self, chat: Chat) -> str:
        order, customer = re.findall(r"Order (\d+)\. (\w+)", chat.user)[-1]
        luck = random.Random(f"{chat.system} {chat.user}")
        followed = [words for words in ("by name", *SENTENCES, "short") if words in chat.system and luck.random() < 0.9]
        parts = [f"Dear {customer}," if "by name" in followed else "Hello,", "thank you for writing to us."]
        parts += [sentence.format(order=order) for words, sentence in SENTENCES.items() if words in followed]
        return " ".join(parts if "short" in followed else [*parts, SMALL_TALK])


class Coach:
    """Reads the feedback and adds an instruction: every second time one that has to do with it."""

    identity = "coach"

    async def __call__(self, chats: Sequence[Chat]) -> list[Completion]:
        return [Completion(json.dumps({"cause": cause, "instructions": text})) for cause, text in map(self._advice, chats)]

    def _advice(self, chat: Chat) -> tuple[str, str]:
        luck = random.Random(f"{chat.seed} {chat.user}")
        sets = [part.splitlines() for part in re.findall(r"## Instructions[ \d]*\n(.*?)(?=\n\n## |\n\nAll instr)", chat.user, re.DOTALL)]
        if len(sets) > 1:
            return "what both say", "\n".join(dict.fromkeys(sets[0] + sets[1]))
        if chat.system.startswith("You shorten") and len(sets[0]) > 1:
            dropped = luck.choice(sets[0][1:])
            return f"without “{dropped}”", "\n".join(line for line in sets[0] if line != dropped)
        complaints = Counter({advice: chat.user.count(sign) for sign, advice in ADVICE.items()})
        fitting = [advice for advice, count in complaints.most_common(2) if count and advice not in sets[0]]
        added = luck.choice(fitting) if fitting and luck.random() < 0.5 else luck.choice([*ADVICE.values(), *USELESS])
        return f"“{added}”", "\n".join(dict.fromkeys([*sets[0], added]))


if __name__ == "__main__":
    main()
