"""Who made a model, by its name: models like what their own family writes, so a family should not judge itself alone.

No server is asked. A name that gives nothing away ("checkpoint-900") has the family "".
"""

import re
from collections.abc import Sequence

_FAMILIES: tuple[tuple[str, str], ...] = (
    # First those who build on another's model and say so in its name: who trained it last is its maker.
    ("nvidia", r"nemotron|\bnvlm|\bnvidia\b"),
    ("deepseek", r"deepseek"),
    ("internlm", r"intern-?(?:vl|lm|s1)|opengvlab"),
    ("openbmb", r"minicpm|openbmb"),
    ("zhipu", r"glm-?\d|cogvlm|cogagent|thudm|\bz-?ai\b|zhipu"),
    ("ai2", r"molmo|olmo|\btulu|\ballenai\b"),
    ("huggingface", r"smolvlm|smollm|idefics|huggingface(?:tb|m4)"),
    ("openai", r"\b(?:chat)?gpt-?(?:\d|oss)|^o[1-9](?:-|$)|\bcodex\b|\bopenai\b"),
    ("anthropic", r"claude|\banthropic\b"),
    ("google", r"gemini|gemma|\bgoogle\b"),
    ("qwen", r"qwen|\bqwq\b|\bqvq\b"),
    ("mistral", r"(?:mis|mix|pix|minis|magis|codes|devs|vox)tral"),
    ("xai", r"\bgrok|\bx-?ai\b"),
    ("moonshot", r"\bkimi|moonshot"),
    ("microsoft", r"\bphi-?\d|\bmicrosoft\b"),
    ("amazon", r"\bnova-(?:\d|pro|lite|micro|premier)|\bamazon\b"),
    ("cohere", r"\bcommand-(?:r|a|light|nightly)\b|\baya-|\bcohere"),
    ("ibm", r"\bgranite|\bibm\b"),
    ("tencent", r"hunyuan|\btencent\b"),
    ("bytedance", r"\bseed-?(?:oss|vl|\d)|doubao|\bbytedance|ui-tars"),
    ("baidu", r"\bernie|\bbaidu\b"),
    ("xiaomi", r"\bmimo\b|\bxiaomi"),
    ("stepfun", r"\bstep-?\d|stepfun"),
    ("minimax", r"minimax"),
    ("moondream", r"moondream"),
    # Last, since so much is built on it: a LLaVA is a recipe and no maker, so the base in its name counts, and without one it is Vicuna,
    # which is Llama. llama.cpp and Ollama serve models, and make none.
    ("meta", r"(?<!\bo)llama(?!\.?-?cpp|-server)|vicuna|\bmeta\b|llava"),
)
_PATTERNS = tuple((family, re.compile(pattern)) for family, pattern in _FAMILIES)


def family_of(model: str) -> str:
    """Who made ``model``: "openai", "qwen", "google" … by its name, whatever provider, folder or quantisation stands around it; "" where
    the name does not tell.

    The name itself goes before what it stands in: ``openai/Qwen3-VL-8B`` is a Qwen at an OpenAI-shaped endpoint.
    """
    for part in reversed(re.split(r"[/\\]|--", model.lower().replace("_", "-"))):
        for family, pattern in _PATTERNS:
            if pattern.search(part):
                return family
    return ""


def alone(judges: Sequence[str], writers: Sequence[str]) -> str:
    """Why these judges' families do not suffice beside those of the models that write (reasoner, proposer), in words; "" where they do.

    Both are families; "" stands for a judge without a model, such as one that measures pixels, or for one whose maker nobody knows: kin to
    nobody. One judge that is kin to no writer suffices.
    """
    kin = set(judges) & set(writers)
    if not judges or "" in judges or kin != set(judges):
        return ""
    names = " and ".join(sorted(kin))
    return (
        f"every judge is of a family ({names}) that also writes the rewrites or the instructions, and models favour what their own family "
        'writes: add a judge of another family, or one without a model, in a panel: "panel: … + …"'
    )
