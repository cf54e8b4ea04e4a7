"""What test_in_process.py runs with the Python that has vLLM: a batch of chats, answered in that process. Prints what came back as JSON."""

import asyncio
import json
import sys
from typing import Any

from data.chat import Chat, Completion
from reasoner.engines.vllm_in_process import VllmInProcess


async def answered(model: str) -> dict[str, Any]:
    engine = VllmInProcess(model, parameters={"reasoning_effort": "low", "temperature": 0.9}, memory_share=0.3, max_model_len=2048)
    try:
        chats = [Chat("Rewrite the prompt.", f"picture {seed}", seed, 300) for seed in range(8)]
        chats += [chats[0], Chat("long " * 4000, "a cat", 1, 300), Chat("Rewrite.", "a cat", 1, 8)]
        together = await engine(chats)
        # Singly, and at once: they come together inside.
        singly = [(await one)[0] for one in [asyncio.create_task(engine([chat])) for chat in chats[:4]]]
        return {"identity": engine.identity, "together": [shown(each) for each in together], "singly": [shown(each) for each in singly]}
    finally:
        await engine.aclose()


def shown(outcome: Completion | Exception) -> dict[str, Any]:
    if isinstance(outcome, Completion):
        usage = outcome.usage
        tokens = [usage.input_tokens, usage.output_tokens, usage.cost]
        return {"text": outcome.text, "reasoning": outcome.reasoning, "seed": outcome.seed, "tokens": tokens}
    return {"kind": getattr(outcome, "kind", ""), "error": str(outcome)}


if __name__ == "__main__":
    # vLLM writes to stdout as well.
    print("\nANSWERS " + json.dumps(asyncio.run(answered(sys.argv[1]))))
