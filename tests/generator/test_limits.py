"""What generators read is counted as they count it: Lens with GPT-OSS's tokenizer, offline; the embedded generator in words."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from data.reading import read
from generator.embedded.failings import Failings
from generator.embedded.misreading import misread
from generator.engines.embedded import EmbeddedGenerator
from generator.lens.template import AFTER, BEFORE, FROZEN_DATE, MAX_TOKENS
from generator.limits import HARMONY, harmony_limit, harmony_tokens, lens_limit


@pytest.fixture(scope="session")
def harmony() -> tiktoken.Encoding:
    """tiktoken's own definition of the encoding, from the same vocabulary."""
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(Path(spec.submodule_search_locations[0], "litellm_core_utils", "tokenizers")))
        return tiktoken.get_encoding(HARMONY)


TEXTS = st.one_of(
    st.text(max_size=200), st.text("aA'sS \n\r\t/1é狐ß,.-", max_size=200), st.from_regex(r"<\|[a-z]{1,9}\|>[a-z]*", fullmatch=True)
)


def test_texts_are_cut_as_tiktoken_cuts_them(harmony: tiktoken.Encoding):
    @settings(deadline=None)  # The first one loads the vocabulary.
    @given(TEXTS)
    def same(text: str) -> None:
        assert harmony_tokens(text) == len(harmony.encode_ordinary(text))

    same()


def test_lens_reads_what_its_template_leaves(harmony: tiktoken.Encoding):
    template = BEFORE.format(date=FROZEN_DATE)
    before, after = (len(harmony.encode(text, allowed_special="all")) for text in (template, AFTER))
    limit = lens_limit()
    assert limit.name == HARMONY
    assert limit.tokens == MAX_TOKENS - before - after
    text = "A red fox sits in deep snow."
    assert len(harmony.encode(template + text + AFTER, allowed_special="all")) == before + limit.count(text) + after


def test_a_limit_of_ones_own():
    limit = harmony_limit(10)
    assert (limit.name, limit.tokens, limit.count("A red fox.")) == (HARMONY, 10, 4)


def test_marks_in_a_users_text_are_letters():
    assert harmony_tokens("<|end|>") > 1


def test_importing_generators_loads_no_tokenizer():
    program = "import sys, generator.limits, generator.engines.embedded; print('tiktoken' in sys.modules, 'litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_counting_needs_no_litellm():
    program = "import sys, generator.limits as limits; limits.lens_limit(); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_embedded_generator_reads_to_its_limit_and_no_further():
    failings = Failings(words_read=6)
    limit = EmbeddedGenerator(failings).text_limit
    assert limit is not None
    read_in_full = "a red cat above a house"
    assert limit.count(read_in_full) == limit.tokens == 6
    assert len(read(f"{read_in_full} and three yellow cars").mentions) > len(read(read_in_full).mentions)
    assert misread(f"{read_in_full} and three yellow cars", 1, failings) == misread(f"{read_in_full} whatever", 1, failings)
    assert EmbeddedGenerator().text_limit is not None
