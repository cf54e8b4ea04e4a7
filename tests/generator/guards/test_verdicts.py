"""What a chat model's answer says, whatever stands around it: a verdict only where there is one, and never yes by mistake."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.guards.chat import MOST_READ, _last_verdict

TALK = st.text(alphabet=st.sampled_from('ab {}[]":,.\n\\`'), max_size=60)


@given(TALK, st.booleans(), st.text(max_size=20), st.sampled_from(["", "\n```", " So be it.", "}"]))
def test_a_verdict_is_found_behind_any_talk(before: str, allowed: bool, reason: str, after: str):
    verdict = json.dumps({"allowed": allowed, "reason": reason})
    assert _last_verdict(f"{before}\n{verdict}{after}") == (allowed, reason)


@given(st.text(max_size=200) | TALK)
def test_without_one_there_is_none(text: str):
    assert _last_verdict(text.replace("allowed", "")) is None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"allowed": true} … no: {"allowed": false, "reason": "blood"}', (False, "blood")),
        ('{"allowed": true} … or {"allowed": "unclear"}', None),
        ('{"allowed": "False", "reason": null}', (False, "")),
        ('{"allowed": 1}', None),
        ('{"allowed": null}', None),
        ('{"verdict": {"allowed": true}}', None),
        ('["allowed", true]', None),
        ('{"allowed": true', None),
        ("{" * 5000, None),
        ('{"a":' * 5000, None),
        ('{"allowed": true}' + " " * MOST_READ, None),
    ],
)
def test_the_last_word_counts(text: str, verdict: tuple[bool, str] | None):
    assert _last_verdict(text) == verdict
