"""`phoropter reasoner serve` with a real vLLM, and what is done with it: rewrites, a search, a dspy program. The last test ends it."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.vllm.conftest import IMAGES, Served, gone, run

pytestmark = pytest.mark.timeout(300)


def test_it_reports_address_memory_and_speed(served: Served) -> None:
    record = served.record
    assert record["model"] == "tiny-gpt-oss"
    assert record["reasoner"] == f"openai:tiny-gpt-oss@{record['url']}"
    assert record["memory"]["bytes"] > 2**29
    assert record["timing"]["tokens_per_second"] > 0
    assert Path(record["log"]).read_text(errors="replace").count("Resolved architecture: GptOssForCausalLM") == 1
    assert record["log"] in served.said.read_text()
    (model,) = httpx.get(f"{record['url']}/models").json()["data"]
    assert (model["id"], model["max_model_len"]) == ("tiny-gpt-oss", 8192)


def test_a_rewrite_has_reasoning_tokens_and_a_seed(served: Served, tmp_path: Path) -> None:
    answer = run("rewrite", "grandma knitting by the window", "--samples", 8, "--reasoner", served.spec, cwd=tmp_path)
    answers = [answer, *answer["more"]]
    for each in answers:
        assert each["rewrite"]["text"].startswith("A ")
        assert each["rewrite"]["text"].endswith("mood.")
        assert each["rewrite"]["removed"] == [], "structured output: nothing around it"
        assert each["rewrite"]["reasoning"].endswith((".", "light"))
        assert "<|" not in each["rewrite"]["reasoning"] + each["rewrite"]["text"]
        assert each["timing"]["output_tokens"] > each["timing"]["reasoning_tokens"] > 0
        assert each["timing"]["input_tokens"] > 200, "the whole system prompt"
        assert each["timing"]["dollars"] is None, "unknown is not 0"
    assert len({each["rewrite"]["seed"] for each in answers}) == len({each["rewrite"]["text"] for each in answers}) == 8
    assert max(each["timing"]["cached_tokens"] for each in answers) > 0, "every call begins with the same system prompt"


def test_the_same_seed_gives_the_same_rewrite(served: Served, tmp_path: Path) -> None:
    texts = [run("rewrite", "a birthday", "--reasoner", served.spec, cwd=tmp_path)["rewrite"] for _ in range(2)]
    assert texts[0] == texts[1]


def test_plain_text_is_read_as_well(served: Served, tmp_path: Path) -> None:
    profile = tmp_path / "plain.toml"
    profile.write_text(f'[reasoner]\nengine = "{served.spec}"\nstructured = false\n')
    answer = run("rewrite", "a birthday", "--samples", 6, "--profile", profile, cwd=tmp_path)
    assert all(each["rewrite"]["text"].startswith("A ") for each in [answer, *answer["more"]])


def test_the_responses_api_is_spoken(served: Served, tmp_path: Path) -> None:
    answer = run("rewrite", "a birthday", "--reasoner", f"{served.spec}?api=responses&reasoning_effort=low", cwd=tmp_path)
    assert answer["rewrite"]["text"].startswith("A ")
    assert answer["rewrite"]["reasoning"]
    assert answer["rewrite"]["seed"] is None
    assert "takes no seed" in (tmp_path / "said").read_text()


def test_a_wrong_parameter_is_told(served: Served, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="reasoning_effort"):
        run("rewrite", "a birthday", "--reasoner", f"{served.spec}?reasoning_effort=enormous", cwd=tmp_path)


def test_a_dspy_program_runs_on_it(served: Served, tmp_path: Path) -> None:
    spec = f"dspy:reasoner.dspy_module:PromptRewriter@{served.record['url']}?lm=tiny-gpt-oss"
    answer = run("rewrite", "a birthday", "--reasoner", spec, cwd=tmp_path)
    assert answer["rewrite"]["text"].startswith("A ")
    assert answer["rewrite"]["reasoning"]
    assert answer["timing"]["output_tokens"] > 0
    assert answer["rewrite"]["seed"] is not None


def test_a_search_runs_on_it(served: Served, eight: Path, tmp_path: Path) -> None:
    record = run("optimize", "--prompts", eight, "--images", IMAGES, "--reasoner", served.spec, cwd=tmp_path)
    assert record["result"]["winner"]["id"].startswith("b2:")
    (listed,) = run("runs", cwd=tmp_path)["runs"]
    assert listed["id"] == record["run"]


def test_ctrl_c_ends_it_and_leaves_nothing(served: Served) -> None:
    group = served.record["process"]
    assert not gone(group)
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(60) == 0
    assert gone(group)
