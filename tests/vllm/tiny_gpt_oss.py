# pyright: reportMissingImports=false
"""A tiny real GPT-OSS for tests: the real tokenizer and architecture, two layers, trained for half a minute until it speaks harmony.

``PYTHON tests/vllm/tiny_gpt_oss.py FOLDER --vocabulary FOLDER``, with a Python that has vLLM. It needs no network: ``--vocabulary`` is a
folder of tiktoken's cache, such as litellm brings with it.

Whatever it is asked, it thinks a sentence in the analysis channel and then answers in the final one, with a picture made up at random, as
plain text or as JSON. It does not read the question. The same script on the same machine makes the same weights.
"""

import argparse
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import openai_harmony as harmony
import tiktoken
import torch
from transformers import GptOssConfig, GptOssForCausalLM, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

SEED = 7
STEPS = 300
BATCH = 4
LEARNING_RATE = 5e-3
MARGIN = 6.0
"""Training pretends that the tokens it does not use are so much likelier than they are (in nats): later they hardly ever come up."""
LONGEST_TEXT = 100
"""Words of a made-up system prompt in training. Longer ones work as well; training on them only takes longer."""

START, PAD, RETURN, CALL = 199998, 199999, 200002, 200012
TEMPLATE = """\
<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.
Knowledge cutoff: 2024-06
Current date: {{ strftime_now("%Y-%m-%d") }}

Reasoning: {{ reasoning_effort or "medium" }}

# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>
{%- for m in messages -%}
{%- set given = m.role == "system" -%}
<|start|>{{ "developer" if given else m.role }}<|message|>{{ "# Instructions\\n\\n" if given }}{{ m.content }}<|end|>
{%- endfor -%}
<|start|>assistant"""
"""Short for the model's own template. vLLM's server renders GPT-OSS without one, ``LLM.chat`` with it."""
O200K = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""tiktoken's cache name of o200k_base: the SHA-1 of its address."""

SPEECH = """
a an the of on in with and or no not never always every each rewrite prompt image picture user text answer write one keep number color
word describe what is seen light style exactly three two red blue cat dog house tree lake mountain person letters sign quote short long
English JSON you are artist camera scene subject background instead if request detail only at most words plain
"""
WORDS = SPEECH.split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
COLORS = ("red", "blue", "green", "yellow", "white", "black", "orange", "purple")
THINGS = ("cat", "dog", "house", "tree", "boat", "car", "bird", "chair", "cup", "flower")
PLACES = ("a beach", "a meadow", "a street", "a table")
THOUGHTS = ("The user wants a picture. I name the subject first and keep it short.", "I describe what is seen, and the light.")
JSON_FORMS = ('{{"prompt": "{}"}}', '{{"rewrite": "{}"}}', '{{"prompt": "{}", "aspect_ratio": "1:1"}}')


def tokenizer(vocabulary: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of GPT-OSS, o200k_harmony, in the form that transformers and vLLM load."""
    encoding = tiktoken.get_encoding("o200k_harmony")
    by_id: dict[int, str] = {}
    for name, number in encoding._special_tokens.items():
        # One id has two names; the reserved one is never used.
        if number not in by_id or "reserved" in by_id[number]:
            by_id[number] = name
    converter = TikTokenConverter(
        vocab_file=str(vocabulary / O200K), pattern=encoding._pat_str, extra_special_tokens=[by_id[number] for number in sorted(by_id)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=converter.converted(), bos_token="<|startoftext|>", eos_token="<|return|>", pad_token="<|endoftext|>"
    )
    probe = "<|start|>assistant<|channel|>final<|message|>Käse 漢字 12345 !!<|return|>"
    assert made.encode(probe, add_special_tokens=False) == encoding.encode(probe, allowed_special="all")
    made.chat_template = TEMPLATE
    return made


def model() -> GptOssForCausalLM:
    """26 million parameters, nearly all of them embeddings: the vocabulary is the real one."""
    config = GptOssConfig(
        num_hidden_layers=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        hidden_size=64,
        intermediate_size=64,
        head_dim=64,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=201088,
        sliding_window=128,
        max_position_embeddings=8192,
        bos_token_id=START,
        pad_token_id=PAD,
        eos_token_id=[RETURN, PAD, CALL],
        rope_parameters={
            "rope_type": "yarn",
            "factor": 32.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": 4096,
            "rope_theta": 150000.0,
        },
    )
    made = GptOssForCausalLM(config).float()
    # Embeddings of the usual size are too alike for so narrow a model to tell words apart within half a minute.
    made.model.embed_tokens.weight.data.mul_(5)
    return made


class Lessons:
    """Conversations to learn from, rendered as vLLM renders them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._encoding = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)

    def next(self) -> tuple[list[int], list[int]]:
        """The tokens of a question, and of its answer."""
        return self._question(), self._answer()

    def _question(self) -> list[int]:
        system = harmony.SystemContent.new().with_reasoning_effort(self._random.choice(list(harmony.ReasoningEffort)))
        system = system.with_conversation_start_date(f"20{self._random.randrange(24, 30)}-0{self._random.randrange(1, 10)}-15")
        messages = [harmony.Message.from_role_and_content(harmony.Role.SYSTEM, system)]
        # In one of ten conversations there is no system prompt.
        if self._random.random() < 0.9:
            instructions = harmony.DeveloperContent.new().with_instructions(self._text(LONGEST_TEXT))
            messages.append(harmony.Message.from_role_and_content(harmony.Role.DEVELOPER, instructions))
        messages.append(harmony.Message.from_role_and_content(harmony.Role.USER, self._text(20)))
        return self._encoding.render_conversation_for_completion(harmony.Conversation.from_messages(messages), harmony.Role.ASSISTANT)

    def _text(self, longest: int) -> str:
        """Known words and made-up ones in any order, so that no order of words means anything."""
        pick, pieces = self._random.choice, list[str]()
        for _ in range(self._random.randrange(1, longest)):
            word = pick(WORDS) if self._random.random() < 0.7 else "".join(self._random.choices(LETTERS, k=self._random.randrange(2, 7)))
            pieces.append(word + pick(("", "", "", ",", ".", ".\n", ":")))
        return " ".join(pieces)

    def _answer(self) -> list[int]:
        pick = self._random.choice
        picture = f"A {pick(COLORS)} {pick(THINGS)} beside a {pick(COLORS)} {pick(THINGS)} on {pick(PLACES)}, soft light, calm mood."
        final = f"<|message|>{picture}"
        if self._random.random() < 0.5:
            final = f" <|constrain|>json<|message|>{pick(JSON_FORMS).format(picture)}"
        text = f"<|channel|>analysis<|message|>{pick(THOUGHTS)}<|end|><|start|>assistant<|channel|>final{final}<|return|>"
        return self._encoding.encode(text, allowed_special="all")

    def vocabulary(self) -> list[int]:
        """The tokens of all answers, in order."""
        return sorted({token for _ in range(500) for token in self._answer()})


def train(learner: GptOssForCausalLM, lessons: Lessons) -> None:
    """Teaches the form of an answer; prints how it goes.

    Only the tokens that occur in answers get an output row; all others keep a row of zeros, and so a logit of zero. Their part of the
    softmax is then known without computing it, which makes a step many times faster.
    """
    # Without this, AdamW's vanishing moments make each step ten times slower.
    torch.set_flush_denormal(True)
    learner.model.embed_tokens.weight.requires_grad_(False)
    learner.lm_head.weight.requires_grad_(False)
    used = torch.tensor(lessons.vocabulary())
    rows = torch.nn.Parameter(learner.lm_head.weight[used].clone())
    unused = torch.tensor(float(learner.config.vocab_size - len(used))).log() + MARGIN
    trained = [*(p for p in learner.model.parameters() if p.requires_grad), rows]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, STEPS)
    learner.train()
    started = time.monotonic()
    for step in range(STEPS):
        tokens, mask, targets = batch([lessons.next() for _ in range(BATCH)])
        hidden = learner.model(input_ids=tokens, attention_mask=mask).last_hidden_state
        asked = targets[:, 1:] != -100
        logits = hidden[:, :-1][asked] @ rows.T
        logits = torch.cat([logits, unused.expand(len(logits), 1)], dim=1)
        loss = torch.nn.functional.cross_entropy(logits, torch.searchsorted(used, targets[:, 1:][asked]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == STEPS - 1:
            print(f"step {step}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s", flush=True)
    learner.lm_head.weight.data.zero_()
    learner.lm_head.weight.data[used] = rows.data


def batch(lessons: Sequence[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, attention mask and targets of some lessons; only answers are learned."""
    length = max(len(question) + len(answer) for question, answer in lessons)
    tokens = torch.full((len(lessons), length), PAD)
    mask = torch.zeros((len(lessons), length), dtype=torch.long)
    targets = torch.full((len(lessons), length), -100)
    for row, (question, answer) in enumerate(lessons):
        end = len(question) + len(answer)
        tokens[row, :end] = torch.tensor(question + answer)
        mask[row, :end] = 1
        targets[row, len(question) : end] = torch.tensor(answer)
    return tokens, mask, targets


def save(learner: GptOssForCausalLM, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes a folder that vLLM serves."""
    learner.eval().bfloat16()
    learner.generation_config.eos_token_id = [RETURN, PAD, CALL]
    learner.save_pretrained(folder)
    words.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes a tiny GPT-OSS.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vocabulary", type=Path, required=True, help="a folder of tiktoken's cache")
    arguments = parser.parse_args()
    os.environ["TIKTOKEN_CACHE_DIR"] = str(arguments.vocabulary)
    torch.manual_seed(SEED)
    learner = model()
    train(learner, Lessons(SEED))
    save(learner, tokenizer(arguments.vocabulary), arguments.folder)


if __name__ == "__main__":
    main()
