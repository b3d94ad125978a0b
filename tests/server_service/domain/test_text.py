"""Text that is passed on piece by piece is the text that comes out whole."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from server_service.domain.text import REPLACEMENT, StopFilter, TextStream


def decode(tokens: Sequence[int]) -> str:
    """A tokenizer of single bytes: every character beyond ASCII is spread over tokens."""
    return bytes(tokens).decode(errors="replace")


def stream(tokens: Sequence[int], context: Sequence[int] = ()) -> list[str]:
    text = TextStream(decode, context)
    return [text.push(token) for token in tokens]


def test_a_character_is_passed_on_when_it_is_whole() -> None:
    assert stream("a€🙂".encode()) == ["a", "", "", "€", "", "", "", "🙂"]


def test_a_character_that_begins_in_the_prompt_is_passed_on() -> None:
    euro = "€".encode()
    assert stream(euro[1:] + b"!", context=b"ab" + euro[:1]) == ["", "€", "!"]


def test_bytes_that_are_no_character_hold_nothing_up_for_long() -> None:
    assert "".join(stream(b"\x80" * 10 + b"a")) == (REPLACEMENT * 10 + "a")


# A replacement character that somebody really wrote looks like a broken one, and may be dropped.
characters = st.characters(codec="utf-8", exclude_characters=REPLACEMENT)


@given(st.text(characters), st.text(characters, max_size=3))
def test_pieces_join_to_the_whole(text: str, prompt: str) -> None:
    assert text == "".join(stream(text.encode(), context=prompt.encode()))


@given(st.binary(), st.binary(max_size=4))
def test_any_bytes_come_out_as_the_decoder_would_write_them(tokens: bytes, prompt: bytes) -> None:
    pieces = "".join(stream(tokens, context=prompt))
    whole = decode(prompt + tokens)
    assert whole.rstrip(REPLACEMENT).endswith(pieces.strip(REPLACEMENT))


def run_filter(stops: list[str], pieces: Sequence[str]) -> tuple[str, bool]:
    stop = StopFilter(stops)
    out = ""
    for piece in pieces:
        out += stop.push(piece)
        if stop.stopped:
            return out, True
    return out + stop.flush(), False


def test_a_stop_spread_over_pieces_is_found() -> None:
    assert run_filter(["END"], ["a", "bE", "N", "D", "c"]) == ("ab", True)


def test_what_only_begins_like_a_stop_is_passed_on() -> None:
    assert run_filter(["END"], ["a", "E", "N", "d"]) == ("aENd", False)
    assert run_filter(["END"], ["a", "EN"]) == ("aEN", False)


def test_nothing_is_held_back_that_cannot_become_a_stop() -> None:
    stop = StopFilter(["END"])
    assert [stop.push(piece) for piece in ("a", "E", "b")] == ["a", "", "Eb"]


letters = st.text(alphabet="ab", max_size=30)


@given(st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3), letters)
def test_the_text_before_the_first_stop_comes_out(stops: list[str], text: str) -> None:
    places = [text.find(stop) for stop in stops if stop in text]
    expected = (text[: min(places)], True) if places else (text, False)
    out, stopped = run_filter(stops, list(text))
    # A longer stop may begin earlier than the one that is whole first.
    assert stopped == expected[1]
    assert text.startswith(out)
    assert not any(stop in out for stop in stops)
    if len({len(stop) for stop in stops}) <= 1:
        assert expected[0] == out
