"""What counts as being short of memory, in the words of the libraries themselves."""

import pytest

from generator.local.device import choose, free_memory, is_out_of_memory, wait

torch = pytest.importorskip("torch")


def test_an_allocation_that_fails_is_known_for_what_it_is() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), MemoryError()])
def test_so_is_what_cards_and_python_say(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory"), KeyError("a")])
def test_nothing_else_is(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_without_a_card_the_device_is_the_cpu_and_nothing_waits() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    assert choose(None) == "cpu"
    assert choose("cuda:1") == "cuda:1"
    wait()
    free_memory()
