"""Flaws: too long for the generator, the wrong language, several prompts, marks left. Each in words, none where it is not sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Prompt
from data.textlimit import TextLimit
from reasoner.checks import flaws
from reasoner.parse import clean
from reasoner.text.languages import language_of

WORDS = TextLimit("words", 5, lambda text: len(text.split()))
ENGLISH = "A red fox sits in the deep snow under tall pine trees, and the morning light is cold on its fur."
GERMAN = "Ein roter Fuchs sitzt im tiefen Schnee unter den hohen Kiefern, und das kalte Licht ist auf dem Fell."
FRENCH = "Un renard roux est assis dans la neige sous les grands pins, avec une lumière froide sur le pelage et sur les arbres."
SPANISH = "Un zorro rojo está en la nieve profunda bajo los pinos, con una luz fría sobre el pelaje y sobre los árboles."
CHINESE = "一只红色的狐狸坐在松树下的厚雪里，清晨的冷光照亮它呼出的白气。"
JAPANESE = "松の木の下、深い雪の中に赤い狐が座り、朝の冷たい光が白い息を照らしている。"
RUSSIAN = "Рыжая лиса сидит в глубоком снегу под высокими соснами."
KOREAN = "붉은 여우가 소나무 아래 깊은 눈 속에 앉아 있다."


def found(user: str, rewrite: str, language: str = "en") -> tuple[str, ...]:
    return flaws(Prompt(user, language=language), rewrite, (), None, None)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "English"),
        (GERMAN, "German"),
        (FRENCH, "French"),
        (SPANISH, "Spanish"),
        (CHINESE, "Chinese"),
        (JAPANESE, "Japanese"),
        (RUSSIAN, "Cyrillic"),
        (KOREAN, "Korean"),
        ("ثعلب أحمر يجلس في الثلج العميق تحت أشجار الصنوبر", "Arabic"),
        ("สุนัขจิ้งจอกสีแดงนั่งอยู่ในหิมะ", "Thai"),
        ("a fox", None),
        ("富士山", None),
        ("", None),
        ("12 x 34", None),
        ("cyberpunk, neon, rain, 8k, masterpiece", None),
        (f'A sign that says "{CHINESE[:20]}" over the door of a small shop in the rain, with light from above.', "English"),
    ],
)
def test_language_of(text: str, language: str | None):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("user", "rewrite", "language", "flaw"),
    [
        ("a fox in the snow", ENGLISH, "en", ""),
        ("a fox in the snow", CHINESE, "en", "written in Chinese, asked in English"),
        ("red fox", JAPANESE, "en", "written in Japanese, asked in English"),
        ("一只在雪地里的红色狐狸坐着", ENGLISH, "zh", ""),
        ("一只在雪地里的红色狐狸坐着", CHINESE, "en", ""),
        ("一只在雪地里的红色狐狸坐着", RUSSIAN, "zh", "written in Cyrillic, asked in Chinese"),
        ("富士山", CHINESE, "zh-CN", ""),
        ("富士山", JAPANESE, "ja", ""),
        ("ein Fuchs im Schnee", GERMAN, "en", ""),
        ("Fuchs", GERMAN, "de", ""),
        ("Fuchs", FRENCH, "de", "written in French, asked in German"),
        (GERMAN, FRENCH, "de", "written in French, asked in German"),
        ("a fox in the snow and the wind", GERMAN, "en", "written in German, asked in English"),
        ("lis w śniegu", GERMAN, "pl", ""),
        ("лиса", RUSSIAN, "uk", ""),
        (ENGLISH, ENGLISH, "de", ""),
    ],
)
def test_language_flaw(user: str, rewrite: str, language: str, flaw: str):
    assert found(user, rewrite, language) == ((flaw,) if flaw else ())


def test_length_in_the_generators_own_tokens():
    assert flaws(Prompt("a"), "one two three four five", (), 5, WORDS) == ()
    assert flaws(Prompt("a"), "one two three four five six", (), 6, WORDS) == ("6 tokens of words, the generator reads 5",)
    assert flaws(Prompt("a"), "one two three four five six", (), None, None) == ()


def test_several_prompts():
    cleaned = clean("Option 1: A red fox.\nOption 2: A hare.")
    assert flaws(Prompt("a"), cleaned.text, cleaned.removed, None, None) == ("several prompts given, the first one taken",)
    assert flaws(Prompt("a"), "A red fox.", ("code fence",), None, None) == ()


@pytest.mark.parametrize(
    ("user", "rewrite", "expected"),
    [
        ("a", "A fox. • snow • pines", ("list marks left in it",)),
        ("a", "A fox in **deep snow", ("Markdown left in it",)),
        ("a", "A fox <weird>in</weird> snow", ("HTML left in it",)),
        ("a **b**", "A fox in **deep snow", ()),
        ("a", 'A screen with "**bold** <b>" on it', ()),
        ("a", "A fox, 2 > 1, no. 3 of 5, <3", ()),
    ],
)
def test_marks(user: str, rewrite: str, expected: tuple[str, ...]):
    assert found(user, rewrite) == expected


@given(st.text(max_size=300), st.sampled_from(["en", "de", "zh", "xx", ""]))
def test_the_users_own_text_has_no_flaw_but_its_length(text: str, language: str):
    assert [flaw for flaw in found(text, text, language) if not flaw.startswith("written in")] == []
    if language_of(text) is not None:
        assert found(text, text, language) == ()
