"""How `vllm serve` is called for this job: where vLLM is, with which flags, in which environment. Starts nothing: server.py does.

The flags: prefix caching, since every call begins with the same system prompt; the model's reasoning parser; a context that rewriting needs
and no more; a share of the GPU that leaves room for an image model. On request, the server hands out text features as well, for an image
model that reads with the same LLM.
"""

import importlib.util
import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UsageError
from reasoner.serving.weights import layer_count, longest_context, model_folder, model_name, reasoning_parser

VENV = ".venv-vllm"
MODULE = "vllm.entrypoints.cli.main"
"""What the command `vllm` runs. Called by a Python, it needs no script whose first line names the right one."""
OLD_MODULE = "vllm.entrypoints.openai.api_server"
"""Serves as well, and takes the model as --model."""
INSTALL = f"python3 -m venv {VENV} && {VENV}/bin/pip install vllm"

MEMORY_SHARE = 0.45
CONTEXT = 8192
"""A system prompt, a question, and reasoning of some thousand tokens."""
LEAST_CONTEXT = 256
CPU_CACHE_GIB = "2"
HARMONY_DATE = "2026-01-01"
"""vLLM tells GPT-OSS today's date. With a date that stays, a resumed run gets the answers that it would have got on its first day."""

GPT_OSS_LAYERS = 24
"""Of gpt-oss-20b: assumed where a model is named rather than a folder."""
MOST_FEATURE_LAYERS = 4
HIDDEN_STATES = Path(__file__).with_name("hidden_states")
"""What vLLM imports for features lies in there, as phoropter_features.py."""

_SECRET_ENDINGS = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_ACCESS_KEY", "_CREDENTIALS")
_HUB = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


@dataclass(frozen=True, slots=True)
class Features:
    """What is handed out of a text on request: the residual stream after each of ``layers``, counted from 0, as files in ``folder``."""

    folder: Path
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """What to serve, and how. ``memory_share``: of the GPU's memory, in (0, 1]. ``context``: tokens of question and answer together.
    ``features`` None: none are handed out."""

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    memory_share: float = MEMORY_SHARE
    context: int = CONTEXT
    gpu: bool = False
    features: Features | None = None

    def __post_init__(self) -> None:
        # They may come from a spec, where anything can be written.
        if not (_is_number(self.memory_share) and 0 < self.memory_share <= 1):
            raise UsageError(f"memory_share is {self.memory_share!r}, and has to be above 0 and at most 1", hint="for example 0.45")
        if not (_is_number(self.context) and self.context == int(self.context) and self.context >= LEAST_CONTEXT):
            raise UsageError(
                f"max_model_len is {self.context!r}, and has to be {LEAST_CONTEXT} tokens or more", hint="8192 is a good value"
            )
        if not (_is_number(self.port) and 0 <= self.port <= 65535 and self.port == int(self.port)):
            raise UsageError(f"port is {self.port!r}, and has to be from 1 to 65535", hint="leave it out for a free one")


def feature_layers(model: str, wanted: str = "") -> tuple[int, ...]:
    """The layers that ``wanted`` names, such as "5,11,17,23"; without it, the ends of the model's four quarters, which are these for
    gpt-oss-20b. UsageError for layers that the model lacks."""
    depth = layer_count(model) or (None if wanted else GPT_OSS_LAYERS)
    if not wanted:
        assert depth is not None
        return tuple(sorted({max(0, depth * quarter // 4 - 1) for quarter in range(1, MOST_FEATURE_LAYERS + 1)}))
    try:
        layers = tuple(int(number) for number in wanted.split(","))
    except ValueError:
        layers = ()
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 0 or (depth is not None and layers[-1] >= depth):
        there_are = "" if depth is None else f" from 0 to {depth - 1}"
        raise UsageError(f"the feature layers are {wanted!r}, and have to be rising numbers{there_are}", hint="for example 5,11,17,23")
    return layers


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_vllm(command: str, environment: Mapping[str, str], folders: Sequence[Path]) -> list[str]:
    """The words that call vLLM: ``command`` where one is given, else this Python's, that of a ``.venv-vllm`` in one of ``folders``, or the
    one on the PATH. UsageError where there is none, with what was looked at."""
    path = environment.get("PATH", "")
    if command:
        return _given(command, path)
    if importlib.util.find_spec("vllm") is not None:
        return [sys.executable, "-m", MODULE]
    for folder in folders:
        if (found := _in_venv(folder / VENV)) is not None:
            return found
    if script := shutil.which("vllm", path=path):
        return [script]
    places = ", ".join(["this Python", *dict.fromkeys(str(folder / VENV) for folder in folders), "PATH"])
    raise UsageError(f"no vLLM was found (looked at: {places})", hint=f"{INSTALL}; then --vllm {VENV}/bin/vllm, or PHOROPTER_VLLM")


def _given(command: str, path: str) -> list[str]:
    words = shlex.split(command)
    first = Path(words[0]).expanduser()
    if first.is_dir():
        if (found := _in_venv(first)) is not None:
            return found
        raise UsageError(f"the folder {first} is no environment with vLLM in it", hint=INSTALL)
    program = shutil.which(str(first), path=path)
    if program is None:
        raise UsageError(f"the vLLM command {words[0]!r} does not exist", hint=f"where there is none yet: {INSTALL}")
    # Absolute, but not resolved: a venv's python is a link to another.
    program = str(Path(program).absolute())
    if len(words) == 1 and Path(program).name.startswith("python"):
        return [program, "-m", MODULE]
    return [program, *words[1:]]


def _in_venv(venv: Path) -> list[str] | None:
    python = venv / "bin" / "python"
    if python.is_file() and any(venv.glob("lib/python*/site-packages/vllm/__init__.py")):
        return [str(python.absolute()), "-m", MODULE]
    return None


def serve_command(vllm: Sequence[str], serving: Serving) -> list[str]:
    """The command line of the server. Never a secret in it: other users of the machine can read it."""
    folder = model_folder(serving.model)
    model = serving.model if folder is None else str(folder)
    words = [*vllm, *(["--model", model] if OLD_MODULE in vllm else ["serve", model])]
    words += ["--served-model-name", model_name(serving.model), "--host", serving.host, "--port", str(serving.port)]
    words += ["--max-model-len", str(min(serving.context, longest_context(serving.model) or serving.context))]
    # The usage of each call tells how much of it was cached; the log has no line for each call.
    words += ["--enable-prefix-caching", "--enable-prompt-tokens-details", "--disable-uvicorn-access-log"]
    if parser := reasoning_parser(serving.model):
        words += ["--reasoning-parser", parser]
    # Compiling for a processor takes longer than it saves on models that one would run there.
    words += ["--gpu-memory-utilization", str(serving.memory_share)] if serving.gpu else ["--enforce-eager"]
    return words + (_feature_flags(serving.features) if serving.features else [])


def _feature_flags(features: Features) -> list[str]:
    """vLLM reads residuals by way of speculative decoding, and hands them out by way of what moves its KV cache between machines."""
    # Counted with the embeddings as the first.
    numbers = [layer + 1 for layer in features.layers]
    reading = {
        "method": "extract_hidden_states",
        "num_speculative_tokens": 1,
        "draft_model_config": {"hf_config": {"eagle_aux_hidden_state_layer_ids": numbers}},
    }
    handing_out = {
        "kv_connector": "FeaturesConnector",
        "kv_connector_module_path": "phoropter_features",
        "kv_role": "kv_producer",
        "kv_connector_extra_config": {"shared_storage_path": str(features.folder)},
    }
    words = ["--speculative-config", json.dumps(reading), "--kv-transfer-config", json.dumps(handing_out)]
    # Ours, so that rewrites stay as they are without features; it knows no asynchronous scheduling.
    words += ["--scheduler-cls", "phoropter_features.FeaturesScheduler", "--no-async-scheduling"]
    # Otherwise a token's features would take as much of the cache as those of a whole group of layers.
    return [*words, "--disable-hybrid-kv-cache-manager"]


def serve_environment(environment: Mapping[str, str], serving: Serving, api_key: str | None) -> dict[str, str]:
    """The server's environment: no secrets but its own key, and the model hub's where the model may come from there."""
    hub = _HUB if model_folder(serving.model) is None else ()
    kept = {
        name: value
        for name, value in environment.items()
        if name in hub or not (name.startswith("PHOROPTER_") or name.upper().endswith(_SECRET_ENDINGS))
    }
    if not serving.gpu:
        kept.setdefault("VLLM_CPU_KVCACHE_SPACE", CPU_CACHE_GIB)
    kept |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1", "VLLM_SYSTEM_START_DATE": HARMONY_DATE}
    if serving.features:
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HIDDEN_STATES), kept.get("PYTHONPATH")]))
    return kept | ({"VLLM_API_KEY": api_key} if api_key else {})
