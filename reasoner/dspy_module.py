# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Our reasoner as a dspy module: dspy's optimizers change its instructions, which are the system prompt.

It sends what :class:`reasoner.rewrite.Rewriter` sends in plain text: the system prompt, the user's text, and none of the field markers that
dspy writes around them. So what an optimizer finds here means the same there.
"""

from typing import Any

import dspy
from dspy.signatures.signature import ensure_signature

from data.records import SystemPrompt
from reasoner.parse import clean
from reasoner.unusable import refuse_echo

SIGNATURE = "prompt -> rewrite"


class PlainAdapter(dspy.Adapter):
    """Instructions as the system text, the prompt as the user text, the answer as the rewrite. Examples become earlier turns."""

    def format(self, signature: Any, demos: list[dict[str, Any]], inputs: dict[str, Any]) -> list[dict[str, Any]]:
        told = [(demo["prompt"], demo["rewrite"]) for demo in demos if demo.get("prompt") and demo.get("rewrite")]
        turns = [{"role": role, "content": text} for pair in told for role, text in zip(("user", "assistant"), pair, strict=True)]
        return [{"role": "system", "content": signature.instructions}, *turns, {"role": "user", "content": inputs["prompt"]}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return {"rewrite": completion}


class PromptRewriter(dspy.Module):
    """``prompt -> rewrite`` under ``system_prompt``; the empty one passes the prompt on, as everywhere.

    Answers are cleaned, and refused with a StageError where no rewrite is left. The prediction has ``rewrite``, ``aspect_ratio`` ("" where
    none was named) and ``removed``, what was cut off, in words.
    """

    def __init__(self, system_prompt: str | SystemPrompt = "") -> None:
        super().__init__()
        text = system_prompt if isinstance(system_prompt, str) else system_prompt.text
        signature: Any = ensure_signature(SIGNATURE)
        # with_instructions("") would put dspy's default in its place.
        signature.instructions = text
        self.rewriter: Any = dspy.Predict(signature)

    @property
    def system_prompt(self) -> SystemPrompt:
        """The instructions as they are now, after whatever an optimizer did to them."""
        return SystemPrompt(self.rewriter.signature.instructions)

    def forward(self, prompt: str) -> dspy.Prediction:
        if not self.system_prompt.text:
            return self._prediction(prompt, prompt)
        with dspy.context(adapter=PlainAdapter()):
            answer = self.rewriter(prompt=prompt)
        return self._prediction(prompt, answer.rewrite)

    async def aforward(self, prompt: str) -> dspy.Prediction:
        if not self.system_prompt.text:
            return self._prediction(prompt, prompt)
        with dspy.context(adapter=PlainAdapter()):
            answer = await self.rewriter.acall(prompt=prompt)
        return self._prediction(prompt, answer.rewrite)

    def load_state(self, state: dict[str, Any], *, allow_unsafe_lm_state: bool = False) -> None:
        """Takes a PromptRewriter's state, and that of a bare ``dspy.Predict("prompt -> rewrite")``, as `phoropter export` writes it."""
        nested = {"rewriter": state} if "signature" in state else state
        super().load_state(nested, allow_unsafe_lm_state=allow_unsafe_lm_state)

    def _prediction(self, prompt: str, answer: str) -> dspy.Prediction:
        if answer is prompt:
            return dspy.Prediction(rewrite=prompt, aspect_ratio="", removed=())
        cleaned = clean(answer)
        refuse_echo(cleaned.text, self.system_prompt.text, prompt)
        return dspy.Prediction(rewrite=cleaned.text, aspect_ratio=cleaned.aspect_ratio, removed=cleaned.removed)
