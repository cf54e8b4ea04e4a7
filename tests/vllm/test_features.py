"""One vLLM for both: it writes the rewrites, and hands out Lens's text features. They are compared with those of transformers."""

# pyright: reportMissingImports=false

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402  (torch first)

from data.errors import FailureKind, StageError  # noqa: E402
from generator.lens.encoder import GptOssTextEncoder, load_encoder  # noqa: E402
from generator.lens.loading import load_tokenizer  # noqa: E402
from generator.lens.served import ServedEncoder  # noqa: E402
from generator.lens.transformer import LensTransformer2DModel  # noqa: E402
from tests.tiny_models.lens import tiny_lens  # noqa: E402
from tests.vllm.conftest import Served, environment, gone, run, serving  # noqa: E402

pytestmark = pytest.mark.timeout(400)

LAYERS = 2
"""Of the tiny GPT-OSS; features are taken after each."""
HIDDEN = 64
TEXTS = ("a cat", "a dog on a red sofa by the window, soft light, calm mood", "zwei Käse und 漢字 12345 " * 8, "a very long text " * 150)
AS_GOOD = 1.5
"""Against float32, vLLM's bfloat16 may err by so much more than transformers' own does. A norm would change the last layer by 100 %."""
MOST = 0.02
SLACK = 0.005
SAME = 0.02
"""Relative difference of two answers of the server for the same tokens: other batches and chunks round otherwise."""


@pytest.fixture(scope="module")
def both(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tiny, "--features", cwd=tmp_path_factory.mktemp("both")) as served:
        yield served


@pytest.fixture(scope="module")
def encoder(both: Served) -> ServedEncoder:
    return ServedEncoder(both.record["url"], layers=range(LAYERS))


def in_process(tiny: Path, dtype: Any) -> GptOssTextEncoder:
    return GptOssTextEncoder(load_encoder(tiny, dtype=dtype), load_tokenizer(tiny), layers=range(LAYERS))


def relative_errors(these: Tensor, those: Tensor) -> list[float]:
    """Per layer."""
    return [((one.float() - other.float()).norm() / other.float().norm()).item() for one, other in zip(these, those, strict=True)]


def folder_of(both: Served) -> Path:
    """Where the server keeps features."""
    (folder,) = (both.said.parent / "phoropter-data" / "features").iterdir()
    return folder


def test_it_says_what_to_type(both: Served) -> None:
    assert both.record["generator"] == f"lens:FOLDER@{both.record['url']}?reader={both.record['model']}"
    assert both.record["feature_layers"] == list(range(LAYERS))
    assert folder_of(both).stat().st_mode & 0o777 == 0o700


def test_features_are_those_of_transformers(encoder: ServedEncoder, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = encoder(TEXTS)
    exact, rounded = (in_process(tiny, dtype)(TEXTS) for dtype in (torch.float32, torch.bfloat16))
    with capsys.disabled():
        print()
        for text, one, near, same in zip(TEXTS, served, exact, rounded, strict=True):
            assert one.cut == near.cut
            assert one.layers.shape == near.layers.shape
            errors = relative_errors(one.layers, near.layers)
            of_rounding = relative_errors(same.layers, near.layers)
            print(f"{near.layers.shape[1]:4} tokens: vLLM {shown(errors)}, transformers in bfloat16 {shown(of_rounding)}  {text[:20]!r}")
            assert all(error < AS_GOOD * rounding + SLACK for error, rounding in zip(errors, of_rounding, strict=True))
            assert max(errors) < MOST


def shown(errors: list[float]) -> str:
    return " ".join(f"{error:.2%}" for error in errors)


def test_what_the_server_has_cached_comes_out_all_the_same(encoder: ServedEncoder) -> None:
    text = "a lighthouse in the fog " * 40
    first, again = encoder([text])[0].layers, encoder([text])[0].layers
    longer = encoder([f"{text} and a gull"])[0].layers
    assert torch.equal(first, again)
    assert max(relative_errors(longer[:, :100], first[:, :100])) < SAME


def test_texts_at_once_are_as_texts_alone(encoder: ServedEncoder) -> None:
    texts = [f"picture {number} {'of a cat ' * number}" for number in range(32)]
    began = time.perf_counter()
    together = encoder(texts)
    print(f"{(time.perf_counter() - began) / len(texts) * 1000:.0f} ms per text")
    for text, one in zip(texts[::6], together[::6], strict=True):
        assert max(relative_errors(one.layers, encoder([text])[0].layers)) < SAME


def test_no_file_is_left(both: Served, encoder: ServedEncoder, tmp_path: Path) -> None:
    encoder(TEXTS)
    run("rewrite", "a birthday", "--samples", 4, "--reasoner", both.spec, cwd=tmp_path)
    assert list(folder_of(both).iterdir()) == [], "rewrites write none, and features are removed when read"


def test_other_requests_cannot_choose_where_files_go(both: Served, tmp_path: Path) -> None:
    body = {"prompt": [1, 2, 3], "max_tokens": 1, "kv_transfer_params": {"hidden_states": True, "hidden_states_path": str(tmp_path / "x")}}
    answer = httpx.post(f"{both.record['url']}/completions", json=body, headers={"X-Request-Id": "../../../x"}, timeout=60).json()
    path = Path(answer["kv_transfer_params"]["hidden_states_path"])
    assert path.parent == folder_of(both)
    assert list(tmp_path.iterdir()) == []
    for file in folder_of(both).iterdir():
        file.unlink()


def test_rewrites_are_those_of_a_server_without_features(both: Served, tiny: Path, tmp_path: Path) -> None:
    def answers(served: Served) -> list[tuple[str, str]]:
        record = run("rewrite", "a birthday", "--samples", 8, "--reasoner", served.spec, cwd=tmp_path)
        return [(each["rewrite"]["reasoning"], each["rewrite"]["text"]) for each in [record, *record["more"]]]

    with_features = answers(both)
    (tmp_path / "plain").mkdir()
    with serving(tiny, cwd=tmp_path / "plain") as plain:
        assert plain.record["generator"] is None
        without = answers(plain)
        speeds = [record["timing"]["tokens_per_second"] for record in (plain.record, both.record)]
        print(f"tokens per second: {speeds[0]:.0f} without features, {speeds[1]:.0f} with them")
        assert without == with_features
        with pytest.raises(StageError) as caught:
            ServedEncoder(plain.record["url"]).probe()
    assert caught.value.kind == FailureKind.UNSUPPORTED
    assert "--features" in caught.value.hint


def transformer() -> LensTransformer2DModel:
    """For features of this GPT-OSS; it looks at the text."""
    torch.manual_seed(0)
    made = LensTransformer2DModel(
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=16,
        axes_dims_rope=(4, 6, 6),
        enc_hidden_dim=HIDDEN,
        selected_layer_index=tuple(range(LAYERS)),
    )
    for weights in made.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.2)
    return made.eval().requires_grad_(False)


def test_a_picture_from_served_features_is_that_of_features_in_process(encoder: ServedEncoder, tiny: Path) -> None:
    pipeline: Any = tiny_lens(text_encoder=False)
    pipeline.register_modules(transformer=transformer())

    def drawn(features: Tensor) -> Tensor:
        drawing: dict[str, Any] = {"height": 64, "width": 64, "num_inference_steps": 4, "guidance_scale": 1.0, "output_type": "np"}
        images = pipeline(prompt_embeds=[features.float()], generator=torch.Generator("cpu").manual_seed(3), **drawing).images
        return torch.as_tensor(images[0])

    exact, rounded = (drawn(in_process(tiny, dtype)([TEXTS[1]])[0].layers) for dtype in (torch.float32, torch.bfloat16))
    served, another = (drawn(one.layers) for one in encoder([TEXTS[1], TEXTS[2]]))
    difference, of_rounding, to_another = ((one - exact).square().mean().sqrt().item() for one in (served, rounded, another))
    print(f"the picture differs by {difference:.4f}, in process in bfloat16 by {of_rounding:.4f}, another text's by {to_another:.4f}")
    assert difference < AS_GOOD * of_rounding + SLACK
    assert difference < to_another / 2


def test_the_process_that_reads_holds_no_language_model(both: Served) -> None:
    program = (
        "import sys; from generator.lens.served import ServedEncoder;"
        f"features = ServedEncoder({both.record['url']!r}, layers=range({LAYERS}))(['a cat']);"
        "print(*features[0].layers.shape);"
        "sys.exit(int(any(name.partition('.')[0] in ('transformers', 'tokenizers', 'vllm') for name in sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == str(LAYERS)


def test_when_it_ends_the_folder_is_gone(both: Served) -> None:
    folder = folder_of(both)
    both.stop()
    assert gone(both.record["process"])
    assert not folder.exists()
