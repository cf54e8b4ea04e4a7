"""Files of what people think of pictures: what spreadsheets write is read, what can't be meant is said by line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from data.ratings import ImageName, load_ratings, names_in_ledger, resolved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "deep/c d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_ratings_are_read(folder: Path):
    text = 'image,prompt,rating,rater,prompt_id,comment\na.png,"a cat, asleep",4,ann,p1,\n\ndeep/c d.png,a dog,-1.5e0,bob,,"so\nso"\n'
    first, second = load_ratings(written(folder, text)).ratings
    assert first == (2, ImageName("a.png", folder / "a.png"), "a cat, asleep", "p1", 4.0, "ann")
    assert second == (4, ImageName("deep/c d.png", folder / "deep" / "c d.png"), "a dog", "a dog", -1.5, "bob")


def test_choices_are_read(folder: Path):
    text = "image_a,image_b,prompt,choice\na.png,b.png,a cat,a\nb.png,0123456789AB,a cat,Tie\na.png,b.png,a cat,B\n"
    found = load_ratings(written(folder, text))
    assert [row.choice for row in found.choices] == [1.0, 0.5, 0.0]
    assert not found.ratings
    assert found.choices[1].second == ImageName("0123456789ab", None)
    assert names_in_ledger(found) == ["0123456789ab"]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfImage;Prompt;Rating\r\na.png;a cat, asleep;3,5\r\n",
        b'"IMAGE","PROMPT","RATING"\n"a.png","a cat, asleep","3.5"\n',
        b"image\tprompt\trating\ra.png\ta cat, asleep\t3.5\r",
        b"\n\n image , prompt , rating \na.png, \"a cat, asleep\",3.5\n".replace(b', "', b',"'),
        b"image;prompt;rating\n\"a.png\";\"a cat, asleep\";\"3.5\"\n",
    ],
)  # fmt: skip
def test_what_spreadsheets_write_is_read(folder: Path, text: bytes):
    (row,) = load_ratings(written(folder, text)).ratings
    assert (row.image.path, row.prompt, row.rating, row.rater) == (folder / "a.png", "a cat, asleep", 3.5, "")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("image,prompt,rating\na.png,a cat,nan\n", 2, "rating is a number, not 'nan'"),
        ("image,prompt,rating\na.png,a cat,inf\n", 2, "rating is a number"),
        ("image,prompt,rating\na.png,a cat,\n", 2, "rating is a number, not ''"),
        ("image,prompt,rating\na.png,a cat,good\n", 2, "rating is a number, not 'good'"),
        ("image;prompt;rating\na.png;a cat;1.234,5\n", 2, "rating is a number"),
        ("image,prompt,rating\na.png,,1\n", 2, "no prompt"),
        ("image,prompt,rating\n,a cat,1\n", 2, "no image"),
        ("image,prompt,rating\nz.png,a cat,1\n", 2, "image 'z.png' is no file below"),
        ("image,prompt,rating\n0123456,a cat,1\n", 2, "nor eight or more digits"),
        ("image,prompt,rating\n../ratings.csv,a cat,1\n", 2, "lies outside of"),
        ("image,prompt,rating\n/etc/passwd,a cat,1\n", 2, "lies outside of"),
        ("image,prompt,rating\na\0.png,a cat,1\n", 2, "image is no path"),
        (f"image,prompt,rating\n{'a' * 5000},a cat,1\n", 2, "image is no path"),
        ("image,prompt,rating\na.png,a cat,1,2\n", 2, "4 cells under 3 columns"),
        ("image,prompt,rating,rater\na.png,a cat,1,\n", 2, "no rater, where others have one"),
        ("image_a,image_b,prompt,choice\na.png,b.png,a cat,left\n", 2, "choice is one of a, b, tie, not 'left'"),
        ("image_a,image_b,prompt,choice\na.png,deep/../a.png,a cat,a\n", 2, "the same"),
        ("image_a,image_b,prompt\na.png,b.png,a cat\n", 1, "no column choice; there are: image_a, image_b, prompt"),
        ("image,prompt,ratng\na.png,a cat,1\n", 1, "no column rating; there are: image, prompt, ratng"),
        ("image,prompt,rating\n", 1, "there are no ratings in this file"),
        ("", 1, "there are no ratings in this file"),
    ],
)
def test_what_can_not_be_meant_is_said_by_line(folder: Path, text: str, line: int, said: str):
    with pytest.raises(UsageError) as caught:
        load_ratings(written(folder, text))
    assert f"ratings.csv:{line}: " in str(caught.value)
    assert said in str(caught.value)
    assert "image, prompt, rating" in caught.value.hint


def test_everything_that_is_wrong_is_said_at_once(folder: Path):
    text = "image,prompt,rating\nz.png,a cat,nan\na.png,a cat,1\nb.png,,2\n"
    with pytest.raises(UsageError) as caught:
        load_ratings(written(folder, text))
    assert [part.split(":")[1] for part in str(caught.value).splitlines()] == ["2", "2", "4"]


def test_a_link_does_not_lead_out_of_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.write_bytes(b"")
    (folder / "link.png").symlink_to(secret)
    with pytest.raises(UsageError, match="lies outside of"):
        load_ratings(written(folder, "image,prompt,rating\nlink.png,a cat,1\n"))


def test_what_is_no_text_or_not_there(folder: Path):
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        load_ratings(written(folder, "image,prompt,rating\na.png,ein Bär,1\n".encode("latin-1")))
    assert "iconv" in caught.value.hint
    with pytest.raises(UsageError, match="can't be read") as caught:
        load_ratings(folder / "nothing.csv")
    assert caught.value.hint == "give a file of ratings"


def test_digits_stand_for_one_image_of_the_ledger(folder: Path):
    ratings = load_ratings(written(folder, "image,prompt,rating\n0123456789,a cat,1\na.png,a cat,2\nabcdefab,a dog,2\n"))
    ones = {"0123456789": ["0123456789" + "0" * 54], "abcdefab": ["abcdefab" + "1" * 56]}
    assert resolved(ratings, ones) == {name: found for name, (found,) in ones.items()}
    with pytest.raises(UsageError) as caught:
        resolved(ratings, {"0123456789": [], "abcdefab": ["x", "y"]})
    assert str(caught.value).splitlines() == [
        f"{ratings.path}:2: no image on record begins with '0123456789'",
        f"{ratings.path}:4: 2 images on record begin with 'abcdefab'",
    ]


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(['"', ",", ";", "\n", "image", "prompt", "rating", "a.png", "1"]), max_size=30).map("".join)
)
def test_any_text_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", errors="replace")
    with suppress(UsageError):
        load_ratings(path)
