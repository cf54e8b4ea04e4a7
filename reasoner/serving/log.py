"""vLLM's log, read for people: its telling lines, and the troubles that are known, with what to do about each. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LINES_SHOWN = 6
LONGEST_LINE = 240

_PREFIX = re.compile(r"^(?:\([^)]*pid=\d+\) )*(?:(?:INFO|WARNING|ERROR|DEBUG|CRITICAL) \d\d-\d\d [\d:]+ \[[^\]]*\] ?)?")
_RAISED = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt)\b[^:]*: \S|^Value error, |error: |^\S+: No such file")
_LATER = re.compile(r"Engine core initialization failed|Engine core proc|See root cause above|1 validation error|leaked \w+ objects")
"""What vLLM raises because of something that it raised before."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong, and what to do about it; ``hint`` may be ""."""

    message: str
    hint: str = ""


def known_trouble(log: str) -> Trouble | None:
    """The first of the known troubles that ``log`` tells of."""
    for pattern, explain in _KNOWN:
        if match := pattern.search(log):
            return explain(match)
    return None


def telling_lines(log: str, most: int = LINES_SHOWN) -> list[str]:
    """The lines that say what was raised, root cause first, without vLLM's prefixes; where nothing was raised, the last lines."""
    lines = [_PREFIX.sub("", line).strip() for line in log.splitlines()]
    raised = [line for line in lines if _RAISED.search(line)]
    causes = [line for line in raised if not _LATER.search(line)] or raised
    if causes:
        return [_cut(line) for line in dict.fromkeys(causes)][:most]
    return [_cut(line) for line in lines if line][-most:]


def latest_line(log: str) -> str:
    """What it said last; "" where it has said nothing yet."""
    lines = (_PREFIX.sub("", line).strip() for line in reversed(log.splitlines()))
    return _cut(next(filter(None, lines), ""))


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


# -- known troubles


def _too_little_free(match: re.Match[str]) -> Trouble:
    free, total, wanted = float(match["free"]), float(match["total"]), float(match["wanted"])
    fits = int(100 * free / total - 2) / 100
    other = "make room: stop what else runs there"
    hint = f"use a smaller share: --memory-share {fits:.2f} (?memory_share={fits:.2f}), or {other}" if fits >= 0.1 else other
    return Trouble(f"{match['what']} has {free:g} of {total:g} GiB free, and the server was to take {wanted:g} GiB", hint)


def _no_cache(match: re.Match[str]) -> Trouble:
    return Trouble(
        "the model fills its share of the memory, and nothing is left for the texts that it works on (the KV cache)",
        "give it more: --memory-share 0.9 (?memory_share=0.9), or take a smaller model",
    )


def _cache_too_small(match: re.Match[str]) -> Trouble:
    fits = re.search(r"estimated maximum model length is (\d+)", match[0])
    shorter = f"a shorter context: --max-model-len {fits[1]} (?max_model_len={fits[1]})" if fits else "a shorter context: --max-model-len"
    return Trouble(
        f"{match['wanted']} tokens need {match['needed']} GiB of KV cache, and {match['available']} GiB are left beside the model",
        f"{shorter}, or more memory: --memory-share",
    )


def _context_beyond_model(match: re.Match[str]) -> Trouble:
    most = int(float(match["most"]))
    return Trouble(
        f"the model takes {most} tokens, fewer than the {match['wanted']} asked for", f"--max-model-len {most} (?max_model_len={most})"
    )


def _said(message: str, hint: str) -> Callable[[re.Match[str]], Trouble]:
    def explain(match: re.Match[str]) -> Trouble:
        return Trouble(message.format(**match.groupdict()), hint.format(**match.groupdict()))

    return explain


_KNOWN: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], Trouble]]] = [
    (
        re.compile(
            r"(?:Free|Available) memory on (?P<what>device \S+|node \d+) \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than"
            r" desired \w+ memory utilization \([\d.]+, (?P<wanted>[\d.]+) GiB\)"
        ),
        _too_little_free,
    ),
    (re.compile(r"No available memory for the cache blocks|not enough GPU memory available to serve even a single token"), _no_cache),
    (
        re.compile(
            r"max seq len \((?P<wanted>\d+)\), \((?P<needed>[\d.]+) GiB KV cache is needed, which is larger than the available KV cache"
            r" memory \((?P<available>[\d.]+) GiB\)[^\n]*"
        ),
        _cache_too_small,
    ),
    (
        re.compile(r"max_model_len \((?P<wanted>\d+)\) is greater than the derived max_model_len \(\w+=(?P<most>[\d.]+)"),
        _context_beyond_model,
    ),
    (
        re.compile(r"(?:CUDA|HIP) out of memory|OutOfMemoryError(?: when|: )"),
        _said("the model does not fit into the memory that it may take", "a smaller model, or more of the GPU: --memory-share 0.9"),
    ),
    (
        re.compile(r"Access to model (?P<model>\S+) is restricted|Cannot access gated repo"),
        _said(
            "the model is gated: its owner asks for an agreement first",
            "agree on the model's page at huggingface.co, then set HF_TOKEN to a token of that account",
        ),
    ),
    (
        re.compile(r"LocalEntryNotFoundError|outgoing traffic has been disabled|OfflineModeIsEnabled"),
        _said("the model is not on this machine, and downloads are off", "download it first: `hf download MODEL`; or unset HF_HUB_OFFLINE"),
    ),
    (
        re.compile(r"RepositoryNotFoundError|is not a valid model identifier|Repository Not Found"),
        _said("the model hub shows no model of this name", "check the name; a private model needs HF_TOKEN"),
    ),
    (
        re.compile(r"address already in use|Address already in use|Errno 98"),
        _said("its port is taken by another program", "choose another: --port, or leave it out for a free one"),
    ),
    (
        re.compile(r"Bfloat16 is only supported on GPUs[^\n]*"),
        _said("this GPU can not compute in the bfloat16 of the weights", "a GPU of compute capability 8.0 or later, or a model in float16"),
    ),
    (
        re.compile(r"Failed to infer device type"),
        _said("vLLM sees no device that it was built for", "does `nvidia-smi` list the GPU? without one, take a vLLM for CPUs"),
    ),
    (
        re.compile(r"PackageNotFoundError: No package metadata was found for vllm"),
        _said("the command finds no distribution called vllm", "call its module: --vllm 'PYTHON -m vllm.entrypoints.openai.api_server'"),
    ),
    (
        re.compile(r"No module named '?vllm\.[^\n]*hidden_states|extract_hidden_states[^\n]*(?:not supported|Unsupported|Input should be)"),
        _said("this version of vLLM can't hand out text features", "pip install --upgrade 'vllm>=0.32', in its environment"),
    ),
    (
        re.compile(r"No module named '?vllm|vllm: No such file"),
        _said("there is no vLLM where one was expected", "name another with --vllm, or PHOROPTER_VLLM"),
    ),
    (
        re.compile(r"unrecognized arguments: (?P<flags>[^\n]+)|invalid choice: (?P<choice>[^\n]+)"),
        _said("this version of vLLM does not know a flag that it is called with", "pip install --upgrade vllm, in its environment"),
    ),
    (
        re.compile(r"No space left on device"),
        _said("the disk is full", "make room, or set HF_HOME to a folder with more of it"),
    ),
]  # fmt: skip
