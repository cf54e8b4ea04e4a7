"""Who made a model, told by its name; and which judges are kin to those who write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.judges.families import alone, family_of

NAMES = {
    "openai": (
        "gpt-4.1-mini",
        "gpt-5.5",
        "chatgpt-4o-latest",
        "o3",
        "o4-mini-2025-04-16",
        "gpt_oss",
        "ft:gpt-4.1-mini:meta::abc",
        "azure/our-gpt-4o",
    ),
    "qwen": ("Qwen3-VL-8B-Instruct", "qwen2.5vl:7b", "QwQ-32B", "llava-onevision-qwen2-7b-ov"),
    "anthropic": ("claude-sonnet-4-5", "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0"),
    "google": ("gemini-2.5-pro", "gemma-3-27b-it", "paligemma2-3b", "medgemma-4b"),
    "meta": ("Llama-3.2-11B-Vision-Instruct", "CodeLlama-7b", "llava-1.5-7b-hf", "vicuna-13b"),
    "mistral": ("mistral-small-3.1", "Pixtral-12B-2409", "Ministral-8B", "mixtral-8x7b", "llava-v1.6-mistral-7b-hf"),
    "internlm": ("InternVL3-8B", "InternVL2_5-8B-MPO", "internlm-xcomposer2"),
    "microsoft": ("Phi-4-multimodal-instruct", "phi3.5-vision"),
    "deepseek": ("deepseek-vl2", "DeepSeek-R1-Distill-Qwen-7B", "DeepSeek-R1-Distill-Llama-8B"),
    "nvidia": ("Llama-3.1-Nemotron-Nano-VL-8B", "NVLM-D-72B"),
    "xai": ("grok-4",),
    "zhipu": ("GLM-4.5V", "cogvlm2-llama3-chat-19B", "chatglm3-6b"),
    "moonshot": ("Kimi-VL-A3B-Instruct",),
    "ai2": ("Molmo-7B-D-0924", "OLMo-2-1124-7B"),
    "openbmb": ("MiniCPM-V-4_5", "MiniCPM-Llama3-V-2_5", "MiniCPM-o-2_6"),
    "huggingface": ("SmolVLM2-2.2B-Instruct", "idefics2-8b"),
    "amazon": ("nova-lite-v1:0", "amazon.nova-pro-v1:0"),
    "cohere": ("command-r-plus", "aya-vision-8b"),
    "": ("eyes", "eyes-bias-20", "checkpoint-900", "our-model", "Marco-o1", "gptq-int4", "dolphin", "", "yolo"),
}


@pytest.mark.parametrize(("name", "family"), [(name, family) for family, names in NAMES.items() for name in names])
def test_a_name_tells_its_maker(name: str, family: str) -> None:
    assert family_of(name) == family


@settings(deadline=None)
@given(
    st.sampled_from([(name, family) for family, names in NAMES.items() for name in names if family]),
    st.sampled_from(["{}", "some-provider/{}", "openrouter/x/{}", "/srv/models/{}/", "./{}", "hub/models--owner--{}/snapshots/0c351dd"]),
    st.sampled_from(["", "-AWQ", "-GPTQ-Int4", "-FP8", "-bnb-4bit", ".Q4_K_M.gguf"]),
)
def test_nothing_around_a_name_changes_its_maker(named: tuple[str, str], around: str, after: str) -> None:
    name, family = named
    if not name.startswith(("ft:", "azure", "bedrock", "o3", "o4")):  # These stand in no folder.
        assert family_of(around.format(name + after)) == family


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("openai/gpt-oss-20b", "openai"),
        ("openai/Qwen3-VL-8B", "qwen"),  # litellm's way to say "an endpoint shaped like OpenAI's"
        ("hosted_vllm/OpenGVLab/InternVL3-8B", "internlm"),
        ("anthropic/some-new-model", "anthropic"),
        ("ollama/eyes", ""),
        ("/opt/llama.cpp/models/eyes.gguf", ""),
        ("/home/phil/models/eyes", ""),
        ("models/Qwen3-VL-8B/checkpoint-900", "qwen"),
    ],
)
def test_the_name_goes_before_what_it_stands_in(name: str, family: str) -> None:
    assert family_of(name) == family


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_family_or_none(text: str) -> None:
    assert family_of(text) in {*NAMES, "ibm", "tencent", "bytedance", "baidu", "xiaomi", "stepfun", "minimax", "moondream"}


@pytest.mark.parametrize(
    ("judges", "writers", "kin"),
    [
        (["openai"], ["openai"], "openai"),
        (["openai"], ["qwen", "openai"], "openai"),
        (["openai", "qwen"], ["qwen", "openai"], "openai and qwen"),
        (["openai", "qwen"], ["openai"], ""),
        (["openai", ""], ["openai"], ""),  # A judge that measures pixels is kin to nobody.
        (["openai"], [], ""),
        ([], ["openai"], ""),
        ([""], [""], ""),
    ],
)
def test_one_judge_of_another_family_suffices(judges: list[str], writers: list[str], kin: str) -> None:
    said = alone(judges, writers)
    assert bool(said) == bool(kin)
    assert f"({kin})" in said or not kin
