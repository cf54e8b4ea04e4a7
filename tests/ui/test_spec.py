"""Engine specs: what they can say, and that nothing but a UsageError comes of a bad one, without a secret in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from ui.spec import parse_spec

KEY = "sk-proj-Zq81LmNopQ77rStUv"


def test_all_parts_are_read():
    spec = parse_spec(" openai:gpt-oss-20b@http://a:8000/v1?temperature=0.5&n=2&stream=false&reasoning_effort=low ")
    assert (spec.kind, spec.model, spec.endpoint) == ("openai", "gpt-oss-20b", "http://a:8000/v1")
    assert spec.parameters == {"temperature": 0.5, "n": 2, "stream": False, "reasoning_effort": "low"}


def test_what_is_not_given_is_empty():
    spec = parse_spec("embedded")
    assert (spec.kind, spec.model, spec.endpoint, spec.endpoints, spec.parameters) == ("embedded", "", "", (), {})


@pytest.mark.parametrize(
    ("text", "kind", "model"),
    [
        ("openai:llama3:8b@http://localhost:11434/v1", "openai", "llama3:8b"),
        ("litellm:anthropic/claude-x", "litellm", "anthropic/claude-x"),
        ("dspy:package.module:factory", "dspy", "package.module:factory"),
        ("package.module:factory", "package.module", "factory"),
    ],
)
def test_the_kind_ends_at_the_first_colon(text: str, kind: str, model: str):
    spec = parse_spec(text)
    assert (spec.kind, spec.model) == (kind, model)


def test_several_endpoints_keep_their_order_and_the_first_is_the_endpoint():
    spec = parse_spec("openai:m@http://b:8000/v1, http://a:8000/v1,https://[::1]:9/v1?seed=1")
    assert spec.endpoints == ("http://b:8000/v1", "http://a:8000/v1", "https://[::1]:9/v1")
    assert spec.endpoint == "http://b:8000/v1"
    assert spec.parameters == {"seed": 1}


@pytest.mark.parametrize("again", ["http://a:8000/v1", "http://a:8000/v1/"])
def test_an_endpoint_named_twice_is_refused(again: str):
    with pytest.raises(UsageError, match="twice"):
        parse_spec(f"openai:m@http://a:8000/v1,http://b:8000/v1,{again}")


@pytest.mark.parametrize(
    "places", ["", ",", "http://a/v1,", "localhost:8000", "ftp://a", "http://", "http://a:99999/v1", "http://[::1/v1", "http://a b/v1"]
)
def test_what_is_no_endpoint_is_refused(places: str):
    with pytest.raises(UsageError, match="is no endpoint") as raised:
        parse_spec(f"openai:m@{places}")
    assert "@http://localhost:8000/v1" in raised.value.hint


@pytest.mark.parametrize("text", ["", "?", ":model", "@http://a/v1", "  "])
def test_a_spec_without_a_kind_is_refused(text: str):
    with pytest.raises(UsageError):
        parse_spec(text)


def test_key_env_names_where_the_key_is():
    assert parse_spec("openai:m@http://a/v1?key_env=OPENROUTER_API_KEY").parameters == {"key_env": "OPENROUTER_API_KEY"}


@pytest.mark.parametrize("value", [KEY, "", "lower_case", "9NINE", "A-B", "Zq81LmNopQ77rStUv=="])
def test_a_key_pasted_into_key_env_is_refused_and_not_repeated(value: str):
    with pytest.raises(UsageError) as raised:
        parse_spec(f"openai:m?key_env={value}")
    said = f"{raised.value} {raised.value.hint}"
    assert "environment variable" in said
    assert not value or value not in said


@pytest.mark.parametrize(
    "text",
    [
        f"openai:m?api_key={KEY}",
        f"openai:m?API-KEY={KEY}",
        f"openai:m?openaiApiKey={KEY}",
        f"openai:m?access_token={KEY}",
        f"openai:m?client_secret_value={KEY}",
        f"openai:m?user={KEY}",
        f"openai:m?{KEY}=1",
        f"openai:m?x=Bearer%20{KEY}",
        f"openai:m@http://me:{KEY}@host/v1",
        f"openai:m@http://a/v1,http://me:{KEY}@host/v1",
        f"openai:m@{KEY}",
        f"openai:{KEY}",
        KEY,
        f":{KEY}",
        f"@http://a/v1?token={KEY}",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str):
    with pytest.raises(UsageError) as raised:
        parse_spec(text)
    assert KEY not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize("parameters", ["max_tokens=9", "stop_token_ids=1", "prompt_cache_key=run", "top_logprobs=2", "user=skipper"])
def test_what_only_sounds_like_a_secret_is_taken(parameters: str):
    assert parse_spec(f"openai:m?{parameters}").parameters


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "9" * 400, "9" * 5000])
def test_numbers_are_finite(value: str):
    read = parse_spec(f"openai:m?x={value}").parameters["x"]
    assert isinstance(read, str) or math.isfinite(read)


@given(st.text(max_size=60) | st.text(alphabet="aopenai:@?&=,/.%[]#sk-_ \n9é", max_size=60))
def test_parsing_raises_nothing_but_usage_errors(text: str):
    for spec in (text, f"openai:{text}", f"openai:m@{text}", f"openai:m@http://{text}", f"openai:m?{text}"):
        hint = "there is none where it parses"
        try:
            parse_spec(spec)
        except UsageError as error:
            hint = error.hint
        assert hint
