"""Before anything is started, and after it failed: the model's folder, finding vLLM, calling it, reading its log."""

import json
import sys
from pathlib import Path

import pytest

from data.errors import UsageError
from reasoner.engines.vllm_in_process import VllmInProcess
from reasoner.serving.launch import (
    HARMONY_DATE,
    HIDDEN_STATES,
    MODULE,
    OLD_MODULE,
    Features,
    Serving,
    feature_layers,
    find_vllm,
    serve_command,
    serve_environment,
)
from reasoner.serving.log import known_trouble, latest_line, telling_lines
from reasoner.serving.weights import digest, longest_context, model_identity, model_name, reasoning_parser
from tests.reasoner.serving.conftest import KEY

LOGS = Path(__file__).parents[1] / "assets" / "vllm_logs"


# -- the model's folder


def test_a_folder_says_what_it_holds(gpt_oss: Path) -> None:
    assert reasoning_parser(str(gpt_oss)) == "openai_gptoss"
    assert longest_context(str(gpt_oss)) == 4096
    assert model_name(str(gpt_oss)) == "my-model"


@pytest.mark.parametrize(
    ("name", "parser"),
    [
        ("openai/gpt-oss-20b", "openai_gptoss"),
        ("unsloth/gpt-oss-120b-GGUF", "openai_gptoss"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek_r1"),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
    ],
)
def test_a_name_says_how_the_model_reasons(name: str, parser: str | None) -> None:
    assert reasoning_parser(name) == parser


def test_other_weights_in_the_same_folder_are_another_model(gpt_oss: Path) -> None:
    before = model_identity(str(gpt_oss))
    assert before == model_identity(str(gpt_oss))
    assert before.startswith("my-model#b2:")
    weights = bytearray((gpt_oss / "model.safetensors").read_bytes())
    weights[-1] = 1
    (gpt_oss / "model.safetensors").write_bytes(weights)
    changed = model_identity(str(gpt_oss))
    (gpt_oss / "generation_config.json").write_text('{"temperature": 0.5}')
    assert len({before, changed, model_identity(str(gpt_oss))}) == 3


def test_the_digest_does_not_depend_on_where_the_folder_lies(gpt_oss: Path) -> None:
    before = digest(gpt_oss)
    (gpt_oss / ".cache").mkdir()
    (gpt_oss / ".cache" / "download.lock").write_text("1")
    assert digest(gpt_oss.rename(gpt_oss.with_name("elsewhere"))) == before


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        model_name(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="holds no model"):
        model_name(str(tmp_path))


# -- finding vLLM


def make_venv(folder: Path) -> Path:
    package = folder / "lib" / "python3.12" / "site-packages" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.symlink_to(sys.executable)
    return python


def make_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_vllm_is_found_in_a_venv_beside_the_project(tmp_path: Path) -> None:
    python = make_venv(tmp_path / ".venv-vllm")
    on_path = make_program(tmp_path / "bin" / "vllm")
    assert find_vllm("", {"PATH": str(on_path.parent)}, [tmp_path / "elsewhere", tmp_path]) == [str(python), "-m", MODULE]


def test_vllm_is_found_on_the_path(tmp_path: Path) -> None:
    program = make_program(tmp_path / "bin" / "vllm")
    assert find_vllm("", {"PATH": str(program.parent)}, [tmp_path]) == [str(program)]


def test_a_command_goes_before_what_would_be_found(tmp_path: Path) -> None:
    python = make_venv(tmp_path / ".venv-vllm")
    program = make_program(tmp_path / "opt" / "vllm")
    path = {"PATH": str(python.parent)}
    assert find_vllm(str(program), path, [tmp_path]) == [str(program)]
    assert find_vllm(f"{python} -m {OLD_MODULE}", path, [tmp_path]) == [str(python), "-m", OLD_MODULE]
    assert find_vllm(str(python), path, []) == [str(python), "-m", MODULE]
    assert find_vllm("python", path, []) == [str(python), "-m", MODULE]
    assert find_vllm(str(tmp_path / ".venv-vllm"), path, []) == [str(python), "-m", MODULE]


def test_where_there_is_no_vllm_the_error_says_what_was_looked_at_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_vllm("", {"PATH": str(tmp_path)}, [tmp_path])
    assert str(tmp_path / ".venv-vllm") in str(caught.value)
    assert "PATH" in str(caught.value)
    assert "pip install vllm" in caught.value.hint
    assert "--vllm" in caught.value.hint
    with pytest.raises(UsageError, match=r"'/nowhere/vllm' does not exist"):
        find_vllm("/nowhere/vllm", {}, [])
    with pytest.raises(UsageError, match="no environment with vLLM"):
        find_vllm(str(tmp_path), {}, [])


def test_in_process_needs_vllm_here() -> None:
    with pytest.raises(UsageError, match="not in this environment"):
        VllmInProcess("openai/gpt-oss-20b", parameters={})


# -- calling it


def flags(command: list[str]) -> dict[str, str]:
    """Each flag with the word after it."""
    return {word: after for word, after in zip(command, [*command[1:], ""], strict=True) if word.startswith("--")}


def test_the_command_line_on_a_gpu() -> None:
    command = serve_command(["vllm"], Serving("openai/gpt-oss-20b", port=8123, memory_share=0.3, context=6000, gpu=True))
    assert command[:3] == ["vllm", "serve", "openai/gpt-oss-20b"]
    given = flags(command)
    assert given["--served-model-name"] == "openai/gpt-oss-20b"
    assert (given["--host"], given["--port"]) == ("127.0.0.1", "8123")
    assert (given["--gpu-memory-utilization"], given["--max-model-len"]) == ("0.3", "6000")
    assert given["--reasoning-parser"] == "openai_gptoss"
    assert "--enable-prefix-caching" in given
    assert not {"--trust-remote-code", "--enforce-eager", "--api-key"} & given.keys()


def test_the_command_line_for_a_folder_without_a_gpu(gpt_oss: Path) -> None:
    command = serve_command(["python", "-m", OLD_MODULE], Serving(str(gpt_oss)))
    given = flags(command)
    assert given["--model"] == str(gpt_oss)
    assert given["--served-model-name"] == "my-model"
    assert given["--max-model-len"] == "4096", "no more than the model takes"
    assert "--enforce-eager" in given
    assert not {"serve", "--gpu-memory-utilization"} & set(command)


def test_the_server_gets_no_keys_but_its_own(gpt_oss: Path) -> None:
    mine = {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "OPENAI_API_KEY": "a",
        "GITHUB_TOKEN": "b",
        "AWS_SECRET_ACCESS_KEY": "c",
        "PHOROPTER_API_KEY": "d",
        "HF_TOKEN": "e",
    }
    given = serve_environment(mine, Serving("openai/gpt-oss-20b", gpu=True), KEY)
    assert given == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "HF_TOKEN": "e",
        "VLLM_API_KEY": KEY,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        "VLLM_SYSTEM_START_DATE": HARMONY_DATE,
    }
    assert "HF_TOKEN" not in serve_environment(mine, Serving(str(gpt_oss)), None), "a folder is on this machine"


@pytest.mark.parametrize(
    "wrong", [{"memory_share": 0}, {"memory_share": 1.5}, {"memory_share": "half"}, {"context": 100}, {"context": "8k"}, {"port": 70000}]
)
def test_what_can_not_be_served_is_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match="has to be"):
        Serving("openai/gpt-oss-20b", **wrong)


# -- reading its log


@pytest.mark.parametrize(
    ("log", "message", "hint"),
    [
        ("gpu_taken", "cuda:0 has 7.31 of 23.53 GiB free, and the server was to take 10.59 GiB", "memory_share=0.29"),
        ("memory_taken", "has 7.3 of 9.34 GiB free", "memory_share=0.76"),
        ("gpu_no_cache", "nothing is left", "memory_share=0.9"),
        ("gpu_out_of_memory", "does not fit", "smaller model"),
        ("gpu_bfloat16", "bfloat16", "float16"),
        ("cache_too_small", "8192 tokens need", "max_model_len=384"),
        ("context_beyond_model", "takes 8192 tokens, fewer than the 999999", "max_model_len=8192"),
        ("gated", "gated", "HF_TOKEN"),
        ("offline", "not on this machine", "hf download"),
        ("port_taken", "port is taken", "--port"),
        ("unknown_flag", "does not know a flag", "--upgrade"),
        ("no_distribution", "distribution", OLD_MODULE),
    ],
)
def test_known_troubles_are_told_with_what_to_do(log: str, message: str, hint: str) -> None:
    trouble = known_trouble((LOGS / f"{log}.log").read_text())
    assert trouble is not None
    assert message in trouble.message
    assert hint in trouble.hint


def test_of_other_troubles_the_root_cause_is_shown() -> None:
    text = (LOGS / "unknown_parser.log").read_text()
    assert known_trouble(text) is None
    assert telling_lines(text)[0].startswith("KeyError: \"Reasoning parser 'nope' not found")
    later = (LOGS / "gpu_taken.log").read_text()
    assert telling_lines(later)[0].startswith("ValueError: Free memory on device cuda:0"), "not that the engine failed because of it"


def test_lines_lose_what_vllm_puts_before_them() -> None:
    line = "(EngineCore pid=901) INFO 11-24 09:14:31 [core.py:133] Loading weights"
    assert latest_line(f"{line}\n\n") == "Loading weights"
    assert telling_lines(f"first\n{line}\n") == ["first", "Loading weights"]
    assert latest_line("") == ""


# -- text features


def test_the_command_line_for_features() -> None:
    command = serve_command(["vllm"], Serving("openai/gpt-oss-20b", features=Features(Path("/private/features"), (5, 11, 17, 23))))
    given = flags(command)
    reading = json.loads(given["--speculative-config"])
    assert reading["draft_model_config"]["hf_config"]["eagle_aux_hidden_state_layer_ids"] == [6, 12, 18, 24]
    assert json.loads(given["--kv-transfer-config"])["kv_connector_extra_config"] == {"shared_storage_path": "/private/features"}
    assert "--no-async-scheduling" in given
    plain = flags(serve_command(["vllm"], Serving("openai/gpt-oss-20b")))
    assert plain.keys() < given.keys()
    assert not {"--speculative-config", "--kv-transfer-config", "--scheduler-cls"} & plain.keys()


def test_vllm_finds_what_hands_features_out() -> None:
    serving = Serving("openai/gpt-oss-20b", features=Features(Path("/private"), (1,)))
    assert serve_environment({"PYTHONPATH": "/mine"}, serving, None)["PYTHONPATH"] == f"{HIDDEN_STATES}:/mine"
    assert serve_environment({}, serving, None)["PYTHONPATH"] == str(HIDDEN_STATES)
    assert "PYTHONPATH" not in serve_environment({}, Serving("openai/gpt-oss-20b"), None)
    module, _, scheduler = flags(serve_command(["vllm"], serving))["--scheduler-cls"].partition(".")
    assert f"class {scheduler}(" in (HIDDEN_STATES / f"{module}.py").read_text()


@pytest.mark.parametrize(("depth", "layers"), [(24, (5, 11, 17, 23)), (36, (8, 17, 26, 35)), (4, (0, 1, 2, 3)), (2, (0, 1)), (1, (0,))])
def test_features_come_from_the_ends_of_the_quarters(tmp_path: Path, depth: int, layers: tuple[int, ...]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": depth}))
    assert feature_layers(str(tmp_path)) == layers


def test_a_model_by_its_name_is_taken_for_gpt_oss_20b() -> None:
    assert feature_layers("openai/gpt-oss-20b") == (5, 11, 17, 23)
    assert feature_layers("openai/gpt-oss-120b", "8,35") == (8, 35)


@pytest.mark.parametrize("wanted", ["x", "1,,2", "2,1", "1,1", "-1,2", "3,4", "1;2", "1.5"])
def test_layers_that_cannot_be_had_are_told(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 4}))
    with pytest.raises(UsageError, match="feature layers"):
        feature_layers(str(tmp_path), wanted)
