"""GPT-OSS as Lens's text encoder: the right residuals, no more work than they take, and folders as they are found."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false, reportIndexIssue=false

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from data.errors import UsageError
from generator.lens.template import DROPPED
from generator.limits import lens_template

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GptOssForCausalLM

from generator.lens.encoder import GptOssTextEncoder, LensGptOssEncoder, load_encoder
from tests.tiny_models.gpt_oss import tiny_config, tiny_gpt_oss

LAYERS = (0, 1, 2, 3)
SHORT, LONG = "a quiet harbour", "three cats under a blue moon, and a stone wall behind them; " * 12
"""The second is longer than the window of sliding attention."""
ROUNDING = 1e-5
"""Of the largest feature: what sums in another order make in float32."""


@pytest.fixture(scope="module")
def model() -> LensGptOssEncoder:
    return tiny_gpt_oss(layers=4)[0]


@pytest.fixture(scope="module")
def encoder(model: LensGptOssEncoder) -> GptOssTextEncoder:
    return GptOssTextEncoder(model, tiny_tokenizer(), layers=LAYERS, name="tiny")


@pytest.fixture(scope="module")
def folder(model: LensGptOssEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, saved."""
    path = tmp_path_factory.mktemp("gpt-oss") / "text_encoder"
    model.save_pretrained(path)
    return path


@pytest.fixture
def calls(model: LensGptOssEncoder) -> "Iterator[Counter[str]]":
    """How often each module computes."""
    counted: Counter[str] = Counter()
    hooks = [module.register_forward_hook(lambda *_, name=name: counted.update([name])) for name, module in model.named_modules() if name]
    yield counted
    for hook in hooks:
        hook.remove()


def tiny_tokenizer() -> Any:
    from tests.tiny_models.gpt_oss import tokenizer

    return tokenizer()


def close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max() / other.abs().max()) < ROUNDING


def test_features_are_the_residuals_after_the_layers(model: LensGptOssEncoder, encoder: GptOssTextEncoder):
    [features] = encoder([LONG])
    ids = torch.tensor([lens_template()(LONG).ids])
    stock: Any = GptOssForCausalLM.forward(model, input_ids=ids, output_hidden_states=True)
    assert features.layers.shape == (4, ids.shape[1] - DROPPED, 64)
    for layer in LAYERS[:-1]:
        torch.testing.assert_close(features.layers[layer], stock.hidden_states[layer + 1][0, DROPPED:])
    # transformers hands the last one out normalised.
    last, normalised = features.layers[-1], stock.hidden_states[-1][0, DROPPED:]
    torch.testing.assert_close(model.model.norm(last), normalised)
    assert not close(last, normalised)


def test_nothing_beyond_the_last_layer_is_computed(model: LensGptOssEncoder, calls: "Counter[str]"):
    GptOssTextEncoder(model, tiny_tokenizer(), layers=(0, 2))([SHORT, LONG])
    computed = {name for name in calls if name.count(".") == 2 and name.startswith("model.layers.")}
    assert computed == {"model.layers.0", "model.layers.1", "model.layers.2"}
    assert calls["model.layers.0"] == 1
    assert "model.norm" not in calls
    assert "lm_head" not in calls


def test_layers_come_in_the_order_asked_for(model: LensGptOssEncoder, encoder: GptOssTextEncoder):
    [straight], [turned] = encoder([SHORT]), GptOssTextEncoder(model, tiny_tokenizer(), layers=(3, 1))([SHORT])
    assert torch.equal(turned.layers, straight.layers[[3, 1]])


def test_a_texts_features_do_not_depend_on_its_batch(encoder: GptOssTextEncoder):
    texts = [SHORT, LONG, "", "狐 <|end|> in snow"]
    alone = [encoder([text])[0] for text in texts]
    for order in ([0, 1, 2, 3], [1, 3, 0, 2]):
        together = encoder([texts[place] for place in order])
        assert all(close(features.layers, alone[place].layers) for features, place in zip(together, order, strict=True))


def test_different_texts_have_different_features(encoder: GptOssTextEncoder):
    one, other = encoder(["a red fox in snow", "a red fox in rain"])
    apart = (one.layers - other.layers).flatten(1).norm(dim=1) / one.layers.flatten(1).norm(dim=1)
    assert one.layers.shape == other.layers.shape
    assert (apart > 0.01).all()


def test_what_does_not_fit_is_cut_and_counted(encoder: GptOssTextEncoder):
    limit = encoder.text_limit
    text = " fox" * limit.tokens
    fits, cut = encoder([text, text + " and four more words"])
    assert limit.count(text) == limit.tokens
    assert (fits.cut, cut.cut) == (0, 4)
    assert close(cut.layers, fits.layers)


def test_features_own_their_memory(encoder: GptOssTextEncoder):
    short, _ = encoder([SHORT, LONG])
    assert short.layers.untyped_storage().nbytes() == short.layers.nbytes


def test_no_texts_no_work(encoder: GptOssTextEncoder, calls: "Counter[str]"):
    assert encoder([]) == []
    assert not calls


def test_it_holds_the_lock_while_it_computes(model: LensGptOssEncoder):
    lock = Lock()
    held: list[bool] = []
    hook = model.model.layers[0].register_forward_hook(lambda *_: held.append(lock.locked()))
    GptOssTextEncoder(model, tiny_tokenizer(), layers=LAYERS, lock=lock)([SHORT])
    hook.remove()
    assert held == [True]
    assert not lock.locked()


def test_identity_names_what_determines_features(model: LensGptOssEncoder, encoder: GptOssTextEncoder):
    others = [{"layers": (1, 3)}, {"date": "2026-01-01"}, {"max_tokens": 300}, {"name": "other"}]
    made = [GptOssTextEncoder(model, tiny_tokenizer(), **{"layers": LAYERS, "name": "tiny", **other}) for other in others]
    again = GptOssTextEncoder(model, tiny_tokenizer(), layers=LAYERS, name="tiny")
    assert again.identity == encoder.identity
    assert len({encoder.identity, *(one.identity for one in made)}) == 5


def test_another_date_gives_other_features_of_the_same_length(model: LensGptOssEncoder, encoder: GptOssTextEncoder):
    [today], [other] = encoder([SHORT]), GptOssTextEncoder(model, tiny_tokenizer(), layers=LAYERS, date="1999-12-31")([SHORT])
    assert today.layers.shape == other.layers.shape
    assert not close(today.layers, other.layers)


@pytest.mark.parametrize("layers", [(), (0, 4), (-1,)])
def test_layers_that_it_does_not_have_are_refused(model: LensGptOssEncoder, layers: tuple[int, ...]):
    with pytest.raises(UsageError, match="has 4 layers"):
        GptOssTextEncoder(model, tiny_tokenizer(), layers=layers)


def test_it_stays_a_language_model(model: LensGptOssEncoder):
    ids = torch.tensor([lens_template()(SHORT).ids])
    assert torch.equal(model(input_ids=ids).logits, GptOssForCausalLM.forward(model, input_ids=ids).logits)
    written: Any = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, do_sample=False)
    assert written.shape[1] == ids.shape[1] + 3


def test_experts_run_together_as_in_the_stock_model(model: LensGptOssEncoder):
    stock = GptOssForCausalLM(tiny_config(layers=1, hidden=64))
    assert model.config._experts_implementation == stock.config._experts_implementation != "eager"


# -- folders


def test_a_saved_model_reads_the_same(folder: Path, encoder: GptOssTextEncoder):
    loaded = load_encoder(folder)
    assert loaded.dtype == torch.float32
    [features], [again] = encoder([LONG]), GptOssTextEncoder(loaded, tiny_tokenizer(), layers=LAYERS)([LONG])
    assert close(again.layers, features.layers)


def test_a_stock_gpt_oss_loads_as_it_is(folder: Path, tmp_path: Path):
    GptOssForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["GptOssForCausalLM"]
    loaded, wider = load_encoder(tmp_path), load_encoder(tmp_path, dtype=torch.float32)
    assert (loaded.dtype, wider.dtype) == (torch.bfloat16, torch.float32)
    assert not any(weights.requires_grad for weights in loaded.parameters())


def changed(folder: Path, to: Path, change: Callable[[dict[str, Tensor]], object], **config: Any) -> Path:
    """A copy with other tensors, and more in its configuration."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, to / "model.safetensors", metadata={"format": "pt"})
    (to / "config.json").write_text(json.dumps({**json.loads((folder / "config.json").read_text()), **config}))
    return to


def test_missing_and_extra_tensors_are_named(folder: Path, tmp_path: Path):
    def change(tensors: dict[str, Tensor]) -> None:
        del tensors["model.layers.1.self_attn.sinks"]
        tensors["model.extra.weight"] = torch.zeros(2)

    with pytest.raises(UsageError) as raised:
        load_encoder(changed(folder, tmp_path, change))
    assert "lacks model.layers.1.self_attn.sinks" in str(raised.value)
    assert "has, beyond what is needed, model.extra.weight" in str(raised.value)


def test_without_an_output_layer_it_reads_all_the_same(folder: Path, tmp_path: Path, encoder: GptOssTextEncoder):
    loaded = load_encoder(changed(folder, tmp_path, lambda tensors: tensors.pop("lm_head.weight")))
    assert loaded.lm_head is None
    [features], [again] = encoder([SHORT]), GptOssTextEncoder(loaded, tiny_tokenizer(), layers=LAYERS)([SHORT])
    assert close(again.layers, features.layers)


def test_pickles_are_not_opened(folder: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        load_encoder(tmp_path)


# -- MXFP4. Four bits that stay four bits need a GPU: here, only what is asked of transformers is tested.

FOUR_BITS = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])
"""What the sixteen codes of e2m1 stand for."""


@pytest.fixture
def quantised(folder: Path, tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A folder in the layout of the released GPT-OSS, with random codes, and the weights that they stand for."""
    noise = torch.Generator().manual_seed(0)
    meant: dict[str, Tensor] = {}

    def change(tensors: dict[str, Tensor]) -> None:
        for name in [name for name in tensors if name.endswith(("gate_up_proj", "down_proj"))]:
            experts, inner, outer = tensors.pop(name).shape
            codes = torch.randint(0, 256, (experts, outer, inner // 32, 16), dtype=torch.uint8, generator=noise)
            exponents = torch.randint(120, 128, (experts, outer, inner // 32), dtype=torch.uint8, generator=noise)
            tensors[f"{name}_blocks"], tensors[f"{name}_scales"] = codes, exponents
            pairs = torch.stack([FOUR_BITS[(codes & 15).long()], FOUR_BITS[(codes >> 4).long()]], dim=-1).flatten(-2)
            scaled = pairs * torch.exp2(exponents.float() - 127)[..., None]
            meant[name] = scaled.flatten(-2).transpose(1, 2)

    config = {"quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}}
    return changed(folder, tmp_path, change, **config), meant


@pytest.mark.parametrize("mxfp4", [None, False])
def test_mxfp4_becomes_bfloat16_where_the_device_has_none(
    quantised: tuple[Path, dict[str, Tensor]], caplog: pytest.LogCaptureFixture, mxfp4: bool | None
):
    path, meant = quantised
    with caplog.at_level(logging.INFO, "generator.lens.encoder"):
        loaded = load_encoder(path, mxfp4=mxfp4)
    state = loaded.state_dict()
    assert len(meant) == 8
    for name, weights in meant.items():
        assert state[name].dtype == torch.bfloat16
        assert torch.equal(state[name].float(), weights)
    assert ("since the cpu device is no CUDA card" in caplog.text) == (mxfp4 is None)
    assert "GB of memory" in caplog.text


@pytest.mark.parametrize("mxfp4", [None, False])
def test_unquantised_weights_stay_so(folder: Path, mxfp4: bool | None, caplog: pytest.LogCaptureFixture):
    assert load_encoder(folder, mxfp4=mxfp4).dtype == torch.float32
    assert "MXFP4" not in caplog.text


def test_mxfp4_that_is_asked_for_and_impossible_is_refused(folder: Path):
    with pytest.raises(UsageError, match="no MXFP4: the cpu device is no CUDA card"):
        load_encoder(folder, mxfp4=True)
