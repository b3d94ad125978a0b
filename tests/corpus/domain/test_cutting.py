"""Cutting loses nothing, and names a chunk by its text alone."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from taonet.corpus.domain.cutting import Chunk, Document, cut_document, cut_text

TEXTS = st.text(alphabet="ab \n\r\t\u2028é😀", max_size=300)
LIMITS = st.integers(min_value=1, max_value=40)


@given(TEXTS, LIMITS)
def test_pieces_joined_are_the_text(text: str, limit: int) -> None:
    pieces = list(cut_text(text, limit))

    assert text == "".join(pieces)
    assert all(0 < len(piece) <= limit for piece in pieces)


@given(st.lists(st.text(alphabet="ab é", max_size=19), max_size=20))
def test_short_lines_are_never_cut_within(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)

    assert all(piece.endswith("\n") for piece in cut_text(text, limit=20))


def test_pieces_are_as_long_as_lines_allow() -> None:
    assert list(cut_text("aa\nbb\ncc\n", limit=8)) == ["aa\nbb\n", "cc\n"]


def test_a_line_above_the_limit_is_cut_within() -> None:
    assert list(cut_text("a\nbbbbb\nc\n", limit=4)) == ["a\n", "bbbb", "b\nc\n"]


def test_a_chunk_is_named_by_its_text() -> None:
    expected = Chunk(hashlib.sha256("é\n".encode()).hexdigest(), "a/b.py", "é\n")

    assert [expected] == list(cut_document(Document("a/b.py", "é\n")))


def test_blank_chunks_are_left_out() -> None:
    assert list(cut_document(Document("blank.py", " \n\n\t\n"))) == []
