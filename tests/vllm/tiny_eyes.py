# pyright: reportMissingImports=false, reportArgumentType=false, reportCallIssue=false
"""A tiny real vision model for tests: an Idefics3, two layers of a text model over two of a vision model, trained for some seconds until it
speaks in verdicts.

``PYTHON tests/vllm/tiny_eyes.py FOLDER``, with a Python that has vLLM. It needs no network and no torchvision.

Its text model learns the form of an answer and nothing of the question; its eyes keep the weights that chance gave them. So its answers are
worth nothing, but they come by the real way: an image that the server decodes, cuts and embeds, and JSON under a schema.
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig

SEED = 7
INSTRUCTIONS = Path(__file__).parents[2] / "optimizer" / "prompts"
STEPS = 160
BATCH = 4
LEARNING_RATE = 4e-3
LONGEST = 8192
MOST_STATEMENTS = 4
LONGEST_BEFORE = 200
"""Tokens of anything before an answer in training, at most: what the answer must not hang on."""
SIDE, PATCH, SCALE = 64, 8, 2
IMAGE_TOKENS = (SIDE // PATCH) ** 2 // SCALE**2

PAD, BEGIN, END, IMAGE = "<pad>", "<s>", "<end_of_utterance>", "<image>"
SPECIALS = (PAD, BEGIN, END, IMAGE, "<fake_token_around_image>", "<global-img>")
TEMPLATE = """\
{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}\
{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}<end_of_utterance>
{% endfor %}assistant: """
EVIDENCE = ("a cat sits there", "nothing of it is seen", "two of them", "it is red", "the sign reads OPEN")


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, and what judges are told and answers are made of, so that both are short."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    luck = random.Random(SEED)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=800, initial_alphabet=alphabet, special_tokens=list(SPECIALS), show_progress=False)
    told = [path.read_text(encoding="utf-8") for path in sorted(INSTRUCTIONS.glob("judge-*.md"))]
    made.train_from_iterator([*(answer(luck) for _ in range(100)), *told], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[IMAGE, *SPECIALS[4:]],
        chat_template=TEMPLATE,
    )


def model(words: PreTrainedTokenizerFast) -> Idefics3ForConditionalGeneration:
    """Half a million parameters. Heads are 32 wide: vLLM's attention on CPUs knows no narrower ones."""
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=LONGEST,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    eyes = Idefics3VisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=PATCH
    )
    config = Idefics3Config(
        vision_config=eyes.to_dict(),
        text_config=text.to_dict(),
        image_token_id=words.convert_tokens_to_ids(IMAGE),
        scale_factor=SCALE,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=False,
    )
    return Idefics3ForConditionalGeneration(config).float()


def answer(luck: random.Random) -> str:
    """What the model is to say: a word, or where a schema holds it to more, verdicts, one verdict or a preference."""
    if luck.random() < 0.6:
        return luck.choice(("Yes", "No"))
    verdicts = [{"id": f"c{number}", **_verdict(luck)} for number in range(1, MOST_STATEMENTS + 1)]
    preference = {"first": luck.choice(EVIDENCE), "second": luck.choice(EVIDENCE), "answer": luck.choice(("first", "second", "tie"))}
    return json.dumps(luck.choice(({"verdicts": verdicts}, _verdict(luck), preference)))


def _verdict(luck: random.Random) -> dict[str, str]:
    return {"evidence": luck.choice(EVIDENCE), "answer": luck.choice(("yes", "no", "yes", "no", "unclear"))}


def train(learner: Idefics3ForConditionalGeneration, words: PreTrainedTokenizerFast) -> None:
    """Teaches the text model the form of answers, at any place of a long text; prints how it goes."""
    luck = random.Random(SEED)
    text, head = learner.model.text_model, learner.lm_head
    trained = [*text.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, STEPS)
    lead = words.encode("<end_of_utterance>\nassistant: ", add_special_tokens=False)
    end = [words.eos_token_id]
    learner.train()
    started = time.monotonic()
    for step in range(STEPS):
        before = [luck.randrange(len(words)) for _ in range(luck.randrange(LONGEST_BEFORE))] + lead
        rows = [words.encode(answer(luck), add_special_tokens=False) + end for _ in range(BATCH)]
        longest = max(map(len, rows))
        length = len(before) + longest
        tokens = torch.tensor([before + row + [words.pad_token_id] * (longest - len(row)) for row in rows])
        targets = torch.tensor([[-100] * len(before) + row + [-100] * (longest - len(row)) for row in rows])
        places = torch.tensor([[luck.randrange(LONGEST - length)] for _ in rows]) + torch.arange(length)
        logits = head(text(input_ids=tokens, position_ids=places).last_hidden_state)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step % 40 == 0 or step == STEPS - 1:
            print(f"step {step}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s", flush=True)


def save(learner: Idefics3ForConditionalGeneration, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes a folder that vLLM serves."""
    learner.eval().bfloat16()
    learner.generation_config.eos_token_id = words.eos_token_id
    learner.save_pretrained(folder)
    words.save_pretrained(folder)
    images = Idefics3ImageProcessorPil(size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False)
    Idefics3Processor(images, words, image_seq_len=IMAGE_TOKENS, chat_template=TEMPLATE).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes a tiny vision model.")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    words = tokenizer()
    learner = model(words)
    train(learner, words)
    save(learner, words, arguments.folder)


if __name__ == "__main__":
    main()
