"""The side of a document follows its name, and no text is on both sides."""

from hypothesis import given
from hypothesis import strategies as st

from taonet.corpus.domain.cutting import Document
from taonet.corpus.domain.splitting import choose_split, split_documents

HELDOUT_NAME = "python/copy.py"
TRAIN_NAME = "python/json/decoder.py"


def test_known_names_fall_where_they_always_fell() -> None:
    """These must never change: models in the wild have learned by them."""
    names = ["python/copy.py", "python/cmd.py", "python/json/decoder.py", "python/os.py"]

    assert [choose_split(name) for name in names] == ["heldout", "train", "train", "train"]


def test_about_a_tenth_is_held_out() -> None:
    heldout = sum(choose_split(f"document {number}") == "heldout" for number in range(10_000))

    assert 900 < heldout < 1100


def test_the_text_does_not_move_a_document() -> None:
    for text in ("old release\n", "new release\n"):
        split = split_documents([Document(HELDOUT_NAME, text), Document(TRAIN_NAME, "x\n")])
        assert [text] == [chunk.text for chunk in split["heldout"]]


def test_a_text_on_both_sides_stays_held_out_only() -> None:
    split = split_documents([Document(TRAIN_NAME, "same\n"), Document(HELDOUT_NAME, "same\n")])

    assert (split["train"], [chunk.source for chunk in split["heldout"]]) == ([], [HELDOUT_NAME])


@given(st.dictionaries(st.text(max_size=5), st.text(alphabet="ab\n", max_size=8), max_size=30))
def test_no_chunk_is_found_twice(texts: dict[str, str]) -> None:
    documents = [Document(name, text) for name, text in texts.items()]
    split = split_documents(documents)
    ids = [chunk.id for chunks in split.values() for chunk in chunks]

    assert len(set(ids)) == len(ids)
    assert split == split_documents(reversed(documents))
